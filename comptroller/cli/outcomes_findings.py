"""`comptroller outcomes findings`: what looks like gaming, with the outcomes behind it."""

from pathlib import Path
from typing import Annotated

import typer

from comptroller.cli import screen
from comptroller.cli.main import Json, Ledger, Misuse
from comptroller.cli.place import desk_of, ledger_of, reading
from comptroller.core.facts import CONTRACTS_LOADED
from comptroller.office.feed import feed_of
from comptroller.office.fraud import SIGNALS, Finding
from comptroller.office.fraud import findings as search
from comptroller.office.fraud.record import history_of
from comptroller.office.outcome_desk import OutcomeDesk


def findings(
    signal: Annotated[str, typer.Option("--signal", metavar="NAME", help="Only this sign of gaming.")] = "",
    customer: Annotated[str, typer.Option("--customer", metavar="NAME", help="Only this customer's.")] = "",
    limit: Annotated[int, typer.Option("--limit", metavar="N", min=1, help="At most so many.")] = 50,
    ledger: Ledger = "",
    as_json: Json = False,
) -> None:
    """List what looks like gaming. It accuses nobody: look at the outcomes, then dispute or credit what is wrong."""
    if signal and signal not in SIGNALS:
        raise Misuse(f"--signal {signal!r}: say {', '.join(SIGNALS)}.")
    found = [one for one in _found(ledger) if signal in ("", one.signal) and customer in ("", one.customer)]
    if as_json:
        screen.say_json([_told(one) for one in found[:limit]])
    elif not found:
        screen.say("Nothing looks like gaming.")
    else:
        for one in found[:limit]:
            whose = " ".join(part for part in (one.customer, one.type, one.who) if part)
            screen.say(f"{one.signal.replace('_', ' ')}  {screen.clean(whose)}")
            screen.say(f"  {screen.clean(one.message)}")
            some = ", ".join(one.outcomes[:4]) + (f" and {len(one.outcomes) - 4:,} more" * (len(one.outcomes) > 4))
            screen.say(f"  Outcomes: {screen.clean(some)}")
        if len(found) > limit:
            screen.say(f"... and {len(found) - limit:,} more. Ask for them with --limit.")


def _found(ledger: str) -> list[Finding]:
    place: Path = ledger_of(ledger)
    with desk_of(ledger) as desk, reading(place) as reader:
        outcomes = OutcomeDesk(desk, lambda: reader)
        outcomes.work()
        facts = feed_of(desk, CONTRACTS_LOADED).read()
        return search(history_of(outcomes.registry, reader, facts, desk.settings.tenant))


def _told(one: Finding) -> dict[str, object]:
    return {"signal": one.signal, "tenant": one.tenant, "customer": one.customer, "type": one.type, "who": one.who,
            "message": one.message, "figures": dict(one.figures), "outcomes": list(one.outcomes)}  # fmt: skip
