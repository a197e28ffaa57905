"""Reading a price: from what a user wrote to a `Price`, or to every mistake in it, in words."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any, get_args

from pydantic import TypeAdapter, ValidationError

from comptroller.core.errors import SettingsError
from comptroller.core.mistakes import did_you_mean
from comptroller.metering.rating import frame
from comptroller.metering.rating.build import build
from comptroller.metering.rating.ladder import Mistake, faults
from comptroller.metering.rating.price import Price
from comptroller.metering.rating.usage import Usage

_ADAPTER: TypeAdapter[Any] = TypeAdapter(frame.AnyFrame)
_FRAMES: dict[str, type[frame.PriceFrame]] = {
    name: kind for kind in frame.FRAMES for name in get_args(kind.model_fields["model"].annotation)
}
MODELS = tuple(sorted(_FRAMES))
# What has a price, and the models that it brings the usage for: the others would price it at nothing.
OF_UNITS = ("blocks", "committed", "flat", "graduated", "package", "unit", "volume")
OF_OUTCOMES = (*OF_UNITS, "cost_plus", "dynamic", "percentage")


class PriceError(SettingsError):
    """A price cannot be used; `mistakes` lists everything that is wrong with it, each with its place in it."""

    def __init__(self, mistakes: list[Mistake]) -> None:
        self.mistakes = mistakes
        super().__init__("\n".join(f"{where(place)}: {text}" if place else text for place, text in mistakes))


def read_price(values: Mapping[str, Any], currency: str = "", models: Collection[str] = MODELS) -> Price:
    """The price that these values describe; PriceError tells every mistake.

    `currency` is that of the contract, `models` are those that what is priced has the usage for.
    """
    given = dict(values)
    if currency:
        given.setdefault("currency", currency)
    try:
        read = _ADAPTER.validate_python(given)
    except ValidationError as error:
        raise PriceError([_told(given, fault) for fault in error.errors()]) from None
    if read.model not in models:
        known = ", ".join(sorted(models))
        raise PriceError([(("model",), f"`{read.model}` prices nothing that is counted here. Use one of {known}.")])
    if mistakes := [*faults(read), *_unrounded(read)]:
        raise PriceError(mistakes)
    return build(read)


def read_usage(values: Mapping[str, Any]) -> Usage:
    """The usage that these values describe; PriceError tells every mistake."""
    try:
        read = frame.UsageFrame.model_validate(_pairs(values))
    except ValidationError as error:
        raise PriceError([_told(values, fault, frame.UsageFrame) for fault in error.errors()]) from None
    return Usage(
        quantity=read.quantity,
        prorated=read.prorated,
        value=read.value,
        cost=read.cost,
        events=tuple(read.events),
        count=read.count,
        peaks=read.peaks,
        buckets=tuple(read.buckets),
        windows=tuple(read.windows),
        changes=tuple(read.changes),
        subjects=tuple(tuple(outcomes) for outcomes in read.subjects),
    )


def _pairs(values: Mapping[str, Any]) -> dict[str, Any]:
    """Pairs are lists in YAML and JSON."""
    pairs = {
        name: [tuple(pair) if isinstance(pair, list) else pair for pair in values[name]]
        for name in ("windows", "changes")
        if isinstance(values.get(name), list)
    }
    return {**values, **pairs}


def where(place: tuple[str | int, ...]) -> str:
    """A place in a price, as people write it: `tiers[2].up_to`."""
    text = "".join(f"[{step + 1}]" if isinstance(step, int) else f".{step}" for step in place)
    return text.lstrip(".")


def _unrounded(price: frame.PriceFrame) -> Iterator[Mistake]:
    if price.rounding.at != "none":
        try:
            build(price).rounding.decimals(price.currency)
        except ValueError as error:
            yield ("currency",), f"{error} (`rounding: {{places: 2}}`)"


def _told(values: Mapping[str, Any], fault: Any, kind_of: type[frame.Frame] | None = None) -> Mistake:
    """A fault as pydantic sees it, told as a sentence with a remedy."""
    model = values.get("model")
    place = fault["loc"][1:] if fault["loc"][:1] == (model,) else fault["loc"]
    kind, name = fault["type"], str(place[-1]) if place else ""
    if kind == "union_tag_not_found":
        return ("model",), f"The price names no `model`. Write one of {', '.join(MODELS)}."
    if kind == "union_tag_invalid":
        return ("model",), f"`{model}` is not a model of prices. {did_you_mean(str(model), MODELS)}"
    if kind == "extra_forbidden":
        return (
            place,
            f"`{name}` is not a key here. {did_you_mean(name, _keys(kind_of or _FRAMES[str(model)], place[:-1]))}",
        )
    if kind == "missing":
        return place, f"`{name}` is missing. Add it."
    if kind == "value_error":
        return place, f"{fault['ctx']['error']}."
    if kind == "literal_error":
        return place, f"{fault['input']!r} is not one of {fault['ctx']['expected']}."
    return place, f"{fault['input']!r} will not do here: {fault['msg'][0].lower()}{fault['msg'][1:]}."


def _keys(kind: type[frame.Frame], place: tuple[str | int, ...]) -> list[str]:
    """The keys there are at a place of a price."""
    here: type[frame.Frame] | None = kind
    for step in place:
        if isinstance(step, str) and here:
            here = frame.held(here, step)
    return [field.alias or name for name, field in here.model_fields.items()] if here else []
