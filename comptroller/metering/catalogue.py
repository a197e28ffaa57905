"""The catalogue: what `genai-prices` knows of a model, found by its matching and valid at an instant."""

import importlib.metadata
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from fractions import Fraction
from typing import TYPE_CHECKING

from comptroller.core.forks import LOADING
from comptroller.core.money import NANOS
from comptroller.metering.rates import Steps

if TYPE_CHECKING:
    from decimal import Decimal

    from genai_prices.types import ModelInfo, Provider, StartDateConstraint, TieredPrices, TimeOfDateConstraint

LONGEST_NAME = 256  # a name beyond this is no model's, and matching it against 2,000 patterns is somebody's attack
FOREVER = 1 << 63
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_REGIONAL = re.compile(r"^(?:[a-z]+\.)?[a-z0-9]+\.[a-z]")  # us.anthropic.claude-..., as Bedrock names models


@dataclass(frozen=True, slots=True)
class Listing:
    """A model in the catalogue, and the provider whose price it is."""

    provider: "Provider"
    model: "ModelInfo"

    def prices(self, tier: str, now_ns: int) -> dict[str, Steps]:
        """The price of each unit in nanos, for calls of a tier made now."""
        with LOADING:
            from genai_prices.units import _get_registry

        # A model borrowed from another provider's list has that one's variants, which this one need not offer.
        own = any(self.model is model for model in self.provider.models)
        context = {"processing": tier, "service_tier": tier, "speed": tier} if tier and own else None
        found = self.model.get_prices(_moment(now_ns), context)
        by_key = {unit.price_key: unit for unit in _get_registry().units.values()}
        priced = {key: value for key, value in vars(found).items() if value is not None and key in by_key}
        return {by_key[key].usage_key: _steps(value, by_key[key].per) for key, value in priced.items()}

    def until_ns(self, now_ns: int) -> int:
        """The next instant at which a price of this model may change."""
        now = _moment(now_ns)
        starts = (moment for rule in self._rules() for moment in _starts(rule, now) if moment > now)
        return min((_ns(moment) for moment in starts), default=FOREVER)

    def since(self, now_ns: int) -> date | None:
        """The day from which the prices that hold now are in force, where the catalogue says one."""
        today = _moment(now_ns).date()
        days = (getattr(rule, "start_date", None) for rule in self._rules())
        return max((day for day in days if day is not None and day <= today), default=None)

    def _rules(self) -> "Iterator[StartDateConstraint | TimeOfDateConstraint]":
        listed = self.model.prices if isinstance(self.model.prices, list) else []
        yield from (item.constraint for item in listed if item.constraint is not None)
        yield from (item.constraint for item in self.model.price_variants or () if item.constraint is not None)


def catalogue_version() -> str:
    """Names the catalogue a price came from."""
    return f"genai-prices-{importlib.metadata.version('genai-prices')}"


def look_up(name: str, provider: str = "") -> Listing | None:
    """The listing that a model name means, asked of `provider` first; None when there is none."""
    name, provider = name.strip().lower(), provider.strip().lower()
    if not name or len(name) > LONGEST_NAME or len(provider) > LONGEST_NAME:
        return None
    for asked, model in _readings(name, provider):
        if found := _listing(model, asked):
            return found
    return None


def _readings(name: str, provider: str) -> Iterator[tuple[str, str]]:
    """What a name may mean, the likeliest first: `gpt-4o`, `openai/gpt-4o`, `models/gemini-2.5-pro`."""
    if provider:
        yield provider, name
    head, slash, tail = name.partition("/")
    if slash:
        yield head, tail
    yield "", name
    if slash and "models/" in name:
        tail = name.rpartition("models/")[2]
        yield provider, tail
        yield "", tail
    if _REGIONAL.match(name):
        yield "aws", name


def _listing(name: str, provider: str) -> Listing | None:
    # The snapshot's own look-up remembers every name it was ever asked, without bound; names come from callers.
    with LOADING:
        from genai_prices.data import providers
        from genai_prices.data_snapshot import find_provider_by_id

    if provider:
        found = find_provider_by_id(providers, provider)
    else:
        found = next((p for p in providers if p.model_match is not None and p.model_match.is_match(name)), None)
    model = found.find_model(name, all_providers=providers) if found else None
    return Listing(found, model) if found and model else None


def _steps(value: "Decimal | TieredPrices", per: int) -> Steps:
    tiers = getattr(value, "tiers", None)
    if tiers is None:
        return Steps(_nanos(value, per))  # type: ignore[arg-type]
    return Steps(_nanos(value.base, per), tuple((tier.start, _nanos(tier.price, per)) for tier in tiers))  # type: ignore[union-attr]


def _nanos(price: "Decimal", per: int) -> Fraction:
    return Fraction(price) * NANOS * Fraction(1, per)


def _starts(rule: "StartDateConstraint | TimeOfDateConstraint", now: datetime) -> Iterator[datetime]:
    start = getattr(rule, "start_date", None)
    if start is not None:
        yield datetime.combine(start, time(0), UTC)
        return
    for edge in (rule.start_time, rule.end_time):  # type: ignore[union-attr]
        for day in (now.date() + timedelta(days=offset) for offset in (-1, 0, 1, 2)):
            yield datetime.combine(day, edge, edge.tzinfo or UTC).astimezone(UTC)


def _moment(now_ns: int) -> datetime:
    return _EPOCH + timedelta(microseconds=now_ns // 1_000)


def _ns(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1) * 1_000


def override_prices(rates: Mapping[str, "Decimal"]) -> dict[str, Steps]:
    """Prices of one's own, given per million tokens."""
    return {unit: Steps(_nanos(rate, 1_000_000)) for unit, rate in rates.items()}
