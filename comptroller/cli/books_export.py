"""`comptroller books export`: the books in the forms that other systems read, or sent to Stripe."""

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Annotated

import typer
import yaml

from comptroller.cli import screen
from comptroller.cli.books_invoices import books
from comptroller.cli.main import Ledger, Misuse
from comptroller.cli.place import ledger_of
from comptroller.core.books import Txn
from comptroller.core.outcome import Outcome, OutcomeEvent
from comptroller.metering.invoice import Invoice
from comptroller.office.bookkeeper import Bookkeeper
from comptroller.office.exchange import books as sheets
from comptroller.office.exchange import focus, openmeter, sheet, stripe_books
from comptroller.office.exchange.focus import Zones
from comptroller.office.exchange.sheet import Form, Sheet
from comptroller.office.exchange.stripe_books import StripeBooks
from comptroller.office.exchange.till import KINDS, Done, Item, Slips, Till
from comptroller.office.follower import Follower
from comptroller.store import folder

FORMS: tuple[Form, ...] = ("csv", "json", "parquet")
KEY = "STRIPE_API_KEY"


class Chosen:
    """The books, as far as they are wanted."""

    def __init__(self, keeper: Bookkeeper, customer: str, period: str) -> None:
        self.keeper, self.customer, self.period = keeper, customer, period
        self.zones = Zones({contract.id: contract.calendar.zone for contract in keeper.contracts})

    @property
    def invoices(self) -> list[Invoice]:
        """Those that count, the oldest first."""
        return [
            one for one in self.keeper.invoices.invoices.values()
            if self.customer in ("", one.customer) and self.period in ("", one.period) and one.state != "void"
        ]  # fmt: skip

    @property
    def outcomes(self) -> list[Outcome]:
        mine = self.keeper.registry.outcomes.values()
        return [one for one in mine if self.customer in ("", one.customer)]

    @property
    def txns(self) -> Iterator[Txn]:
        for txn in self.keeper.accounts.txns.values():
            if self.customer in ("", txn.customer) and self.period in ("", txn.period):
                yield txn

    @property
    def events(self) -> Iterator[tuple[OutcomeEvent, str]]:
        for outcome in self.outcomes:
            for entry in self.keeper.registry.events(outcome.key):
                yield entry.event, entry.ignored


SHEETS: dict[str, Callable[[Chosen], Sheet]] = {
    "invoices": lambda chosen: sheets.invoices(chosen.invoices, chosen.keeper.desk.clock.now_ns()),
    "lines": lambda chosen: sheets.lines(chosen.invoices),
    "items": lambda chosen: sheets.items(chosen.invoices),
    "outcomes": lambda chosen: sheets.outcomes(chosen.outcomes),
    "events": lambda chosen: sheets.events(chosen.events),
    "gl": lambda chosen: sheets.ledger(chosen.txns),
    "focus-1.2": lambda chosen: focus.costs(chosen.invoices, "1.2", chosen.zones),
    "focus-1.4": lambda chosen: focus.costs(chosen.invoices, "1.4", chosen.zones),
    "focus-invoices": lambda chosen: focus.detail(chosen.invoices, chosen.zones),
}
WHAT = (*SHEETS, "openmeter", "stripe")


def export(
    what: Annotated[str, typer.Argument(metavar="WHAT", help=f"One of {', '.join(WHAT)}.")],
    form: Annotated[str, typer.Option("--format", metavar="FORM", help="csv, json or parquet.")] = "csv",
    out: Annotated[str, typer.Option("--out", metavar="FILE", help="Write it there; else to standard output.")] = "",
    customer: Annotated[str, typer.Option("--customer", metavar="NAME", help="Only this customer's.")] = "",
    period: Annotated[str, typer.Option("--period", metavar="PERIOD", help="Only of this period: 2026-11.")] = "",
    raw: Annotated[bool, typer.Option("--raw", help="Leave texts that a spreadsheet would run as they are.")] = False,
    customers: Annotated[
        str, typer.Option("--customers", metavar="FILE", help="For stripe: our customers' ids there, as YAML or JSON.")
    ] = "",
    url: Annotated[str, typer.Option("--url", metavar="URL", help="For stripe: another place than its own.")] = "",
    ledger: Ledger = "",
) -> None:
    """Write the books as CSV, JSON, Parquet, FOCUS or CloudEvents, or send invoices and outcomes to Stripe."""
    if what not in WHAT or form not in FORMS:
        raise Misuse(f"{what!r} as {form!r} cannot be exported. What: {', '.join(WHAT)}; --format {', '.join(FORMS)}.")
    theirs = _customers(customers) if what == "stripe" else {}
    with books(ledger) as keeper:
        chosen = Chosen(keeper, customer, period)
        if what == "stripe":
            raise typer.Exit(_send(chosen, theirs, url, ledger))
        if what == "openmeter":
            label = folder.label(ledger_of(ledger))
            _put(openmeter.batch(chosen.outcomes, label.id if label else ""), out)
        else:
            chosen_form: Form = next(known for known in FORMS if known == form)
            _put(sheet.write(SHEETS[what](chosen), chosen_form, harmless=not raw), out)


def _send(chosen: Chosen, theirs: Mapping[str, str], url: str, ledger: str) -> int:
    key = os.environ.get(KEY, "")
    if not key:
        raise Misuse(f"{KEY} is not set. Put a secret or restricted key of your Stripe account into it.")
    keeper = chosen.keeper
    outcomes = [one for one in chosen.outcomes if not chosen.period or one.invoice in _numbers(chosen)]
    items: list[Item] = [
        *stripe_books.invoice_items(chosen.invoices, theirs),
        *stripe_books.meter_events(outcomes, theirs),
    ]
    slips = Slips().fold(Follower(ledger_of(ledger), KINDS).read())
    done = Till(keeper.desk.ledger, keeper.desk.clock, StripeBooks.open(key, url), slips).send(items)
    _tell(done, sorted({one.customer for one in chosen.invoices} - set(theirs)))
    return 1 if done.refused or done.doubtful else 0


def _numbers(chosen: Chosen) -> set[str]:
    return {one.number for one in chosen.invoices}


def _tell(done: Done, unknown: list[str]) -> None:
    screen.say(f"{len(done.sent):,} sent, {done.before:,} sent before")
    for customer in unknown:
        screen.say(f"{screen.status('warn')}  {screen.clean(customer)} is not in --customers; nothing of it was sent")
    for id, why in done.refused.items():
        screen.say(f"{screen.status('fail')}  {screen.clean(id)}: {screen.clean(why)}")
    for id in done.doubtful:
        said = "may have arrived long ago, and Stripe cannot tell; look there before you enter it by hand"
        screen.say(f"{screen.status('warn')}  {screen.clean(id)} {said}")


def _customers(file: str) -> dict[str, str]:
    if not file:
        raise Misuse("Say who is who at Stripe with --customers FILE, lines such as `acme: cus_123`.")
    try:
        read = yaml.safe_load(Path(file).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        raise Misuse(f"{file}: cannot be read as YAML or JSON. Write lines such as `acme: cus_123`.") from None
    if not isinstance(read, dict) or not all(
        isinstance(name, str) and isinstance(id, str) for name, id in read.items()
    ):
        raise Misuse(f"{file}: is no list of customers. Write lines such as `acme: cus_123`.")
    return read


def _put(data: bytes, out: str) -> None:
    if out:
        Path(out).write_bytes(data)
        screen.say(f"{out}  {len(data):,} bytes")
    else:
        sys.stdout.flush()
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
