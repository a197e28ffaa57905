"""Rates: a price list compiled to whole numbers, so that a call's cost is a few products and one division."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from operator import attrgetter

from comptroller.core.call import Usage

Count = Callable[[Usage], int]


@dataclass(frozen=True, slots=True)
class Unit:
    """Something a provider counts. A unit with more marks is a part of every unit whose marks it has."""

    count: Count
    marks: frozenset[str]


def _unit(field: str, *marks: str) -> Unit:
    return Unit(attrgetter(field), frozenset(marks))


def _writes(usage: Usage) -> int:
    return usage.cache_write_5m + usage.cache_write_1h


# By the name the price catalogue gives them. What a catalogue prices beyond these (video, characters, hours) has no
# count in a Usage: it is charged as the unit it is part of, or not at all (see Price.free).
UNITS: Mapping[str, Unit] = {
    "input_tokens": _unit("input", "input"),
    "cache_read_tokens": _unit("cache_read", "input", "read"),
    "cache_write_tokens": Unit(_writes, frozenset({"input", "write"})),
    "cache_write_5m_tokens": _unit("cache_write_5m", "input", "write", "5m"),
    "cache_write_1h_tokens": _unit("cache_write_1h", "input", "write", "1h"),
    "input_audio_tokens": _unit("audio_input", "input", "audio"),
    "cache_audio_read_tokens": _unit("audio_cache_read", "input", "audio", "read"),
    "input_image_tokens": _unit("image_input", "input", "image"),
    "output_tokens": _unit("output", "output"),
    "output_reasoning_tokens": _unit("reasoning", "output", "reasoning"),
    "output_audio_tokens": _unit("audio_output", "output", "audio"),
    "output_image_tokens": _unit("image_output", "output", "image"),
    "web_searches": _unit("searches", "search"),
}
REQUESTS = "requests"  # one for each call
MEDIA = frozenset({"audio", "image"})


@dataclass(frozen=True, slots=True)
class Steps:
    """The price of one unit in nanos: `base`, and from more than `start` input tokens on another one."""

    base: Fraction
    tiers: tuple[tuple[int, Fraction], ...] = ()

    def at(self, above: int) -> Fraction:
        """The price when there are more than `above` input tokens (but no more than the next start)."""
        return next((price for start, price in reversed(self.tiers) if above >= start), self.base)


@dataclass(frozen=True, slots=True)
class Band:
    """The rates for calls with more than `above` input tokens, as whole numbers of 1/`scale` nanos."""

    above: int
    scale: int  # even, so that half of it is whole
    fixed: int
    rates: tuple[tuple[Count, int, tuple[int, ...]], ...]  # count, rate, places of its parts; parts come first
    input: int  # the dearest an input token gets, and likewise below
    output: int
    media_input: int
    media_output: int
    search: int

    def cost(self, usage: Usage) -> int:
        """Nanos, rounded half up once. Parts that exceed their total are charged, the total never turns negative."""
        total = self.fixed
        own: list[int] = []
        for count, rate, parts in self.rates:
            rest = count(usage)
            for part in parts:
                rest -= own[part]
            if rest < 0:
                rest = 0
            own.append(rest)
            total += rest * rate
        return (total + self.scale // 2) // self.scale

    def worst(self, inputs: int, outputs: int, searches: int, media: bool) -> int:
        """The most that a call within these bounds can cost here, rounded up."""
        total = self.fixed + searches * self.search
        total += inputs * (self.media_input if media else self.input)
        total += outputs * (self.media_output if media else self.output)
        return -(-total // self.scale)

    def output_room(self, nanos: int, inputs: int, searches: int, media: bool) -> int | None:
        """How many output tokens are left to pay for; negative when the input does not fit, None when all fit."""
        rest = nanos * self.scale - self.fixed - searches * self.search
        rest -= inputs * (self.media_input if media else self.input)
        each = self.media_output if media else self.output
        if rest < 0:
            return -1
        return rest // each if each else None


def compile_bands(prices: Mapping[str, Steps]) -> tuple[Band, ...]:
    """One band for each stretch of input tokens over which no price changes, the highest first."""
    known = {name: steps for name, steps in prices.items() if name in UNITS or name == REQUESTS}
    edges = {-1, *(start for steps in known.values() for start, _ in steps.tiers)}
    return tuple(
        _band(above, {name: steps.at(above) for name, steps in known.items()}) for above in sorted(edges, reverse=True)
    )


def _band(above: int, prices: Mapping[str, Fraction]) -> Band:
    scale = 2 * math.lcm(*(price.denominator for price in prices.values()))
    whole = {name: price.numerator * (scale // price.denominator) for name, price in prices.items()}
    names = sorted((name for name in whole if name != REQUESTS), key=lambda name: -len(UNITS[name].marks))
    return Band(
        above=above,
        scale=scale,
        fixed=whole.get(REQUESTS, 0),
        rates=tuple((UNITS[name].count, whole[name], _parts(name, names)) for name in names),
        input=_dearest("input", whole, media=False),
        output=_dearest("output", whole, media=False),
        media_input=_dearest("input", whole, media=True),
        media_output=_dearest("output", whole, media=True),
        search=whole.get("web_searches", 0),
    )


def _parts(name: str, names: Sequence[str]) -> tuple[int, ...]:
    marks = UNITS[name].marks
    return tuple(place for place, other in enumerate(names) if marks < UNITS[other].marks)


def _dearest(direction: str, whole: Mapping[str, int], media: bool) -> int:
    found = (UNITS[name].marks for name in whole if name != REQUESTS)
    fits = {marks for marks in found if direction in marks and (media or not marks & MEDIA)}
    return max((rate for name, rate in whole.items() if name != REQUESTS and UNITS[name].marks in fits), default=0)
