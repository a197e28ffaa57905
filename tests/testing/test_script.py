"""Which reply a script gives to which request."""

import json
from pathlib import Path
from typing import Any

import pytest

from comptroller.core.errors import SettingsError
from comptroller.testing.script import Received, Say, Teller, Use, load_script, plain_text


def asked(*texts: str, model: str = "m", number: int = 1) -> Received:
    """A request whose messages alternate between user and assistant."""
    messages = [{"role": "assistant" if i % 2 else "user", "content": text} for i, text in enumerate(texts)]
    body = json.dumps({"model": model, "messages": messages}).encode()
    return Received(number, "POST", "/v1/chat/completions", {}, body)


def test_one_reply_is_given_to_everybody() -> None:
    teller = Teller("yes")
    assert [teller.reply_to(asked("a")).text, teller.reply_to(asked("b")).text] == ["yes", "yes"]


def test_replies_come_in_order_and_the_last_repeats() -> None:
    teller = Teller(["one", Say("two")])
    assert [teller.reply_to(asked("x")).text for _ in range(3)] == ["one", "two", "two"]


@pytest.mark.parametrize(
    ("request_", "text"),
    [
        (asked("hi", model="big"), "by model"),
        (asked("please refund me"), "by text"),
        (asked("a", "b", "c"), "by turn"),
        (asked("a"), "in order"),
    ],
)
def test_a_reply_that_fits_goes_before_those_in_order(request_: Received, text: str) -> None:
    says = [Say("in order"), Say("by model", model="big"), Say("by text", last="refund"), Say("by turn", turn=1)]
    assert Teller(says).reply_to(request_).text == text


def test_a_function_may_decide() -> None:
    assert Teller(lambda request: f"you said {request.last}").reply_to(asked("ho")).text == "you said ho"


def test_a_script_without_a_fitting_reply_says_so() -> None:
    assert Teller([Say("x", model="other")]).reply_to(asked("hi")).status == 400


@pytest.mark.parametrize("body", [b"", b"[]", b"\xff", b'{"messages": 3}', b'{"messages": [3]}'])
def test_a_request_that_is_no_conversation_has_no_words(body: bytes) -> None:
    request = Received(1, "POST", "/", {}, body)
    assert (request.model, request.messages, request.turn, request.last) == ("", [], 0, "")


@pytest.mark.parametrize(
    ("content", "text"),
    [("a", "a"), ([{"type": "text", "text": "a"}, {"type": "image"}, 3, {"text": "b"}], "a\nb"), (None, "")],
)
def test_text_is_found_in_blocks(content: Any, text: str) -> None:
    assert plain_text(content) == text


def test_a_script_can_be_a_file(tmp_path: Path) -> None:
    file = tmp_path / "replies.yaml"
    file.write_text("- Hello.\n- {text: Bye., calls: [{name: f, args: {a: 1}}], turn: 2}\n", encoding="utf-8")
    assert load_script(file) == [Say("Hello."), Say("Bye.", calls=[Use("f", {"a": 1})], turn=2)]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{a: 1}", "list of replies"),
        ("- {txet: x}", "reply 1 may have the fields"),
        ("- ok\n- 3", "reply 2"),
        ("- {calls: [{nmae: f}]}", "a call has a name"),
        ("- [", "cannot be read"),
    ],
)
def test_a_mistake_in_a_file_is_named(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "replies.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError, match=words):
        load_script(file)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read"):
        load_script(tmp_path / "none.yaml")
