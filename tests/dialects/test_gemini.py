"""Gemini's contents, whole."""

import json
from typing import Any

import httpx2
import pytest
from google import genai
from google.genai import errors, types

from comptroller.core.call import Change, Request, Usage
from comptroller.dialects.dialect import Unreadable
from comptroller.dialects.gemini import Gemini
from tests.dialects import recordings_more as rec

GEMINI = Gemini()
HI = {"role": "user", "parts": [{"text": "hi"}]}
PATH = "/v1beta/models/gemini-2.5-flash:generateContent"
CONVERSATION: list[Any] = [
    {"role": "user", "parts": [{"text": "one"}]},
    {"role": "model", "parts": [{"text": "two", "thought": True}, {"text": "three", "thoughtSignature": "x"}]},
    {"role": "model", "parts": [{"functionCall": {"name": "look", "args": {"at": "four"}}}]},
    {
        "role": "user",
        "parts": [{"functionResponse": {"name": "look", "response": {"result": "five", "more": ["six"]}}}],
    },
    {"role": "model", "parts": [{"functionCall": {"id": "c9", "name": "sql", "args": {"q": "seven"}}}]},
    {"role": "function", "parts": [{"function_response": {"id": "c9", "name": "sql", "response": {"name": "eight"}}}]},
    {"role": "model", "parts": [{"executableCode": {"language": "PYTHON", "code": "nine"}}]},
    {"role": "model", "parts": [{"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "ten"}}]},
]


def read(path: str = PATH, **fields: Any) -> Request:
    return GEMINI.read(json.dumps({"contents": [HI], **fields}).encode(), path)


@pytest.mark.parametrize(
    ("path", "model", "stream"),
    [
        ("/v1beta/models/gemini-2.5-flash:generateContent", "gemini-2.5-flash", False),
        ("/v1/models/gemini-2.5-pro:streamGenerateContent", "gemini-2.5-pro", True),
        ("/v1beta/tunedModels/my-1:generateContent", "my-1", False),
        (
            "/v1/projects/p/locations/l/publishers/google/models/gemini-2.5-pro:streamGenerateContent",
            "gemini-2.5-pro",
            True,
        ),
        ("/v1/projects/p/locations/l/endpoints/77:generateContent", "77", False),
        ("/v1beta/models/odd%2Fname:generateContent", "odd/name", False),
    ],
)
def test_the_path_names_the_model_and_tells_of_streams(path: str, model: str, stream: bool) -> None:
    assert GEMINI.matches("POST", path)
    assert not GEMINI.matches("GET", path)
    request = read(path)
    assert (request.model, request.stream) == (model, stream)
    assert GEMINI.path_for(path, model) == path


@pytest.mark.parametrize("path", ["/v1beta/models/m:countTokens", "/v1beta/models/m:embedContent", "/v1beta/models/m"])
def test_other_methods_are_not_ours(path: str) -> None:
    assert not GEMINI.matches("POST", path)


def test_another_model_is_another_path() -> None:
    assert GEMINI.path_for(PATH, "gemini-2.5-flash-lite") == "/v1beta/models/gemini-2.5-flash-lite:generateContent"
    assert GEMINI.path_for(PATH, "../x") == "/v1beta/models/..%2Fx:generateContent"


def test_every_text_of_a_conversation_is_a_part() -> None:
    parts = read(contents=CONVERSATION, system_instruction={"parts": {"text": "zero"}}).parts
    made = next(part.call_id for part in parts if part.tool == "look")
    assert [(part.kind, part.text, part.role, part.tool, part.call_id) for part in parts] == [
        ("text", "zero", "system", "", ""),
        ("text", "one", "user", "", ""),
        ("reasoning", "two", "assistant", "", ""),
        ("text", "three", "assistant", "", ""),
        ("tool_call", '{"at":"four"}', "assistant", "look", made),
        ("tool_result", "five", "tool", "look", made),
        ("tool_result", "six", "tool", "look", made),
        ("tool_call", '{"q":"seven"}', "assistant", "sql", "c9"),
        ("tool_result", "eight", "tool", "sql", "c9"),
        ("text", "nine", "assistant", "", ""),
        ("text", "ten", "assistant", "", ""),
    ]


def test_a_call_without_an_id_has_the_same_one_in_the_reply_and_in_the_next_request() -> None:
    call = rec.g_call("look", {"at": "four"})
    reply = GEMINI.read_reply(json.dumps({"candidates": [{"content": {"parts": [call]}}]}).encode())
    results = [part for part in read(contents=CONVERSATION).parts if part.kind == "tool_result"]
    assert reply.calls[0].id == results[0].call_id != ""


def test_every_part_can_be_replaced_and_nothing_else_changes() -> None:
    request = read(contents=CONVERSATION, systemInstruction={"parts": [{"text": "s"}]}, safetySettings=[{"x": 1}])
    texts = {part.path: '{"x":"[x]"}' if part.kind == "tool_call" else "[x]" for part in request.parts}
    out = json.loads(GEMINI.rewrite(request, Change(texts=texts)))
    again = GEMINI.read(json.dumps(out).encode(), PATH)
    assert {part.text for part in again.parts} == {"[x]", '{"x":"[x]"}'}
    assert len(again.parts) == len(request.parts)
    assert (out["safetySettings"], out["contents"][1]["parts"][1]["thoughtSignature"]) == ([{"x": 1}], "x")


@pytest.mark.parametrize("config", ["generationConfig", "generation_config"])
@pytest.mark.parametrize("most", ["maxOutputTokens", "max_output_tokens"])
def test_a_clamp_uses_the_spelling_that_is_there_and_contents_keep_their_bytes(config: str, most: str) -> None:
    body = f'{{"{config}":{{"{most}":900,"topK":2}},"contents":[ {{"parts" : [{{"text":"x"}}]}} ]}}'.encode()
    request = GEMINI.read(body, PATH)
    out = GEMINI.rewrite(request, Change(max_tokens=5, model="other"))
    assert request.max_tokens == 900
    assert out == body.replace(b"900", b"5")


def test_a_field_in_two_spellings_is_unreadable() -> None:
    with pytest.raises(Unreadable):
        read(systemInstruction={"parts": [{"text": "a"}]}, system_instruction={"parts": [{"text": "b"}]})


@pytest.mark.parametrize(
    ("more", "named"),
    [
        ({"tools": [{"googleSearch": {}}]}, "googleSearch"),
        ({"tools": [{"google_search": {}}, {"functionDeclarations": [{"name": "f"}]}]}, "google_search"),
        ({"tools": [{"codeExecution": {}}]}, "codeExecution"),
        ({"tools": [{"urlContext": {}}]}, "urlContext"),
        ({"cachedContent": "cachedContents/1"}, "cachedContent"),
        ({"generationConfig": {"responseModalities": ["TEXT", "IMAGE"]}}, "responseModalities"),
        ({"contents": [{"parts": [{"fileData": {"fileUri": "gs://x", "mimeType": "video/mp4"}}]}]}, "fileData"),
    ],
)
def test_what_the_body_does_not_bound_is_named(more: dict[str, Any], named: str) -> None:
    assert read(**more).unbounded == (named,)


def test_options_are_read() -> None:
    config = {"maxOutputTokens": 9, "candidateCount": 3, "responseModalities": ["TEXT"]}
    tools = [{"functionDeclarations": [{"name": "f"}, {"name": "g"}]}, {"googleSearch": None}]
    request = read(generationConfig=config, tools=tools, labels={"team": "a"}, serviceTier="flex")
    assert (request.max_tokens, request.choices, request.tools, request.unbounded) == (9, 3, ("f", "g"), ())
    assert (request.hints, request.tier) == ({"metadata.team": "a"}, "flex")


def test_media_are_weighed() -> None:
    request = read(contents=[{"parts": [{"inline_data": {"mime_type": "image/png", "data": "A" * 400}}]}])
    assert ([part.kind for part in request.parts], request.media_bytes) == (["media"], 400)


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{}", b'{"contents":null}', b'{"contents":"hi"}', b'{"contents":[{"parts":[{"text":"\xff"}]}]}'],
)
def test_what_is_no_request_is_unreadable(body: bytes) -> None:
    with pytest.raises(Unreadable):
        GEMINI.read(body, PATH)


# -- replies

GROUNDED = {"webSearchQueries": ["a", "b"], "groundingSupports": [{"segment": {"text": "Secret."}}]}
PARTS = [
    {"text": "Hm.", "thought": True},
    {"text": "Secret."},
    rec.g_call("f", {"a": 1}, thoughtSignature="c2ln"),
    rec.g_call("g", {}),
    {"executableCode": {"language": "PYTHON", "code": "print(1)"}},
]
REPLY: dict[str, Any] = {
    "candidates": [
        {"content": {"parts": PARTS, "role": "model"}, "finishReason": "STOP", "groundingMetadata": GROUNDED}
    ],
    "usageMetadata": rec.G_USAGE,
    "modelVersion": "gemini-2.5-flash",
    "responseId": "gem_1",
}
BODY = json.dumps(REPLY).encode()


def test_a_reply_is_read() -> None:
    reply = GEMINI.read_reply(BODY)
    assert [(part.kind, part.text) for part in reply.parts] == [
        ("reasoning", "Hm."),
        ("text", "Secret."),
        ("tool_call", "print(1)"),
    ]
    assert [(call.name, call.args) for call in reply.calls] == [("f", {"a": 1}), ("g", {})]
    assert reply.usage == Usage(input=20, output=10, cache_read=8, reasoning=4, audio_input=5, searches=1)
    assert (reply.id, reply.model, reply.finish) == ("gem_1", "gemini-2.5-flash", "STOP")


def test_a_replaced_text_leaves_no_trace_and_signatures_stay() -> None:
    reply = GEMINI.read_reply(BODY)
    change = Change(texts={reply.parts[1].path: "[x]", reply.calls[0].path: '{"a":"[y]"}'})
    out = json.loads(GEMINI.rewrite_reply(reply, change))
    assert "Secret" not in json.dumps(out)
    assert out["candidates"][0]["content"]["parts"][2] == rec.g_call("f", {"a": "[y]"}, thoughtSignature="c2ln")


def test_refused_calls_become_text() -> None:
    reply = GEMINI.read_reply(BODY)
    out = json.loads(GEMINI.rewrite_reply(reply, Change(refused={reply.calls[0].path: "No."})))
    assert out["candidates"][0]["content"]["parts"][2:4] == [{"text": "No."}, rec.g_call("g", {})]


def test_a_stream_as_an_array_is_read_as_one_reply_whose_texts_are_whole() -> None:
    replies = [
        {"candidates": [{"content": {"parts": [{"text": piece}], "role": "model"}}]} for piece in ("4000 12", "34 5678")
    ]
    last = {
        "candidates": [{"content": {"parts": [rec.g_call("f", {})]}, "finishReason": "STOP"}],
        "usageMetadata": rec.G_USAGE,
    }
    reply = GEMINI.read_reply(json.dumps([*replies, last]).encode())
    assert ([part.text for part in reply.parts], [call.name for call in reply.calls]) == (["4000 1234 5678"], ["f"])
    assert (reply.finish, reply.usage is not None) == ("STOP", True)
    change = Change(texts={reply.parts[0].path: "[card]"}, refused={reply.calls[0].path: "No."})
    out = json.loads(GEMINI.rewrite_reply(reply, change))
    assert [part["text"] for part in out[0]["candidates"][0]["content"]["parts"]] == ["[card]", "No."]


def test_a_blocked_prompt_is_a_reply() -> None:
    assert GEMINI.read_reply(b'{"promptFeedback":{"blockReason":"SAFETY"}}').finish == "SAFETY"


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"error":{}}', b'{"candidates":3}', b"[1]", b"{" * 9999])
def test_what_is_no_reply_is_unreadable(body: bytes) -> None:
    with pytest.raises(Unreadable):
        GEMINI.read_reply(body)


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        ({"promptTokenCount": 9, "candidatesTokenCount": 3}, Usage(9, 3)),
        ({"promptTokenCount": 9, "candidatesTokenCount": 3, "thoughtsTokenCount": 4}, Usage(9, 7, reasoning=4)),
        ({"promptTokenCount": 9, "toolUsePromptTokenCount": 5, "candidatesTokenCount": 3}, Usage(14, 3)),
        ({"promptTokenCount": 9, "totalTokenCount": 20}, Usage(9, 11)),
        ({"promptTokenCount": 9, "cachedContentTokenCount": 99}, Usage(9, 0, cache_read=9)),
        (
            {"promptTokenCount": 9, "candidatesTokenCount": 5, "trafficType": "ON_DEMAND_PRIORITY"},
            Usage(9, 5, tier="priority"),
        ),
        (
            {
                "promptTokenCount": 9,
                "candidatesTokensDetails": [{"modality": "IMAGE", "tokenCount": 5}],
                "totalTokenCount": 14,
            },
            Usage(9, 5, image_output=5),
        ),
        ({"promptTokenCount": None}, None),
        ({"promptTokenCount": -1, "candidatesTokenCount": "x"}, None),
        ([], None),
        (None, None),
    ],
)
def test_usage_is_read_with_care(usage: object, expected: Usage | None) -> None:
    assert GEMINI.read_reply(json.dumps({"candidates": [], "usageMetadata": usage}).encode()).usage == expected


def test_a_refusal_is_googles_own_error_with_our_code() -> None:
    body = GEMINI.refusal(403, "denied", "No secrets.", {"rule": "secrets"})
    with httpx2.Client(transport=httpx2.MockTransport(lambda _: httpx2.Response(403, content=body))) as http:
        options = types.HttpOptions(base_url="http://x", httpx_client=http)
        client = genai.Client(api_key="none", http_options=options)
        with pytest.raises(errors.ClientError) as caught:
            client.models.generate_content(model="m", contents="hi")
    error = caught.value
    assert (error.code, error.status, error.message) == (403, "PERMISSION_DENIED", "No secrets.")
    assert error.details["error"]["details"][0]["reason"] == "DENIED"
    assert error.details["error"]["rule"] == "secrets"


@pytest.mark.parametrize("stated", [0, -1, "0"])
def test_a_limit_of_nothing_is_none(stated: object) -> None:
    assert read(generationConfig={"maxOutputTokens": stated}).max_tokens is None
