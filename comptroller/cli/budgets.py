"""`comptroller budgets`: what the caps of a run leave, and letting a run spend more."""

import contextlib
from pathlib import Path
from typing import Annotated, Any

import typer

from comptroller.cli import screen
from comptroller.cli.main import Json
from comptroller.cli.main import Ledger as LedgerName
from comptroller.cli.orders import run_of, standing
from comptroller.cli.people import caller
from comptroller.cli.place import ledger_of, settings_of
from comptroller.core.call import Identity
from comptroller.core.clock import SYSTEM
from comptroller.core.money import NANOS, decimal_text, is_money
from comptroller.core.verdict import Cap
from comptroller.metering.budget import lines_for
from comptroller.office import orders
from comptroller.store.ledger import Ledger
from comptroller.wrapper.shelf import load_book

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="See what caps leave, and let a run spend more.")
Run = Annotated[str, typer.Option("--run", metavar="RUN", help="The run.")]


@app.command("ls")
def ls(
    run: Run,
    limit: Annotated[int, typer.Option("--limit", metavar="N", min=1, help="At most so many.")] = 50,
    ledger: LedgerName = "",
    as_json: Json = False,
) -> None:
    """List the caps that apply to a run, with what is settled and held on each."""
    place = ledger_of(ledger)
    row, settings = run_of(place, run), settings_of(str(place))
    caps = list(dict.fromkeys(standing(place).cap_on(cap) for cap in _caps(place, row)))[:limit]
    with contextlib.closing(Ledger.open(place, settings)) as journal:
        now = SYSTEM.now_ns()
        lines = [lines_for([cap], {}, now, run)[0] for cap in caps]
        found = [_told(cap, *journal.counter(line.key, cap.unit)) for cap, line in zip(caps, lines, strict=True)]
    if as_json:
        screen.say_json(found)
    elif not found:
        screen.say("No cap applies to this run. `comptroller budgets set --run RUN --cap '5 USD'` sets one.")
    else:
        heads = ("PER", "WHO", "EVERY", "CAP", "SETTLED", "HELD", "LEFT", "UNIT", "OVER", "WHERE")
        names = ("per", "who", "every", "cap", "settled", "held", "left", "unit", "over", "place")
        rows = [[screen.short(one[name], 40) or "-" for name in names] for one in found]
        screen.table(heads, rows, right=(3, 4, 5, 6))


@app.command("set")
def set_(
    run: Run,
    cap: Annotated[str, typer.Option("--cap", metavar="CAP", help="In all: `5 USD`, `100 calls`.")],
    because: Annotated[str, typer.Option("--because", metavar="TEXT", help="Why.")] = "",
    ledger: LedgerName = "",
    as_json: Json = False,
) -> None:
    """Let a run spend so much in all, from its next call on, in place of the caps it had in this unit."""
    place = ledger_of(ledger)
    row, settings = run_of(place, run), settings_of(str(place))
    units = {one.unit for one in _caps(place, row) if one.per == "run"}
    with contextlib.closing(Ledger.open(place, settings)) as journal:
        made = orders.set_cap(journal, SYSTEM, run, cap, caller(), because, units)
    if as_json:
        screen.say_json({"run": run, "cap": made.amount, "by": made.by, "because": because})
    else:
        screen.say(f"{screen.clean(run)} may spend {made.amount} in all.")


def _caps(place: Path, row: dict[str, Any]) -> list[Cap]:
    """The caps of policies, of the run itself, and those set by hand."""
    settings = settings_of(str(place))
    names = ("run", "tenant", "customer", "user", "workflow", "agent", "key")
    said: dict[str, Any] = {name: str(row[name]) for name in names}
    who = Identity(**said)
    caps = list(load_book(settings).caps(who))
    if row["budget"] is not None:
        limit = int(row["budget"] * NANOS)
        caps.append(Cap("run", who.run, "", "UTC", str(row["budget_currency"]), limit, "deny", "the run itself"))
    for one in standing(place).caps.values():
        if one.run == who.run and all((cap.per, cap.unit) != ("run", one.unit) for cap in caps):
            caps.append(Cap("run", one.run, "", "UTC", one.unit, one.limit, "deny", one.place))
    return caps


def _told(cap: Cap, settled: int, held: int) -> dict[str, str]:
    amounts = {"cap": cap.limit, "settled": settled, "held": held, "left": max(cap.limit - settled - held, 0)}
    plain = {name: getattr(cap, name) for name in ("per", "who", "every", "unit", "over", "place")}
    return plain | {name: decimal_text(nanos) if is_money(cap.unit) else str(nanos) for name, nanos in amounts.items()}
