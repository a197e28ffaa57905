from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comptroller.core.call import Usage
from comptroller.core.clock import FrozenClock
from comptroller.core.errors import SettingsError
from comptroller.core.settings import PriceOverride
from comptroller.metering import prices as module
from comptroller.metering.prices import NO_LIMIT, Price, PriceBook
from comptroller.metering.rates import Steps, compile_bands

CLOCK = FrozenClock(1_793_491_200_000_000_000)  # 1 November 2026
BOOK = PriceBook(clock=CLOCK)
MILLION = 1_000_000
USD = 1_000_000_000


def price(model: str, provider: str = "", book: PriceBook = BOOK) -> Price:
    found = book.find(model, provider)
    assert found is not None
    return found


def own(**rates: str | int | None) -> PriceOverride:
    return PriceOverride(**{"model": "ours", "input": "2", "output": "8", **rates})  # type: ignore[arg-type]


# -- finding


@pytest.mark.parametrize(
    ("name", "provider", "found"),
    [
        ("gpt-4o", "openai", ("openai", "gpt-4o")),
        ("gpt-4o-2024-08-06", "openai", ("openai", "gpt-4o")),
        ("GPT-4o ", "openai", ("openai", "gpt-4o")),
        ("gpt-4o", "", ("openai", "gpt-4o")),
        ("openai/gpt-4o", "openai", ("openai", "gpt-4o")),
        ("anthropic/claude-sonnet-4-5", "openai", ("anthropic", "claude-sonnet-4-5")),
        ("claude-sonnet-4-5-20250929", "anthropic", ("anthropic", "claude-sonnet-4-5")),
        ("claude-sonnet-4-5", "openai", ("anthropic", "claude-sonnet-4-5")),
        ("groq/llama-3.3-70b-versatile", "openai", ("groq", "llama-3.3-70b-versatile")),
        ("models/gemini-2.5-flash", "google", ("google", "gemini-2.5-flash")),
        ("ft:gpt-4o-mini-2024-07-18:acme::a1", "openai", ("openai", "ft:gpt-4o-mini")),
        ("gpt-4o-mini", "azure", ("azure", "gpt-4o-mini")),
    ],
)
def test_a_model_is_found_under_the_names_people_use(name: str, provider: str, found: tuple[str, str]) -> None:
    assert (price(name, provider).provider, price(name, provider).model) == found


@pytest.mark.parametrize("name", ["scripted-model", "", "gpt-4o-but-mine", "x" * 10_000, "a/b/c", "/", "ft:", "\udcff"])
def test_an_unknown_model_has_no_price_rather_than_none_to_pay(name: str) -> None:
    assert BOOK.find(name, "openai") is None


def test_a_model_listed_without_any_price_is_unpriced() -> None:
    from genai_prices.data import providers

    heard_of = [(p, m) for p in providers for m in p.models if not isinstance(m.prices, list) and not vars(m.prices)]
    assert len(heard_of) > 100
    provider, model = next(pair for pair in heard_of if pair[0].id == "openrouter")
    assert BOOK.find(model.id, provider.id) is None


def test_a_model_whose_tokens_cost_nothing_is_marked() -> None:
    assert price("whisper-large-v3", "groq").free  # sold by the hour of audio
    assert not price("gpt-4o").free


def test_a_price_is_looked_up_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    real = module.look_up
    monkeypatch.setattr(module, "look_up", lambda name, provider: asked.append(name) or real(name, provider))
    book = PriceBook(clock=CLOCK)
    for _ in range(3):
        book.find("gpt-4o", "openai")
        book.find("nobody's", "openai")
    assert asked == ["gpt-4o", "nobody's"]


def test_names_from_callers_do_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "look_up", lambda name, provider: None)
    book = PriceBook(clock=CLOCK)
    for i in range(10_000):
        book.find(f"made-up-{i}")
    assert len(book._found) <= 4_096


def test_a_price_follows_its_effective_dates() -> None:
    clock = FrozenClock(1_748_736_000_000_000_000)  # 2025-06-01, nine days before o3 became cheaper
    book = PriceBook(clock=clock)
    before = price("o3", "openai", book)
    assert price("o3", "openai", book) is before
    clock.tick(10 * 86_400)
    after = price("o3", "openai", book)
    assert (before.cost(Usage(input=MILLION)), after.cost(Usage(input=MILLION))) == (10 * USD, 2 * USD)
    assert after.version == f"{book.version}@2025-06-10"
    clock.tick(-10 * 86_400)
    assert price("o3", "openai", book).cost(Usage(input=MILLION)) == 10 * USD


