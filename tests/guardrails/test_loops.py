"""Loops: what a run is remembered by, and that it stays within its bounds."""

import sys

from hypothesis import given
from hypothesis import strategies as st

from comptroller.core.loops import Bound
from comptroller.core.rounds import LONGEST
from comptroller.guardrails import loops
from comptroller.guardrails.loops import Watch


def calls(watch: Watch, *marks: int, agent: str = "a") -> Watch:
    for mark in marks:
        watch.calls(agent, mark)
    return watch


def turn(watch: Watch, agent: str, size: int, said: int) -> None:
    watch.asks(agent, "m", size)
    watch.says(agent, said)


def bound(way: str) -> Bound:
    return Bound(way, 3, "stop", "p", "p.yaml:1")  # type: ignore[arg-type]


def test_the_same_call_is_found_among_others() -> None:
    assert calls(Watch(), 7, 1, 7, 2, 3, 7).count("repeat", "a", 7) == (3, 0)


def test_a_call_of_another_agent_is_another_call() -> None:
    assert calls(calls(Watch(), 7, 7), 7, agent="b").count("repeat", "a", 7) == (2, 0)


def test_a_call_long_ago_is_forgotten() -> None:
    assert calls(Watch(), 7, *range(100, 100 + loops.CALLS)).count("repeat", "a", 7) == (0, 0)


def test_a_call_that_waits_for_a_person_was_not_made() -> None:
    watch = Watch()
    for _ in range(10):
        watch.asks("a", "m", 1)
        watch.calls("a", 7)
        watch.parked("a", 7)
    assert watch.count("repeat", "a", 7) == (0, 0)
    assert watch.count("rounds", "a") == (1, 0)


def test_a_model_and_a_tool_in_turns_are_rounds_of_two() -> None:
    watch = Watch()
    for _ in range(4):
        watch.asks("a", "m", 1)
        watch.calls("a", 7)
    assert watch.count("rounds", "a") == (4, 2)


def test_failures_are_counted_until_it_works() -> None:
    watch = Watch()
    for _ in range(3):
        watch.ended("a", 7, True)
        watch.ended("a", 8, True)
    watch.ended("a", 8, False)
    assert (watch.count("retries", "a", 7), watch.count("retries", "a", 8)) == ((3, 0), (0, 0))


def test_a_longer_prompt_for_the_same_words_is_no_progress() -> None:
    watch = Watch()
    for size in range(5):
        turn(watch, "a", size + 1, said=1)
    assert watch.count("growth", "a") == (4, 0)
    turn(watch, "a", 9, said=2)
    assert watch.count("growth", "a") == (0, 0)


def test_the_same_words_to_the_same_question_are_no_growth() -> None:
    watch = Watch()
    for _ in range(9):
        turn(watch, "a", 5, said=1)
    assert watch.count("growth", "a")[0] <= 1


def test_agents_that_hand_over_with_the_same_words_play_ping_pong() -> None:
    watch = Watch()
    for _ in range(4):
        turn(watch, "a", 5, said=1)
        turn(watch, "b", 5, said=2)
    assert watch.count("ping_pong", "a") == (3, 2)  # the fourth is not handed back yet


def test_agents_that_say_something_new_each_time_work_together() -> None:
    watch = Watch()
    for said in range(50):
        turn(watch, "a", 5, said)
        turn(watch, "b", 5, said=-1)
    assert watch.count("ping_pong", "a")[0] <= 1


def test_one_agent_alone_hands_over_to_nobody() -> None:
    watch = Watch()
    for _ in range(9):
        turn(watch, "a", 5, said=1)
    assert watch.count("ping_pong", "a") == (0, 0)


def test_what_was_spent_in_vain_is_told_beside_all_of_it() -> None:
    watch = Watch()
    watch.spend(5, "USD", in_vain=True)
    watch.spend(7, "USD", in_vain=False)
    assert (watch.wasted("USD"), watch.wasted("EUR"), watch.currencies()) == ((12, 5), (0, 0), ("USD",))


def test_agents_are_counted_while_they_are_at_work() -> None:
    watch = Watch()
    for _ in range(3):
        watch.opened("p")
    watch.closed("p")
    assert watch.children("p") == 2
    watch.closed("nobody")
    assert watch.children("nobody") == 0


def test_what_is_pardoned_counts_anew() -> None:
    watch = calls(Watch(), *[7] * 5)
    for size in range(5):
        turn(watch, "a", size + 1, 1)
        turn(watch, "b", size + 1, 2)
    watch.ended("a", 7, True)
    watch.spend(5, "USD", in_vain=True)
    for way in ("repeat", "rounds", "retries", "growth", "ping_pong", "waste"):
        watch.pardon(bound(way), "a", 7)
    assert watch.count("repeat", "a", 7) == watch.count("retries", "a", 7) == (0, 0)
    assert watch.count("growth", "a") == watch.count("ping_pong", "a") == (0, 0)
    assert watch.count("rounds", "a") == (1, 0)
    assert watch.wasted("USD") == (0, 0)


def test_a_million_different_things_take_no_more_room_than_a_few() -> None:
    watch = Watch()
    for number in range(20_000):
        agent = f"a{number % 200}" if number % 2 else "busy"
        watch.calls(agent, number)
        turn(watch, agent, number, number)
        watch.ended(agent, number, True)
        watch.opened(str(number))
    assert len(watch._agents) == loops.AGENTS
    known = watch._agents["busy"]
    assert len(known.calls) == len(known.counts) == loops.CALLS
    assert (len(known.failed), len(known.said)) == (loops.FAILED, loops.SAID)
    assert len(known.rounds._marks) == LONGEST
    assert len(watch._children) == loops.PARENTS
    assert sys.getsizeof(known.counts) < 10_000


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers()), unique_by=lambda one: one[1], max_size=200))
def test_a_run_that_never_repeats_itself_is_never_found_to(steps: list[tuple[str, int]]) -> None:
    watch = Watch()
    for size, (agent, mark) in enumerate(steps):
        turn(watch, agent, size, mark)
        watch.calls(agent, mark)
        watch.ended(agent, mark, False)
        assert watch.count("repeat", agent, mark) == (1, 0)
        assert watch.count("rounds", agent)[0] == 1
        assert watch.count("ping_pong", agent)[0] <= 1
        assert watch.count("retries", agent, mark) == watch.count("growth", agent) == (0, 0)


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 3), st.booleans()), max_size=200))
def test_counts_foot_whatever_happens(steps: list[tuple[str, int, bool]]) -> None:
    watch = Watch()
    for agent, mark, odd in steps:
        watch.calls(agent, mark)
        if odd:
            watch.parked(agent, mark)
        for known in watch._agents.values():
            assert sum(known.counts.values()) == len(known.calls)
            assert all(count > 0 for count in known.counts.values())


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 5), st.booleans()), max_size=60))
def test_while_a_run_is_quiet_no_count_is_worth_a_look(steps: list[tuple[str, int, bool]]) -> None:
    watch = Watch()
    for size, (agent, mark, odd) in enumerate(steps):
        if odd:
            watch.calls(agent, mark)
            watch.ended(agent, mark, failed=mark > 3)
        else:
            turn(watch, agent, size, mark)
            watch.spend(1, "USD", in_vain=mark > 3)
        if watch.quiet:
            assert watch.wasted("USD")[1] == 0
            for way in ("repeat", "retries", "growth", "ping_pong", "rounds"):
                assert watch.count(way, agent, mark)[0] <= 1  # type: ignore[arg-type]
