"""The papers of billing: credit notes, and what a customer needs to draw an invoice up anew."""

from typing import Annotated

from pydantic import Field
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from comptroller.gateway.api.billing_shapes import NotePage, NoteRow
from comptroller.gateway.api.frame import Ask, Route
from comptroller.gateway.api.invoices import PDF, meant, opened
from comptroller.gateway.api.pages import after
from comptroller.gateway.api.problem import Problem
from comptroller.gateway.api.rights import BODIES, READ
from comptroller.gateway.api.shapes import PLAIN, Name, Said
from comptroller.metering.invoice import Credit, Invoice
from comptroller.office.bookkeeper import Bookkeeper
from comptroller.office.packing import pack_of
from comptroller.office.paper import document, pdf, sheet

PACK = "application/zip"
Limit = Annotated[int, Field(ge=1, le=1000)]
After = Annotated[str, Field(max_length=256, pattern=PLAIN)]


class NotesAsked(Said):
    """Which."""

    customer: Name | None = None
    invoice: Name | None = None
    limit: Limit = 50
    after: After | None = None


class PackAsked(Said):
    """What is in it besides: the records of calls, and the texts of evidence."""

    calls: bool = True
    evidence: Annotated[bool, Field(description=f"Needs {BODIES}.")] = False


def list_notes(ask: Ask) -> NotePage:
    """Credit notes."""
    said = ask.query
    with opened(ask) as keeper:
        known = list(keeper.invoices.invoices.values())
    mine = [one for one in known if ask.who.owns(one) and said.customer in (None, one.customer)]
    rows = [
        NoteRow.model_validate(
            {**document.credit(note), "customer": one.customer, "currency": one.currency, "period": one.period}
        )
        for one in mine
        if said.invoice in (None, one.number, one.id)
        for note in one.credits
        if note.number
    ]
    rows.sort(key=lambda row: (row.at, row.number), reverse=True)
    page, following = after(rows, lambda row: row.number, said.after, said.limit)
    return NotePage(credit_notes=page, next=following)


async def draw_note(ask: Ask) -> Response:
    """A credit note as PDF."""
    return await run_in_threadpool(_note, ask)


async def pack_invoice(ask: Ask) -> Response:
    """All that its customer needs to draw it up anew."""
    if ask.query.evidence:
        ask.who.must(BODIES)
    return await run_in_threadpool(_pack, ask)


def _note(ask: Ask) -> Response:
    with opened(ask) as keeper:
        invoice, note = _noted(ask, keeper)
        drawn = sheet.credit_sheet(invoice, note)
    return _file(pdf.draw(drawn)[0], PDF, f"{note.number}.pdf")


def _noted(ask: Ask, keeper: Bookkeeper) -> tuple[Invoice, Credit]:
    number = ask.path["note"]
    for invoice in list(keeper.invoices.invoices.values()):
        for note in invoice.credits:
            if note.number == number and ask.who.owns(invoice):
                return invoice, note
    raise Problem(
        404, "not_found", f"There is no credit note {number[:128]!r}.", "List them with GET /api/credit-notes."
    )


def _pack(ask: Ask) -> Response:
    with opened(ask) as keeper:
        invoice = meant(ask, keeper)
    # Outside the lock: it reads the whole journal, and others want the books meanwhile.
    made = pack_of(keeper.desk, ask.bureau.reader, invoice, ask.query.calls, ask.query.evidence)
    return _file(made, PACK, f"{invoice.number}-recount.zip")


def _file(data: bytes, media: str, name: str) -> Response:
    return Response(data, media_type=media, headers={"content-disposition": f'attachment; filename="{name}"'})


_BINARY = {"schema": {"type": "string", "format": "binary"}}
ROUTES = (
    Route(
        "GET",
        "/api/invoices/{invoice}/pack",
        "A recount pack: all that its customer needs to draw the invoice up anew, signed.",
        READ,
        pack_invoice,
        Said,
        PackAsked,
        fails=(404,),
        own=True,
        media={PACK: _BINARY},
    ),
    Route("GET", "/api/credit-notes", "List credit notes, the latest first.", READ, list_notes, NotePage, NotesAsked),
    Route(
        "GET",
        "/api/credit-notes/{note}",
        "One credit note, as PDF.",
        READ,
        draw_note,
        Said,
        fails=(404,),
        own=True,
        media={PDF: _BINARY},
    ),
)
