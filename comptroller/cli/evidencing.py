"""`comptroller policy evidence`: per control, which rules were in force in a period and how often they spoke."""

from datetime import UTC, datetime
from fnmatch import fnmatchcase

from comptroller.cli import screen
from comptroller.cli.place import ledger_of, reading
from comptroller.cli.spend import span_of
from comptroller.office.controls import Account, Spoke, account_of, as_json


def evidence(control: str, since: str, until: str, ledger: str, machine: bool) -> None:
    """Tell what a period has to show for its controls."""
    begun, ended = span_of(since, until)
    with reading(ledger_of(ledger)) as reader:
        found = account_of(reader, begun, ended)
    found = _only(found, control)
    if machine:
        screen.say_json(as_json(found))
    else:
        _write(found)


def _only(found: Account, control: str) -> Account:
    if not control:
        return found
    kept = {name: rules for name, rules in found.controls.items() if fnmatchcase(name, control)}
    return Account(kept, {name: text for name, text in found.needs.items() if fnmatchcase(name, control)}, found.unread)


def _write(found: Account) -> None:
    if not found.controls and not found.needs:
        screen.say("No rule in force in this time says which control it is evidence for. See docs/policies.md, Packs.")
    for name in [*found.controls, *sorted(set(found.needs) - set(found.controls))]:
        screen.say(screen.clean(name))
        for one in found.controls.get(name, []):
            screen.say(f"  {_line(one)}")
        if name not in found.controls:
            screen.say("  no rule")
        if name in found.needs:
            screen.say(f"  needs besides: {screen.clean(' '.join(found.needs[name].split()))}")
    for version in found.unread:
        screen.say(f"Version {screen.clean(version)} was in force and no longer loads here: its rules are not counted.")


def _line(one: Spoke) -> str:
    said = one.evidence
    spoke = f"spoke {one.decisions:,} times" if one.decisions != 1 else "spoke once"
    shadow = f", {one.shadows:,} in shadow" if one.shadows else ""
    latest = f", last {screen.moment(one.latest)}" if one.latest else ""
    times = ", ".join(f"{_day(since)} to {_day(until)}" for since, until in one.in_force)
    name = f"{said.kind} {screen.clean(said.rule)} ({screen.clean(said.policy)})"
    return f"{name}, in force {times}: {spoke}{shadow}{latest}"


def _day(moment: datetime | None) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M") if moment else "now"
