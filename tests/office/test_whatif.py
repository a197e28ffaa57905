import pytest

from comptroller.core.errors import SettingsError
from comptroller.metering.contract_reader import read_contracts
from comptroller.office.whatif import Rerated, given_to, reprice
from tests.office.agreed import FLAT, House

OTHER = FLAT.replace("acme-1", "acme-2").replace("1.50", "{price: {model: graduated, tiers: [%s]}}")
TIERS = OTHER % "{up_to: 2, unit: 2}, {unit: 1}"
USD = 1_000_000_000


def three(house: House) -> list[str]:
    house.on(1, 10)
    return [house.verified() for _ in range(3)]


def under(house: House, text: str, period: str = "2026-01", customer: str = "") -> Rerated:
    (found,) = reprice(house.keeper, read_contracts([("other.yaml", text)]), period, customer)
    return found


def test_the_same_contract_changes_nothing() -> None:
    house = House()
    three(house)
    found = under(house, FLAT)
    assert (found.now.revenue, found.then.revenue, found.change) == (4_500_000_000, 4_500_000_000, 0)


def test_another_price_is_told_for_the_customer_its_types_and_each_outcome() -> None:
    house = House()
    first, second, third = three(house)
    found = under(house, TIERS)
    assert (found.then.revenue, found.change) == (5 * USD, USD // 2)
    assert found.then.by_type == {"refund.resolved": (3, 5 * USD)}
    assert [fees[1:] for fees in sorted(found.fees)] == [(1_500_000_000, 2 * USD)] * 2 + [(1_500_000_000, USD)]
    assert [fees[0] for fees in found.fees] == sorted([first, second, third])


def test_rating_again_writes_nothing_and_comes_out_the_same() -> None:
    house = House()
    three(house)
    before = len(house.desk.ledger.facts)
    assert under(house, TIERS) == under(house, TIERS)
    assert len(house.desk.ledger.facts) == before


def test_what_was_billed_meanwhile_is_rated_like_what_was_not() -> None:
    house = House()
    three(house)
    before = under(house, TIERS)
    house.on(2, 5).close()
    assert under(house, TIERS) == before


def test_outcomes_attested_too_weakly_are_left_out_with_the_reason() -> None:
    house = House()
    (key, *_) = three(house)
    found = under(house, FLAT.replace("acme-1", "acme-2") + "attestation: {minimum: deterministic}\n")
    assert found.then.revenue == 0
    assert dict(found.untold)[key].startswith("customer is weaker than deterministic")


def test_a_type_without_a_price_is_left_out_with_the_reason() -> None:
    house = House()
    three(house)
    found = under(house, FLAT.replace("refund.resolved", "other.type"))
    assert {why for _, why in found.untold} == {"the contract has no price for refund.resolved"}


def test_only_the_period_asked_for_is_rated() -> None:
    house = House()
    three(house)
    house.on(2, 10)
    house.verified()
    assert under(house, TIERS, "2026-02").then.revenue == 2 * USD


def test_one_customers_terms_can_be_tried_on_others() -> None:
    house = House()
    three(house)
    book = given_to(read_contracts([("other.yaml", TIERS.replace("customer: acme", "customer: blue"))]), ["acme"])
    (found,) = reprice(house.keeper, book, "2026-01")
    assert (found.customer, found.then.revenue) == ("acme", 5 * USD)


def test_a_period_or_customer_that_is_not_there_is_told() -> None:
    house = House()
    with pytest.raises(SettingsError, match="None of these contracts is for 'blue'"):
        under(house, TIERS, customer="blue")
    with pytest.raises(SettingsError, match="Write"):
        under(house, TIERS, "january")
