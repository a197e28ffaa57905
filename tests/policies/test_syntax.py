"""The words of a condition."""

import pytest

from comptroller.policies.inputs import Vocabulary
from comptroller.policies.syntax import BadCondition, Reading, read_condition, spell

ARGS = {"amount": "double", "order": "object", "note": "string?", "user-id": "string", "in": "int"}
WORDS = Vocabulary("tool", ARGS, "refund")


def read(text: str) -> Reading:
    return read_condition(text, WORDS.resolve)


def test_inputs_are_found_in_order_and_once() -> None:
    assert read("args.amount > 1 && agent == 'x' && args.amount < 5").inputs == ("args.amount", "agent")


def test_spaces_and_comments_do_not_hide_an_input() -> None:
    assert read("args // of the call\n . amount > 1").inputs == ("args.amount",)


def test_text_is_no_input() -> None:
    assert read("agent == 'args.nothing' || agent == r\"args.\\d\"").inputs == ("agent",)


def test_presence_becomes_an_input_of_its_own() -> None:
    assert read("has(args.note)") == Reading("has.args.note", ("has.args.note",))


def test_presence_within_an_object_asks_for_the_object_first() -> None:
    assert read("has(args.order.id)").text == "(has.args.order && has(args.order.id))"


def test_sources_becomes_an_input_of_its_own() -> None:
    assert read("'user' in sources(args.note)").inputs == ("sources.args.note",)


def test_a_name_in_brackets_is_the_same_input() -> None:
    assert read("args['amount'] > 1").inputs == ("args.amount",)


def test_names_no_identifier_can_spell_are_spelled_by_their_bytes() -> None:
    assert read('args["user-id"] == "a" && args.in == 1').inputs == (spell("args", "user-id"), spell("args", "in"))
    assert spell("args", "user-id").removeprefix("args.").isidentifier()


def test_an_element_of_a_macro_is_no_input() -> None:
    assert read("scopes.exists(x, x == agent)").inputs == ("scopes", "agent")


def test_a_method_is_no_field() -> None:
    assert read("agent.startsWith('a')").inputs == ("agent",)


@pytest.mark.parametrize(
    "text", ["x" * 9_000, "(" * 30 + "1" + ")" * 30, "agent == 'x", "agent @ 1", "args", "args[0] == 1"]
)
def test_what_cannot_be_a_condition_is_refused_with_a_remedy(text: str) -> None:
    with pytest.raises(BadCondition, match=r"\. [A-Z].*\.$"):
        read(text)
