"""What texts, times and amounts look like at `/api`, and the frames that bodies and replies are made in."""

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from comptroller.core.money import NANOS, decimal_text

PLAIN = r"^[^\u0000-\u001f\u007f]*$"
AMOUNT = r"^[0-9]{1,18}([.][0-9]{1,9})? [A-Z]{3}$"
PERIOD = r"^[1-9][0-9]{3}-[0-9]{2}(-[0-9]{2})?$"
TIME = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9]{2}:[0-9]{2}(:[0-9]{2}([.][0-9]{1,6})?)?(Z|[+-][0-9]{2}:[0-9]{2})?)?$"
FIRST, LAST = 1_900, 9_000  # years a time may be in: what the books can compare


def _money(value: object) -> object:
    return decimal_text(int(value * NANOS)) if isinstance(value, Decimal) else value


def _moment(value: object) -> object:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return value.isoformat() if isinstance(value, date) else value


def _written(value: object) -> object:
    if not isinstance(value, str) or not re.match(TIME, value):
        raise ValueError("a time is written like 2026-03-01 or 2026-03-01T12:00:00Z")
    return value


def _aware(value: datetime) -> datetime:
    if not FIRST <= value.year <= LAST:
        raise ValueError(f"the year is not between {FIRST} and {LAST}")
    return value if value.tzinfo else value.replace(tzinfo=UTC)


Money = Annotated[str, BeforeValidator(_money), Field(pattern=r"^-?[0-9]+\.[0-9]{2,9}$", examples=["0.0012"])]
Moment = Annotated[str, BeforeValidator(_moment), Field(json_schema_extra={"format": "date-time"})]
Time = Annotated[
    datetime,
    BeforeValidator(_written),
    AfterValidator(_aware),
    WithJsonSchema({"type": "string", "pattern": TIME, "examples": ["2026-03-01T12:00:00Z"]}),
]
Name = Annotated[str, Field(max_length=256, pattern=PLAIN)]
Id = Annotated[str, Field(min_length=1, max_length=128, pattern=PLAIN)]
Because = Annotated[str, Field(max_length=1000, pattern=PLAIN)]
Period = Annotated[str, Field(pattern=PERIOD, examples=["2026-11"])]
Costs = dict[str, Money]


class Said(BaseModel):
    """What a client says: a body or a query. A field that does not exist is a mistake."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Told(BaseModel):
    """What is told."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Nothing(Said):
    """Nothing may be said."""


T = TypeVar("T", bound=BaseModel)


def pick(shape: type[T], row: Mapping[str, Any], **more: object) -> T:
    """A row of the books in a shape: the columns it knows."""
    return shape.model_validate({name: row[name] for name in shape.model_fields if name in row} | more)


class Fault(Told):
    """What went wrong, where, and what to do."""

    code: str
    message: str
    remedy: str
    place: str = ""


class Error(Told):
    """The shape of every error."""

    error: Fault
