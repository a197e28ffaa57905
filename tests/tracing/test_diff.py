"""A bad run beside a good one: where they first part, and in what."""

from itertools import count
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comptroller.tracing.diff import EXACT, Diff, Side, compare
from comptroller.tracing.step import Run
from comptroller.tracing.telling import verdict
from comptroller.tracing.texts import Text, Texts
from tests.tracing.play import Play


def diff(bad: Play, good: Play, status: str = "error", said: Any = (), says: Any = ()) -> Diff:
    return compare(Side(Run("bad", status), bad.steps, Texts(said)), Side(Run("good", "ok"), good.steps, Texts(says)))


def turns(prefix: str, number: int = 4) -> Play:
    """A desk that asks and reads, turn by turn."""
    play = Play(prefix)
    desk = play.agent("desk")
    for turn in range(number):
        asks = play.model(parent=desk, asked=turn, answered=turn)
        play.tool("read", parent=asks, asked=turn)
    return play


def whats(found: Diff) -> list[tuple[str, int]]:
    return [(row.what, row.count) for lane in found.lanes for row in lane.rows]


def test_equal_runs_are_one_row_whatever_their_ids() -> None:
    found = diff(turns("b"), turns("g"), "ok")
    assert (whats(found), found.first, found.kind) == ([("equal", 8)], None, "same")
    assert verdict(found) == "Nothing differs: both runs took the same course."


def test_another_message_is_told_by_its_number() -> None:
    bad, good = Play("b"), Play("g")
    one = bad.model(asked=1)
    two = good.model(asked=2)
    said = [Text(one, ("s", "u", "x"))]
    found = diff(bad, good, said=said, says=[Text(two, ("s", "u", "y", "z"))])
    assert found.first is not None
    (change,) = found.first.changes
    assert (change.what, change.message, found.kind) == ("prompt", 3, "input")
    assert verdict(found) == (
        "At model gpt-4o something else was asked: its messages differ from number 3 on "
        "(3 messages, the good run's 4 messages). Yet both took the same steps."
    )


def test_a_longer_conversation_differs_from_where_the_shorter_one_ends() -> None:
    bad, good = Play("b"), Play("g")
    one, two = bad.model(asked=1), good.model(asked=2)
    found = diff(bad, good, said=[Text(one, ("s", "u"))], says=[Text(two, ("s",))])
    assert found.first is not None
    assert found.first.changes[0].message == 2


def test_the_message_is_looked_for_in_the_earliest_prompts_only() -> None:
    bad, good = Play("b"), Play("g")
    said = [Text(bad.model(asked=n), ("s", f"b{n}")) for n in range(EXACT + 2)]
    says = [Text(good.model(asked=1_000 + n), ("s", f"g{n}")) for n in range(EXACT + 2)]
    numbers = [row.changes[0].message for row in diff(bad, good, said=said, says=says).lanes[0].rows]
    assert numbers == [2] * EXACT + [0, 0]


def test_the_same_question_with_another_answer_is_the_models_doing() -> None:
    bad, good = Play("b"), Play("g")
    bad.model(asked=1, answered=1)
    good.model(asked=1, answered=2)
    found = diff(bad, good)
    assert found.kind == "output"
    assert verdict(found) == (
        "At model gpt-4o the same was asked, and the model answered differently: the reply differs. "
        "Yet both took the same steps."
    )


def test_another_model_answering_under_one_name_is_told() -> None:
    bad, good = Play("b"), Play("g")
    bad.model(asked=1, answered=1, model="gpt-4o-2026-01")
    good.model(asked=1, answered=1, model="gpt-4o-2025-01")
    found = diff(bad, good)
    assert verdict(found).startswith(
        "At model gpt-4o the same was asked, and the model answered differently: "
        "answered by gpt-4o-2026-01 instead of gpt-4o-20"
    )
    assert [change.what for change in found.versions] == ["model"]


