"""Orders: a fold of what people stopped and allowed, kept beside the purse and through its snapshots."""

from comptroller.core.facts import CALL_OPENED, CAP_SET, KILLED, REVIVED, Fact, Line
from comptroller.metering.budget import Purse
from comptroller.metering.orders import CALLS, account_of


def order(kind: str, scope: str, who: str, id: str = "o") -> Fact:
    return Fact(kind, id, 1, data={"scope": scope, "who": who, "tenant": "t", "by": "Ann", "because": "Too much."})


def opened(run: str = "r", call: str = "c", **who: object) -> Fact:
    return Fact(CALL_OPENED, "f", 2, run, call, {"tenant": "t", "agent": "a", "key": "k", **who})


def cap(run: str, limit: int, unit: str = "USD") -> Fact:
    return Fact(CAP_SET, "c", 1, run, data={"unit": unit, "limit": limit, "by": "Ann", "because": ""})


def test_each_scope_stops_its_own_calls_and_no_others() -> None:
    for scope, who in (("call", "c"), ("run", "r"), ("agent", "a"), ("key", "k"), ("tenant", "t")):
        purse = Purse()
        purse.apply(order(KILLED, scope, who))
        stop = purse.orders.stopping(opened())
        assert stop is not None
        assert (stop.shortfall.line.key, "Ann: Too much. " in stop.said) == (f"kill.{scope}", True)
        assert ("--revive" in stop.said) == (scope != "call"), "a call that was stopped does not go on"
        other = opened("r2", "c2", tenant="t2", agent="a", key="k2")
        assert purse.orders.stopping(other) is None, "an agent of another tenant is another one"
        purse.apply(order(REVIVED, scope, who))
        assert purse.orders.stopping(opened()) is None


def test_what_a_stopped_call_calls_is_stopped_with_it_and_its_neighbours_are_not() -> None:
    purse = Purse()
    purse.apply(order(KILLED, "call", "outer"))
    assert purse.orders.stopping(opened(parent="outer")) is not None
    assert purse.orders.stopping(opened(parent="another")) is None


def test_only_so_many_stopped_calls_are_remembered_and_runs_for_good() -> None:
    purse = Purse()
    purse.apply(order(KILLED, "run", "r"))
    for number in range(CALLS + 5):
        purse.apply(order(KILLED, "call", f"c{number}"))
    assert len(purse.orders.stops) == CALLS + 1
    assert {"run:r", f"call:c{CALLS + 4}"} <= purse.orders.stops.keys()


def test_a_cap_set_by_hand_stands_in_place_of_the_others_of_its_counter() -> None:
    purse, key = Purse(), account_of("r")
    lines = [Line(key, "USD", 10, 5), Line("customer:c|", "USD", 10, 100)]
    short = purse.room(lines)
    assert short is not None
    assert short.line.cap == 5
    purse.apply(cap("r", 20))
    assert purse.room(lines) is None
    purse.apply(cap("r", 9))
    assert purse.room([Line(key, "USD", 10)]) is not None, "it holds where there was none"
    assert purse.room([Line(account_of("r2"), "USD", 10)]) is None


def test_orders_outlive_a_snapshot() -> None:
    purse = Purse()
    purse.apply(order(KILLED, "agent", "a"))
    purse.apply(cap("r", 20))
    again = Purse.restore(purse.snapshot())
    assert again == purse
    assert again.orders.stops == purse.orders.stops
    assert again.orders.caps == {(account_of("r"), "USD"): 20}
    assert "orders" not in Purse().snapshot(), "what nobody ordered takes no room"
