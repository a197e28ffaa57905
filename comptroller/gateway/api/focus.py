"""What was billed as FOCUS, the form that tools for cloud costs read."""

from typing import Literal

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from comptroller.gateway.api.frame import Ask, Route
from comptroller.gateway.api.invoices import opened
from comptroller.gateway.api.rights import READ
from comptroller.gateway.api.shapes import Name, Period, Said
from comptroller.office.exchange import focus, sheet
from comptroller.office.exchange.focus import Zones

CSV = "text/csv"


class FocusAsked(Said):
    """Which invoices, and in which version of the specification."""

    period: Period | None = None
    customer: Name | None = None
    version: Literal["1.2", "1.4"] = "1.4"


async def export_focus(ask: Ask) -> Response:
    """Cost and Usage of all invoices that count, a line each."""
    return await run_in_threadpool(_export, ask)


def _export(ask: Ask) -> Response:
    said = ask.query
    with opened(ask) as keeper:
        zones = Zones({contract.id: contract.calendar.zone for contract in keeper.contracts})
        chosen = [
            one for one in list(keeper.invoices.invoices.values())
            if one.state != "void" and ask.who.owns(one)
            and said.customer in (None, one.customer) and said.period in (None, one.period)
        ]  # fmt: skip
        data = sheet.write(focus.costs(chosen, said.version, zones), "csv")
    named = f'attachment; filename="focus-{said.version}-{said.period or "all"}.csv"'
    return Response(data, media_type=CSV, headers={"content-disposition": named})


ROUTES = (
    Route("GET", "/api/books/focus", "What was billed, as FOCUS Cost and Usage in CSV.", READ, export_focus, Said,
          FocusAsked, own=True, media={CSV: {"type": "string"}}),
)  # fmt: skip
