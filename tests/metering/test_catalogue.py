"""Our arithmetic against the library's own, over everything it knows."""

import itertools
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal, localcontext

import pytest
from genai_prices import Usage as TheirUsage
from genai_prices.data import providers
from genai_prices.data_snapshot import get_snapshot
from genai_prices.types import ModelInfo, Provider
from genai_prices.units import _get_registry

from comptroller.core.call import Usage
from comptroller.metering.catalogue import FOREVER, Listing, look_up
from comptroller.metering.prices import TIERS, listed_price
from comptroller.metering.rates import UNITS

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
TODAY = datetime(2026, 11, 1, 12, tzinfo=UTC)
USAGES = [
    Usage(input=1, output=1),
    Usage(input=1_234, output=567),
    Usage(input=1_234_567, output=89_012, cache_read=345_678, reasoning=12_345),
    Usage(input=30_000, output=7, cache_write_5m=10_001, cache_write_1h=9_999, cache_read=10_000),
    Usage(input=999, cache_write_1h=999, output=3, reasoning=3, searches=7),
    Usage(input=50_000, output=5_000, audio_input=20_000, audio_output=3_000, cache_read=9_000, audio_cache_read=8_000),
    Usage(input=4_000, output=1_290, image_input=3_000, image_output=1_290),
    Usage(searches=1),
]


def listings() -> Iterator[Listing]:
    for provider in providers:
        for model in provider.models:
            yield Listing(provider, model)


def borrowed() -> Iterator[Listing]:
    """Models a provider takes from another's list: their variants do not come along."""
    for provider in providers:
        for other in provider.fallback_model_providers or []:
            for model in next(p for p in providers if p.id == other).models:
                yield Listing(provider, model)


def nanos(moment: datetime) -> int:
    return (moment - EPOCH) // timedelta(microseconds=1) * 1_000


def theirs(listing: Listing, usage: Usage, at: datetime) -> int:
    values = {
        "input_tokens": usage.input,
        "output_tokens": usage.output,
        "cache_read_tokens": usage.cache_read,
        "cache_write_tokens": usage.cache_write_5m + usage.cache_write_1h,
        "cache_write_5m_tokens": usage.cache_write_5m,
        "cache_write_1h_tokens": usage.cache_write_1h,
        "input_audio_tokens": usage.audio_input,
        "output_audio_tokens": usage.audio_output,
        "cache_audio_read_tokens": usage.audio_cache_read,
        "input_image_tokens": usage.image_input,
        "output_image_tokens": usage.image_output,
        "cache_image_read_tokens": 0,
        "output_reasoning_tokens": usage.reasoning,
        "web_searches": usage.searches,
    }
    context = {"processing": usage.tier, "service_tier": usage.tier, "speed": usage.tier} if usage.tier else None
    with localcontext(prec=60):
        found = listing.model.calc_price(
            TheirUsage(**values), listing.provider, genai_request_timestamp=at, price_context=context
        )
        return int((found.total_price * 10**9).quantize(Decimal(1), ROUND_HALF_UP))


def thresholds(model: ModelInfo) -> set[int]:
    listed = [item.prices for item in model.prices] if isinstance(model.prices, list) else [model.prices]
    listed += [variant.prices for variant in model.price_variants or []]
    values = itertools.chain.from_iterable(vars(prices).values() for prices in listed)
    return {tier.start for value in values for tier in getattr(value, "tiers", [])}


def edges(listing: Listing) -> list[datetime]:
    """Now, and the instants around every change of a price of this model from 2024 on."""
    found, at = [TODAY], nanos(datetime(2024, 1, 1, tzinfo=UTC))
    while (at := listing.until_ns(at)) < FOREVER and len(found) < 12:
        moment = EPOCH + timedelta(microseconds=at // 1_000)
        found += [moment - timedelta(microseconds=1), moment]
    return found


@pytest.mark.parametrize("provider", providers, ids=lambda provider: provider.id)
def test_every_price_of_the_catalogue_is_the_librarys_to_the_nano(provider: Provider) -> None:
    compared = 0
    for listing in (Listing(provider, model) for model in provider.models):
        steps = [Usage(input=start + more, output=9) for start in thresholds(listing.model) for more in (0, 1)]
        tiers = ("", *TIERS) if listing.model.price_variants else ("",)
        for at in edges(listing):
            price = listed_price(listing, nanos(at), "v")
            for tier, usage in itertools.product(tiers, USAGES + steps):
                used = Usage(**{name: getattr(usage, name) for name in usage.__slots__} | {"tier": tier})
                assert price.cost(used) == theirs(listing, used, at), (listing.model.id, used, at)
                compared += 1
    assert compared >= len(provider.models) * len(USAGES)


def test_a_borrowed_model_costs_what_the_library_says() -> None:
    for listing in itertools.islice(borrowed(), 0, None, 3):
        price = listed_price(listing, nanos(TODAY), "v")
        for tier in ("", "batch"):
            usage = Usage(input=1_234, output=567, cache_read=100, tier=tier)
            assert price.cost(usage) == theirs(listing, usage, TODAY), listing


def test_between_two_changes_every_price_stays_as_it_is() -> None:
    dated = [listing for listing in listings() if listing.until_ns(nanos(TODAY)) < FOREVER]
    assert dated
    for listing in dated:
        until = listing.until_ns(nanos(TODAY))
        for tier in ("", "batch"):
            assert listing.prices(tier, nanos(TODAY)) == listing.prices(tier, until - 1)


def test_names_are_matched_as_the_library_matches_them() -> None:
    asked = [(model.id, provider.id) for provider in providers for model in provider.models][::5]
    for name, provider in asked:
        try:
            expected = get_snapshot().find_provider_model(name, None, provider, None)
        except LookupError:
            continue
        found = look_up(name, provider)
        assert found is not None
        assert (found.provider.id, found.model.id) == (expected[0].id, expected[1].id)


def test_our_units_are_parts_of_each_other_as_the_librarys_are() -> None:
    registry = _get_registry()
    for one, other in itertools.permutations(UNITS, 2):
        theirs = registry.units[one].dimensions.items() < registry.units[other].dimensions.items()
        assert (UNITS[one].marks < UNITS[other].marks) == theirs, (one, other)


def test_the_catalogue_prices_no_token_we_count_in_a_unit_we_do_not_know() -> None:
    counted = {"text", "citation", "tool", "video"}  # said by no dialect: charged as the plain tokens they are part of
    priced = {unit for listing in listings() for unit in listing.prices("", nanos(TODAY))}
    tokens = {name for name in priced if name.endswith("_tokens")} - UNITS.keys()
    unknown = {name for name in tokens if not any(word in name for word in counted)}
    assert unknown <= {"cache_image_read_tokens"}  # cached pictures are charged as cached tokens
