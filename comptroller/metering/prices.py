"""Prices: what a model's call costs, exactly, and the most it can cost, from catalogue and overrides."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from fnmatch import fnmatchcase

from comptroller.core.call import Usage
from comptroller.core.clock import SYSTEM, Clock
from comptroller.core.errors import SettingsError
from comptroller.core.settings import PriceOverride
from comptroller.metering.catalogue import FOREVER, Listing, catalogue_version, look_up, override_prices
from comptroller.metering.rates import Band, compile_bands

TIERS = ("batch", "flex", "priority", "fast")
# A tier that leaves the choice to the provider is held at the dearest it may choose.
_MAY_BECOME: Mapping[str, tuple[str, ...]] = {"auto": ("", "priority")}
_NAMES_KEPT = 4_096  # names come from callers: beyond this all are forgotten and looked up anew
NO_LIMIT = (1 << 31) - 1  # output that costs nothing has room for any number of tokens


@dataclass(slots=True)
class Price:
    """The price of one model at the time it was found."""

    model: str
    provider: str
    currency: str
    version: str
    context: int | None
    compiled: Callable[[str], tuple[Band, ...]] = field(repr=False, compare=False)
    _plans: dict[str, tuple[Band, ...]] = field(default_factory=dict, repr=False, compare=False)
    _free: bool | None = field(default=None, repr=False, compare=False)

    @property
    def free(self) -> bool:
        """True when tokens cost nothing here: rightly so, or because it is sold by the hour or the page."""
        if self._free is None:
            self._free = not any(band.media_input or band.media_output or band.fixed for band in self._plan(""))
        return self._free

    def cost(self, usage: Usage) -> int:
        """What the usage costs, in nanos; exact, rounded half up once at the end."""
        inputs = usage.input
        for band in self._plans.get(usage.tier) or self._plan(usage.tier):
            if inputs > band.above:
                return band.cost(usage)
        raise AssertionError("the last band holds for any number of input tokens")

    def worst(
        self, input_tokens: int, output_tokens: int, tier: str = "", *, searches: int = 0, media: bool = True
    ) -> int:
        """The most that a call within these bounds can cost: nothing cached, everything written, the dearest band.

        Without `media` the caller vouches that neither audio nor images go in or come out.
        """
        most = 0
        for chosen in _MAY_BECOME.get(tier) or (tier,):
            for band in self._plans.get(chosen) or self._plan(chosen):
                if input_tokens > band.above:
                    most = max(most, band.worst(input_tokens, output_tokens, searches, media))
        return most

    def output_room(
        self, nanos: int, input_tokens: int, tier: str = "", *, searches: int = 0, media: bool = True
    ) -> int:
        """The most output tokens whose worst case still fits; -1 when not even the input does."""
        bands = self._reachable(input_tokens, tier)
        rooms = (band.output_room(nanos, input_tokens, searches, media) for band in bands)
        return min((room for room in rooms if room is not None), default=NO_LIMIT)

    def _reachable(self, input_tokens: int, tier: str) -> list[Band]:
        return [
            band
            for chosen in _MAY_BECOME.get(tier, (tier,))
            for band in self._plan(chosen)
            if input_tokens > band.above
        ]

    def _plan(self, tier: str) -> tuple[Band, ...]:
        tier = tier if tier in TIERS else ""
        plan = self._plans.get(tier)
        if plan is None:
            plan = self._plans[tier] = self.compiled(tier)
        return plan


class PriceBook:
    """Finds prices: an override first, then the catalogue; every answer, and every miss, is remembered."""

    def __init__(self, overrides: Sequence[PriceOverride] = (), clock: Clock = SYSTEM) -> None:
        self._overrides = [(override, _rates_of(override)) for override in _checked(overrides)]
        self._clock = clock
        self._found: dict[tuple[str, str], tuple[int, int, Price | None]] = {}
        self.version = catalogue_version() + (f"+{_digest(overrides)}" if overrides else "")

    def find(self, model: str, provider: str = "") -> Price | None:
        """The price of a model now; None when nobody has told us one: that is never the same as nothing to pay."""
        now_ns = self._clock.now_ns()
        known = self._found.get((model, provider))
        if known is not None and known[0] <= now_ns < known[1]:
            return known[2]
        until_ns, price = self._find(model, provider, now_ns)
        if len(self._found) >= _NAMES_KEPT:
            self._found.clear()
        self._found[model, provider] = now_ns, until_ns, price
        return price

    def _find(self, model: str, provider: str, now_ns: int) -> tuple[int, Price | None]:
        listing = look_up(model, provider)
        for override, rates in self._overrides:
            if fnmatchcase(model.strip().lower(), override.model.strip().lower()):
                return FOREVER, self._own(model, provider, override, rates, listing)
        if listing is None:
            return FOREVER, None
        # A listing without any price is a model the catalogue has heard of, not one it knows the price of.
        price = listed_price(listing, now_ns, self.version) if listing.prices("", now_ns) else None
        return listing.until_ns(now_ns), price

    def _own(
        self, model: str, provider: str, override: PriceOverride, rates: Mapping[str, Decimal], known: Listing | None
    ) -> Price:
        bands = compile_bands(override_prices(rates))
        context = known.model.context_window if known else None
        return Price(model, provider, override.currency, self.version, context, lambda tier: bands)


def listed_price(listing: Listing, now_ns: int, version: str) -> Price:
    """The price of a listing at an instant, compiled for a tier when that tier is first asked for."""

    def compiled(tier: str) -> tuple[Band, ...]:
        return compile_bands(listing.prices(tier, now_ns))

    since = listing.since(now_ns)
    version = f"{version}@{since.isoformat()}" if since else version
    model = listing.model
    return Price(model.id, listing.provider.id, "USD", version, model.context_window, compiled)


def _checked(overrides: Sequence[PriceOverride]) -> Sequence[PriceOverride]:
    wrong = [
        f"prices.overrides: {override.model}: {name}: {value!r} is not a price. Write money per million tokens, "
        'like "2.50".'
        for override in overrides
        for name, value in _stated(override).items()
        if not _is_price(value)
    ]
    if wrong:
        raise SettingsError("\n".join(wrong))
    return overrides


def _stated(override: PriceOverride) -> dict[str, str | int]:
    names = ("input", "output", "cache_read", "cache_write_5m", "cache_write_1h")
    return {name: value for name in names if (value := getattr(override, name)) is not None}


def _is_price(value: str | int) -> bool:
    try:
        amount = Decimal(value)
    except InvalidOperation:
        return False
    return amount.is_finite() and amount >= 0


def _rates_of(override: PriceOverride) -> dict[str, Decimal]:
    # What is not stated costs what plain input costs: a guess at a discount would charge too little.
    units = {
        "input": "input_tokens",
        "output": "output_tokens",
        "cache_read": "cache_read_tokens",
        "cache_write_5m": "cache_write_tokens",
        "cache_write_1h": "cache_write_1h_tokens",
    }
    return {units[name]: Decimal(value) for name, value in _stated(override).items()}


def _digest(overrides: Sequence[PriceOverride]) -> str:
    rows = [override.model_dump() for override in overrides]
    return hashlib.sha256(json.dumps(rows, sort_keys=True).encode()).hexdigest()[:8]
