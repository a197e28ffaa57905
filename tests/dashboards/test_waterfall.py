from decimal import Decimal
from typing import Any

from comptroller.dashboards.components.asking import asked
from comptroller.dashboards.components.waterfall import ABOVE, FOLDED, OPEN, PROBLEM, Fold, Marks, columns
from tests.dashboards.made_up import START, agent, call, small, trace


def ids(data: dict[str, Any]) -> list[str]:
    return [data["prefix"] + one for one in data["ids"]]


def test_children_follow_their_parents_in_the_order_in_which_they_began() -> None:
    rows = [agent("a", "", "root", 0, 100), agent("b", "a", "inner", 10, 50), call("c", "a", 20), call("d", "b", 30)]
    data = columns(rows)
    assert ids(data) == ["a", "b", "d", "c"]
    assert data["depth"] == [0, 1, 2, 1]


def test_a_row_whose_parent_is_missing_and_rows_in_a_ring_are_shown_all_the_same() -> None:
    data = columns([call("lost", "nobody"), call("one", "two"), call("two", "one"), call("self", "self")])
    assert sorted(ids(data)) == ["lost", "one", "self", "two"]


def test_a_chain_of_thousands_does_not_end_in_a_recursion() -> None:
    rows = [call(f"c{n}", f"c{n - 1}" if n else "") for n in range(5_000)]
    assert columns(rows)["depth"][-1] == 4_999


def test_an_agent_costs_what_all_below_it_cost_exactly() -> None:
    rows = [agent("a", "", "root", 0, 9), call("b", "a", cost=Decimal("0.1")), call("c", "a", cost=Decimal("0.2"))]
    assert columns(rows)["cost"] == ["0.30", "0.10", "0.20"]


def test_currencies_are_never_added_up() -> None:
    rows = [
        agent("a", "", "root", 0, 9),
        call("b", "a", cost=Decimal(1)),
        call("c", "a", cost=Decimal(2), currency="EUR"),
        call("d", "a", cost=Decimal(3)),
    ]
    data = columns(rows)
    assert data["cost"][0] == ""
    assert data["currencies"][data["currency"][0]] == "mixed"
    assert data["total"] == ["", "1.00", "2.00", "4.00"]


def test_the_running_total_goes_by_the_end_of_the_calls() -> None:
    rows = [call("slow", "", 0, 900, cost=Decimal(1)), call("quick", "", 10, 20, cost=Decimal(2))]
    assert columns(rows)["total"] == ["3.00", "2.00"]


def test_repeated_calls_stand_under_one_row_that_sums_them_up() -> None:
    rows, marks = small()
    data = columns(rows, marks)
    at = next(at for at, flags in enumerate(data["flags"]) if flags & FOLDED)
    assert data["times"] == {at: 7}
    assert data["cost"][at] == "0.42"
    assert ids(data)[at + 1 : at + 8] == [f"l{n}" for n in range(7)]
    assert data["depth"][at + 1] == data["depth"][at] + 1


def test_folds_that_name_unknown_foreign_or_taken_calls_are_left_out() -> None:
    rows = [agent("a", "", "root", 0, 9), call("b", "a"), call("c", "a"), call("d", "")]
    folds = [Fold(()), Fold(("b", "d")), Fold(("b", "nobody")), Fold(("b", "c")), Fold(("c", "b"))]
    assert len(columns(rows, Marks(folds=folds))["times"]) == 1


def test_marks_find_their_rows() -> None:
    rows, marks = small()
    data = columns(rows, marks)
    assert ids(data)[data["first_bad"]] == "c5"
    assert [(ids(data)[at], text) for at, text in data["crossed"]] == [("c8", "The run's cap of 2.50 USD.")]


def test_status_decision_and_shadow_become_words() -> None:
    rows, marks = small()
    data = columns(rows, marks)
    words = {ids(data)[at]: [badge[0] for badge in badges] for at, badges in data["badges"].items()}
    assert words["c3"] == ["Redacted"]
    assert words["c6"] == ["Would deny"]
    assert words["c7"] == ["Awaits approval"]
    assert words["c5"] == ["Failed"]


def test_a_row_above_a_problem_says_so_and_an_open_call_is_open() -> None:
    data = columns([agent("a", "", "root", 0, None), call("b", "a", status="error"), call("c", "a", 5, None)])
    assert data["flags"][0] & ABOVE
    assert data["flags"][1] & PROBLEM
    assert data["flags"][2] & OPEN
    assert data["took"][2] == -1


def test_a_text_of_a_megabyte_is_cut_to_what_a_row_can_show() -> None:
    rows, marks = trace("hostile")
    assert max(len(name) for name in columns(rows, marks)["names"]) == 300


def test_a_run_without_calls_has_no_rows() -> None:
    data = columns([], Marks(now=START))
    assert (data["n"], data["ids"], data["now"]) == (0, [], 0)


def test_a_wish_is_told_once_and_what_the_viewer_chose_is_not_told_back() -> None:
    state: dict[Any, Any] = {}
    assert asked(state, "tree", "a") == (1, "a")
    assert asked(state, "tree", "a") == (1, "a")
    state["tree"] = {"selected": "b"}
    assert asked(state, "tree", "b") == (1, "a")
    assert asked(state, "tree", "a") == (2, "a")
