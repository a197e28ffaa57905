from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest

from comptroller.metering.rating import PriceError, Usage, rate, read_price, read_usage
from comptroller.metering.rating.price import price_digest
from comptroller.metering.rating.reader import MODELS, OF_OUTCOMES, OF_UNITS

GOOD: dict[str, dict[str, Any]] = {
    "unit": {"unit": "0.99"},
    "flat": {"amount": 31},
    "graduated": {"tiers": [{"up_to": 5, "flat": 100}, {"unit": 1}]},
    "volume": {"tiers": [{"up_to": 5, "flat": 100}, {"unit": 1}]},
    "package": {"size": 10, "amount": 15},
    "blocks": {"blocks": [{"size": 100, "price": 1, "most": 10}, {"size": 1000, "price": 1}]},
    "committed": {"quantity": 100, "unit": "1.5", "overage": 2},
    "percentage": {"percent": "1.3", "fixed": 2},
    "cost_plus": {"multiplier": "1.2"},
    "dynamic": {},
    "capacity": {"tiers": [{"price": 10, "max": {"calls": 100}}, {"price": 30}]},
    "seats": {"unit": 500, "throughput": {"calls": 1000}, "overage": {"calls": 1}},
    "menu": {"prices": {"resolution": "0.99"}},
    "windows": {"rest": {"unit": 2}},
}


def told(values: dict[str, Any], currency: str = "USD") -> str:
    with pytest.raises(PriceError) as refused:
        read_price(values, currency)
    return str(refused.value)


def test_every_model_has_a_price_that_reads() -> None:
    assert set(GOOD) == set(MODELS)
    for model, terms in GOOD.items():
        assert read_price({"model": model, **terms}, "USD").currency == "USD"


@pytest.mark.parametrize(("model", "key"), [(model, key) for model, terms in GOOD.items() for key in terms])
def test_every_term_that_a_model_needs_is_missed_by_name(model: str, key: str) -> None:
    values = {"model": model, **{name: term for name, term in GOOD[model].items() if name != key}}
    optional = {("percentage", "fixed"), ("seats", "overage"), ("seats", "throughput"), ("windows", "rest")}
    if (model, key) in optional:
        return
    assert told(values) == f"{key}: `{key}` is missing. Add it."


def test_a_price_takes_its_own_currency_before_that_of_the_contract() -> None:
    assert read_price({"model": "dynamic", "currency": "JPY"}, "USD").currency == "JPY"


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({}, "model: The price names no `model`. Write one of blocks, "),
        ({"model": "gradated"}, "model: `gradated` is not a model of prices. Did you mean `graduated`?"),
        ({"model": 5}, "model: `5` is not a model of prices."),
        ({"model": "unit", "unit": 1, "fre": 2}, "fre: `fre` is not a key here. Did you mean `free`?"),
        ({"model": "unit", "unit": -1}, "unit: -1 is less than nothing. Write 0 or more"),
        ({"model": "unit", "unit": "a lot"}, "unit: 'a lot' is not a number. Write it like `0.99`."),
        ({"model": "unit", "unit": 1, "per": 0}, "per: 0 is not more than nothing."),
        ({"model": "package", "size": -3, "amount": 1}, "size: -3 is not more than nothing. Write a number above 0."),
        ({"model": "package", "size": 3, "amount": 1, "round": "sideways"}, "round: 'sideways' is not one of"),
        ({"model": "unit", "unit": 1, "minimum": 9, "maximum": 3}, "The minimum of 9 is above the maximum of 3."),
        ({"model": "unit", "unit": 1, "discount_percent": 101}, "discount_percent: 101 is more than the whole."),
        ({"model": "unit", "unit": 1, "convert": {"divide_by": 0}}, "convert.divide_by: 0 is not more than nothing."),
        ({"model": "unit", "unit": 1, "convert": {"divde_by": 5}}, "Did you mean `divide_by`?"),
        ({"model": "unit", "unit": 1, "rounding": "often"}, "rounding.at: 'often' is not one of"),
        ({"model": "percentage", "percent": 1, "least": 5, "most": 2}, "`least` of 5 is above `most` of 2."),
        ({"model": "percentage", "percent": 1, "free": 2}, "free: `free` is not a key here."),
        ({"model": "menu", "prices": {}}, "prices: {} will not do here"),
        ({"model": "unit", "unit": 1, "currency": "XAU"}, "currency: XAU has no smallest unit in ISO 4217."),
        ({"model": "unit", "unit": 1, "currency": "ABC"}, "currency: 'ABC' is not a currency of ISO 4217."),
    ],
)
def test_a_bad_price_is_refused_in_words(values: dict[str, Any], words: str) -> None:
    assert words in told(values)


def test_all_mistakes_are_told_together_each_with_its_place() -> None:
    tiers = [{"up_to": 5, "unt": 1}, {"up_to": 3, "unit": -1}]
    with pytest.raises(PriceError) as refused:
        read_price({"model": "graduated", "tiers": tiers, "fre": 1}, "USD")
    assert [place for place, _ in refused.value.mistakes] == [("tiers", 0, "unt"), ("tiers", 1, "unit"), ("fre",)]
    assert "tiers[2].unit: " in str(refused.value)


def test_a_currency_without_a_smallest_unit_will_do_where_the_price_says_the_places_or_never_rounds() -> None:
    for rounding in ({"places": 3}, "none"):
        price = read_price({"model": "unit", "unit": "0.0015", "currency": "XAU", "rounding": rounding})
        assert rate(price, Usage(Fraction(1))).total == Fraction("0.002" if rounding != "none" else "0.0015")


def test_usage_reads_with_every_part_of_it() -> None:
    usage = read_usage({"quantity": 5, "events": [1, "2.5"], "windows": [[9, 60]], "changes": [[5, "3.5"]]})
    assert usage == Usage(
        quantity=Fraction(5),
        events=(Fraction(1), Fraction("2.5")),
        windows=((9, Fraction(60)),),
        changes=((Fraction(5), Fraction("3.5")),),
    )


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"quantty": 1}, "`quantty` is not a key here. Did you mean `quantity`?"),
        ({"quantity": "many"}, "quantity: 'many' is not a number."),
        ({"windows": [[24, 1]]}, "windows[1][1]"),
        ({"count": -1}, "count: -1 will not do here"),
    ],
)
def test_bad_usage_is_refused_in_words(values: dict[str, Any], words: str) -> None:
    with pytest.raises(PriceError) as refused:
        read_usage(values)
    assert words in str(refused.value)


def test_a_digest_is_the_same_for_the_same_terms_however_they_were_written_and_differs_with_any_of_them() -> None:
    price = read_price({"model": "unit", "unit": "0.50"}, "USD")
    assert price_digest(price) == price_digest(read_price({"unit": 0.5, "model": "unit", "currency": "USD"}))
    others = [
        replace(price, currency="EUR"),
        replace(price, free=Fraction(1)),
        replace(price, again="delta"),
        replace(price, minimum=Fraction(0)),
        read_price({"model": "graduated", "tiers": [{"unit": "0.5"}]}, "USD"),
        read_price({"model": "volume", "tiers": [{"unit": "0.5"}]}, "USD"),
    ]
    assert len({price_digest(one) for one in [price, *others]}) == len(others) + 1


def test_a_model_that_what_is_priced_brings_no_usage_for_is_refused() -> None:
    with pytest.raises(PriceError, match=r"model: `menu` prices nothing that is counted here. Use one of .*unit"):
        read_price({"model": "menu", **GOOD["menu"]}, "USD", OF_UNITS)
    assert set(OF_UNITS) < set(OF_OUTCOMES) < set(MODELS)
