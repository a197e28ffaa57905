"""`comptroller policy explain`: why a call is decided as it is, and the least that would let it pass."""

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import typer

from comptroller.cli import screen
from comptroller.cli.asking import heard_by
from comptroller.cli.main import Misuse
from comptroller.cli.place import ledger_of, reading
from comptroller.cli.policy import load_named as load
from comptroller.guardrails.chain import Chain
from comptroller.guardrails.guard import installed_guards
from comptroller.office.explaining import Asked, Unexplained, heard, of_given, of_record, told, written
from comptroller.office.hearing import Heard, counts, remedy, strictest
from comptroller.policies.reasons import Reason
from comptroller.store.reader import Reader

Row = dict[str, Any]
MOST_SHOWN = 120  # characters of one value


def explain(call: str, policies: Sequence[str] | None, ledger: str, as_machine: bool, ask_judges: bool = False) -> None:
    """Explain one call; exit 1 where it does not pass."""
    try:
        asked = _given(_text(call), policies) if _is_given(call) else _of_ledger(call, policies, ledger)
    except Unexplained as error:
        raise Misuse(screen.clean(error, lines=True)) from None
    with heard_by(asked.book, ask_judges) as book:
        said = heard(replace(asked, book=book), Chain(installed_guards()))
    if as_machine:
        screen.say_json(told(asked, said))
    else:
        _write(asked, said)
    raise typer.Exit(1 if strictest(said).stopped else 0)


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
    case = written(text)  # its own mistakes are told before those of the policies
    return of_given(load(policies, False), case)


def _of_ledger(call: str, policies: Sequence[str] | None, ledger: str) -> Asked:
    from comptroller.store.bodies import Bodies

    place = ledger_of(ledger)
    with reading(place) as reader:
        book = load(policies, False) if policies else None
        return of_record(reader, Bodies.open(place), _meant(reader, call), book, lambda: load(None, False))


def _meant(reader: Reader, call: str) -> Row:
    found: list[Row] = reader.rows("calls_named", prefix=call)
    exact = [row for row in found if row["call"] == call] or found
    if len(exact) == 1:
        return exact[0]
    if exact:
        raise Misuse(f"{call!r} is the beginning of more than one call. Say more of it.")
    raise Misuse(f"{reader.ledger}: there is no call {call!r} that ended. `comptroller runs show RUN` lists a run's.")


def _write(asked: Asked, said: Sequence[Heard]) -> None:
    if asked.row is not None:
        _write_recorded(asked.row)
    if asked.note:
        screen.say(screen.clean(asked.note))
        screen.say()
    for number, one in enumerate(said):
        if len(said) > 1 and number and not (one.stopped or any(r.says != "not matched" for r in one.reasons)):
            continue
        _write_heard(one)


def _write_recorded(row: Row) -> None:
    whose = f" of agent {screen.clean(row['agent'])}" if row["agent"] else ""
    screen.say(f"call {screen.clean(row['call'])}: {row['kind']} {screen.clean(row['name'])}{whose}")
    by = f" by {screen.clean(row['rule'])}" if row["rule"] else ""
    screen.say(f"on record: {screen.status(row['status'])}{by}, under policy version {screen.clean(row['policy'])}")
    if row["because"]:
        screen.say(f"  {screen.clean(row['because'])}")
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
    if least := remedy(heard):
        screen.say(screen.clean(least))


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
