"""`comptroller policy diff` and `backtest`: what other policies say otherwise, and of which recorded calls."""

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
from pydantic import ValidationError

from comptroller.cli import screen
from comptroller.cli.asking import heard_by
from comptroller.cli.main import Misuse
from comptroller.cli.place import ledger_of, reading
from comptroller.cli.policy import load_named as load
from comptroller.cli.spend import day_of
from comptroller.core.verdict import Case
from comptroller.office.backtest import Outcome, Said, Turned, as_json, backtest, given, lines_of
from comptroller.office.recorded import Agents
from comptroller.office.versions import book_of
from comptroller.office.votes import Votes
from comptroller.policies.book import Book
from comptroller.policies.compare import Difference, compare
from comptroller.policies.document import ExampleCall
from comptroller.policies.trial import case_of

Row = dict[str, Any]
MOST = 100_000  # calls of which the runs are put to other policies


def diff(before: str, after: str, calls: str, since: str, until: str, ledger: str, limit: int, machine: bool) -> None:
    """What differs in meaning, and which calls would be decided otherwise."""
    old, new = _book(before, ledger), _book(after, ledger)
    found = compare(old, new)
    outcome = _of_calls(calls, since, until, lambda _: old, new) if calls and not Path(calls).is_file() else None
    outcome = given(_made_up(Path(calls)), old, new) if calls and outcome is None else outcome
    if machine:
        told: Row = {"before": old.version, "after": new.version, "differences": [asdict(one) for one in found]}
        screen.say_json({**told, "calls": as_json(outcome, limit) if outcome is not None else None})
        return
    _write_differences(found)
    if outcome is not None:
        screen.say()
        _write_outcome(outcome, limit)


def try_on_record(
    paths: Sequence[str] | None, since: str, until: str, ledger: str, limit: int, machine: bool, ask_judges: bool
) -> None:
    """Put recorded traffic through a draft."""
    with heard_by(load(paths, machine), ask_judges) as draft:
        outcome = _of_calls(ledger, since, until, None, draft)
    if machine:
        screen.say_json({"version": draft.version, **as_json(outcome, limit)})
        return
    _write_outcome(outcome, limit)


def _of_calls(ledger: str, since: str, until: str, before: Callable[[str], Book | None] | None, after: Book) -> Outcome:
    from comptroller.store.bodies import Bodies

    place = ledger_of(ledger)
    with reading(place) as reader:
        window = _window(since, until)
        rows: list[Row] = reader.rows("recorded_calls", **window, limit=MOST)
        agents = Agents.of(reader.rows("recorded_agents"))
        if len(rows) >= MOST:
            sys.stderr.write(f"Only the runs of the latest {MOST:,} calls of this time are looked at.\n")

        def recorded_book(version: str) -> Book | None:
            return book_of(reader, version)

        votes = Votes(reader.rows("recorded_votes", **window, limit=MOST), recorded_book)
        return backtest(rows, agents, Bodies.open(place), before or recorded_book, after, votes)


def _window(since: str, until: str) -> Row:
    first, last = day_of("--since", since), day_of("--until", until)
    return {"since": first and first.isoformat(), "until": last and (last + timedelta(days=1)).isoformat()}


def _book(named: str, ledger: str) -> Book:
    """Policies by file, folder or pack, else by a version of the ledger."""
    if named.startswith("pack:") or Path(named).exists():
        return load([named], False)
    found, book = _recorded_book(named, ledger)
    if book is not None:
        return book
    if found:
        raise Misuse(f"Version {found} no longer loads here. See it with `comptroller policy show {found}`.")
    raise Misuse(f"{named!r} is no file, folder or pack, and no version of the ledger begins so. Check it.")


def _recorded_book(named: str, ledger: str) -> tuple[str, Book | None]:
    """The one version that begins so, where there is a ledger that has it."""
    try:
        place = ledger_of(ledger)
    except Misuse:
        return "", None
    with reading(place) as reader:
        found = sorted({str(row["version"]) for row in reader.rows("policy_versions", prefix=named, limit=4)})
        return (found[0], book_of(reader, found[0])) if len(found) == 1 else ("", None)


def _made_up(path: Path) -> Iterator[tuple[str, Case]]:
    """Calls out of a file, one of JSON a line."""
    for number, line in enumerate(path.read_bytes().splitlines(), 1):
        if not line.strip():
            continue
        try:
            yield f"line {number}", case_of(ExampleCall.model_validate(msgspec.json.decode(line)))
        except (msgspec.DecodeError, ValidationError, ValueError) as error:
            raise Misuse(f"{path}:{number}: this is no call: {str(error).splitlines()[0]}.") from None


def _write_differences(found: Sequence[Difference]) -> None:
    if not found:
        screen.say("Both say the same.")
        return
    for one in found:
        mark = {"added": "+", "removed": "-", "changed": "~", "reworded": "."}[one.what]
        place = f"  {screen.clean(one.place)}" if one.place else ""
        screen.say(f"{mark} {one.kind} {screen.clean(one.id)} ({screen.clean(one.policy)}) {one.what}{place}")
        for field in one.fields:
            if one.what in ("added", "removed"):
                value = field.after if one.what == "added" else field.before
                screen.say(f"    {field.name}: {_shown(value)}")
            else:
                screen.say(f"    {field.name}: {_shown(field.before)} -> {_shown(field.after)}")


def _shown(value: object) -> str:
    if value is None or value == "":
        return "nothing"
    return screen.short(value if isinstance(value, str) else msgspec.json.encode(value).decode(), 100)


def _write_outcome(outcome: Outcome, limit: int) -> None:
    for line in lines_of(outcome):
        screen.say(screen.clean(line))
    for one in outcome.told[:limit]:
        _write_turned(one)
    if outcome.turned > limit:
        screen.say(f"{min(limit, len(outcome.told)):,} of {outcome.turned:,}, see --limit")


def _write_turned(one: Turned) -> None:
    name, call = screen.clean(one.name), screen.clean(one.call)
    screen.say(f"{call}  {one.kind} {name}: {_side(one.before)} -> {_side(one.after)}")


def _side(said: Said) -> str:
    return said.action + (f" by {screen.clean(said.rule)}" if said.rule else "")
