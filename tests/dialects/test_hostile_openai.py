"""A provider that means harm: what is judged of its chat completions is what a client puts together."""

import json
from typing import Any

import pytest

from comptroller.core.call import Reply, ToolCall
from comptroller.dialects.dialect import Unreadable
from comptroller.dialects.openai_chat import OpenAIChat
from tests.dialects.hands import openai_stream, relay

Node = dict[str, Any]


def event(delta: Node, finish: str | None = None, index: object = 0, **more: Any) -> bytes:
    choice = {"index": index, "delta": delta, "finish_reason": finish}
    return b"data: " + json.dumps({"id": "x", "model": "m", "choices": [choice], **more}).encode() + b"\n\n"


def piece(at: object = 0, id: str = "", name: str = "", args: object = None, **more: Any) -> Node:
    item: Node = {"index": at, **({"id": id, "type": "function"} if id else {})}
    item["function"] = {**({"name": name} if name else {}), **({} if args is None else {"arguments": args})}
    return {"tool_calls": [{**item, **more}]}


END = event({}, "tool_calls") + b"data: [DONE]\n\n"
ROLE = event({"role": "assistant", "content": None})


def put_together(stream: bytes) -> list[tuple[str, str, str]]:
    """The tool calls as the official client's stream helper merges them: by place, strings joined."""
    calls: list[list[str]] = []
    for line in stream.split(b"\n\n"):
        if not line.startswith(b"data: {"):
            continue
        for choice in json.loads(line[6:])["choices"]:
            for item in choice["delta"].get("tool_calls") or []:
                if item["index"] >= len(calls):
                    calls.append(["", "", ""])
                call, function = calls[item["index"]], item["function"]
                call[0] += item.get("id") or ""
                call[1] += function.get("name") or ""
                call[2] += function.get("arguments") or ""
    return [(call[0], call[1], call[2]) for call in calls]


def judged(reply: Reply) -> list[tuple[str, str, str]]:
    return [(call.id, call.name, call.text) for call in reply.calls]


@pytest.mark.parametrize(
    "pieces",
    [
        [piece(0, "a", "pay", '{"sum": 5'), piece(0, "", "", "000}")],
        [piece(0, "a", "pay_", ""), piece(0, "b", "out", '{"sum": 5}')],
        [piece(0, "a", "pay", "{"), piece(0, "a", "pay", "}")],
        [piece(0, "a", "pay", {"sum": 5000})],
        [piece(0, "a", "pay", '{"sum": 5}', custom={"name": "look", "input": "{}"})],
        [piece(0, "a", "pay", '{"sum": 5'), piece(0, "", "", "}", type="custom", custom={"input": "1"})],
        [piece(3, "a", "pay", "{}"), piece(1, "b", "look", "{}")],
        [piece(None, "a", "pay", "{}"), piece(None, "b", "look", "{}")],
    ],
)
def test_the_calls_a_client_puts_together_are_those_that_were_judged(pieces: list[Node]) -> None:
    stream = openai_stream()
    out, _ = relay(stream, [ROLE + b"".join(map(event, pieces)) + END])
    assert judged(stream.reply) == put_together(out)
    assert stream.reply.calls[0].name.startswith("pay")


def test_a_byte_order_mark_reaches_nobody() -> None:
    marked = b"\xef\xbb\xbf" + event(piece(0, "", "", "000"))
    stream = openai_stream()
    out, _ = relay(stream, [ROLE + event(piece(0, "a", "pay", '{"sum": 5')) + marked + event(piece(args="}")) + END])
    assert put_together(out) == judged(stream.reply) == [("a", "pay", '{"sum": 5000}')]
    assert b"\xef\xbb\xbf" not in out


def test_a_name_before_an_event_is_not_handed_on_for_a_client_to_skip_it_by() -> None:
    stream = openai_stream()
    out, _ = relay(stream, [ROLE + b"event: thread.x\n" + event({"content": "hi"}) + END])
    assert b"thread" not in out
    assert b'"hi"' in out


@pytest.mark.parametrize(
    "odd",
    [
        event({"content": "x"}, index=-1),
        event({"content": "x"}, index="0"),
        event({"content": "x"}, index=2),
        event({"tool_calls": {"0": piece(0, "a", "pay", "{}")["tool_calls"][0]}}),
    ],
)
def test_what_clients_would_file_elsewhere_is_refused(odd: bytes) -> None:
    with pytest.raises(Unreadable):
        relay(openai_stream(), [ROLE + odd])


def test_more_choices_than_anybody_asks_for_are_refused() -> None:
    with pytest.raises(Unreadable):
        relay(openai_stream(), [event({"content": "x"}, index=at) for at in range(257)])


@pytest.mark.parametrize(
    "more",
    [
        {"system_fingerprint": "secret words"},
        {"choices": [{"index": 0, "delta": {}, "message": {"content": "secret words"}}]},
        {"choices": [{"index": 0, "delta": {"reasoning_details": [{"type": "x", "text": "secret words"}]}}]},
        {"choices": [{"index": 0, "delta": {"annotations": [{"url": "secret words"}]}}]},
        {"choices": [{"index": 0, "delta": {}, "logprobs": {"content": [{"token": "secret "}, {"token": "words"}]}}]},
    ],
)
def test_strings_beside_the_text_are_told_before_they_are_handed_on(more: Node) -> None:
    _, chunks = relay(openai_stream(), [event({}, **more)])
    assert (chunks[0].kind, chunks[0].raw, chunks[0].text) == ("other", b"", "secret words\n")


def whole(**message: Any) -> Reply:
    choice = {"index": 0, "message": {"role": "assistant", "content": None, **message}, "finish_reason": "stop"}
    return OpenAIChat().read_reply(json.dumps({"id": "x", "model": "m", "choices": [choice]}).encode())


def test_arguments_given_as_an_object_are_read() -> None:
    call = whole(tool_calls=[{"id": "a", "function": {"name": "pay", "arguments": {"sum": 5000}}}]).calls[0]
    assert call == ToolCall("a", "pay", '{"sum":5000}', {"sum": 5000}, call.path)


@pytest.mark.parametrize(("kind", "name"), [("function", "pay"), ("custom", "look"), (None, "pay")])
def test_where_two_kinds_stand_the_type_tells(kind: str | None, name: str) -> None:
    both = {"function": {"name": "pay", "arguments": "{}"}, "custom": {"name": "look", "input": "{}"}}
    assert whole(tool_calls=[{"id": "a", "type": kind, **both}]).calls[0].name == name


def test_tool_calls_that_are_no_list_are_refused() -> None:
    with pytest.raises(Unreadable):
        whole(tool_calls={"0": {"id": "a"}})
