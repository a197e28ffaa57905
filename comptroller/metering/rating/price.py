"""A price: a model, and everything around it in which billing systems differ."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from fractions import Fraction
from typing import Any, Literal, Protocol

from comptroller.metering.rating.line import ZERO, Line
from comptroller.metering.rating.rounding import PAYABLE, Mode, Rounding
from comptroller.metering.rating.usage import Usage

ONE = Fraction(1)


class Model(Protocol):
    """How usage becomes lines, before anything around it."""

    def lines(self, usage: Usage) -> Iterator[Line]: ...


@dataclass(frozen=True, slots=True)
class Conversion:
    """Metered units into those that are priced: seconds to hours, actions to credits, tokens to thousands."""

    multiply_by: Fraction = ONE
    divide_by: Fraction = ONE
    round: Mode | None = None


@dataclass(frozen=True, slots=True)
class Price:
    """What something costs. Every convention that differs between billing systems is a field here or in the model."""

    model: Model
    currency: str
    rounding: Rounding = PAYABLE
    convert: Conversion | None = None
    free: Fraction = ZERO  # units
    free_from: Literal["converted", "metered"] = "converted"
    discount_percent: Fraction = ZERO
    minimum: Fraction | None = None  # for the period, due with its last run
    maximum: Fraction | None = None  # for the period
    again: Literal["progressive", "delta", "split"] = "progressive"


def price_digest(price: Price) -> str:
    """The same for two prices exactly when every term of them is the same."""
    text = json.dumps(_terms(price), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _terms(value: Any) -> Any:
    if is_dataclass(value):
        kept = {field.name: _terms(getattr(value, field.name)) for field in fields(value)}
        return {"is": type(value).__name__, **kept}
    if isinstance(value, Mapping):
        return {str(name): _terms(held) for name, held in value.items()}
    if isinstance(value, tuple):
        return [_terms(held) for held in value]
    return str(value) if isinstance(value, Fraction) else value
