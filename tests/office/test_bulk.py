"""Usage in bulk: whatever way events come in, sums and invoices are those of adding up by hand."""

import random
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest

pytest.importorskip("duckdb")

from comptroller.core.money import NANOS
from comptroller.metering.contract_reader import read_contracts
from comptroller.metering.periods import period_named
from comptroller.office.gather import Gatherer
from comptroller.office.work import Records
from comptroller.store.books import rebuild
from tests.office.depot import DAY, HEAD, START, House, row

CUSTOMERS = 60
TIERS = ((1_000, "0.01"), (20_000, "0.008333333"), (400_000, "0.0055"), (None, "0.000000001"))
TOLD = ", ".join(f"{{{f'up_to: {end}, ' if end else ''}unit: '{unit}'}}" for end, unit in TIERS)


class Unbilled:
    """No invoices yet."""

    shares: dict[str, object] = {}  # noqa: RUF012

    def of(self, customer: str, tenant: str = "default") -> list[object]:
        return []


class Answers:
    """Queries to the books of a house."""

    def __init__(self, house: House) -> None:
        self.house = house

    def rows(self, name: str, **params: object) -> list[dict[str, object]]:
        return self.house.read(name, **params)


def made(dice: random.Random, many: int) -> list[tuple[str, str, Decimal]]:
    """Events: id, customer, and a quantity of any size and up to nine decimals."""
    return [
        (f"e{n}", f"c{n % CUSTOMERS}", Decimal(dice.randrange(10 ** dice.randrange(1, 16))).scaleb(-dice.randrange(10)))
        for n in range(many)
    ]


def by_hand(events: list[tuple[str, str, Decimal]]) -> dict[str, Fraction]:
    sums: dict[str, Fraction] = {}
    for _, customer, quantity in events:
        sums[customer] = sums.get(customer, Fraction(0)) + Fraction(quantity)
    return sums


def amount(quantity: Fraction) -> Fraction:
    """What a quantity costs, tier by tier."""
    total, low = Fraction(0), Fraction(0)
    for end, unit in TIERS:
        high = quantity if end is None else min(quantity, Fraction(end))
        total += max(high - low, Fraction(0)) * Fraction(unit)
        low = Fraction(end or 0)
    return total


def told(events: list[tuple[str, str, Decimal]]) -> list[str]:
    return [row(event, f"{quantity:f}", customer) for event, customer, quantity in events]


@pytest.fixture
def house(tmp_path: Path):  # type: ignore[no-untyped-def]
    kept = House(tmp_path)
    yield kept
    kept.ledger.close()


def sums(house: House) -> dict[str, Fraction]:
    rows = house.read("metered", since=START, until=START + 31 * DAY)
    return {str(one["customer"]): Fraction(str(one["quantity"])) for one in rows}


def test_events_in_any_order_in_any_batches_told_again_and_again_add_up_to_the_nano(house: House) -> None:
    dice = random.Random(11)
    events = made(dice, 3_000)
    for number in range(3):
        again = told([*events[number * 1_000 : number * 1_000 + 1_000], *dice.sample(events, 800)])
        dice.shuffle(again)
        house.take(*again, name=f"{number}.csv")
    assert sums(house) == by_hand(events)
    house.ledger.close()
    rebuild(house.path)
    assert sums(house) == by_hand(events)


def test_invoices_over_bulk_usage_agree_with_tiers_by_hand_to_the_nano(house: House) -> None:
    events = made(random.Random(5), 2_000)
    house.take(*told(events), head=HEAD)
    text = "\n---\n".join(
        f"contract: k{n}\ncustomer: c{n}\nfrom: 2026-01-01\ncurrency: USD\n"
        f"usage: {{tokens: {{price: {{model: graduated, tiers: [{TOLD}]}}}}}}\n"
        for n in range(CUSTOMERS)
    )
    book = read_contracts((f"{n}.yaml", part) for n, part in enumerate(text.split("\n---\n")))
    gatherer = Gatherer(book, [], Unbilled(), Records(Answers(house), {}))  # type: ignore[arg-type]
    quantities = by_hand(events)
    for contract in book:
        invoice = gatherer.draft("default", contract.customer, period_named(contract.calendar, "2026-01"))
        assert invoice is not None
        exact = amount(quantities[contract.customer]) * NANOS
        assert abs(invoice.lines[0].exact - exact) <= Fraction(1, 2)
        cents = (invoice.lines[0].exact + 5_000_000) // 10_000_000
        assert invoice.lines[0].gross == cents * 10_000_000
