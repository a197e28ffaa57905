"""`comptroller policy explain`: why a call is decided as it is, and the least that would let it pass."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer
from pydantic import ValidationError

from comptroller.cli import screen
from comptroller.cli.main import Misuse
from comptroller.cli.place import ledger_of, reading
from comptroller.cli.policy import load_named as load
from comptroller.core.source import read_source
from comptroller.core.verdict import Case
from comptroller.guardrails.chain import Chain
from comptroller.guardrails.guard import installed_guards
from comptroller.office.hearing import Heard, as_json, counts, hear, remedy, strictest
from comptroller.office.recorded import Agents, Recorded, recorded
from comptroller.policies.book import Book
from comptroller.policies.document import ExampleCall
from comptroller.policies.explain import explain as in_words
from comptroller.policies.load import load_policies
from comptroller.policies.mistakes import PolicyErrors
from comptroller.policies.reasons import Reason
from comptroller.policies.trial import case_of
from comptroller.store.reader import Reader

Row = dict[str, Any]
MOST_SHOWN = 120  # characters of one value


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be explained: the cases, under which policies, and what was recorded where it was a real call."""

    book: Book
    cases: tuple[Case, ...]
    row: Row | None = None
    lacks: frozenset[str] = frozenset()
    note: str = ""


def explain(call: str, policies: Sequence[str] | None, ledger: str, as_machine: bool) -> None:
    """Explain one call; exit 1 where it does not pass."""
    asked = _given(_text(call), policies) if _is_given(call) else _of_ledger(call, policies, ledger)
    chain = Chain(installed_guards())
    heard = [hear(asked.book, case, chain, asked.lacks) for case in asked.cases]
    if as_machine:
        screen.say_json({**_about(asked), "cases": [as_json(one) for one in heard]})
    else:
        _write(asked, heard)
    raise typer.Exit(1 if strictest(heard).stopped else 0)


def _is_given(call: str) -> bool:
    return call == "-" or call.lstrip()[:1] in ("{", "[") or "\n" in call or ": " in call or Path(call).is_file()


def _text(call: str) -> str:
    try:
        if call == "-":
            return sys.stdin.read()
        return Path(call).read_text(encoding="utf-8") if _is_file(call) else call
    except (OSError, UnicodeDecodeError) as error:
        raise Misuse(f"{call}: cannot be read: {error}. Name a file with a call in it.") from None


def _is_file(call: str) -> bool:
    try:
        return Path(call).is_file()
    except OSError:  # too long for a name
        return False


def _given(text: str, policies: Sequence[str] | None) -> Asked:
    source = read_source("call", text)
    if source.mistakes or not source.values:
        said = "; ".join(str(mistake) for mistake in source.mistakes) or "It is empty."
        raise Misuse(f'{said} Write a call like {{"tool": "issue_refund", "args": {{"amount": 250.0}}}}.')
    try:
        call = ExampleCall.model_validate(source.values)
        case = case_of(call)
    except ValidationError as error:
        path = ("tests", 0, "call")
        raise Misuse("\n".join(in_words({**item, "loc": (*path, *item["loc"])}) for item in error.errors())) from None
    except ValueError as error:
        raise Misuse(str(error)) from None
    return Asked(load(policies, False), (case,))


def _of_ledger(call: str, policies: Sequence[str] | None, ledger: str) -> Asked:
    from comptroller.store.bodies import Bodies

    place = ledger_of(ledger)
    with reading(place) as reader:
        meant = _meant(reader, call)
        rows: list[Row] = reader.rows("recorded_calls", run=meant["run"])
        agents = Agents.of(reader.rows("recorded_agents", run=meant["run"]))
        version = next(str(row["policy"]) for row in rows if row["call"] == meant["call"])
        book, note = (load(policies, False), "") if policies else _in_force(reader, version)
    found = next(one for one in recorded(rows, agents, Bodies.open(place), book) if one.row["call"] == meant["call"])
    return _explained(book, found, note)


