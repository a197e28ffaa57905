"""Invoices: listed, told whole or drawn; paid, credited, given up and taken back by who may keep the books."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Annotated, Any, Literal

from pydantic import Field
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from comptroller.core.money import Money as Amount
from comptroller.core.money import decimal_text, parse_money
from comptroller.gateway.api.frame import JSON, Ask, Route
from comptroller.gateway.api.invoice_shapes import InvoicePage, InvoiceRow, InvoiceTold, NoteTold
from comptroller.gateway.api.pages import Offset, after
from comptroller.gateway.api.problem import Problem
from comptroller.gateway.api.rights import BOOKS, READ
from comptroller.gateway.api.shapes import AMOUNT, PLAIN, Because, Id, Name, Period, Said
from comptroller.metering.invoice import Invoice, Status
from comptroller.office import close as closing
from comptroller.office import settle
from comptroller.office.bookkeeper import Bookkeeper
from comptroller.office.keeping import need_contracts
from comptroller.office.paper import document, mail, pdf, sheet

PDF, HTML = "application/pdf", "text/html"
# An invoice is a page of its own: nothing is loaded, and nobody frames it.
_SHUT = {"content-security-policy": "default-src 'none'; style-src 'unsafe-inline'", "x-frame-options": "DENY"}


class InvoicesAsked(Said):
    """Which."""

    customer: Name | None = None
    status: Status | None = None
    period: Period | None = None
    search: Annotated[Name, Field(description="In the number or the customer.")] = ""
    sort: Literal["issued", "due", "total", "open", "customer"] = "issued"
    rising: bool = False
    limit: Annotated[int, Field(ge=1, le=1000)] = 50
    after: Annotated[str, Field(max_length=128, pattern=PLAIN)] | None = None
    offset: Offset = 0


class InvoiceAsked(Said):
    """In which form, for whoever says no `accept`."""

    form: Literal["json", "pdf", "html"] | None = None


class Paying(Said):
    """What came in; the same reference again is the same payment."""

    amount: Annotated[str, Field(pattern=AMOUNT, examples=["12.50 USD"])]
    reference: Id


class Crediting(Said):
    """What is given back, before tax: an amount, what an outcome came to, or else all that is left.

    The same reference again is the same credit note.
    """

    amount: Annotated[str, Field(pattern=AMOUNT, examples=["12.50 USD"])] | None = None
    outcome: Annotated[Id, Field(description="On this invoice.")] | None = None
    reference: Id
    because: Because = ""


class Ending(Said):
    """Why."""

    because: Because = ""


class Closing(Said):
    """Up to which period, whose, and whether the days of grace are waited for."""

    period: Period | None = None
    customer: Name | None = None
    early: bool = False


def list_invoices(ask: Ask) -> InvoicePage:
    """Those that are theirs to see, the latest first unless sorted otherwise."""
    wanted = ask.query
    with opened(ask) as keeper:
        now = keeper.desk.clock.now_ns()
        known = list(keeper.invoices.invoices.values())
    found = [one for one in known if ask.who.owns(one) and _fits(one, wanted, now)]
    found.sort(key=_SORTS[wanted.sort], reverse=not wanted.rising)
    page, following = after(found, lambda one: one.number, wanted.after, wanted.limit, wanted.offset)
    return InvoicePage(invoices=[_row(one, now) for one in page], total=len(found), next=following)


async def show_invoice(ask: Ask) -> Response:
    """One whole: as JSON, or drawn where PDF or HTML is asked for."""
    accepted = _FORMS.get(ask.query.form) or ask.request.headers.get("accept", "")
    draw = next((draw for media, draw in _DRAWN.items() if media in accepted and JSON not in accepted), _as_json)
    return await run_in_threadpool(draw, ask)


def _as_json(ask: Ask) -> Response:
    with opened(ask) as keeper:
        return Response(_whole(keeper, meant(ask, keeper)).model_dump_json(), media_type=JSON)


def _as_pdf(ask: Ask) -> Response:
    return Response(pdf.draw(_sheet(ask))[0], media_type=PDF)


def _as_page(ask: Ask) -> Response:
    return Response(mail.draw(_sheet(ask)), media_type=HTML, headers=_SHUT)


_DRAWN = {PDF: _as_pdf, HTML: _as_page}
_FORMS = {"json": JSON, "pdf": PDF, "html": HTML}
_SORTS: Mapping[str, Callable[[Invoice], tuple[Any, ...]]] = {
    "issued": lambda one: (one.at, one.number),
    "due": lambda one: (one.due, one.number),
    "total": lambda one: (one.currency, one.totals.total, one.number),
    "open": lambda one: (one.currency, one.open, one.number),
    "customer": lambda one: (one.customer, one.at),
}


def pay_invoice(ask: Ask) -> InvoiceTold:
    """Take a payment in."""
    with _written(ask) as keeper:
        known, said = meant(ask, keeper), ask.body
        paid = settle.pay(keeper, known.number, _amount(said), said.reference, by=ask.who.signature)
        return _whole(keeper, paid)


def credit_invoice(ask: Ask) -> NoteTold:
    """Give part of it back."""
    with _written(ask) as keeper:
        known, said = meant(ask, keeper), ask.body
        note = settle.given(keeper, known, said.reference) or settle.credit(
            keeper,
            known.number,
            _given_back(keeper, known, said),
            said.because,
            said.reference,
            ask.who.signature,
            said.outcome or "",
        )
        return NoteTold.model_validate({**document.credit(note), "currency": known.currency})


def void_invoice(ask: Ask) -> InvoiceTold:
    """Take it back."""
    with _written(ask) as keeper:
        known = meant(ask, keeper)
        return _whole(keeper, settle.void(keeper, known.number, ask.body.because, ask.who.signature))


def write_off_invoice(ask: Ask) -> InvoiceTold:
    """Give up what is open of it."""
    with _written(ask) as keeper:
        known = meant(ask, keeper)
        return _whole(keeper, settle.write_off(keeper, known.number, ask.body.because, ask.who.signature))


def close_periods(ask: Ask) -> InvoicePage:
    """Finalise what is over."""
    said, customer = ask.body, ask.body.customer or ask.who.customer
    if ask.who.customer not in ("", customer):
        raise Problem(
            403, "not_allowed", "This key is for another customer.", "Leave the customer out.", "body.customer"
        )
    ask.who.must_own()
    with ask.bureau.closing() as keeper:
        need_contracts(keeper)
        ask.bureau.reader.refresh()  # what calls cost, up to now
        made = closing.close(keeper, said.period or "", customer, ask.who.tenant, said.early, ask.who.signature)
        rows = [_row(one, keeper.desk.clock.now_ns()) for one in made]
        return InvoicePage(invoices=rows, total=len(rows), next=None)


def opened(ask: Ask) -> AbstractContextManager[Bookkeeper]:
    """The books, for whoever may see them at all."""
    ask.who.must_own()
    return ask.bureau.books()


def _written(ask: Ask) -> AbstractContextManager[Bookkeeper]:
    """The books to write them."""
    ask.who.must_own()
    return ask.bureau.writing()


def meant(ask: Ask, keeper: Bookkeeper) -> Invoice:
    """The invoice of the path, where it is theirs to see."""
    named = ask.path["invoice"]
    found = keeper.invoices.find(named)
    if found is None or not ask.who.owns(found):
        raise Problem(404, "not_found", f"There is no invoice {named[:128]!r}.", "List them with GET /api/invoices.")
    return found


def _sheet(ask: Ask) -> dict[str, Any]:
    with opened(ask) as keeper:
        return sheet.invoice_sheet(meant(ask, keeper), keeper.desk.clock)


def _whole(keeper: Bookkeeper, invoice: Invoice) -> InvoiceTold:
    return InvoiceTold.model_validate(document.told(invoice, keeper.desk.clock.now_ns()))


def _row(invoice: Invoice, now: int) -> InvoiceRow:
    return InvoiceRow.model_validate(document.summary(invoice, now))


def _fits(invoice: Invoice, wanted: InvoicesAsked, now: int) -> bool:
    return (
        wanted.customer in (None, invoice.customer)
        and wanted.period in (None, invoice.period)
        and wanted.status in (None, invoice.status(now))
        and (not wanted.search or wanted.search.lower() in f"{invoice.number}\n{invoice.customer}".lower())
    )


def _given_back(keeper: Bookkeeper, invoice: Invoice, said: Crediting) -> Amount:
    """What a credit note is about: of an outcome never more than is left of its fee."""
    if (outcome := said.outcome) is None:
        left = settle.left_of(invoice)
    else:
        share = keeper.invoices.shares.get(outcome)
        if share is None or share.invoice != invoice.number:
            where = f"The outcome {outcome!r} is not on {invoice.number}."
            raise Problem(404, "not_found", where, "List those that are with its `outcomes`.", "body.outcome")
        left = settle.left_of_outcome(invoice, outcome, share)
    if left <= 0:
        raise Problem(409, "nothing_left", "Nothing is left to give back of it.", "Look at its credit notes.")
    wanted = _amount(said) if said.amount else Amount(left, invoice.currency)
    if outcome is not None and wanted.currency == invoice.currency and wanted.nanos > left:
        told = f"Only {decimal_text(left)} {invoice.currency} of this outcome's fee are left to give back."
        raise Problem(409, "nothing_left", told, "Give back at most that.", "body.amount")
    return wanted


def _amount(said: Paying | Crediting) -> Amount:
    try:
        return parse_money(said.amount or "")
    except ValueError as error:
        raise Problem(400, "bad_request", str(error), "Write an amount like 12.50 USD.", "body.amount") from None


_ONE = "/api/invoices/{invoice}"
_MEDIA = {PDF: {"schema": {"type": "string", "format": "binary"}}, HTML: {"schema": {"type": "string"}}}


def _entry(word: str, does: str, answer: Any, body: Any, reply: Any = InvoiceTold) -> Route:
    return Route("POST", f"{_ONE}/{word}", does, BOOKS, answer, reply, body=body, fails=(404, 409))


ROUTES = (
    Route("GET", "/api/invoices", "List invoices, the latest first.", READ, list_invoices, InvoicePage, InvoicesAsked),
    Route(
        "GET",
        _ONE,
        "One invoice, whole: as JSON, PDF or HTML, as is accepted.",
        READ,
        show_invoice,
        InvoiceTold,
        InvoiceAsked,
        fails=(404,),
        own=True,
        media=_MEDIA,
    ),
    _entry("pay", "Take a payment in.", pay_invoice, Paying),
    _entry("credit", "Give back part of an invoice, its tax with it.", credit_invoice, Crediting, NoteTold),
    _entry("void", "Take an invoice back that nobody paid.", void_invoice, Ending),
    _entry("write-off", "Give up what is open of an invoice.", write_off_invoice, Ending),
    Route(
        "POST",
        "/api/books/close",
        "Invoice all periods that are over.",
        BOOKS,
        close_periods,
        InvoicePage,
        body=Closing,
    ),
)
