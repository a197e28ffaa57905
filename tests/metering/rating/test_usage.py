from fractions import Fraction

from comptroller.metering.rating import Usage


def test_usage_so_far_and_what_came_since_add_up_in_every_part() -> None:
    one = Usage(
        quantity=Fraction(1),
        prorated=Fraction(2),
        value=Fraction(3),
        cost=Fraction(4),
        events=(Fraction(5),),
        count=6,
        peaks={"calls": Fraction(7)},
        buckets=(Fraction(8),),
        windows=((9, Fraction(9)),),
        changes=((Fraction(10), Fraction(10)),),
        subjects=(("won",),),
    )
    assert one + one == Usage(
        quantity=Fraction(2),
        prorated=Fraction(4),
        value=Fraction(6),
        cost=Fraction(8),
        events=(Fraction(5), Fraction(5)),
        count=12,
        peaks={"calls": Fraction(7)},
        buckets=(Fraction(8), Fraction(8)),
        windows=((9, Fraction(9)), (9, Fraction(9))),
        changes=((Fraction(10), Fraction(10)), (Fraction(10), Fraction(10))),
        subjects=(("won",), ("won",)),
    )


def test_nothing_adds_nothing() -> None:
    assert Usage() + Usage() == Usage()


def test_a_peak_is_the_highest_of_both_and_of_every_meter() -> None:
    one, other = (Usage(peaks={"calls": Fraction(calls), name: Fraction(1)}) for calls, name in ((5, "a"), (3, "b")))
    assert (one + other).peaks == {"calls": 5, "a": 1, "b": 1}


def test_events_count_with_their_worth_beside_a_declared_value() -> None:
    told = Usage(value=Fraction(10)) + Usage(events=(Fraction(2), Fraction(3)))
    assert told.value == 15


def test_units_that_were_there_all_the_time_count_in_full_beside_prorated_ones() -> None:
    assert (Usage(Fraction(4)) + Usage(Fraction(2), prorated=Fraction(1, 2))).prorated == Fraction(9, 2)
