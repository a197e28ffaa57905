"""A bad run beside a good one, out of the books."""

import json
from typing import Any

from comptroller.core.errors import StoreError
from comptroller.core.money import decimal_text
from comptroller.office.account import Vault
from comptroller.office.steps import Row, Rows, run_of, steps_of, texts_of
from comptroller.office.why import costs_in_json
from comptroller.tracing.diff import Change, Diff, Side, compare
from comptroller.tracing.diff import Row as Pair
from comptroller.tracing.step import Step
from comptroller.tracing.telling import verdict
from comptroller.tracing.texts import Texts

MOST_OPENED = 4_000  # texts that are looked at for whether they differ in more than the ids of tool calls
_IDS = frozenset(("id", "tool_call_id", "tool_use_id", "call_id"))
_GIVEN = frozenset(("input", "args", "arguments", "response", "output"))  # a tool's own: an id in it is what it is


def last_good(rows: Rows, bad: str, **whose: object) -> str | None:
    """The last good run like this one: same tenant and workflow, the same customer's first."""
    found = rows("last_good_run", run=bad, **whose)
    return str(found[0]["run"]) if found else None


def compared(rows: Rows, bad: str, good: str, deserted: bool = False, vault: Vault | None = None) -> Diff:
    """Lay two runs side by side. With a vault, texts that differ only in the ids of tool calls count as equal."""
    said, says = texts_of(rows, bad), texts_of(rows, good)
    alike = alike_of(Texts(said).digests() ^ Texts(says).digests(), vault) if vault else {}
    sides = []
    for run, told in ((bad, said), (good, says)):
        texts = Texts(told, alike)
        sides.append(Side(run_of(rows, run, deserted), steps_of(rows, run, texts, deserted), texts))
    return compare(*sides)


def alike_of(digests: set[str], vault: Vault) -> dict[str, str]:
    """For digests of texts that say the same under other ids, one digest of them.

    Providers number every tool call anew, so that no two runs with tools have the same texts. Where there are more
    than can be opened in a moment, each stands for itself.
    """
    if len(digests) > MOST_OPENED:
        return {}
    first: dict[str, str] = {}
    made: dict[str, str] = {}
    for digest in sorted(digests):
        body = _fetched(vault, digest)
        if body is not None:
            made[digest] = first.setdefault(_plain(body), digest)
    return made


def _fetched(vault: Vault, digest: str) -> bytes | None:
    try:
        return vault.fetch(digest)
    except StoreError:  # one that is damaged can still be told from others by its digest
        return None


def _plain(body: bytes) -> str:
    try:
        return json.dumps(_bare(json.loads(body)), sort_keys=True)
    except (ValueError, RecursionError):
        return body.decode("utf-8", "replace")


def _bare(value: Any) -> Any:
    """JSON without the ids that tie a tool's result to its call."""
    if isinstance(value, dict):
        return {name: inner if name in _GIVEN else _bare(inner) for name, inner in value.items() if name not in _IDS}
    return [_bare(inner) for inner in value] if isinstance(value, list) else value


def as_json(diff: Diff) -> Row:
    """The comparison for machines."""
    return head_in_json(diff) | {"rows": [row_in_json(row, path, at) for at, row, path in rows_of(diff)]}


def rows_of(diff: Diff, differences: bool = False) -> list[tuple[int, Pair, tuple[str, ...]]]:
    """All rows with their number and what they happened in; or those alone where something differs."""
    rows = ((row, lane.path) for lane in diff.lanes for row in lane.rows)
    return [(at, row, path) for at, (row, path) in enumerate(rows) if not (differences and row.what == "equal")]


def head_in_json(diff: Diff) -> Row:
    """What holds of the whole comparison."""
    counts = ("equal", "changed", "only_bad", "only_good", "not_reached")
    places = {id(row): at for at, row, _ in rows_of(diff)}
    first, course = places.get(id(diff.first), -1), places.get(id(diff.course), -1)
    return {
        "bad": diff.bad.id,
        "good": diff.good.id,
        "kind": diff.kind,
        "verdict": verdict(diff),
        "first": row_in_json(diff.first, diff.first_path, first) if diff.first else None,
        "course": row_in_json(diff.course, diff.course_path, course) if diff.course else None,
        "counts": {what: diff.count(what) for what in counts},  # type: ignore[arg-type]
        "versions": [_change(change) for change in diff.versions],
        "costs": {"bad": costs_in_json(diff.bad_costs), "good": costs_in_json(diff.good_costs)},
    }


def row_in_json(row: Pair, path: tuple[str, ...], at: int) -> Row:
    """One row; `at` is its number among all."""
    step = row.bad or row.good
    assert step is not None
    return {
        "at": at,
        "what": row.what,
        "path": list(path),
        "kind": step.kind,
        "name": step.name,
        "count": row.count,
        "bad": _side(row.bad),
        "good": _side(row.good),
        "changes": [_change(change) for change in row.changes],
    }


def _side(step: Step | None) -> Row | None:
    if step is None:
        return None
    return {
        "call": step.id,
        "name": step.name,
        "agent": step.agent,
        "status": step.status,
        "error": step.error,
        "started": step.started.isoformat(),
        "ended": step.ended.isoformat() if step.ended else None,
        "cost": decimal_text(step.nanos),
        "currency": step.currency,
    }


def _change(change: Change) -> Row:
    told: Row = {"what": change.what, "bad": change.bad, "good": change.good}
    return told | {"message": change.message} if change.message else told