def _explained(book: Book, found: Recorded, note: str) -> Asked:
    if found.lost:
        raise Misuse(
            f"The arguments of call {found.row['call']} are on record as a digest only, so nobody can try the rules on "
            f"them again. What was said then: {screen.clean(found.row['action'])} by "
            f"{screen.clean(found.row['rule'] or 'no rule')}. {screen.clean(found.row['because'])}"
        )
    return Asked(book, found.cases, found.row, found.lacks, note)


def _meant(reader: Reader, call: str) -> Row:
    found: list[Row] = reader.rows("calls_named", prefix=call)
    exact = [row for row in found if row["call"] == call] or found
    if len(exact) == 1:
        return exact[0]
    if exact:
        raise Misuse(f"{call!r} is the beginning of more than one call. Say more of it.")
    raise Misuse(f"{reader.ledger}: there is no call {call!r} that ended. `comptroller runs show RUN` lists a run's.")


def _in_force(reader: Reader, version: str) -> tuple[Book, str]:
    """The book of a version, as the ledger has its text; that of the settings where it cannot be loaded here."""
    files = {row["path"]: row["text"] for row in reader.rows("policy_files", version=version)}
    try:
        return load_policies([(str(path), str(text)) for path, text in files.items()]), ""
    except PolicyErrors as error:
        note = f"Version {version} no longer loads here ({error.mistakes[0]}), so today's policies are asked instead."
        return load(None, False), note


def _about(asked: Asked) -> Row:
    row = asked.row
    told: Row = {"version": asked.book.version}
    if row is None:
        return told
    names = ("call", "run", "kind", "name", "agent", "status", "action", "rule", "because", "policy")
    return {**told, "recorded": {name: row[name] for name in names}, "note": asked.note}


def _write(asked: Asked, heard: Sequence[Heard]) -> None:
    if asked.row is not None:
        _write_recorded(asked.row, asked.note)
    for number, one in enumerate(heard):
        if len(heard) > 1 and number and not (one.stopped or any(r.says != "not matched" for r in one.reasons)):
            continue
        _write_heard(one)


def _write_recorded(row: Row, note: str) -> None:
    whose = f" of agent {screen.clean(row['agent'])}" if row["agent"] else ""
    screen.say(f"call {screen.clean(row['call'])}: {row['kind']} {screen.clean(row['name'])}{whose}")
    by = f" by {screen.clean(row['rule'])}" if row["rule"] else ""
    screen.say(f"on record: {screen.status(row['status'])}{by}, under policy version {screen.clean(row['policy'])}")
    if row["because"]:
        screen.say(f"  {screen.clean(row['because'])}")
    if note:
        screen.say(screen.clean(note))
    screen.say()


def _write_heard(heard: Heard) -> None:
    by = f" by {screen.clean(heard.rule)}" if heard.rule else ""
    about = f"tool {screen.clean(heard.case.tool)}" if heard.case.tool else heard.case.stage
    screen.say(f"{about}: {heard.action}{by}")
    if heard.because:
        screen.say(f"  {screen.clean(heard.because)}")
    for reason in heard.reasons:
        _write_reason(reason)
    for found in counts(heard.found):
        screen.say(f"  guard {screen.clean(found['guard'])}: found {found['count']} {screen.clean(found['kind'])}")
    for name in heard.unknown:
        screen.say(f"  not on record, so taken as absent: {screen.clean(name)}")
    if not heard.reasons:
        screen.say("  No rule looks at such a call.")
    if told := remedy(heard):
        screen.say(screen.clean(told))


def _write_reason(reason: Reason) -> None:
    shadow = ", in shadow" if reason.shadow else ""
    place = f"  {screen.clean(reason.place)}" if reason.place else ""
    screen.say(f"  {reason.says}: {screen.clean(reason.rule)} ({reason.action}{shadow}){place}")
    if reason.when:
        screen.say(f"    when {screen.clean(reason.when)}")
    for name, value in reason.saw:
        screen.say(f"    {screen.clean(name)} = {screen.short(repr(value), MOST_SHOWN)}")
    for name, why in reason.missing:
        screen.say(f"    {screen.clean(name)} {screen.clean(why)}")