def test_what_followed_from_the_first_difference_is_not_the_first() -> None:
    bad, good = turns("b"), turns("g")
    desk = bad.steps[0].id
    for play, answer in ((bad, 10), (good, 11)):
        asks = play.model(parent=play.steps[0].id, asked=9, answered=answer)
        play.tool("pay", parent=asks, asked=answer)
    bad.model("error", desk, asked=20, error="boom")
    good.model(parent=good.steps[0].id, asked=21)
    found = diff(bad, good)
    assert whats(found) == [("equal", 8), ("changed", 1), ("changed", 1), ("changed", 1)]
    assert found.first is not None
    assert found.first.bad is not None
    assert (found.first.bad.asked, found.first_path, found.kind) == (9, ("agent desk",), "output")


def test_a_tool_that_failed_for_a_call_inside_it_is_not_where_they_part() -> None:
    plays = []
    for prefix, status in (("b", "error"), ("g", "ok")):
        play = Play(prefix)
        outer = play.tool("research", status, asked=1, takes=30)
        play.model(status, outer, asked=2, error="500 boom" if status == "error" else "")
        plays.append(play)
    found = diff(*plays)
    assert found.first_path == ("tool research",)
    assert verdict(found).startswith(
        "At tool research > model gpt-4o the same was asked, and the model answered differently"
    )


def test_what_the_bad_run_did_not_live_to_do_was_not_reached() -> None:
    bad, good = turns("b", 2), turns("g", 4)
    good.model(parent=good.agent("closer"), asked=1)
    found = diff(bad, good)
    assert whats(found) == [("equal", 4), *[("not_reached", 1)] * 5]
    assert "agent desk > model gpt-4o: the bad run ended before it." in verdict(found)
    assert found.count("not_reached") == 5


def test_what_the_bad_run_left_out_comes_where_it_was_missed() -> None:
    bad, good = Play("b"), Play("g")
    for name in ("check", "ask", "pay"):
        good.tool(name, asked=1)
        if name != "check":
            bad.tool(name, asked=1)
    bad.tool("pay", asked=2)
    found = diff(bad, good)
    assert (found.kind, found.first and found.first.what) == ("missing", "only_good")
    assert "tool check: the bad run went on without it." in verdict(found)
    assert (found.count("only_good"), found.count("only_bad"), found.count("equal")) == (1, 1, 2)


def test_with_another_case_from_the_first_word_on_the_first_other_step_is_told_too() -> None:
    plays = []
    for prefix, case in (("b", 100), ("g", 200)):
        play = Play(prefix)
        desk = play.agent("desk")
        asks = play.model(parent=desk, asked=case)
        if prefix == "g":
            play.tool("read_policy", parent=asks, asked=1)
        adjuster = play.agent("adjuster", parent=desk)
        play.tool("decide", "error" if prefix == "b" else "ok", adjuster, asked=case + 1)
        play.tool("write", parent=adjuster, asked=3) if prefix == "g" else None
        plays.append(play)
    found = diff(*plays)
    assert found.course is not None
    assert found.course.good is not None
    assert (found.course.what, found.course.good.name) == ("only_good", "read_policy")
    assert verdict(found).startswith("At agent desk > model gpt-4o something else was asked")
    assert verdict(found).endswith(
        "Their steps part later: Only the good run called agent desk > tool read_policy: "
        "the bad run went on without it."
    )
    assert found.count("not_reached") == 1


def test_a_call_too_many_is_told_as_such() -> None:
    bad, good = turns("b", 2), turns("g", 2)
    bad.tool("delete", parent=bad.steps[0].id, asked=1)
    assert verdict(diff(bad, good)) == "Only the bad run called agent desk > tool delete."


def test_other_arguments_and_another_status_are_told() -> None:
    bad, good = Play("b"), Play("g")
    bad.tool("pay", "denied", asked=1, error="", because="No.")
    good.tool("pay", asked=2)
    found = diff(bad, good)
    assert found.first is not None
    assert [change.what for change in found.first.changes] == ["args", "status"]


def test_errors_that_differ_in_figures_only_are_no_difference() -> None:
    bad, good = Play("b"), Play("g")
    bad.model("error", asked=1, error="Timeout after 900 ms")
    good.model("error", asked=1, error="Timeout after 1,200 ms")
    assert diff(bad, good).kind == "same"


