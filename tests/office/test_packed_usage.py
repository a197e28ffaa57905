"""Usage in a pack: the same events that the invoice counted, as they were then."""

from fractions import Fraction
from pathlib import Path

from comptroller.office.calls import Calls
from tests.office.depot import DAY, HEAD, START, House, row


def test_packed_events_sum_to_what_was_metered_with_what_was_amended_or_cancelled(tmp_path: Path) -> None:
    house = House(tmp_path)
    house.take(row("a", "1.5"), row("b", "2"), row("c", "4"), row("d", "8", customer="bolt"))
    told = [f"{row(name, quantity)},{kind},{of}" for name, quantity, kind, of in
            (("e", "2.25", "amend", "b"), ("f", "0", "cancel", "c"))]  # fmt: skip
    house.take(*told, name="later.csv", head=f"{HEAD},kind,amends")
    packed = house.read("usage_packed", tenant="default", customer="acme", upto=10**9)
    found = Calls([], packed).rows("metered", since=START, until=START + 31 * DAY)
    assert {str(one["customer"]) for one in found} == {"acme"}
    total = sum(Fraction(str(one["quantity"])) for one in found)
    assert total == Fraction(house.sums()["acme", "tokens"]) == Fraction("3.75")


def test_events_that_came_after_the_invoice_are_not_in_its_pack(tmp_path: Path) -> None:
    house = House(tmp_path)
    house.take(row("a", "1"))
    before = max(int(str(one["seq"])) for one in house.read("usage_batches"))
    house.take(row("b", "2"), name="late.csv")
    packed = house.read("usage_packed", tenant="default", customer="acme", upto=before)
    assert [one["event"] for one in packed] == ["a"]
