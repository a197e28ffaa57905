import re
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("duckdb")

from comptroller.metering.contract_reader import read_contracts
from comptroller.metering.invoice import Invoice, Totals
from comptroller.office.waiting import GROUPS, ROWS, Waiting, waiting
from tests.office.depot import DAY, START, House, row

NOW = START + 40 * DAY
ACME = """
contract: acme-2026
customer: acme
currency: EUR
from: 2026-01-01
until: 2026-03-01
usage: {tokens: 0.001}
"""


class Answers:
    """Queries to the books of a house."""

    def __init__(self, house: House) -> None:
        self.house = house

    def rows(self, name: str, **params: object) -> list[dict[str, object]]:
        return self.house.read(name, **params)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path)
    yield made
    made.ledger.close()


def found(house: House, invoices: list[Invoice] | None = None, now: int = NOW) -> list[Waiting]:
    contracts = read_contracts([("acme.yaml", ACME)])
    return waiting(Answers(house), contracts, invoices or [], now)


def test_usage_that_a_contract_prices_does_not_wait(house: House) -> None:
    house.take(row("1"))
    assert found(house) == []


@pytest.mark.parametrize(
    ("reason", "told"),
    [
        ("future", row("1", at="2026-02-20T00:00:00Z")),
        ("before", row("1", at="2025-12-31T23:59:59Z")),
        ("after", row("1", at="2026-03-01T00:00:00Z")),
        ("unknown", row("1", customer="gone")),
        ("no_price", row("1", meter="pages")),
    ],
)
def test_usage_that_no_invoice_can_take_waits_with_its_reason_and_what_to_do(
    house: House, reason: str, told: str
) -> None:
    house.take(told)
    (one,) = found(house, now=START + 70 * DAY if reason == "after" else NOW)
    assert (one.reason, one.events, one.quantity) == (reason, 1, "1")
    assert one.message.endswith(".")
    assert "{" not in one.message


def test_usage_of_the_future_waits_no_more_when_its_time_has_come(house: House) -> None:
    house.take(row("1", at="2026-02-20T00:00:00Z"))
    assert found(house, now=START + 60 * DAY) == []


def bill(period: str, first: str, last: str, at: int) -> Invoice:
    return Invoice(
        id=f"default:acme:{period}", tenant="default", customer="acme", contract="acme", version="v", period=period,
        first=first, last=last, currency="EUR", lines=(), totals=Totals(0, 0, 0), at=at,
    )  # fmt: skip


@pytest.mark.parametrize(("later", "waits"), [(2, False), (3, True)])
def test_usage_later_than_the_invoices_that_can_still_take_it_waits_for_a_person(
    house: House, later: int, waits: bool
) -> None:
    house.take(row("1", at="2026-01-05T00:00:00Z"))
    first = bill("2026-01", "2026-01-01", "2026-01-31", START + 32 * DAY)
    more = [bill(f"2026-{n:02}", f"2026-{n:02}-01", f"2026-{n:02}-28", START + 60 * DAY) for n in range(2, 2 + later)]
    assert [one.reason for one in found(house, [first, *more])] == ["too_late"] * waits


def test_usage_that_came_before_its_invoice_never_counts_as_late(house: House) -> None:
    house.take(row("1", at="2026-01-05T00:00:00Z"))
    bills = [bill(f"2026-{n:02}", f"2026-{n:02}-01", f"2026-{n:02}-28", START + 50 * DAY) for n in range(1, 6)]
    assert found(house, bills) == []


def test_a_conflict_names_both_tellings(house: House) -> None:
    house.take(row("1", "5"), row("1", "7"), name="march.csv")
    (one,) = found(house)
    assert one.place == "march.csv, row 2"
    assert "(march.csv, row 1)" in one.message


def test_every_reason_a_row_can_have_has_its_words(house: House) -> None:
    from comptroller.store import usage

    reasons = set(re.findall(r"THEN '(\w+)'", usage._FLAW)) | {"conflict"}
    assert reasons == set(ROWS)
    assert all(words.endswith(".") for words in (*ROWS.values(), *GROUPS.values()))
