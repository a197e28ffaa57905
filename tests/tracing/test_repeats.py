"""What a run did over and over is told once, with how often and for how much."""

from hypothesis import given
from hypothesis import strategies as st

from comptroller.tracing.repeats import Loop, Repeat, loops_of, repeats_of
from comptroller.tracing.step import homes_of
from tests.tracing.play import Play


def repeats(play: Play) -> tuple[Repeat, ...]:
    return repeats_of(play.steps, homes_of(play.steps))


def loops(play: Play) -> tuple[Loop, ...]:
    return loops_of(play.steps, homes_of(play.steps))


def test_identical_calls_are_one_line_wherever_they_lie_in_their_agent() -> None:
    play = Play()
    for turn in range(7):
        asks = play.model(asked=100 + turn)
        play.tool("read", parent=asks, asked=1, nanos=60_000_000, currency="USD")
        play.tool("other", parent=asks, asked=turn)
    (repeat,) = repeats(play)
    assert (repeat.name, repeat.count, repeat.identical, repeat.costs) == ("read", 7, True, {"USD": 420_000_000})


def test_neighbours_of_one_name_are_one_line_and_not_said_to_be_identical() -> None:
    play = Play()
    for number in range(3):
        play.tool("read", asked=number)
    (repeat,) = repeats(play)
    assert (repeat.count, repeat.identical) == (3, False)


def test_two_agents_that_do_the_same_repeat_nothing() -> None:
    play = Play()
    for name in ("a", "b"):
        play.tool("read", parent=play.agent(name), asked=1)
    assert repeats(play) == ()


def test_a_loop_is_told_by_its_round_and_how_often_it_went() -> None:
    play = Play()
    play.tool("begin", asked=5)
    for turn in range(4):
        asks = play.model(asked=turn)
        play.tool("read", parent=asks, asked=1)
    play.tool("end", asked=6)
    (loop,) = loops(play)
    assert (loop.names, loop.rounds, loop.first, loop.last) == (("model gpt-4o", "tool read"), 4, "1", "8")


def test_a_tool_with_new_arguments_at_each_turn_is_no_loop() -> None:
    play = Play()
    for turn in range(5):
        play.tool("read", parent=play.model(asked=turn), asked=turn)
    assert loops(play) == ()


def test_a_conversation_is_no_loop() -> None:
    play = Play()
    for turn in range(9):
        play.model(asked=turn)
    assert loops(play) == ()


@given(st.lists(st.sampled_from("abc"), max_size=30))
def test_what_is_told_of_loops_is_there(names: list[str]) -> None:
    play = Play()
    for name in names:
        play.tool(name, asked=1)
    for loop in loops(play):
        first, last = int(loop.first), int(loop.last)
        told = [name.removeprefix("tool ") for name in loop.names] * loop.rounds
        assert names[first : last + 1] == told
        assert loop.rounds >= 3


@given(st.lists(st.sampled_from("ab"), min_size=1, max_size=5), st.integers(3, 6))
def test_every_loop_is_found(round: list[str], rounds: int) -> None:
    play = Play()
    for name in round * rounds:
        play.tool(name, asked=1)
    assert loops(play)
