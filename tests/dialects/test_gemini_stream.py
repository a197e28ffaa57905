"""Streamed replies of Gemini's."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from comptroller.core.call import Chunk, Usage
from comptroller.dialects.dialect import Stream, Unreadable
from tests.dialects import recordings_more as rec
from tests.dialects.hands import cut_at, gemini_stream, relay, said
from tests.dialects.recordings_more import GEMINI, gemini_makes_of

ALL = {**GEMINI, "blocked": rec.G_BLOCKED}


@pytest.mark.parametrize("name", ALL)
def test_without_a_change_the_bytes_are_those_that_came(name: str) -> None:
    stream = gemini_stream()
    out, _ = relay(stream, [ALL[name]])
    assert out == ALL[name]
    assert stream.finished


def test_two_candidates_pass_as_they_came() -> None:
    stream = gemini_stream(choices=2)
    out, chunks = relay(stream, [rec.G_TWO])
    assert out == rec.G_TWO
    assert stream.finished
    assert said(chunks) == {(0, "text", 0): "one", (1, "text", 0): "two more"}


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(sorted(ALL)), st.data())
def test_any_split_gives_the_same_bytes_and_chunks(name: str, data: st.DataObject) -> None:
    stream = ALL[name]
    at = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=12)))
    pieces = [stream[a:b] for a, b in zip([0, *at], [*at, len(stream)], strict=True)]
    out, split = relay(gemini_stream(), pieces)
    whole, chunks = relay(gemini_stream(), [stream])
    assert out == whole
    assert [(c.kind, c.slot, c.text) for c in split if c.kind != "other"] == [
        (c.kind, c.slot, c.text) for c in chunks if c.kind != "other"
    ]


def test_a_thought_is_over_before_the_text_begins() -> None:
    _, chunks = relay(gemini_stream(), [rec.G_THINKING])
    told = [(chunk.kind, chunk.text) for chunk in chunks if chunk.kind != "other"]
    assert told == [
        ("text", "Hm, "),
        ("text", "so."),
        ("end", ""),
        ("text", "42"),
        ("text", " it is"),
        ("end", ""),
        ("finish", ""),
    ]


def test_the_reply_is_whole_at_the_end() -> None:
    stream = gemini_stream()
    relay(stream, [rec.G_THINKING])
    reply = stream.reply
    assert [(part.kind, part.text) for part in reply.parts] == [("reasoning", "Hm, so."), ("text", "42 it is")]
    assert (reply.id, reply.model, reply.finish) == ("gem_1", "gemini-2.5-flash", "STOP")
    assert reply.usage == Usage(input=20, output=10, cache_read=8, reasoning=4, audio_input=5)
    assert reply.emitted == len("Hm, so.42 it is")


def test_a_broken_stream_has_the_usage_told_last() -> None:
    stream = gemini_stream()
    usage = {"promptTokenCount": 9, "candidatesTokenCount": 2}
    relay(stream, [rec.g_event(rec.g_text("a")) + rec.g_event(rec.g_text("b"), usageMetadata=usage)])
    assert stream.reply.usage == Usage(input=9, output=2)
    assert not stream.finished


def test_each_of_several_calls_in_an_event_is_decided_on() -> None:
    _, chunks = relay(gemini_stream(), [rec.G_TOOLS])
    calls = [chunk.call for chunk in chunks if chunk.call]
    assert [(call.name, call.args) for call in calls] == [("pull_credit", {"id": "123"}), ("send_money", {"to": "bob"})]
    assert len({call.path for call in calls}) == len({call.id for call in calls}) == 2


def refuse(*names: str):  # type: ignore[no-untyped-def]
    def act(stream: Stream, chunk: Chunk) -> bytes | None:
        return stream.refuse(chunk, f"No {chunk.call.name}.") if chunk.call and chunk.call.name in names else None

    return act


@pytest.mark.parametrize(
    "names", [["pull_credit"], ["send_money"], ["pull_credit", "send_money"]], ids=lambda names: "+".join(names)
)
@pytest.mark.parametrize("name", ["tools", "lf"])
def test_refused_calls_are_text_and_the_others_keep_place_and_signature(name: str, names: list[str]) -> None:
    out, _ = relay(gemini_stream(), [GEMINI[name]], refuse(*names))
    made, finish = gemini_makes_of(out)
    told = [part.get("text") or part["function_call"]["name"] for part in made if part]
    assert told == ["Let me look.", *(f"No {n}." if n in names else n for n in ("pull_credit", "send_money"))]
    assert [part for part in made if "thought_signature" in part] == [
        p for p in made if p.get("function_call", {}).get("name") == "pull_credit"
    ]
    assert finish == "STOP"


def test_a_call_can_have_other_arguments_and_keeps_its_signature() -> None:
    def redact(stream: Stream, chunk: Chunk) -> bytes | None:
        return stream.call(chunk, '{"to":"[x]"}') if chunk.call else None

    out, _ = relay(gemini_stream(), [rec.G_TOOLS], redact)
    made, _ = gemini_makes_of(out)
    calls = [part for part in made if "function_call" in part]
    assert [part["function_call"]["args"] for part in calls] == [{"to": "[x]"}] * 2
    assert calls[0]["thought_signature"] == b"sig"
    assert b"bob" not in out


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(["text", "late", "thinking", "tools", "all at once", "lf"]), st.data())
def test_whatever_is_withheld_put_in_or_passed_the_client_sees_just_that(name: str, data: st.DataObject) -> None:
    seen: list[tuple[str, str]] = []

    def act(stream: Stream, chunk: Chunk) -> bytes | None:
        if chunk.kind == "end" and data.draw(st.booleans()):
            seen.append((chunk.slot[1], "-rest"))  # type: ignore[index]
            return stream.text(chunk.slot, "-rest") + chunk.raw
        if chunk.call:
            put = data.draw(st.sampled_from([None, "No."]))
            seen.append(("text", put) if put else ("call", chunk.call.name))
            return stream.refuse(chunk, put) if put else None
        if chunk.kind != "text":
            return None
        put = data.draw(st.sampled_from([None, "", "~"]))
        seen.append((chunk.slot[1], chunk.text if put is None else put))  # type: ignore[index]
        return None if put is None else stream.text(chunk.slot, put) if put else b""

    out, _ = relay(gemini_stream(), [GEMINI[name]], act)
    made, finish = gemini_makes_of(out)
    told = [_kind_and_text(part) for part in made]
    assert [pair for pair in told if pair[1]] == [pair for pair in seen if pair[1]]
    assert finish == "STOP"


def _kind_and_text(part: dict[str, Any]) -> tuple[str, str]:
    if "function_call" in part:
        return "call", part["function_call"]["name"]
    return "thought" if part.get("thought") else "text", part.get("text", "")


@pytest.mark.parametrize("name", ALL)
def test_a_stream_can_be_cut_anywhere_and_the_sdk_ends_without_an_exception(name: str) -> None:
    count = len(list(gemini_stream().feed(ALL[name])))
    for number in range(count + 1):
        out = cut_at(gemini_stream(), ALL[name], number)
        _, finish = gemini_makes_of(out)
        assert finish or b"blockReason" in out
        assert out.count(b"finishReason") <= 1


def test_a_cut_names_its_code() -> None:
    out = cut_at(gemini_stream(), rec.G_TEXT, 1)
    assert b'"comptroller":{"code":"denied","message":"No."}' in out
    assert b'"finishReason":"SAFETY"' in out


def test_what_quotes_a_replaced_text_goes_with_it() -> None:
    grounded = {"groundingSupports": [{"segment": {"text": "Secret"}}], "webSearchQueries": ["q"]}
    candidate = {"content": {"parts": []}, "finishReason": "STOP", "groundingMetadata": grounded}
    last = rec.g_data({"candidates": [candidate], "usageMetadata": rec.G_USAGE})
    stream = rec.g_event(rec.g_text("Sec")) + rec.g_event(rec.g_text("ret")) + last
    assert relay(gemini_stream(), [stream])[0] == stream
    out, _ = relay(gemini_stream(), [stream], lambda s, c: s.text(c.slot, "[x]") if c.kind == "text" else None)
    assert b"Secret" not in out
    assert gemini_makes_of(out)[1] == "STOP"


# -- function calls in pieces


def piece(*args: dict[str, Any], more: bool = True, **known: Any) -> dict[str, Any]:
    return {"functionCall": {**known, "partialArgs": list(args), **({"willContinue": True} if more else {})}}


IN_PIECES = b"".join(
    [
        rec.g_event(rec.g_text("So. ")),
        rec.g_event({"functionCall": {"name": "book", "id": "b1", "willContinue": True}, "thoughtSignature": "c2ln"}),
        rec.g_event(piece({"jsonPath": "$.city", "stringValue": "Ber", "willContinue": True})),
        rec.g_event(piece({"jsonPath": "$.city", "stringValue": "lin"}, {"jsonPath": "$.nights", "numberValue": 2})),
        rec.g_event(
            piece({"jsonPath": "$.guests[1].name", "stringValue": "Ann"}, {"jsonPath": "$.vip", "boolValue": True})
        ),
        rec.g_event({"functionCall": {}}),
        rec.g_event(finish="STOP"),
    ]
)


def test_a_call_in_pieces_is_one_whole_call() -> None:
    out, chunks = relay(gemini_stream(), [IN_PIECES])
    args = {"city": "Berlin", "nights": 2, "guests": [None, {"name": "Ann"}], "vip": True}
    assert [(chunk.call.id, chunk.call.args) for chunk in chunks if chunk.call] == [("b1", args)]
    made, finish = gemini_makes_of(out)
    assert [part["function_call"]["args"] for part in made if "function_call" in part] == [args]
    assert (finish, out.count(b"functionCall")) == ("STOP", 1)


def test_a_call_in_pieces_can_be_refused() -> None:
    out, _ = relay(gemini_stream(), [IN_PIECES], refuse("book"))
    assert b"functionCall" not in out
    assert [part["text"] for part in gemini_makes_of(out)[0] if part.get("text")] == ["So. ", "No book."]


@pytest.mark.parametrize(
    "odd",
    [
        piece({"jsonPath": "nowhere", "stringValue": "x"}),
        piece({"jsonPath": "", "stringValue": "x"}),
        piece({"jsonPath": "$.a[99999999]", "stringValue": "x"}),
        piece({"jsonPath": "$.a", "stringValue": "x"}, {"jsonPath": "$.a.b", "stringValue": "x"}),
        {"functionCall": {"name": "other", "args": {}}},
    ],
)
def test_pieces_that_do_not_fit_are_unreadable(odd: dict[str, Any]) -> None:
    begun = rec.g_event({"functionCall": {"name": "book", "willContinue": True}})
    with pytest.raises(Unreadable):
        relay(gemini_stream(), [begun + rec.g_event(odd)])


def test_half_a_call_does_not_pass() -> None:
    half = IN_PIECES[: IN_PIECES.index(b"$.nights")]
    out, chunks = relay(gemini_stream(), [half])
    assert b"book" not in out
    assert not [chunk for chunk in chunks if chunk.call]


def test_a_candidate_cannot_go_on_after_it_finished() -> None:
    with pytest.raises(Unreadable):
        relay(gemini_stream(), [rec.G_TEXT + rec.g_event(rec.g_call("f", {}))])


@pytest.mark.parametrize("usage", [None, {}, [], "x", {"promptTokenCount": None}, {"promptTokenCount": -3}])
def test_usage_that_says_nothing_counts_as_none_reported(usage: object) -> None:
    stream = gemini_stream()
    relay(stream, [rec.g_event(rec.g_text("x"), finish="STOP", usageMetadata=usage)])
    assert stream.reply.usage is None
    assert stream.finished


def test_usage_may_come_after_the_finish_reason() -> None:
    stream = gemini_stream()
    late = rec.g_data({"usageMetadata": rec.G_USAGE})
    out, _ = relay(stream, [rec.g_event(rec.g_text("x"), finish="STOP", usageMetadata={}) + late])
    assert stream.reply.usage is not None
    assert out.endswith(late)


def test_an_error_in_the_stream_passes_on() -> None:
    failed = rec.g_event(rec.g_text("x")) + b"data: " + json.dumps({"error": {"code": 503}}).encode() + b"\r\n\r\n"
    stream = gemini_stream()
    assert relay(stream, [failed])[0] == failed
    assert not stream.finished


def test_a_last_event_without_a_blank_line_counts() -> None:
    stream = gemini_stream()
    out, _ = relay(stream, [rec.G_TEXT[:-2]])
    assert stream.finished
    assert out == rec.G_TEXT


def test_an_event_that_is_not_json_is_unreadable() -> None:
    with pytest.raises(Unreadable):
        relay(gemini_stream(), [b"data: <html>\r\n\r\n"])
