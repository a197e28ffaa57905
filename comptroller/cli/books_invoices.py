"""`comptroller books close|invoice|credit|pay|void|write-off|balance`: from outcomes to money."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from comptroller.cli import screen
from comptroller.cli.main import Json, Ledger, Misuse
from comptroller.cli.people import caller
from comptroller.cli.place import desk_of, ledger_of, reading
from comptroller.core.money import Money, decimal_text, parse_money
from comptroller.metering.invoice import Invoice
from comptroller.office import close as closing
from comptroller.office import settle
from comptroller.office.bookkeeper import Bookkeeper
from comptroller.office.keeping import keep_books, need_contracts
from comptroller.office.ledger import off_balance
from comptroller.office.paper import document, mail, pdf, sheet

Number = Annotated[str, typer.Argument(metavar="INVOICE", help="Its number, like INV-2026-0001.")]
Amount = Annotated[str, typer.Argument(metavar="AMOUNT", help="Money, like `12.50 USD`.")]
Customer = Annotated[str, typer.Option("--customer", metavar="NAME", help="Only this customer's.")]
Because = Annotated[str, typer.Option("--because", metavar="TEXT", help="Why; it goes on record.")]
Reference = Annotated[
    str, typer.Option("--reference", metavar="ID", help="What makes it one: given twice, it is done once.")
]


def close(
    period: Annotated[str, typer.Argument(metavar="[PERIOD]", help="The last one to close, like 2026-11.")] = "",
    customer: Customer = "",
    early: Annotated[bool, typer.Option("--early", help="Do not wait for the days of grace.")] = False,
    folder: Annotated[str, typer.Option("--pdf", metavar="DIR", help="Write a PDF of each invoice there.")] = "",
    ledger: Ledger = "",
    as_json: Json = False,
) -> None:
    """Finalise the invoices of all periods that are over. Doing it again does nothing twice."""
    with books(ledger) as keeper:
        need_contracts(keeper)
        made = closing.close(keeper, period, customer, early=early)
        for invoice in made if folder else ():
            _write(Path(folder) / f"{invoice.number}.pdf", pdf.draw(sheet.invoice_sheet(invoice, keeper.desk.clock))[0])
        _show_list(keeper, made, as_json, "Nothing to invoice: no period is over that has something to bill.")


def invoice(
    number: Annotated[str, typer.Argument(metavar="[INVOICE]", help="Its number; without one, a list.")] = "",
    customer: Customer = "",
    draft: Annotated[bool, typer.Option("--draft", help="What --customer would be invoiced as of now.")] = False,
    period: Annotated[str, typer.Option("--period", metavar="PERIOD", help="Of the draft, like 2026-11.")] = "",
    file: Annotated[str, typer.Option("--pdf", metavar="FILE", help="Write it there as PDF.")] = "",
    page: Annotated[str, typer.Option("--html", metavar="FILE", help="Write it there as HTML for e-mail.")] = "",
    limit: Annotated[int, typer.Option("--limit", metavar="N", min=1, help="At most so many.")] = 50,
    ledger: Ledger = "",
    as_json: Json = False,
) -> None:
    """List invoices, show one, draw one; or look at what the next one would be."""
    if draft and not customer:
        raise Misuse("--draft is of one customer. Name it with --customer.")
    with books(ledger) as keeper:
        if not number and not draft:
            found = [one for one in keeper.invoices.invoices.values() if customer in ("", one.customer)]
            _show_list(keeper, list(reversed(found))[:limit], as_json, "No invoices yet. Close a period.")
            return
        known = _drafted(keeper, customer, period) if draft else _named(keeper, number)
        words = _sheet_of(keeper, known, number)
        if file:
            _write(Path(file), pdf.draw(words)[0])
        if page:
            _write(Path(page), mail.draw(words).encode())
        if as_json:
            screen.say_json(told(keeper, known))
        elif not file and not page:
            _show(words)


def pay(
    number: Number,
    amount: Amount,
    reference: Reference,
    ledger: Ledger = "",
    as_json: Json = False,
) -> None:
    """Take a payment in."""
    with books(ledger) as keeper:
        paid = settle.pay(keeper, number, _money(amount), reference, by=caller())
        _said(as_json, told(keeper, paid), f"{paid.number}  {_status(keeper, paid)}, open {_amount(paid.open, paid)}")


def credit(
    number: Number,
    amount: Amount,
    reference: Reference,
    because: Because = "",
    ledger: Ledger = "",
    as_json: Json = False,
) -> None:
    """Give back part of an invoice, by an amount before tax; its tax goes back with it."""
    with books(ledger) as keeper:
        note = settle.credit(keeper, number, _money(amount), because, reference, by=caller())
        known = _named(keeper, number)
        said = f"{note.number}  {_amount(note.net, known)} and {_amount(note.tax, known)} of tax"
        _said(as_json, {**document.credit(note), "currency": known.currency}, said)


def void(number: Number, because: Because = "", ledger: Ledger = "", as_json: Json = False) -> None:
    """Take an invoice back that nobody paid; its outcomes are billed anew."""
    with books(ledger) as keeper:
        known = settle.void(keeper, number, because, caller())
        _said(as_json, told(keeper, known), f"{known.number}  void")


def write_off(number: Number, because: Because = "", ledger: Ledger = "", as_json: Json = False) -> None:
    """Give up what is open of an invoice."""
    with books(ledger) as keeper:
        known = settle.write_off(keeper, number, because, caller())
        _said(as_json, told(keeper, known), f"{known.number}  uncollectible")


def balance(customer: Customer = "", ledger: Ledger = "", as_json: Json = False) -> None:
    """Print the trial balance: every account, and their sum, which is zero."""
    with books(ledger) as keeper:
        found = keeper.accounts.trial_balance(customer=customer)
    off = off_balance(found.items())
    rows = [
        {"account": account, "currency": unit, "balance": decimal_text(nanos)}
        for (account, unit), nanos in found.items()
    ]
    if as_json:
        screen.say_json({"accounts": rows, "off": {unit: decimal_text(nanos) for unit, nanos in off.items()}})
    elif not rows:
        screen.say("Nothing is on the books yet.")
    else:
        cells = [[screen.clean(name), decimal_text(nanos), unit] for (name, unit), nanos in _gathered(found).items()]
        screen.table(("ACCOUNT", "BALANCE", ""), cells, right=(1,))
        sums = ", ".join(f"{decimal_text(off.get(unit, 0))} {unit}" for unit in sorted({unit for _, unit in found}))
        screen.say(f"\nSum: {sums}. {'It balances.' if not off else 'It does not balance.'}")
    if off:
        raise typer.Exit(1)


def _gathered(found: dict[tuple[str, str], int]) -> dict[tuple[str, str], int]:
    """Accounts for people: costs stand by agent and run, here they are told by agent."""
    sums: dict[tuple[str, str], int] = {}
    for (account, unit), nanos in found.items():
        name = account.rpartition(":")[0] if account.startswith("cost:") else account
        sums[name, unit] = sums.get((name, unit), 0) + nanos
    return sums


@contextmanager
def books(ledger: str) -> Iterator[Bookkeeper]:
    """The books of a ledger, opened for writing and brought up to date."""
    place = ledger_of(ledger)
    with ExitStack() as stack:
        desk = stack.enter_context(desk_of(ledger))
        reader = stack.enter_context(reading(place))
        yield keep_books(desk, reader)


def told(keeper: Bookkeeper, known: Invoice) -> dict[str, Any]:
    """An invoice as JSON."""
    return document.told(known, keeper.desk.clock.now_ns())


def _named(keeper: Bookkeeper, number: str) -> Invoice:
    found = keeper.invoices.find(number)
    if found is not None:
        return found
    for note in keeper.invoices.credits.values():
        if note.number == number:
            return _named(keeper, note.invoice)
    raise Misuse(f"There is no invoice {number!r}. List them with `comptroller books invoice`.")


def _sheet_of(keeper: Bookkeeper, known: Invoice, number: str) -> dict[str, Any]:
    for note in known.credits:
        if note.number == number:
            return sheet.credit_sheet(known, note)
    return sheet.invoice_sheet(known, keeper.desk.clock)


def _drafted(keeper: Bookkeeper, customer: str, period: str) -> Invoice:
    found = closing.draft(keeper, customer, period)
    if found is None:
        raise Misuse(f"Nothing to invoice {customer} for yet.")
    return found


def _show_list(keeper: Bookkeeper, found: list[Invoice], as_json: bool, empty: str) -> None:
    if as_json:
        screen.say_json([told(keeper, known) for known in found])
    elif not found:
        screen.say(empty)
    else:
        heads = ("INVOICE", "CUSTOMER", "PERIOD", "STATUS", "NET", "TAX", "DUE", "")
        rows = [
            [
                known.number,
                screen.short(known.customer, 30),
                known.period,
                screen.status(_status(keeper, known)),
                decimal_text(known.totals.net),
                decimal_text(known.totals.tax),
                decimal_text(known.totals.due),
                known.currency,
            ]
            for known in found
        ]
        screen.table(heads, rows, right=(4, 5, 6))


def _show(words: dict[str, Any]) -> None:
    screen.say(f"{words['title']} {words['number']}  {words['status']}".rstrip())
    screen.say(f"{screen.clean(words['seller']['name'])} to {screen.clean(words['buyer']['name'])}")
    for fact in words["facts"]:
        screen.say(f"{fact['name']}: {fact['value']}")
    screen.say()
    rows = [
        [screen.short(row[name], 50) for name in ("title", "about", "quantity", "unit", "amount")]
        for row in words["lines"]
    ]
    screen.table(("ITEM", "", "QUANTITY", "UNIT PRICE", "AMOUNT"), rows, right=(2, 3, 4))
    screen.say()
    for row in [*words["totals"], words["due"]]:
        screen.say(f"{screen.short(row['name'], 50)}: {row['value']}")
    for note in words["notes"]:
        screen.say(screen.clean(note))


def _said(as_json: bool, whole: dict[str, Any], line: str) -> None:
    if as_json:
        screen.say_json(whole)
    else:
        screen.say(line)


def _status(keeper: Bookkeeper, known: Invoice) -> str:
    return known.status(keeper.desk.clock.now_ns())


def _amount(nanos: int, known: Invoice) -> str:
    return f"{decimal_text(nanos)} {known.currency}"


def _money(text: str) -> Money:
    try:
        return parse_money(text)
    except ValueError as error:
        raise Misuse(str(error)) from None


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


__all__ = ["balance", "close", "credit", "invoice", "pay", "void", "write_off"]
