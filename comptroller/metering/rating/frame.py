"""The frame of a price as users write it: which keys each model has and what they may say."""

import re
from collections.abc import Iterator
from fractions import Fraction
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from comptroller.metering.rating.rounding import At, Mode
from comptroller.metering.rating.terms import plain, read_number

_HOURS = re.compile(r"([01]\d|2[0-4])-([01]\d|2[0-4])")


def _whole(value: Fraction) -> Fraction:
    if value < 0:
        raise ValueError(f"{plain(value)} is less than nothing. Write 0 or more; what is given back is a credit")
    return value


def _some(value: Fraction) -> Fraction:
    if value <= 0:
        raise ValueError(f"{plain(value)} is not more than nothing. Write a number above 0")
    return value


def _share(value: Fraction) -> Fraction:
    if value > 100:
        raise ValueError(f"{plain(value)} is more than the whole. Write at most 100")
    return value


def _hours(text: object) -> tuple[int, int]:
    found = _HOURS.fullmatch(str(text))
    if not found or found[1] == found[2]:
        raise ValueError(f"{text!r} are no hours. Write them like `09-12`, the second not included")
    return int(found[1]), int(found[2])


def _rounding(value: Any) -> Any:
    return {"at": value} if isinstance(value, str) else value  # `rounding: none` is all that most need to say


Number = Annotated[Fraction, BeforeValidator(read_number)]
Amount = Annotated[Fraction, BeforeValidator(read_number), AfterValidator(_whole)]
Size = Annotated[Fraction, BeforeValidator(read_number), AfterValidator(_some)]
Percent = Annotated[Fraction, BeforeValidator(read_number), AfterValidator(_whole)]
Discount = Annotated[Fraction, BeforeValidator(read_number), AfterValidator(_whole), AfterValidator(_share)]
Span = Annotated[tuple[int, int], BeforeValidator(_hours)]
Hour = Annotated[int, Field(ge=0, le=23)]
Beyond = Literal["refuse", "last"]
Name = Annotated[str, Field(min_length=1, max_length=200)]


class Frame(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, arbitrary_types_allowed=True)


class RoundingFrame(Frame):
    at: At = "line"
    mode: Mode = "half_up"
    places: Annotated[int, Field(ge=0, le=9)] | None = None


class ConvertFrame(Frame):
    multiply_by: Size = Fraction(1)
    divide_by: Size = Fraction(1)
    round: Mode | None = None


class PriceFrame(Frame):
    """What every price may say."""

    model: str
    currency: Annotated[str, Field(pattern="^[A-Z]{3}$")]
    rounding: Annotated[RoundingFrame, BeforeValidator(_rounding)] = RoundingFrame()
    discount_percent: Discount = Fraction(0)
    minimum: Amount | None = None
    maximum: Amount | None = None
    again: Literal["progressive", "delta", "split"] = "progressive"

    @model_validator(mode="after")
    def _has_room(self) -> "PriceFrame":
        if self.minimum is not None and self.maximum is not None and self.minimum > self.maximum:
            raise ValueError(
                f"The minimum of {plain(self.minimum)} is above the maximum of {plain(self.maximum)}. Lower it"
            )
        return self


class UnitsFrame(PriceFrame):
    """What every price may say that counts units."""

    convert: ConvertFrame | None = None
    free: Amount = Fraction(0)
    free_from: Literal["converted", "metered"] = "converted"


class UnitFrame(UnitsFrame):
    model: Literal["unit"]
    unit: Amount
    per: Size = Fraction(1)


class FlatFrame(PriceFrame):
    model: Literal["flat"]
    amount: Amount


class TierFrame(Frame):
    since: Amount | None = Field(default=None, alias="from")
    up_to: Size | None = None
    unit: Amount | None = None
    flat: Amount | None = None
    percent: Percent | None = None


class TiersFrame(UnitsFrame):
    model: Literal["graduated", "volume"]
    tiers: Annotated[list[TierFrame], Field(min_length=1)]
    of: Literal["units", "value"] = "units"
    flat_at_zero: bool = True
    beyond: Beyond = "refuse"

    @model_validator(mode="after")
    def _counts_units(self) -> "TiersFrame":
        if self.of == "value" and (self.convert or self.free):
            raise ValueError("`convert` and `free` count units, and these tiers are of a value. Take them out")
        return self


class PackageFrame(UnitsFrame):
    model: Literal["package"]
    size: Size
    amount: Amount
    round: Mode = "ceiling"


