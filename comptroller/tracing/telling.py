"""Two compared runs in words: where they part, and in what."""

from collections.abc import Iterable

from comptroller.tracing.diff import INPUTS, OUTPUTS, Change, Diff, Row

_UNTOLD = {"args": "its arguments differ", "reply": "the reply differs", "result": "the result differs"}


def verdict(diff: Diff) -> str:
    """Where the runs part, in a sentence or two; texts of agents stand in it as they are."""
    if diff.first is None:
        return "Nothing differs: both runs took the same course."
    first = _sentence(diff.first, diff.first_path)
    if diff.course is diff.first:
        return first
    if diff.course is None:
        return f"{first} Yet both took the same steps."
    return f"{first} Their steps part later: {_sentence(diff.course, diff.course_path)}"


def _sentence(row: Row, path: Iterable[str]) -> str:
    where = named(row, path)
    if row.kind == "extra":
        return f"Only the bad run called {where}."
    if row.kind == "missing":
        never = "the bad run ended before it" if row.what == "not_reached" else "the bad run went on without it"
        return f"Only the good run called {where}: {never}."
    if row.kind == "input":
        return f"At {where} something else was asked: {', '.join(_chosen(row, (*INPUTS, 'status', 'error')))}."
    doer = "the model answered differently" if row.bad and row.bad.kind == "model" else "it ended differently"
    if row.bad and row.bad.asked is None:
        return f"At {where} {doer}: {', '.join(_chosen(row, OUTPUTS))}. What was asked was not kept."
    return f"At {where} the same was asked, and {doer}: {', '.join(_chosen(row, OUTPUTS))}."


def named(row: Row, path: Iterable[str]) -> str:
    """A row's place and name: `agent desk > model gpt-4o`."""
    step = row.bad or row.good
    assert step is not None, "a row has a call on one side at least"
    return " > ".join((*path, f"{step.kind} {step.name or '?'}"))


def _chosen(row: Row, whats: Iterable[str]) -> list[str]:
    return [change_in_words(change) for what in whats for change in row.changes if change.what == what]


def change_in_words(change: Change) -> str:
    """One difference, the bad side first."""
    if change.what in _UNTOLD:
        return _UNTOLD[change.what]
    if change.what == "prompt":
        sides = f" ({change.bad}, the good run's {change.good})" if change.bad and change.good else ""
        since = f" from number {change.message:,} on" if change.message else ""
        return f"its messages differ{since}{sides}"
    return f"{change.what} {change.bad or 'none'} instead of {change.good or 'none'}"
