"""Calls explained: one that is given, or a recorded one under the policies that decided on it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from comptroller.core.errors import ComptrollerError
from comptroller.core.source import read_source
from comptroller.core.verdict import Case
from comptroller.guardrails.chain import Chain
from comptroller.office.account import Vault
from comptroller.office.hearing import Heard, as_json, hear, strictest
from comptroller.office.recorded import Agents, Recorded, recorded
from comptroller.office.versions import loaded
from comptroller.policies.book import Book, Policy
from comptroller.policies.document import ExampleCall
from comptroller.policies.explain import explain as in_words
from comptroller.policies.load import load_policies
from comptroller.policies.mistakes import PolicyErrors
from comptroller.policies.trial import case_of
from comptroller.store.reader import Reader

Row = dict[str, Any]
EXAMPLE = '{"tool": "issue_refund", "args": {"amount": 250.0}}'
_RECORDED = ("call", "run", "kind", "name", "agent", "status", "action", "rule", "because", "policy")


class Unexplained(ComptrollerError):
    """A call that cannot be read, or of which too little was kept."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be explained: the cases, under which policies, and what was recorded where it was a real call."""

    book: Book
    cases: tuple[Case, ...]
    row: Row | None = None
    lacks: frozenset[str] = frozenset()
    note: str = ""


def written(text: str) -> Case:
    """The case of a call in YAML or JSON, as tests in policy files have it."""
    source = read_source("call", text)
    if source.mistakes or not source.values:
        said = "; ".join(str(mistake) for mistake in source.mistakes) or "It is empty."
        raise Unexplained(f"{said} Write a call like {EXAMPLE}.")
    return given(source.values)


def given(values: Mapping[str, Any]) -> Case:
    """The case of a call that somebody made up."""
    try:
        return case_of(ExampleCall.model_validate(values))
    except ValidationError as error:
        path = ("tests", 0, "call")
        said = (in_words({**item, "loc": (*path, *item["loc"])}) for item in error.errors())
        raise Unexplained("\n".join(said)) from None
    except ValueError as error:
        raise Unexplained(str(error)) from None


def of_given(book: Book, case: Case) -> Asked:
    """A call that somebody made up, and which policies do not look at it because it does not say whose it is."""
    return Asked(book, (case,), note=_aside(book, case))


def _aside(book: Book, case: Case) -> str:
    who = case.identity
    unsaid = [name for name, said in (("workflow", who.workflow), ("agent", who.agent)) if not said]
    elsewhere = [policy for policy in book.policies if not policy.applies(who.workflow, who.agent)]
    if not unsaid or not elsewhere:
        return ""
    names = ", ".join(f"`{policy.name}` ({_reach(policy)})" for policy in elsewhere)
    return f"The call says no {' and no '.join(unsaid)}, so these policies do not look at it: {names}."


def _reach(policy: Policy) -> str:
    applies = policy.document.applies
    said = (("workflows", applies.workflows), ("agents", applies.agents))
    return "; ".join(f"{name}: {', '.join(globs)}" for name, globs in said if list(globs) != ["*"])


def of_record(reader: Reader, vault: Vault, call: Row, book: Book | None, otherwise: Callable[[], Book]) -> Asked:
    """A recorded call (a row of `calls_named`) under `book`, else under the version that decided on it.

    `otherwise`: the policies of today, asked where that version no longer loads.
    """
    rows: list[Row] = reader.rows("recorded_calls", run=call["run"])
    version = next(str(row["policy"]) for row in rows if row["call"] == call["call"])
    book, note = (book, "") if book is not None else _in_force(reader, version, otherwise)
    note = " ".join(filter(None, (note, _untried(reader, call))))
    agents = Agents.of(reader.rows("recorded_agents", run=call["run"]))
    return _kept(
        book, next(one for one in recorded(rows, agents, vault, book) if one.row["call"] == call["call"]), note
    )


def _untried(reader: Reader, call: Row) -> str:
    """What was decided where nobody can look again: a refused reply is kept nowhere."""
    said: list[Row] = reader.rows("call_decisions", call=call["call"])
    stopped = [
        row for row in said if row["stage"] == "reply" and row["action"] in ("ask", "deny") and not row["shadow"]
    ]
    if not stopped:
        return ""
    rules = ", ".join(dict.fromkeys(f"`{row['rule']}`" for row in stopped))
    return (
        f"{rules} stopped its reply, and a reply that was stopped is kept nowhere, so that cannot be tried again. "
        "What follows is about its request."
    )


def _in_force(reader: Reader, version: str, otherwise: Callable[[], Book]) -> tuple[Book, str]:
    try:
        book = loaded(reader, version)
    except PolicyErrors as error:
        note = f"Version {version} no longer loads here ({error.mistakes[0]}), so today's policies are asked instead."
        return otherwise(), note
    return book or load_policies([]), ""


def _kept(book: Book, found: Recorded, note: str) -> Asked:
    row = found.row
    if found.lost:
        raise Unexplained(
            f"The arguments of call {row['call']} are on record as a digest only, so nobody can try the rules on "
            f"them again. What was said then: {row['action']} by {row['rule'] or 'no rule'}. {row['because']}"
        )
    return Asked(book, found.cases, row, found.lacks, note)


def heard(asked: Asked, chain: Chain) -> list[Heard]:
    """What the policies say of each case."""
    return [hear(asked.book, case, chain, asked.lacks) for case in asked.cases]


def told(asked: Asked, said: Sequence[Heard]) -> Row:
    """For machines: what was recorded, what is said now, and of each case why."""
    row, decisive = asked.row, strictest(said)
    return {
        "version": asked.book.version,
        "decision": decisive.action,
        "rule": decisive.rule,
        "passes": not decisive.stopped,
        "recorded": {name: row[name] for name in _RECORDED} if row is not None else None,
        "note": asked.note,
        "cases": [as_json(one) for one in said],
    }