class BlockFrame(Frame):
    size: Size
    price: Amount
    most: Annotated[int, Field(ge=1)] | None = None


class BlocksFrame(UnitsFrame):
    model: Literal["blocks"]
    blocks: Annotated[list[BlockFrame], Field(min_length=1)]
    priced: Literal["graduated", "volume"] = "graduated"
    beyond: Beyond = "refuse"


class CommittedFrame(UnitsFrame):
    model: Literal["committed"]
    quantity: Size
    unit: Amount
    overage: Amount


class PercentageFrame(PriceFrame):
    model: Literal["percentage"]
    percent: Percent
    fixed: Amount = Fraction(0)
    free_events: Annotated[int, Field(ge=0)] | None = None
    free_value: Amount | None = None
    least: Amount | None = None
    most: Amount | None = None

    @model_validator(mode="after")
    def _has_room_for_events(self) -> "PercentageFrame":
        if self.least is not None and self.most is not None and self.least > self.most:
            raise ValueError(f"`least` of {plain(self.least)} is above `most` of {plain(self.most)}. Lower it")
        return self


class CostPlusFrame(PriceFrame):
    model: Literal["cost_plus"]
    multiplier: Amount
    premium: Amount = Fraction(0)


class DynamicFrame(PriceFrame):
    model: Literal["dynamic"]


class ReservationFrame(Frame):
    price: Amount
    most: dict[Name, Size] = Field(default_factory=dict, alias="max")


class CapacityFrame(PriceFrame):
    model: Literal["capacity"]
    tiers: Annotated[list[ReservationFrame], Field(min_length=1)]
    beyond: Beyond = "refuse"


class SeatsFrame(PriceFrame):
    model: Literal["seats"]
    unit: Amount
    throughput: dict[Name, Size] = Field(default_factory=dict)
    overage: dict[Name, Amount] = Field(default_factory=dict)


class MenuFrame(PriceFrame):
    model: Literal["menu"]
    prices: Annotated[dict[Name, Amount], Field(min_length=1)]
    most: Annotated[int, Field(ge=1)] | None = None
    keep: Literal["first", "last", "dearest"] = "first"


class WindowFrame(Frame):
    unit: Amount
    commit: Amount | None = None
    commit_units: Amount | None = None
    factor: Amount = Fraction(1)
    true_up: bool = True

    @model_validator(mode="after")
    def _commits_once(self) -> "WindowFrame":
        if self.commit is not None and self.commit_units is not None:
            raise ValueError("`commit` and `commit_units` say the same twice. Take one of them out")
        return self


class HoursFrame(WindowFrame):
    hours: Span


class WindowsFrame(PriceFrame):
    model: Literal["windows"]
    windows: list[HoursFrame] = Field(default_factory=list)
    rest: WindowFrame | None = None


AnyFrame = Annotated[
    UnitFrame
    | FlatFrame
    | TiersFrame
    | PackageFrame
    | BlocksFrame
    | CommittedFrame
    | PercentageFrame
    | CostPlusFrame
    | DynamicFrame
    | CapacityFrame
    | SeatsFrame
    | MenuFrame
    | WindowsFrame,
    Field(discriminator="model"),
]


class UsageFrame(Frame):
    """What was metered, as users write it."""

    quantity: Number = Fraction(0)
    prorated: Number | None = None
    value: Number | None = None
    cost: Number | None = None
    events: list[Number] = Field(default_factory=list)
    count: Annotated[int, Field(ge=0)] = 0
    peaks: dict[Name, Number] = Field(default_factory=dict)
    buckets: list[Number] = Field(default_factory=list)
    windows: list[tuple[Hour, Number]] = Field(default_factory=list)
    changes: list[tuple[Number, Number]] = Field(default_factory=list)
    subjects: list[list[Name]] = Field(default_factory=list)


FRAMES: tuple[type[PriceFrame], ...] = get_args(get_args(AnyFrame)[0])


def held(kind: type[Frame], key: str) -> type[Frame] | None:
    """The frame of what stands under a key, where it is one or a list of them."""
    for name, field in kind.model_fields.items():
        if key in (name, field.alias):
            return next(_frames(field.annotation), None)
    return None


def _frames(annotation: Any) -> Iterator[type[Frame]]:
    if isinstance(annotation, type) and issubclass(annotation, Frame):
        yield annotation
    for part in get_args(annotation):
        yield from _frames(part)
