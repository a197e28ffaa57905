"""What a fact draws on: the lines and rates of its hold, refused where they could be written but never folded again."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

from comptroller.core.errors import StoreError
from comptroller.core.facts import CALL_CLOSED, CALL_OPENED, HOLD_EXPIRED, HOLD_EXTENDED, Fact, Line

HOLDING = {CALL_OPENED, CALL_CLOSED, HOLD_EXTENDED, HOLD_EXPIRED}


def drawn(fact: Fact) -> list[Line]:
    """The lines a reservation draws on."""
    return [row if type(row) is Line else Line(*row) for row in check(fact)]


def rates_of(fact: Fact) -> Sequence[Sequence[Any]]:
    """The rates a reservation counts against; `check` has seen them."""
    hold = fact.data.get("hold")
    return hold.get("rates") or () if isinstance(hold, dict) else ()


def check(fact: Fact) -> Sequence[Sequence[Any]]:
    """The rows a fact draws on; refuses a shape that could be written but never folded again."""
    if fact.kind not in HOLDING:
        return ()
    try:
        hold = cast("Mapping[str, Any] | None", fact.data.get("hold"))
        if hold is not None and not isinstance(hold["id"], str):
            raise TypeError("its id is not a text")
        if fact.kind == HOLD_EXTENDED and not isinstance(cast(Any, hold)["nth"], int):
            raise TypeError("it does not say which extension it is")
        rows = cast(Any, fact.data if hold is None else hold).get("lines") or ()
        rates = hold.get("rates") if hold is not None else None
        for row in [*rows, *rates] if rates else rows:
            if type(row) is Line:
                continue  # a noun of our own, which mypy has looked at
            key, unit, amount, *cap = row
            if type(key) is str and type(unit) is str and type(amount) is int and not cap:
                continue
            if not (isinstance(key, str) and isinstance(unit, str) and isinstance(amount, int)):
                raise TypeError("a line is of the wrong types")
            if len(cap) > 1 or (cap and cap[0] is not None and not isinstance(cap[0], int)):
                raise TypeError("a cap is of the wrong type")
        if rates and fact.kind == CALL_OPENED and any(len(row) != 4 or row[3] is None for row in rates):
            raise TypeError("a rate has no limit")
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        raise StoreError(
            f"{fact.kind} {fact.id}: its hold cannot be read ({error}). A hold is an id and lines of "
            "[key, unit, amount, cap]; this is a fault of the caller, nothing was written."
        ) from None
    return cast(Sequence[Sequence[Any]], rows)