def test_a_price_follows_the_time_of_day() -> None:
    clock = FrozenClock(1_746_057_600_000_000_000)  # 2025-05-01, midnight
    book = PriceBook(clock=clock)
    costs = []
    for _ in range(24):
        costs.append(price("deepseek-chat", "deepseek", book).cost(Usage(input=MILLION)))
        clock.tick(3_600)
    assert len(set(costs)) == 2
    assert costs[1:] != costs[:-1]


# -- costs


def test_cached_tokens_are_charged_once() -> None:
    assert price("gpt-4o").cost(Usage(input=MILLION, cache_read=MILLION)) == USD * 5 // 4
    assert price("gpt-4o").cost(Usage(input=MILLION)) == USD * 5 // 2


def test_writes_of_both_lifetimes_have_their_own_price() -> None:
    sonnet = price("claude-sonnet-4-5")
    assert sonnet.cost(Usage(input=MILLION // 5, cache_write_5m=MILLION // 5)) == USD * 3 // 4
    assert sonnet.cost(Usage(input=MILLION // 5, cache_write_1h=MILLION // 5)) == USD * 6 // 5


def test_the_tier_that_billed_has_its_own_price() -> None:
    plain, batch = (price("gpt-4o").cost(Usage(input=MILLION, tier=tier)) for tier in ("", "batch"))
    assert batch * 2 == plain


@pytest.mark.parametrize("tier", ["default", "standard", "standard_only", "scale", "auto", "x" * 1000])
def test_a_tier_without_a_price_of_its_own_costs_the_plain_price(tier: str) -> None:
    found = price("gpt-4o")
    assert found.cost(Usage(input=MILLION, tier=tier)) == found.cost(Usage(input=MILLION))
    assert tier not in found._plans


def test_the_long_context_price_holds_from_one_token_above_its_threshold() -> None:
    found = price("gpt-5.5", "openai")
    at, above = found.cost(Usage(input=272_000)), found.cost(Usage(input=272_001))
    assert at == 272_000 * 5_000
    assert above == 272_001 * 10_000


@pytest.mark.parametrize(
    ("usage", "nanos"),
    [
        (Usage(input=0, cache_read=100), 100 * 300),
        (Usage(input=10, cache_read=100, output=5, reasoning=50), 100 * 300 + 5 * 15_000),
        (Usage(input=10, cache_write_1h=100, cache_read=100), 100 * 6_000 + 100 * 300),
    ],
)
def test_a_usage_that_contradicts_itself_is_charged_and_never_credited(usage: Usage, nanos: int) -> None:
    assert price("claude-sonnet-4-5").cost(usage) == nanos


def test_half_a_nano_is_rounded_up_once() -> None:
    odd = price("ours", book=PriceBook([own(input="0.0005", output="0.0005")], CLOCK))
    assert odd.cost(Usage(input=1)) == 1
    assert odd.cost(Usage(input=1, output=1)) == 1
    assert odd.cost(Usage(input=3)) == 2


def test_a_search_costs_its_price_per_thousand() -> None:
    assert price("claude-sonnet-4-5").cost(Usage(searches=3)) == 3 * USD // 100


# -- overrides


def test_an_override_comes_before_the_catalogue() -> None:
    book = PriceBook([own(model="gpt-4*", currency="EUR", cache_read="0.5")], CLOCK)
    found = price("gpt-4o", "openai", book)
    assert (found.currency, found.context) == ("EUR", 128_000)
    assert found.cost(Usage(input=MILLION, cache_read=MILLION // 2, output=MILLION)) == 9_250_000_000
    assert price("claude-sonnet-4-5", "", book).currency == "USD"


def test_what_an_override_leaves_out_costs_plain_input() -> None:
    found = price("OURS", book=PriceBook([own()], CLOCK))
    assert found.cost(Usage(input=3, cache_read=1, cache_write_5m=1, cache_write_1h=1)) == 6_000
    assert price("ours", book=PriceBook([own(cache_write_5m=3)], CLOCK)).cost(Usage(input=1, cache_write_1h=1)) == 3_000


def test_the_version_of_a_book_changes_with_its_overrides() -> None:
    versions = {PriceBook(overrides, CLOCK).version for overrides in ([], [own()], [own(input="3")])}
    assert len(versions) == 3
    assert PriceBook([own()], CLOCK).version == PriceBook([own()], CLOCK).version


def test_overrides_that_are_no_prices_are_all_named_with_a_remedy() -> None:
    with pytest.raises(SettingsError) as caught:
        PriceBook([own(input="two"), own(model="theirs", output="-1", cache_read="NaN")], CLOCK)
    lines = str(caught.value).splitlines()
    assert lines[0] == (
        "prices.overrides: ours: input: 'two' is not a price. Write money per million tokens, like \"2.50\"."
    )
    assert [line.split(": ")[1:3] for line in lines[1:]] == [["theirs", "output"], ["theirs", "cache_read"]]


# -- bounds

MODELS = ["gpt-4o", "gpt-5.5", "claude-sonnet-4-5", "gemini-2.5-flash", "gpt-4o-audio-preview", "o3", "deepseek-chat"]
tokens = st.one_of(st.integers(0, 2_000), st.integers(199_990, 300_000))


@st.composite
def usages(draw: st.DrawFn) -> Usage:
    """A usage whose parts lie within their totals."""
    left = inputs = draw(tokens)
    outputs = draw(tokens)
    parts = {}
    for name in ("cache_read", "cache_write_5m", "cache_write_1h", "audio_input", "image_input"):
        parts[name] = draw(st.integers(0, left))
        left -= parts[name]
    spoken = draw(st.integers(0, outputs))
    thought = draw(st.integers(0, outputs - spoken))
    tier = draw(st.sampled_from(["", "batch", "flex", "priority"]))
    return Usage(input=inputs, output=outputs, reasoning=thought, audio_output=spoken, tier=tier, **parts)


@given(st.sampled_from(MODELS), usages(), st.integers(0, 5_000), st.integers(0, 5_000))
def test_no_call_costs_more_than_its_worst_case(model: str, usage: Usage, inputs: int, outputs: int) -> None:
    found = price(model)
    bound = found.worst(usage.input + inputs, usage.output + outputs, usage.tier)
    assert found.cost(usage) <= bound
    assert bound <= found.worst(usage.input + inputs, usage.output + outputs, "auto") or usage.tier not in (
        "",
        "priority",
    )


@given(st.sampled_from(MODELS), tokens, tokens)
def test_without_media_the_worst_case_still_bounds_text(model: str, inputs: int, outputs: int) -> None:
    found = price(model)
    text = Usage(input=inputs, output=outputs, cache_write_1h=inputs, reasoning=outputs)
    assert found.cost(text) <= found.worst(inputs, outputs, media=False) <= found.worst(inputs, outputs)


@given(st.sampled_from(MODELS), tokens, st.integers(0, 10 * USD), st.sampled_from(["", "batch", "priority", "auto"]))
def test_the_room_for_output_is_exactly_what_fits(model: str, inputs: int, nanos: int, tier: str) -> None:
    found = price(model)
    room = found.output_room(nanos, inputs, tier)
    if room < 0:
        assert found.worst(inputs, 0, tier) > nanos
    else:
        assert found.worst(inputs, room, tier) <= nanos < found.worst(inputs, room + 1, tier)


def test_output_that_costs_nothing_has_room_without_limit() -> None:
    embeddings = price("text-embedding-3-small", "openai")
    assert embeddings.output_room(USD, 10) == NO_LIMIT
    assert embeddings.output_room(0, 10) == -1


def test_searches_are_part_of_the_worst_case() -> None:
    found = price("claude-sonnet-4-5")
    assert found.worst(0, 0, searches=5) == found.cost(Usage(searches=5))
    assert found.output_room(USD // 20 - 1, 0, searches=5) == -1


def test_the_worst_case_assumes_that_everything_is_written_to_the_cache() -> None:
    assert price("claude-sonnet-4-5").worst(MILLION // 5, 0) == USD * 6 // 5


def test_each_unit_may_change_its_price_at_a_threshold_of_its_own() -> None:
    changing = {
        "input_tokens": Steps(Fraction(10), ((100, Fraction(20)),)),
        "output_tokens": Steps(Fraction(5), ((50, Fraction(6)), (200, Fraction(7)))),
    }
    found = Price("m", "p", "USD", "v", None, lambda tier: compile_bands(changing))
    costs = [found.cost(Usage(input=inputs, output=1)) for inputs in (0, 50, 51, 100, 101, 200, 201)]
    assert costs == [5, 505, 516, 1006, 2026, 4006, 4027]
