"""Votes on record taken again: what judges said of a call stands where the same would be asked of the same models."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from comptroller.core.judges import Judge, Question, Result
from comptroller.core.verdict import Case
from comptroller.guardrails.votes import tally
from comptroller.office.recorded import Recorded
from comptroller.policies.book import Book
from comptroller.policies.judging import KNOWN

Row = dict[str, Any]
Spot = tuple[str, str]  # a call and the stage it was judged at
Asked = tuple[str, str]  # a judge's model and its upstream


class Votes:
    """The votes of recorded calls. `book_of` gives the book of the version they were cast under, if there is one."""

    def __init__(self, rows: Iterable[Row], book_of: Callable[[str], Book | None]) -> None:
        self._book_of = book_of
        self._cast: dict[Spot, dict[str, dict[str, Any]]] = {}  # the words of judges, by rule
        for row in rows:
            rules = self._cast.setdefault((row["call"], row["stage"]), {})
            rules.setdefault(row["rule"], {})[row["judge"]] = row["vote"]
        self._questions: dict[int, tuple[Book, list[Question]]] = {}

    def told(self, one: Recorded, book: Book) -> tuple[Case, ...]:
        """The cases of a recorded call, with what is known of the judges a book would ask."""
        if not self._cast:
            return one.cases
        return tuple(self._told(one.row, case, book) for case in self._all(one))

    def _all(self, one: Recorded) -> tuple[Case, ...]:
        """A reply that was judged and refused is not told among the cases of a call, for its texts were not kept."""
        first = one.cases[0]
        if first.stage != "model" or len(one.cases) > 1 or (one.row["call"], "reply") not in self._cast:
            return one.cases
        return (first, replace(first, stage="reply", reply_text=str))

    def _told(self, row: Row, case: Case, book: Book) -> Case:
        cast = self._cast.get((row["call"], case.stage))
        before = self._book_of(str(row["policy"] or "")) if cast else None
        if not cast or before is None:
            return case
        known: dict[str, Result] = {}
        for question in self._of(book):
            if (result := self._result(question, cast, before)) is not None:
                known[KNOWN + question.rule] = result
        return replace(case, known={**case.known, **known}) if known else case

    def _result(self, question: Question, cast: Mapping[str, Mapping[str, Any]], before: Book) -> Result | None:
        """What votes on record come to for a question; None where not all of them were cast on the very same."""
        for asked in self._of(before):
            if asked.rule not in cast or _put(asked) != _put(question):
                continue
            said = {_who(judge): cast[asked.rule].get(judge.name) for judge in asked.judges}
            words = [said.get(_who(judge)) for judge in question.judges]
            if all(words):
                counted = [(word, judge.weight) for word, judge in zip(words, question.judges, strict=True) if word]
                return tally(counted, question.manner, question.need)
        return None

    def _of(self, book: Book) -> list[Question]:
        """All that a book asks."""
        found = self._questions.get(id(book))
        if found is None:
            listed = [rule.question for policy in book.policies for rule in policy.rules if rule.question is not None]
            found = self._questions[id(book)] = (book, listed)
        return found[1]


def _put(question: Question) -> tuple[object, ...]:
    """What a judge is told and shown of a question."""
    return question.says, question.principles, question.sees


def _who(judge: Judge) -> Asked:
    return judge.model, judge.upstream


NONE = Votes((), lambda _: None)
