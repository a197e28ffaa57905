"""`comptroller books usage`: take in what was metered elsewhere, and see what of it waits."""

import contextlib
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from comptroller.cli import screen
from comptroller.cli.main import Json, Misuse
from comptroller.cli.main import Ledger as LedgerName
from comptroller.cli.place import ledger_of, reading, settings_of
from comptroller.core.clock import SYSTEM
from comptroller.core.settings import Settings
from comptroller.office.agreements import load_contracts
from comptroller.office.intake import take_in
from comptroller.office.invoices import Invoices
from comptroller.office.waiting import Waiting, waiting
from comptroller.store.ledger import Ledger
from comptroller.wrapper.desk import Desk

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Usage that was metered elsewhere.")
Limit = Annotated[int, typer.Option("--limit", metavar="N", min=1, help="At most so many.")]


@app.command("import")
def bring(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="CSV, NDJSON or Parquet, by their names.")],
    source: Annotated[str, typer.Option("--source", metavar="NAME", help="Of rows that name none.")] = "",
    tenant: Annotated[str, typer.Option("--tenant", metavar="NAME", help="Of rows that name none.")] = "",
    ledger: LedgerName = "",
    as_json: Json = False,
) -> None:
    """Take in files of usage events; each event counts once, however often it is told."""
    settings = _settings(ledger)
    with contextlib.closing(Ledger.open(settings.ledger, settings)) as journal:
        place = Path(settings.ledger)
        made = [take_in(place, journal, SYSTEM, file, tenant or settings.tenant, source) for file in files]
    with reading(ledger_of(ledger)) as reader:
        known = {str(row["batch"]): row for row in reader.rows("usage_batches")}
    rows = [
        {"file": str(file), "new": not batch.known, **known[batch.id]} for file, batch in zip(files, made, strict=True)
    ]
    if as_json:
        screen.say_json([{name: row[name] for name in ("file", "batch", "new", "rows", *_COUNTS)} for row in rows])
        return
    for row in rows:
        told = "taken in" if row["new"] else "was taken in before"
        screen.say(f"{screen.clean(row['file'])}: {told}, {_counts(row)}.")
    if any(row["waiting"] for row in rows):
        screen.say("See why with `comptroller books usage waiting`.")


@app.command("ls")
def ls(limit: Limit = 50, ledger: LedgerName = "", as_json: Json = False) -> None:
    """List what was taken in, the newest first."""
    with reading(ledger_of(ledger)) as reader:
        rows = list(reversed(reader.rows("usage_batches")))[:limit]
    if as_json:
        names = ("batch", "received", "tenant", "source", "name", "digest", "rows", "state", *_COUNTS)
        screen.say_json([{name: row[name] for name in names} for row in rows])
    elif not rows:
        screen.say("No usage was taken in yet. Bring some in with `comptroller books usage import`.")
    else:
        heads = ("RECEIVED (UTC)", "FILE", "STATE", "ROWS", "COUNTED", "REPEATED", "WAITING")
        cells = [
            [screen.moment(row["received"]), screen.short(row["name"], 40), str(row["state"])]  # type: ignore[arg-type]
            + [f"{row[name]:,}" for name in ("rows", *_COUNTS)]
            for row in rows
        ]
        screen.table(heads, cells, right=(3, 4, 5, 6))


@app.command("waiting")
def wait(limit: Limit = 50, ledger: LedgerName = "", as_json: Json = False) -> None:
    """List usage that does not count as it is: why, and what to do about it."""
    settings = _settings(ledger)
    with _desk(settings) as desk, reading(Path(settings.ledger)) as reader:
        invoices = Invoices(desk)
        invoices.catch_up()
        contracts = load_contracts(settings.contracts, settings.tenant)
        found = waiting(reader, contracts, list(invoices.invoices.values()), desk.clock.now_ns())
    if as_json:
        screen.say_json([asdict(one) for one in found[:limit]])
    elif not found:
        screen.say("Nothing waits.")
    else:
        for one in found[:limit]:
            screen.say(_told(one))
        if len(found) > limit:
            screen.say(f"... and {len(found) - limit:,} more. Ask for them with --limit.")


_COUNTS = ("counted", "repeated", "waiting")


def _counts(row: dict[str, object]) -> str:
    if row["state"] != "counted":
        return f"but its file in the ledger is {row['state']}: restore it from a backup"
    told = [f"{row['counted']:,} counted"] + [f"{row[name]:,} {name}" for name in _COUNTS[1:] if row[name]]
    return f"{row['rows']:,} rows, {', '.join(told)}"


def _told(one: Waiting) -> str:
    whose = " ".join(screen.clean(part) for part in (one.customer, one.meter) if part) or "-"
    what = f"{one.place}: event {one.event or '-'}" if one.place else screen.count(one.events, "event")
    when = one.first if one.first == one.last else f"{one.first} to {one.last}"
    return screen.clean(f"{one.reason}  {what}, {whose}, {one.quantity} at {when}. {one.message}")


@contextlib.contextmanager
def _desk(settings: Settings) -> Iterator[Desk]:
    desk = Desk(settings, Ledger.open(settings.ledger, settings))
    try:
        yield desk
    finally:
        desk.close()


def _settings(ledger: str) -> Settings:
    ledger_of(ledger)
    settings = settings_of(ledger)
    if "://" in settings.ledger:
        raise Misuse(f"{settings.ledger}: usage is taken in where the ledger is. Name its directory with --ledger.")
    return settings