def test_a_slower_or_dearer_call_is_told_and_is_not_where_they_part() -> None:
    bad, good = Play("b"), Play("g")
    bad.model(asked=1, takes=9.0)
    good.model(asked=1, takes=2.0)
    bad.step("model", "m", asked=2, nanos=7, currency="USD")
    good.step("model", "m", asked=2, nanos=5, currency="USD")
    found = diff(bad, good)
    assert [[change.what for change in row.changes] for row in found.lanes[0].rows] == [["duration"], ["cost"]]
    assert found.first is None


def test_versions_of_policies_and_prices_that_differ_are_told() -> None:
    bad, good = Play("b"), Play("g")
    bad.model(policy="v2", price="p1")
    good.model(policy="v1", price="p1")
    (change,) = diff(bad, good).versions
    assert (change.what, change.bad, change.good) == ("policy", "v2", "v1")


def test_a_call_still_under_way_is_no_dearer_than_one_that_ended() -> None:
    bad, good = Play("b"), Play("g")
    bad.model("open", asked=1)
    good.model(asked=1)
    found = diff(bad, good, "open")
    assert found.first is not None
    assert [change.what for change in found.first.changes] == ["status"]


def test_a_run_without_a_call_reached_nothing() -> None:
    found = diff(Play("b"), turns("g", 1))
    assert whats(found) == [("not_reached", 1)] * 2
    assert diff(Play("b"), Play("g")).first is None
    assert diff(turns("b", 1), Play("g"), "ok").kind == "extra"


def test_agents_that_go_on_at_once_are_compared_each_with_itself() -> None:
    plays = []
    for prefix, order in (("b", "xyxy"), ("g", "yyxx")):
        play = Play(prefix)
        agents = {name: play.agent(name) for name in "xy"}
        numbers = {name: count() for name in "xy"}
        for name in order:
            play.tool("read", parent=agents[name], asked=next(numbers[name]))
        plays.append(play)
    assert diff(*plays, status="ok").first is None


calls = st.lists(
    st.tuples(
        st.sampled_from(("model", "tool")), st.sampled_from("ab"), st.integers(0, 3), st.sampled_from(("ok", "error"))
    ),
    max_size=20,
)


def told(prefix: str, said: list[tuple[str, str, int, str]]) -> Play:
    play = Play(prefix)
    for kind, name, asked, status in said:
        play.step(kind, name, status, asked=asked)
    return play


@given(calls, calls)
def test_every_call_is_told_once_on_either_side(bad: Any, good: Any) -> None:
    found = diff(told("b", bad), told("g", good))
    both = found.count("equal") + found.count("changed")
    assert both + found.count("only_bad") == len(bad)
    assert both + found.count("only_good") + found.count("not_reached") == len(good)


@given(calls)
def test_a_run_does_not_differ_from_itself(said: Any) -> None:
    found = diff(told("b", said), told("g", said))
    assert (found.first, found.count("equal")) == (None, len(said))


@given(calls, calls)
def test_until_they_part_nothing_differs(bad: Any, good: Any) -> None:
    found = diff(told("b", bad), told("g", good), "ok")
    if found.first is None:
        assert bad == good
        return
    rows = found.lanes[0].rows
    assert [row.what for row in rows[: rows.index(found.first)]] in ([], ["equal"])
    same = next((n for n, (a, b) in enumerate(zip(bad, good, strict=False)) if a != b), min(len(bad), len(good)))
    assert sum(row.count for row in rows[: rows.index(found.first)]) == same


@pytest.mark.parametrize("late", [0.1, 3.0])
def test_the_first_in_time_is_told_not_the_first_agent_by_name(late: float) -> None:
    plays = []
    for prefix, answer in (("b", 1), ("g", 2)):
        play = Play(prefix)
        one, two = play.agent("one"), play.agent("two")
        play.model(parent=one, asked=1, answered=answer, takes=1 + late)
        play.model(parent=two, asked=1, answered=answer, takes=0.5)
        plays.append(play)
    found = diff(*plays)
    assert found.first_path == (("agent one",) if late < 0.5 else ("agent two",))
