"""What is always true of prices, whatever their terms and the usage."""

from dataclasses import fields, is_dataclass
from fractions import Fraction
from itertools import accumulate
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from comptroller.metering.rating import Before, Price, Rated, Usage, rate, read_price

numbers = st.integers(0, 20_000).map(lambda amount: Fraction(amount, 1000))
sizes = st.integers(1, 3_000).map(lambda amount: Fraction(amount, 100))
units = st.integers(0, 12_000).map(lambda amount: Fraction(amount, 100))
runs = st.lists(units, min_size=1, max_size=5)
CURRENCIES = ("USD", "JPY", "KWD", "CLF")


@st.composite
def ladders(draw: Any, flats: bool = True) -> list[dict[str, Any]]:
    """Tiers that join, the last without end."""
    steps = accumulate(draw(st.lists(sizes, max_size=3)))
    return [
        {"up_to": up_to, "unit": draw(numbers), **({"flat": draw(numbers)} if flats and draw(st.booleans()) else {})}
        for up_to in (*steps, None)
    ]


@st.composite
def models(draw: Any) -> dict[str, Any]:
    """A price by the unit, of any model."""
    model = draw(st.sampled_from(["unit", "graduated", "volume", "package", "blocks", "committed"]))
    terms: dict[str, Any] = {
        "unit": lambda: {"unit": draw(numbers), "per": draw(sizes)},
        "graduated": lambda: {"tiers": draw(ladders()), "flat_at_zero": draw(st.booleans())},
        "volume": lambda: {"tiers": draw(ladders()), "flat_at_zero": draw(st.booleans())},
        "package": lambda: {"size": draw(sizes), "amount": draw(numbers)},
        "blocks": lambda: {
            "blocks": [{"size": draw(sizes), "price": draw(numbers), "most": 3}, {"size": 7, "price": draw(numbers)}],
            "priced": draw(st.sampled_from(["graduated", "volume"])),
        },
        "committed": lambda: {"quantity": draw(sizes), "unit": draw(numbers), "overage": draw(numbers)},
    }[model]()
    if draw(st.booleans()):
        terms["convert"] = {"divide_by": draw(sizes), "round": draw(st.sampled_from([None, "ceiling", "half_even"]))}
    if draw(st.booleans()):
        terms["free"], terms["free_from"] = draw(numbers), draw(st.sampled_from(["converted", "metered"]))
    return {"model": model, **terms}


@st.composite
def prices(draw: Any, **fixed: Any) -> Price:
    """Any price by the unit, with everything around it."""
    terms = draw(models())
    minimum = draw(st.none() | numbers)
    around = {
        "currency": draw(st.sampled_from(CURRENCIES)),
        "rounding": {
            "at": draw(st.sampled_from(["line", "total", "none"])),
            "mode": draw(st.sampled_from(["half_up", "half_even", "down", "ceiling"])),
        },
        "discount_percent": draw(st.sampled_from(["0", "15.5", "33.333"])),
        "again": draw(st.sampled_from(["progressive", "delta", "split"])),
        "minimum": minimum,
        "maximum": draw(st.none() | numbers.map(lambda more: more + (minimum or 0))),
    }
    return read_price({**terms, **around, **fixed})


def in_runs(price: Price, amounts: list[Fraction]) -> list[Rated]:
    """A period rated in as many runs as there are amounts of new usage."""
    done: list[Rated] = []
    for number, so_far in enumerate(accumulate(amounts)):
        known = Before(Usage(so_far - amounts[number]), sum((one.total for one in done), Fraction(0))) if done else None
        told = so_far if price.again == "delta" else amounts[number]
        done.append(rate(price, Usage(told), known, last=number == len(amounts) - 1))
    return done


@settings(deadline=None)
@given(price=prices(again="delta"), amounts=runs)
def test_a_period_in_runs_costs_to_the_cent_what_it_costs_at_once(price: Price, amounts: list[Fraction]) -> None:
    done = in_runs(price, amounts)
    assert sum(one.total for one in done) == rate(price, Usage(sum(amounts, Fraction(0)))).total


