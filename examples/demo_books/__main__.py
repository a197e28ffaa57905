"""Closes a month for three customers under three kinds of contract: invoices as PDF, credit note, trial balance.

Agents work through a scripted model on loopback, so their calls cost what such calls cost; the clock is the demo's own.
"""

import argparse
import logging
import shutil
import sys
from datetime import UTC, datetime
from pathlib import Path

from openai import OpenAI

from comptroller.cli import screen
from comptroller.core.clock import FrozenClock
from comptroller.core.money import decimal_text, parse_money
from comptroller.core.outcome import OutcomeEvent
from comptroller.office import settle
from comptroller.office.bookkeeper import Bookkeeper
from comptroller.office.close import close
from comptroller.office.keeping import keep_books
from comptroller.office.ledger import off_balance
from comptroller.office.outcome_desk import OutcomeDesk
from comptroller.office.paper import mail, pdf, sheet
from comptroller.store.reader import Reader
from comptroller.testing.upstream import Say, Upstream
from comptroller.wrapper.desk import Desk, set_desk
from comptroller.wrapper.run import Run
from comptroller.wrapper.wrap import wrap

HERE = Path(__file__).parent
DAY = 86_400


class Month:
    """October, day by day."""

    def __init__(self, desk: Desk, clock: FrozenClock, client: OpenAI) -> None:
        self.desk, self.clock, self.client = desk, clock, client
        self.outcomes = OutcomeDesk(desk)

    def play(self) -> None:
        """Every day some work; then the days until nobody can say anything any more."""
        for day in range(1, 31):
            self.acme(day)
            self.nordwind(day)
            self.lumen(day)
            self.clock.tick(DAY)
            self.outcomes.work()
        self.clock.tick(3 * DAY)
        self.outcomes.work()

    def acme(self, day: int) -> None:
        """Refunds every day, a vendor now and then; one refund comes back, another is disputed."""
        refund = self.work("acme", "refunds", "refund.resolved", f"order-{day}", {"refunded": True})
        if day % 4 == 0:
            evidence = {"vendor": f"v-{day}", "checks": 3 if day == 12 else 4}
            self.work("acme", "vendors", "vendor.onboarded", f"vendor-{day}", evidence)
        self.outcomes.work()
        if day == 9:
            self.tell(refund, "reopen", because="the parcel came back")
        if day == 17:
            self.tell(refund, "dispute", because="the customer never got the money")

    def nordwind(self, day: int) -> None:
        """Tickets; for most of them the customer says so, for some nobody says anything."""
        for number in range(2):
            ticket = self.work("nordwind", "support", "ticket.closed", f"ticket-{day}-{number}", {"closed": True})
            self.outcomes.work()
            if (day + number) % 5:
                self.tell(ticket, "confirm", attestor="nordwind")

    def lumen(self, day: int) -> None:
        """Analysts at work, whatever comes of it."""
        for _ in range(2):
            self.work("lumen", "analyst")

    def work(self, customer: str, agent: str, type: str = "", subject: str = "", evidence: object = None) -> str:
        """A run with one call of a model, and perhaps a claim; returns the claim."""
        with Run(agent, customer=customer, desk=self.desk) as run, run.agent(agent):
            self.client.chat.completions.create(
                model="gpt-4o", messages=[{"role": "user", "content": f"{subject or 'Read the reports'}. " * 400}]
            )
            return run.claim(type, subject=subject, evidence=evidence) if type else ""  # type: ignore[arg-type]

    def tell(self, outcome: str, what: str, attestor: str = "", **data: object) -> None:
        """Say something of an outcome."""
        id, at = f"{outcome}:{what}", self.clock.now_ns()
        self.outcomes.registry.tell(OutcomeEvent(id, outcome, what, at, "demo", attestor, data=data))


