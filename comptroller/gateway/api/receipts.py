"""Receipts: the signed text of a verified outcome, for the other organisation to check offline."""

from comptroller.gateway.api.frame import Ask, Route
from comptroller.gateway.api.outcomes import desk_of, meant
from comptroller.gateway.api.problem import Problem
from comptroller.gateway.api.rights import READ
from comptroller.gateway.api.shapes import Told


class ReceiptTold(Told):
    """A receipt as it was signed, and as it came back counter-signed, where it did."""

    outcome: str
    receipt: str
    countersigned: str | None


def show_receipt(ask: Ask) -> ReceiptTold:
    """The receipt of an outcome."""
    outcome = meant(ask, desk_of(ask))
    drawer = ask.bureau.drawer()
    text = drawer.receipts.get(outcome.key)
    if text is None:
        raise Problem(
            404,
            "not_found",
            f"There is no receipt for {outcome.key}, which is {outcome.state}.",
            "Once it is verified, sign one with `comptroller receipts issue`.",
        )
    return ReceiptTold(outcome=outcome.key, receipt=text, countersigned=drawer.countersigned.get(outcome.key))


ROUTES = (
    Route(
        "GET",
        "/api/receipts/{outcome}",
        "The signed receipt of a verified outcome.",
        READ,
        show_receipt,
        ReceiptTold,
        fails=(404,),
    ),
)