@settings(deadline=None)
@given(terms=models(), amounts=runs)
def test_usage_priced_on_top_of_what_came_before_costs_what_it_does_at_once(
    terms: dict[str, Any], amounts: list[Fraction]
) -> None:
    price = read_price({**terms, "currency": "USD", "rounding": "none", "again": "progressive"})
    done = in_runs(price, amounts)
    assert sum(one.total for one in done) == rate(price, Usage(sum(amounts, Fraction(0)))).total


@settings(deadline=None)
@given(price=prices(), amounts=runs)
def test_lines_add_up_to_the_total_which_is_payable(price: Price, amounts: list[Fraction]) -> None:
    for rated in in_runs(price, amounts):
        assert sum(line.amount for line in rated.lines) == rated.total
        if price.rounding.at != "none" and price.minimum is None and price.maximum is None:
            assert (rated.total * 10 ** price.rounding.decimals(price.currency)).denominator == 1


@settings(deadline=None)
@given(price=prices(rounding="none"), amounts=runs)
def test_a_period_costs_no_more_than_its_most_and_no_less_than_its_least(price: Price, amounts: list[Fraction]) -> None:
    total = sum(one.total for one in in_runs(price, amounts))
    assert price.maximum is None or total <= price.maximum
    assert price.minimum is None or total >= price.minimum


@settings(deadline=None)
@given(tiers=ladders(), one=units, other=units)
def test_more_units_never_cost_less_in_graduated_tiers(tiers: Any, one: Fraction, other: Fraction) -> None:
    price = read_price({"model": "graduated", "tiers": tiers, "currency": "USD", "rounding": "none"})
    fewer, more = sorted([one, other])
    assert rate(price, Usage(fewer)).total <= rate(price, Usage(more)).total


@settings(deadline=None)
@given(tiers=ladders(flats=False), count=units, more=st.integers(1, 100))
def test_without_flat_parts_graduated_tiers_never_jump(tiers: Any, count: Fraction, more: int) -> None:
    price = read_price({"model": "graduated", "tiers": tiers, "currency": "USD", "rounding": "none"})
    step = Fraction(more, 10**9)
    dearest = max(Fraction(tier["unit"]) for tier in tiers)
    rise = rate(price, Usage(count + step)).total - rate(price, Usage(count)).total
    assert 0 <= rise <= dearest * step


@settings(deadline=None)
@given(unit=numbers, count=units)
def test_one_tier_without_end_is_a_price_by_the_unit(unit: Fraction, count: Fraction) -> None:
    totals = {
        rate(read_price({"model": model, "currency": "USD", **terms}), Usage(count)).total
        for model, terms in (
            ("unit", {"unit": unit}),
            ("graduated", {"tiers": [{"unit": unit}]}),
            ("volume", {"tiers": [{"unit": unit}]}),
        )
    }
    assert len(totals) == 1


@settings(deadline=None)
@given(tiers=ladders(), changes=st.lists(st.integers(0, 20), min_size=1, max_size=4))
def test_seats_that_were_there_all_the_time_cost_what_their_number_does(tiers: Any, changes: list[int]) -> None:
    price = read_price({"model": "graduated", "tiers": tiers, "currency": "USD", "rounding": "none"})
    whole = Usage(changes=tuple((Fraction(count), Fraction(count)) for count in changes))
    assert rate(price, whole).total == rate(price, Usage(Fraction(sum(changes)))).total


@settings(deadline=None)
@given(price=prices(), amounts=runs)
def test_no_float_is_ever_among_what_is_read_or_rated(price: Price, amounts: list[Fraction]) -> None:
    assert not [value for value in _held([price, *in_runs(price, amounts)]) if isinstance(value, float)]


def _held(value: Any) -> list[Any]:
    """Every plain value inside a noun."""
    if is_dataclass(value):
        return [held for field in fields(value) for held in _held(getattr(value, field.name))]
    if isinstance(value, (list, tuple)):
        return [held for one in value for held in _held(one)]
    return [value]
