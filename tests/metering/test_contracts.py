"""Contracts as files: what they say, and what is wrong with them, by line."""

from datetime import date
from fractions import Fraction

import pytest

from comptroller.core.mistakes import FileErrors
from comptroller.metering.contract_reader import read_contracts
from comptroller.metering.contracts import ContractBook

NANO = 1_000_000_000
TEXT = """contract: acme-1
customer: acme
from: 2026-01-01
until: 2026-07-01
currency: USD
outcomes: {done: 1.50}
"""


def read(*texts: str) -> ContractBook:
    return read_contracts([(f"{number}.yaml", text) for number, text in enumerate(texts, 1)])


def mistakes(*texts: str) -> list[str]:
    with pytest.raises(FileErrors) as caught:
        read(*texts)
    return caught.value.mistakes


def later(text: str = TEXT) -> str:
    return text.replace("acme-1", "acme-2").replace("until: 2026-07-01\n", "").replace("2026-01-01", "2026-07-01")


def test_the_version_that_holds_is_found_to_the_instant() -> None:
    book = read(TEXT, later())
    first, second = book.of("acme")
    assert first.end == second.start
    assert book.at("acme", second.start) is second
    assert book.at("acme", second.start - 1) is first
    assert book.at("acme", first.start - 1) is None
    assert book.at("nobody", first.start) is None


def test_versions_that_overlap_are_refused_with_both_places() -> None:
    (said,) = mistakes(TEXT, later().replace("2026-07-01", "2026-06-30"))
    assert said.startswith(
        "2.yaml:1: The contract of acme from 2026-06-30 overlaps the one at 1.yaml:1, which holds until"
    )
    assert "`until: 2026-06-30`" in said


@pytest.mark.parametrize(
    ("change", "line", "told"),
    [
        ("currency: USD -> currency: US", 5, "currency"),
        ("currency: USD -> currency: XAU", 5, "has no smallest unit"),
        ("currency: USD -> currency: QQQ", 5, "is not a currency of ISO 4217"),
        ("until: 2026-07-01 -> until: 2026-01-01", 1, "is not after `from: 2026-01-01`"),
        ("from: 2026-01-01 -> from: first of May", 3, "is not a day. Write it like 2026-11-01"),
        ("from: 2026-01-01 -> form: 2026-01-01", 3, "has no such key"),
        ("{done: 1.50} -> {done: {model: percentage, percent: 5, least: 3, most: 2}}", 6, "is above `most`"),
        ("{done: 1.50} -> {done: -1}", 6, "less than nothing"),
        ("{done: 1.50} -> {done: {model: unit, unit: 1, currency: EUR}}", 6, "the contract in USD"),
        ("{done: 1.50} -> {done: {price: 1, most: 5 EUR}}", 1, "is in EUR, the contract in USD"),
        ("customer: acme -> customer: acme\nzone: Mars/Olympus", 3, "is not a time zone"),
        ("customer: acme -> customer: acme\ntax: {percent: 119}", 3, "less than or equal to 100"),
        ("customer: acme -> customer: acme\ndiscounts: [{name: x}]", 3, "either `percent` or `amount`"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(change: str, line: int, told: str) -> None:
    before, _, after = change.partition(" -> ")
    said = mistakes(TEXT.replace(before, after))
    assert any(one.startswith(f"1.yaml:{line}: ") and told in one for one in said), said


def test_all_mistakes_of_all_files_are_told_at_once() -> None:
    assert len(mistakes(TEXT.replace("USD", "US"), later().replace("currency", "curency"))) >= 2


def test_a_file_may_hold_several_contracts() -> None:
    text = "contracts:\n  - {contract: a, customer: a, from: 2026-01-01, currency: JPY}\n" \
           "  - {contract: b, customer: b, from: 2026-01-01, currency: KWD, calendar: anniversary}\n"  # fmt: skip
    assert read(text).customers == [("default", "a"), ("default", "b")]


def test_a_number_is_a_price_for_each_and_exact() -> None:
    (contract,) = read(TEXT.replace("1.50", '"0.333"'))
    assert contract.fees["done"].price.model.unit == Fraction(333, 1000)  # type: ignore[attr-defined]
    assert contract.starts == date(2026, 1, 1)


def test_two_texts_that_say_the_same_are_one_version() -> None:
    (one,), (same,), (other,) = read(TEXT), read(f"# a remark\n{TEXT}"), read(TEXT.replace("1.50", "1.51"))
    assert one.version == same.version != other.version
    assert one.fees["done"].version == same.fees["done"].version != other.fees["done"].version


def test_a_customer_has_one_currency_as_invoices_follow_from_each_other() -> None:
    (mistake,) = mistakes(TEXT, later().replace("USD", "EUR"))
    assert mistake.startswith("2.yaml:")
    assert "has a contract in USD at 1.yaml:1" in mistake


@pytest.mark.parametrize(
    "second", ["{id: g, amount: 7 USD, from: 2026-01-01}", "{id: g, amount: 5 USD, from: 2026-02-01}"]
)
def test_a_credit_under_one_name_is_given_once(second: str) -> None:
    grant = "{id: g, amount: 5 USD, from: 2026-01-01}"
    assert len(read(f"{TEXT}grants: [{grant}]", f"{later()}grants: [{grant}]").of("acme")) == 2
    for texts in (
        (f"{TEXT}grants: [{grant}, {second}]",),
        (f"{TEXT}grants: [{grant}]", f"{later()}grants: [{second}]"),
    ):
        (mistake,) = mistakes(*texts)
        assert "given 'g' with other terms already" in mistake
