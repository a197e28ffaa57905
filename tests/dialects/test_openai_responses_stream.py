"""Streamed responses."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from comptroller.core.call import Chunk, Usage
from comptroller.dialects.dialect import Stream, Unreadable
from tests.dialects import recordings_more as rec
from tests.dialects.hands import cut_at, relay, responses_stream, said
from tests.dialects.recordings_more import RESPONSES, nodes, responses_iterates, responses_makes_of

ANY = sorted(RESPONSES)


def numbers(stream: bytes) -> list[int]:
    return [node["sequence_number"] for node in nodes(stream)]


@pytest.mark.parametrize("name", ANY)
def test_without_a_change_the_bytes_are_those_that_came(name: str) -> None:
    stream = responses_stream()
    out, _ = relay(stream, [RESPONSES[name]])
    assert out == RESPONSES[name]
    assert stream.finished


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(ANY), st.data())
def test_any_split_gives_the_same_bytes_and_chunks(name: str, data: st.DataObject) -> None:
    stream = RESPONSES[name]
    at = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=12)))
    pieces = [stream[a:b] for a, b in zip([0, *at], [*at, len(stream)], strict=True)]
    out, split = relay(responses_stream(), pieces)
    whole, chunks = relay(responses_stream(), [stream])
    assert out == whole
    assert [(c.kind, c.slot, c.text) for c in split if c.kind != "other"] == [
        (c.kind, c.slot, c.text) for c in chunks if c.kind != "other"
    ]


@pytest.mark.parametrize("name", ANY)
def test_every_text_begun_is_ended(name: str) -> None:
    _, chunks = relay(responses_stream(), [RESPONSES[name]])
    assert {c.slot for c in chunks if c.kind == "text"} <= {c.slot for c in chunks if c.kind == "end"}
    assert [c.kind for c in chunks if c.kind == "finish"] == ["finish"]


def test_texts_come_by_item_and_place() -> None:
    assert said(relay(responses_stream(), [rec.R_TWO])[1]) == {
        (0, "content", 0): "one text",
        (0, "content", 1): "two text",
    }
    assert said(relay(responses_stream(), [rec.R_REFUSAL])[1]) == {(0, "content", 0): "I will not do it."}
    assert said(relay(responses_stream(), [rec.R_REASONING])[1]) == {
        (0, "summary", 0): "Let me think.",
        (0, "summary", 1): "So.",
        (1, "content", 0): "42 is it",
    }


def test_the_reply_is_whole_at_the_end() -> None:
    stream = responses_stream()
    relay(stream, [rec.R_REASONING])
    reply = stream.reply
    assert [(part.kind, part.text) for part in reply.parts] == [
        ("reasoning", "Let me think."),
        ("reasoning", "So."),
        ("text", "42 is it"),
    ]
    assert (reply.id, reply.model, reply.finish) == ("resp_1", "gpt-4o-2024-08-06", "completed")
    assert reply.usage == Usage(input=20, output=10, cache_read=8, reasoning=4)
    assert reply.emitted == len("Let me think.So.42 is it")


def test_a_tool_call_is_one_chunk_once_it_is_whole() -> None:
    stream = responses_stream()
    _, chunks = relay(stream, [rec.R_TOOLS])
    calls = [chunk.call for chunk in chunks if chunk.call]
    assert [(call.id, call.name, call.args) for call in calls] == [
        ("call_a", "pull_credit", {"id": "123"}),
        ("call_b", "send_money", {"to": "bob"}),
    ]
    assert stream.reply.emitted == len('Let me look.{"id":"123"}{"to":"bob"}')


def test_tools_of_every_kind_are_tool_calls() -> None:
    _, chunks = relay(responses_stream(), [rec.R_OTHERS])
    calls = [chunk.call for chunk in chunks if chunk.call]
    assert [(call.name, call.text) for call in calls] == [
        ("sql", "select 1"),
        ("local_shell", '{"type":"exec","command":["ls","-l"],"env":{}}'),
    ]


def refuse(*ids: str):  # type: ignore[no-untyped-def]
    def act(stream: Stream, chunk: Chunk) -> bytes | None:
        return stream.refuse(chunk, f"No {chunk.call.name}.") if chunk.call and chunk.call.id in ids else None

    return act


@pytest.mark.parametrize("ids", [["call_a"], ["call_b"], ["call_a", "call_b"]])
def test_a_refused_call_is_a_message_in_every_telling(ids: list[str]) -> None:
    out, _ = relay(responses_stream(), [rec.R_TOOLS], refuse(*ids))
    made = responses_makes_of(out)
    names = {"call_a": "pull_credit", "call_b": "send_money"}
    told = [item["content"][0]["text"] if item["type"] == "message" else item["call_id"] for item in made["output"]]
    assert told == ["Let me look.", *(f"No {names[i]}." if i in ids else i for i in ("call_a", "call_b"))]
    assert numbers(out) == list(range(len(numbers(out))))
    assert [node["item"] for node in nodes(out) if node["type"].endswith("item.done")] == nodes(out)[-1]["response"][
        "output"
    ]


def test_calls_of_other_kinds_can_be_refused() -> None:
    out, _ = relay(responses_stream(), [rec.R_OTHERS], refuse("call_c", "call_s"))
    assert [item["type"] for item in responses_makes_of(out)["output"]] == [
        "message",
        "message",
        "web_search_call",
        "message",
    ]
    assert b"select 1" not in out
    assert numbers(out) == list(range(len(numbers(out))))


def test_a_tool_call_can_have_other_arguments() -> None:
    def redact(stream: Stream, chunk: Chunk) -> bytes | None:
        return stream.call(chunk, '{"to":"[x]"}') if chunk.call else None

    out, _ = relay(responses_stream(), [rec.R_TOOLS], redact)
    made = responses_makes_of(out)["output"][1:]
    assert [(item["call_id"], item["arguments"]) for item in made] == [
        ("call_a", '{"to":"[x]"}'),
        ("call_b", '{"to":"[x]"}'),
    ]
    assert b"bob" not in out
    assert numbers(out) == list(range(len(numbers(out))))
    out, _ = relay(responses_stream(), [rec.R_OTHERS], redact)
    assert b"select 1" not in out
    assert b'"ls"' not in out


@pytest.mark.parametrize("name", ["text", "two texts", "tools", "reasoning", "refusal", "others", "incomplete", "crlf"])
def test_text_put_in_place_of_text_is_told_in_every_telling(name: str) -> None:
    def shout(stream: Stream, chunk: Chunk) -> bytes | None:
        return stream.text(chunk.slot, chunk.text.upper()) if chunk.kind == "text" else None

    out, chunks = relay(responses_stream(), [RESPONSES[name]], shout)
    texts = list(said(chunks).values())
    final = str(nodes(out)[-1]["response"]["output"])
    for text in texts:
        assert text not in out.decode()
        assert text.upper() in final
    assert numbers(out) == list(range(len(numbers(out))))
    assert responses_iterates(out)


@settings(max_examples=80, deadline=None)
@given(st.sampled_from(["text", "two texts", "tools", "reasoning", "refusal"]), st.data())
def test_whatever_is_withheld_put_in_or_passed_all_tellings_agree(name: str, data: st.DataObject) -> None:
    seen: dict[object, str] = {}

    def act(stream: Stream, chunk: Chunk) -> bytes | None:
        if chunk.kind == "end" and data.draw(st.booleans()):
            seen[chunk.slot] = seen.get(chunk.slot, "") + "-rest"
            return stream.text(chunk.slot, "-rest") + chunk.raw
        if chunk.kind != "text":
            return None
        put = data.draw(st.sampled_from([None, "", "~", "~~"]))
        seen[chunk.slot] = seen.get(chunk.slot, "") + (chunk.text if put is None else put)
        return None if put is None else stream.text(chunk.slot, put) if put else b""

    out, _ = relay(responses_stream(), [RESPONSES[name]], act)
    final = nodes(out)[-1]["response"]["output"]
    deltas: dict[object, str] = {}
    for node in nodes(out):
        place = next((p for p in ("content", "summary") if f"{p}_index" in node), "")
        slot = (node.get("output_index"), place, node.get(f"{place}_index"))
        if place and node["type"].endswith("delta"):
            deltas[slot] = deltas.get(slot, "") + node["delta"]
        elif place and node["type"].endswith("done"):
            piece = node.get("part", node)
            assert piece.get("text", piece.get("refusal")) == seen[slot]
    for (index, place, at), text in seen.items():  # type: ignore[misc]
        piece = final[index][place][at]
        assert piece.get("text", piece.get("refusal")) == text == deltas.get((index, place, at), "")
    assert numbers(out) == list(range(len(numbers(out))))


@pytest.mark.parametrize("name", ANY)
def test_a_stream_can_be_cut_anywhere_and_the_sdk_ends_without_an_exception(name: str) -> None:
    count = len(list(responses_stream().feed(RESPONSES[name])))
    for number in range(count + 1):
        out = cut_at(responses_stream(), RESPONSES[name], number)
        events = responses_iterates(out)
        assert events[-1].type in ("response.completed", "response.incomplete", "response.failed")
        assert (
            sum(event.type in ("response.completed", "response.incomplete", "response.failed") for event in events) == 1
        )
        assert numbers(out) == list(range(len(numbers(out))))


@pytest.mark.parametrize("name", ANY)
def test_a_cut_closes_exactly_what_the_client_saw_begin(name: str) -> None:
    count = len(list(responses_stream().feed(RESPONSES[name])))
    for number in range(count + 1):
        out = cut_at(responses_stream(), RESPONSES[name], number)
        for begins, ends in (("output_item.added", "output_item.done"), ("content_part.added", "content_part.done")):
            assert out.count(b"event: response." + begins.encode()) == out.count(b"event: response." + ends.encode())


def test_a_cut_tells_what_was_said_and_names_its_code() -> None:
    out = cut_at(responses_stream(), rec.R_TEXT, 6)
    end = nodes(out)[-1]
    assert end["comptroller"] == {"code": "denied", "message": "No."}
    assert end["response"]["incomplete_details"] == {"reason": "content_filter"}
    assert end["response"]["output"][0]["content"][0]["text"] == "Grüße, Wel"
    assert end["response"]["output"][0]["status"] == "incomplete"


# -- servers that tell things late, twice or otherwise


def told(*events: Any) -> bytes:
    return rec.numbered(*events)


MESSAGE = rec.message("Hello there.")
CREATED, PROGRESS, *MIDDLE, DONE = rec.response(MESSAGE)
CALL = rec.call("f", '{"a":1}', "c1")
CALL_EVENTS = rec.response(CALL)


def test_a_text_without_deltas_is_decided_on_when_it_is_done() -> None:
    lazy = [event for event in MIDDLE if not event["type"].endswith("delta")]
    out, chunks = relay(responses_stream(), [told(CREATED, *lazy, DONE)])
    assert said(chunks) == {(0, "content", 0): "Hello there."}
    assert responses_makes_of(out)["output"][0]["content"][0]["text"] == "Hello there."


@pytest.mark.parametrize("item", [MESSAGE, CALL, rec.THOUGHT, rec.CUSTOM, rec.SHELL], ids=lambda item: item["type"])
@pytest.mark.parametrize("events", [0, 1], ids=["only in the end", "only when done"])
def test_an_item_told_of_late_is_decided_on_too(item: dict[str, Any], events: int) -> None:
    whole = rec.response(item)
    stream = responses_stream()
    act = lambda s, c: s.refuse(c, "No.") if c.kind == "call" else s.text(c.slot, "[x]") if c.kind == "text" else None  # noqa: E731
    out, chunks = relay(stream, [told(whole[0], *(whole[-2:] if events else whole[-1:]))], act)
    assert [chunk.kind for chunk in chunks if chunk.kind in ("text", "call")]
    assert responses_makes_of(out)["output"][0]["type"] in ("message", "reasoning")
    for secret in (b"Hello there", b'"a":1', b"Let me think", b"select 1", b'"ls"'):
        assert secret not in out.replace(b"\\", b"")
    assert numbers(out) == list(range(len(numbers(out))))


def test_a_final_response_may_not_bring_another_call_than_was_decided_on() -> None:
    other = {**DONE, "response": {**DONE["response"], "output": [{**CALL, "arguments": '{"a":2}'}]}}
    with pytest.raises(Unreadable):
        relay(responses_stream(), [told(*CALL_EVENTS[:-1], other)])


def test_a_final_response_may_not_bring_another_text_than_was_told() -> None:
    other = {**DONE, "response": {**DONE["response"], "output": [rec.message("Hello there. And a secret.")]}}
    out, _ = relay(responses_stream(), [told(CREATED, *MIDDLE, other)])
    assert b"secret" not in out
    assert responses_makes_of(out)["output"][0]["content"][0]["text"] == "Hello there."


@pytest.mark.parametrize(
    "odd",
    [
        [CALL_EVENTS[0], CALL_EVENTS[3]],
        [*CALL_EVENTS[:-1], CALL_EVENTS[4]],
        [*CALL_EVENTS[:-1], CALL_EVENTS[-2]],
        [*CALL_EVENTS[:3], CALL_EVENTS[2]],
        [*CALL_EVENTS[:-2], {**CALL_EVENTS[-2], "item": {**CALL, "arguments": "{}"}}],
        [*CALL_EVENTS[:-2], {**CALL_EVENTS[-2], "item": {**CALL, "name": "g"}}],
        [CREATED, *MIDDLE[:2], {**CALL_EVENTS[-2], "item": CALL}],
        [CREATED, *MIDDLE[:-3], *MIDDLE[-3:-2], MIDDLE[2]],
    ],
)
def test_what_could_smuggle_something_past_is_unreadable(odd: list[Any]) -> None:
    with pytest.raises(Unreadable):
        relay(responses_stream(), [told(*odd)])


def test_half_a_tool_call_does_not_pass() -> None:
    half = rec.R_TOOLS[: rec.R_TOOLS.index(b"bob")]
    stream = responses_stream()
    out, chunks = relay(stream, [half])
    assert b"send_money" not in out
    assert [chunk.call.name for chunk in chunks if chunk.call] == ["pull_credit"]
    assert not stream.finished


def test_items_that_interleave_keep_their_order_and_numbers() -> None:
    added, *rest = rec.item_events(1, CALL)
    mixed = told(CREATED, *MIDDLE[:2], added, *MIDDLE[2:], *rest, DONE)
    out, chunks = relay(responses_stream(), [mixed])
    assert said(chunks) == {(0, "content", 0): "Hello there."}
    assert numbers(out) == list(range(len(numbers(out))))
    assert [node["output_index"] for node in nodes(out) if node["type"].endswith("item.done")] == [0, 1]


def test_a_server_that_does_not_number_its_events_is_read() -> None:
    plain = b"".join(rec.data({k: v for k, v in node.items() if k != "sequence_number"}) for node in nodes(rec.R_TOOLS))
    assert relay(responses_stream(), [plain])[0] == plain
    out, _ = relay(responses_stream(), [plain], refuse("call_a"))
    assert responses_makes_of(out)["output"][1]["content"][0]["text"] == "No pull_credit."


def test_an_output_in_the_first_events_does_not_pass() -> None:
    early = {**CREATED, "response": {**CREATED["response"], "output": [CALL]}}
    out, _ = relay(responses_stream(), [told(early, *MIDDLE, DONE)])
    assert b'"f"' not in out


def test_unknown_events_and_errors_pass_untouched() -> None:
    odd = told(
        CREATED, {"type": "response.brand_new", "x": 1}, {"type": "error", "code": "x", "message": "Overloaded."}
    )
    stream = responses_stream()
    assert relay(stream, [odd + b": ping\n\n"])[0] == odd + b": ping\n\n"
    assert not stream.finished


def test_citations_of_a_replaced_text_go_with_it() -> None:
    cited = [{"type": "url_citation", "title": "Hello", "url": "https://e.org", "start_index": 0, "end_index": 5}]
    item = rec.message(content=[{"type": "output_text", "text": "Hello there.", "annotations": cited, "logprobs": []}])
    shout = lambda s, c: s.text(c.slot, "[x]") if c.kind == "text" else None  # noqa: E731
    out, _ = relay(responses_stream(), [rec.numbered(*rec.response(item))], shout)
    assert nodes(out)[-1]["response"]["output"][0]["content"][0]["annotations"] == []


@pytest.mark.parametrize("usage", [None, {}, [], "x", {"input_tokens": None}, {"input_tokens": -3}])
def test_usage_that_says_nothing_counts_as_none_reported(usage: object) -> None:
    stream = responses_stream()
    relay(stream, [rec.numbered(*rec.response(MESSAGE, usage=usage))])
    assert stream.reply.usage is None
    assert stream.finished


def test_a_line_end_that_comes_in_two_halves_is_kept() -> None:
    assert relay(responses_stream(), [rec.R_CRLF[:-1], rec.R_CRLF[-1:]])[0] == rec.R_CRLF


def test_texts_of_a_reply_under_way_can_be_asked_for() -> None:
    stream = responses_stream()
    list(stream.feed(told(CREATED, *MIDDLE[:3])))
    assert [part.text for part in stream.so_far().parts] == ["Hello"]  # type: ignore[attr-defined]
