"""What was said, out of records that name history instead of repeating it."""

from hypothesis import given
from hypothesis import strategies as st

from comptroller.tracing.texts import Text, Texts


def test_a_request_that_names_an_earlier_one_begins_with_its_messages() -> None:
    texts = Texts(
        [
            Text("a", ("s", "u"), ("r",)),
            Text("b", ("t",), ("q",), after="a", after_count=3),
            Text("c", ("v",), after="b", after_count=2),
        ]
    )
    assert texts.request("b") == ["s", "u", "r", "t"]
    assert texts.request("c") == ["s", "u", "v"]


def test_the_same_messages_have_one_print_however_they_were_recorded() -> None:
    whole = Texts([Text("x", ("s", "u", "r", "t"))])
    named = Texts([Text("a", ("s", "u"), ("r",)), Text("b", ("t",), after="a", after_count=3)])
    assert whole.asked("x") == named.asked("b") is not None
    assert named.asked("a") != named.asked("b")


def test_a_retry_that_names_the_request_it_repeats_has_its_print() -> None:
    texts = Texts([Text("a", ("s", "u", "t")), Text("b", (), after="a", after_count=3)])
    assert texts.asked("b") == texts.asked("a") is not None


def test_a_tool_is_asked_its_arguments() -> None:
    texts = Texts([Text("a", args="d1"), Text("b", args="d1"), Text("c", args="d2"), Text("d")])
    assert texts.asked("a") == texts.asked("b") != texts.asked("c")
    assert (texts.asked("d"), texts.asked("gone"), texts.answered("a")) == (None, None, None)


def test_texts_that_count_as_one_have_one_print() -> None:
    told = [Text("a", ("s1",), ("r1",)), Text("b", ("s2",), ("r2",))]
    assert Texts(told).asked("a") != Texts(told).asked("b")
    alike = Texts(told, {"s2": "s1", "r2": "r1"})
    assert (alike.asked("a"), alike.answered("a")) == (alike.asked("b"), alike.answered("b"))


def test_history_that_is_missing_or_leads_in_a_circle_is_not_known() -> None:
    texts = Texts(
        [
            Text("a", ("x",), after="gone", after_count=2),
            Text("b", ("y",), after="c", after_count=2),
            Text("c", ("z",), after="b", after_count=2),
        ]
    )
    assert [texts.asked(call) for call in "abc"] == [None, None, None]
    assert texts.request("a") == ["x"]


@given(
    st.lists(st.tuples(st.integers(-1, 8), st.integers(0, 9), st.lists(st.sampled_from("pqr"), max_size=3)), max_size=9)
)
def test_prints_agree_with_the_messages_themselves(told: list[tuple[int, int, list[str]]]) -> None:
    texts = Texts(Text(str(n), tuple(own), ("r",), "", str(after), count) for n, (after, count, own) in enumerate(told))
    known = {str(n): texts.asked(str(n)) for n in range(len(told))}
    for call, one in known.items():
        for other, two in known.items():
            if one is not None and two is not None:
                assert (one == two) == (texts.request(call) == texts.request(other))


def test_a_conversation_longer_than_python_nests_calls_is_read() -> None:
    last = 5_000
    texts = Texts(Text(str(n), (f"q{n}",), (f"r{n}",), "", str(n - 1) if n else "", 2 * n) for n in range(last + 1))
    assert texts.asked(str(last)) is not None
    assert len(texts.request(str(last))) == 2 * last + 1
