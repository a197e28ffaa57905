from collections.abc import Iterable
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from comptroller.metering.rating.grants import Balances, Grant, burn, in_order

HOUR = 3600 * 10**9
DAY = 24 * HOUR


def grant(name: str = "g1", amount: int = 100, **more: Any) -> Grant:
    return Grant(name, Fraction(amount), **{"expires": 30 * DAY, **more})


def used(*amounts: tuple[float, int]) -> list[tuple[int, Fraction]]:
    return [(int(hours * HOUR), Fraction(amount)) for hours, amount in amounts]


def left(grants: Iterable[Grant], *amounts: tuple[float, int], until: float = 48, **more: Any) -> dict[str, Fraction]:
    found = burn(grants, used(*amounts), int(until * HOUR), **more)
    return {**found.left, "over": found.overage}


def test_grants_burn_by_priority_then_expiry_then_age_then_name() -> None:
    grants = [
        grant("no expiry", expires=None),
        grant("later", expires=31 * DAY),
        grant("b"),
        grant("a"),
        grant("first", created=-1),
        grant("lower", priority=2),
    ]
    assert [one.id for one in in_order(grants)] == ["first", "a", "b", "later", "no expiry", "lower"]


def test_expiries_within_the_resolution_count_as_one() -> None:
    grants = [grant("a", expires=30), grant("b", expires=20)]
    assert [one.id for one in in_order(grants)] == ["b", "a"]
    assert [one.id for one in in_order(grants, resolution=60)] == ["a", "b"]


def test_usage_burns_the_first_grant_and_what_it_lacks_from_the_next() -> None:
    assert left([grant("g2", priority=2), grant("g1", priority=1)], (1, 120)) == {"g1": 0, "g2": 80, "over": 0}


def test_usage_without_a_grant_is_overage() -> None:
    assert left([], (1, 50)) == {"over": 50}


def test_a_voided_grant_keeps_what_burned_before_and_covers_nothing_after() -> None:
    assert left([grant(voided=HOUR)], (0.9, 50), (1.1, 50)) == {"g1": 0, "over": 50}


@pytest.mark.parametrize("more", [{"expires": HOUR}, {"effective": 60 * HOUR}, {"effective": HOUR, "voided": 0}])
def test_a_grant_that_ended_or_has_not_begun_covers_nothing(more: dict[str, Any]) -> None:
    assert left([grant(**more)], (1, 50)) == {"g1": 0, "over": 50}


@pytest.mark.parametrize(("waits", "told"), [(True, {"g1": 80, "over": 0}), (False, {"g1": 100, "over": 20})])
def test_overage_waits_for_the_next_refill_or_is_billed(waits: bool, told: dict[str, int]) -> None:
    assert left([grant(every="day")], (1, 120), until=25, overage_waits=waits) == told


def test_a_reset_keeps_what_may_roll_over() -> None:
    assert left([grant(max_rollover=Fraction(50))], (1, 10), resets=[5 * HOUR]) == {"g1": 50, "over": 0}
    assert left([grant()], (1, 10), resets=[5 * HOUR]) == {"g1": 90, "over": 0}


@pytest.mark.parametrize(("keep", "rest"), [(True, 40), (False, 50)])
def test_overage_kept_at_a_reset_comes_off_what_rolls_over(keep: bool, rest: int) -> None:
    one = grant(max_rollover=Fraction(50), min_rollover=Fraction(50))
    found = left([one], (1, 10), (2, 100), resets=[5 * HOUR], keep_overage=keep)
    assert found == {"g1": rest, "over": 0}


def test_what_burns_and_what_expires_together_are_worth_what_was_paid() -> None:
    found = burn([grant(paid=Fraction(85))], used((1, 30)), 31 * DAY)
    assert [(move.happened, move.amount, move.cost) for move in found.moves] == [
        ("granted", 100, 85),
        ("burned", 30, Fraction("25.5")),
        ("expired", 70, Fraction("59.5")),
    ]


moments = st.integers(0, 20)
grants = st.lists(
    st.builds(
        lambda number, amount, priority, effective, ends, every, most: Grant(
            f"g{number}",
            Fraction(amount),
            priority=priority,
            effective=effective * HOUR,
            expires=None if ends is None else (effective + ends) * HOUR,
            every="hour" if every else None,
            max_rollover=None if most is None else Fraction(most),
        ),
        number=st.integers(0, 10**6),
        amount=st.integers(1, 50),
        priority=st.integers(0, 2),
        effective=moments,
        ends=st.none() | moments,
        every=st.booleans(),
        most=st.none() | st.integers(0, 50),
    ),
    max_size=5,
    unique_by=lambda one: one.id,
)
usage = st.lists(st.tuples(moments.map(lambda at: at * HOUR), st.integers(0, 60).map(Fraction)), max_size=8)


@settings(deadline=None)
@given(grants=grants, usage=usage, resets=st.lists(moments.map(lambda at: at * HOUR), max_size=2))
def test_nothing_is_lost_every_grant_and_all_usage_add_up(
    grants: list[Grant], usage: list[tuple[int, Fraction]], resets: list[int]
) -> None:
    found = burn(grants, usage, 21 * HOUR, resets, keep_overage=True)
    burned = sum(move.amount for move in found.moves if move.happened == "burned")
    assert burned + found.overage == sum(amount for _, amount in usage)
    signs = {"granted": 1, "refilled": 1, "burned": -1, "expired": -1, "voided": -1, "lapsed": -1}
    for one in grants:
        moved = sum(signs[move.happened] * move.amount for move in found.moves if move.grant == one.id)
        assert moved == found.left[one.id] >= 0


@settings(deadline=None)
@given(grants=grants, usage=usage)
def test_no_grant_burns_while_one_before_it_has_anything_left(
    grants: list[Grant], usage: list[tuple[int, Fraction]]
) -> None:
    found = burn(grants, usage, 21 * HOUR)
    order = [one.id for one in in_order(grants)]
    for at, name in [(place, move.grant) for place, move in enumerate(found.moves) if move.happened == "burned"]:
        before = _left(found, at)
        assert not any(before.get(earlier) for earlier in order[: order.index(name)])


def _left(found: Balances, place: int) -> dict[str, Fraction]:
    """What was left of each grant before a move."""
    left: dict[str, Fraction] = {}
    for move in found.moves[:place]:
        sign = 1 if move.happened in ("granted", "refilled") else -1
        left[move.grant] = left.get(move.grant, Fraction(0)) + sign * move.amount
    return left


@settings(deadline=None)
@given(grants=grants, usage=usage)
def test_the_order_in_which_usage_is_told_does_not_matter(
    grants: list[Grant], usage: list[tuple[int, Fraction]]
) -> None:
    told = [burn(order, events, 21 * HOUR) for order, events in ((grants, usage), (grants[::-1], usage[::-1]))]
    assert told[0].left == told[1].left
    assert told[0].overage == told[1].overage
