"""What must fit between the steps of a price: tiers and blocks that join, hours that meet, reservations that grow."""

from collections.abc import Iterator
from fractions import Fraction

from comptroller.metering.rating import frame
from comptroller.metering.rating.terms import plain

Mistake = tuple[tuple[str | int, ...], str]


def faults(price: frame.PriceFrame) -> Iterator[Mistake]:
    """Everything that is wrong between the parts of a price, each with its place."""
    if isinstance(price, frame.TiersFrame):
        yield from _tiers(price)
    elif isinstance(price, frame.BlocksFrame):
        yield from _blocks(price)
    elif isinstance(price, frame.CapacityFrame):
        yield from _reservations(price)
    elif isinstance(price, frame.WindowsFrame):
        yield from _windows(price)
    elif isinstance(price, frame.SeatsFrame):
        for meter in sorted(price.overage.keys() - price.throughput.keys()):
            yield ("overage", meter), f"`{meter}` has no `throughput` that it could pass. Name it there, too."


def _tiers(price: frame.TiersFrame) -> Iterator[Mistake]:
    start = Fraction(0)
    for number, tier in enumerate(price.tiers):
        place = ("tiers", number)
        yield from _joins(place, tier, start)
        yield from _priced(place, tier, price.of)
        if tier.up_to is None:
            if number < len(price.tiers) - 1:
                yield place, "Only the last tier may be without `up_to`: the tiers after it can never be reached."
                return
        elif tier.up_to <= start:
            yield (*place, "up_to"), f"The tier ends at {plain(tier.up_to)}, where the one before ends at " \
                f"{plain(start)}: they overlap. Put the tiers in order."  # fmt: skip
        else:
            start = tier.up_to


def _joins(place: tuple[str | int, ...], tier: frame.TierFrame, start: Fraction) -> Iterator[Mistake]:
    if tier.since is not None and tier.since != start:
        what = "a gap between them" if tier.since > start else "they overlap"
        yield (*place, "from"), f"The tier begins at {plain(tier.since)}, the one before ends at {plain(start)}: " \
            f"{what}. Write `from: {plain(start)}` or leave it out."  # fmt: skip


def _priced(place: tuple[str | int, ...], tier: frame.TierFrame, of: str) -> Iterator[Mistake]:
    if tier.unit is None and tier.flat is None and tier.percent is None:
        yield (
            place,
            "The tier has no price. Write `unit`, `flat` or, for tiers of a value, `percent`; 0 where it is free.",
        )
    elif of == "value" and tier.unit is not None:
        yield (*place, "unit"), "Tiers of a value take a `percent` of it, not a price by the unit."
    elif of == "units" and tier.percent is not None:
        yield (*place, "percent"), "A percentage needs a value. Set `of: value`, or price by the `unit`."


def _blocks(price: frame.BlocksFrame) -> Iterator[Mistake]:
    for number, block in enumerate(price.blocks[:-1]):
        if block.most is None:
            yield (
                ("blocks", number),
                "Only the last step may be without `most`: the ones after it can never be reached.",
            )


def _reservations(price: frame.CapacityFrame) -> Iterator[Mistake]:
    for number, (before, tier) in enumerate(zip(price.tiers, price.tiers[1:], strict=False), 1):
        for meter, most in tier.most.items():
            if meter not in before.most or most < before.most[meter]:
                yield ("tiers", number, "max", meter), f"The tier before holds more of `{meter}`. Put the tiers in " \
                    "order, the smallest first."  # fmt: skip
        if not before.most:
            yield ("tiers", number), "The tier before holds everything, so this one can never be reached. Take one out."


def _windows(price: frame.WindowsFrame) -> Iterator[Mistake]:
    taken: set[int] = set()
    for number, window in enumerate(price.windows):
        hours = set(hours_of(window.hours))
        if twice := hours & taken:
            text = f"{min(twice):02d} h belongs to two windows. Let one end where the other begins."
            yield ("windows", number, "hours"), text
        taken |= hours
    missing = [hour for hour in range(24) if hour not in taken]
    if missing and price.rest is None:
        yield (), f"No window holds {missing[0]:02d} h. Add `rest`, with its price for all other hours."
    if not missing and price.rest is not None:
        yield ("rest",), "The windows hold the whole day, so nothing is left for `rest`. Take it out."


def hours_of(span: tuple[int, int]) -> Iterator[int]:
    """The hours from one to before another, over midnight where need be."""
    since, until = span
    hour = since % 24
    for _ in range((until - since) % 24 or 24):
        yield hour
        hour = (hour + 1) % 24