def main() -> int:
    """Play, close, print."""
    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    asked.add_argument("--ledger", default="demo-books", help="where to keep it; what is there is replaced")
    place = Path(asked.parse_args().ledger)
    mark = place / "demo-books"
    if place.exists() and not mark.exists():
        sys.exit(f"{place}: this is no demo of ours. Name another directory with --ledger.")
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    mark.touch()
    logging.getLogger("comptroller").setLevel(logging.ERROR)  # that there are no policies is meant here
    clock = FrozenClock(int(datetime(2026, 10, 1, 9, tzinfo=UTC).timestamp()) * 1_000_000_000)
    settings = {"outcomes": [str(HERE / "outcomes")], "contracts": [str(HERE / "contracts.yaml")]}
    usage = {"prompt_tokens": 9_000, "completion_tokens": 3_000, "total_tokens": 12_000}
    say = Say("Done.", usage=usage)
    with Upstream(lambda asked: say) as model, Desk.open(place, settings, clock) as desk:
        set_desk(desk)
        month = Month(desk, clock, wrap(OpenAI(base_url=f"{model.url}/v1", api_key="none")))
        month.play()
        with Reader.open(place) as reader:
            return _close(keep_books(desk, reader, month.outcomes), month, place / "invoices")


def _close(keeper: Bookkeeper, month: Month, folder: Path) -> int:
    folder.mkdir(parents=True)
    for invoice in close(keeper, "2026-10"):
        words = sheet.invoice_sheet(invoice, keeper.desk.clock)
        _write(folder / f"{invoice.number}.pdf", pdf.draw(words)[0])
        _write(folder / f"{invoice.number}.html", mail.draw(words).encode())
        said = ", ".join(
            f"{decimal_text(nanos)} {what}"
            for nanos, what in (
                (invoice.totals.net, f"{invoice.currency} net"),
                (invoice.totals.tax, "tax"),
                (invoice.totals.due, "due"),
            )
        )
        screen.say(f"{invoice.number}  {invoice.buyer['name']}: {said}, {invoice.held} disputed held back")
    _afterwards(keeper, month, folder)
    found = keeper.accounts.trial_balance()
    screen.say("\nTrial balance")
    sums: dict[tuple[str, str], int] = {}
    for (account, unit), nanos in found.items():  # costs stand by agent and run; here by provider
        name = ":".join(account.split(":")[:2])
        sums[name, unit] = sums.get((name, unit), 0) + nanos
    screen.table(
        ("ACCOUNT", "BALANCE", ""), [[name, decimal_text(nanos), unit] for (name, unit), nanos in sums.items()], (1,)
    )
    off = off_balance(found.items())
    screen.say("It balances: the sum is zero in every currency." if not off else f"It is off by {off}.")
    screen.say(f"\nThe papers are in {folder}. Read on with `comptroller books invoice --ledger {folder.parent}`.")
    return 1 if off else 0


def _afterwards(keeper: Bookkeeper, month: Month, folder: Path) -> None:
    """A dispute that is upheld after the invoice: a credit note; and a payment."""
    invoice = keeper.invoices.find("INV-2026-0001")
    assert invoice is not None, "acme is the first"
    item = invoice.lines[0].items[0]
    month.tell(item.outcome, "dispute", because="refunded to the wrong card")
    month.tell(item.outcome, "upheld", because="refunded to the wrong card")
    keeper.catch_up()
    note = keeper.invoices.credits[f"{item.outcome}:upheld"]
    known = keeper.invoices.invoices[invoice.id]
    _write(folder / f"{note.number}.pdf", pdf.draw(sheet.credit_sheet(known, note))[0])
    screen.say(f"{note.number}  credits {decimal_text(note.total)} {known.currency}: {note.because}")
    paid = settle.pay(keeper, invoice.number, parse_money(f"{decimal_text(known.open)} {known.currency}"), "wire-1")
    screen.say(f"{paid.number}  {paid.status(keeper.desk.clock.now_ns())}")


def _write(path: Path, data: bytes) -> None:
    path.write_bytes(data)


if __name__ == "__main__":
    raise SystemExit(main())
