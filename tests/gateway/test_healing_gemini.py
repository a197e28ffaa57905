"""Replies of Gemini asked for again and mended through the gateway: whole, in events, as an array, by its SDK."""

import json
from typing import Any

import httpx2
import pytest
from google import genai
from google.genai import types

from comptroller.testing.script import Say, Use
from tests.gateway.house import House, house
from tests.gateway.test_healing import FORM
from tests.wrapper.healing_model import NO_PROMISES

UPSTREAMS = [{"name": "gemini", "format": "gemini", "url": "{up}"}]
STRUCTURED = "policy: p\nstructured: {retry: {times: 1}}"
HI = [{"role": "user", "parts": [{"text": "Hi"}]}]
JSON = {"responseMimeType": "application/json", "responseJsonSchema": FORM}
ORDER = {"functionDeclarations": [{"name": "order", "parametersJsonSchema": FORM}]}
CALLING = {"functionCallingConfig": {"mode": "ANY"}}
WAYS = ["generateContent", "streamGenerateContent?alt=sse", "streamGenerateContent"]


def ask(at: House, way: str, **more: Any) -> tuple[str, list[dict[str, Any]], str]:
    """What the client gets: the text, the calls, and how many tries it took."""
    answer = at.post(f"/v1beta/models/gemini-2.5-flash:{way}", {"contents": HI, **more})
    assert answer.status_code == 200, answer.text
    if "sse" in way:
        told = [json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: ")]
    else:
        told = answer.json() if way.startswith("stream") else [answer.json()]
    parts = [part for one in told for found in one["candidates"] for part in found["content"]["parts"]]
    calls = [part["functionCall"] for part in parts if "functionCall" in part]
    return "".join(part.get("text", "") for part in parts), calls, answer.headers.get("comptroller-tries", "1")


@pytest.mark.parametrize("way", WAYS)
def test_a_refused_reply_is_asked_for_again(way: str) -> None:
    with house(["I promise.", "We try."], NO_PROMISES, upstreams=UPSTREAMS) as at:
        assert ask(at, way) == ("We try.", [], "2")
        assert "We promise nothing." in at.up.requests[-1].last
        assert [call["status"] for call in at.calls] == ["denied", "ok"]
        assert at.live_holds == 0


@pytest.mark.parametrize("way", WAYS)
def test_after_the_last_try_the_refusal_stands(way: str) -> None:
    with house("I promise.", NO_PROMISES, upstreams=UPSTREAMS) as at:
        answer = at.post(f"/v1beta/models/gemini-2.5-flash:{way}", {"contents": HI})
        assert "We promise nothing." in answer.text
        assert "I promise" not in answer.text
        assert (len(at.up.requests), at.live_holds) == (3, 0)


@pytest.mark.parametrize("way", WAYS)
def test_json_is_mended_in_place(way: str) -> None:
    with house('```json\n{"amount": 5,}\n```', STRUCTURED, upstreams=UPSTREAMS) as at:
        assert ask(at, way, generationConfig=JSON) == ('{"amount": 5}', [], "1")
        assert at.last["rule"] == "structured.mended"


@pytest.mark.parametrize("way", WAYS)
def test_json_that_does_not_fit_is_asked_for_again(way: str) -> None:
    with house(['{"amount": "five"}', '{"amount": 5}'], STRUCTURED, upstreams=UPSTREAMS) as at:
        assert ask(at, way, generationConfig=JSON) == ('{"amount": 5}', [], "2")


@pytest.mark.parametrize("way", WAYS)
def test_arguments_that_do_not_fit_are_asked_for_again(way: str) -> None:
    script = [Say(calls=[Use("order", {"amount": amount})]) for amount in ("five", 5)]
    with house(script, STRUCTURED, upstreams=UPSTREAMS) as at:
        _, calls, tries = ask(at, way, tools=[ORDER], toolConfig=CALLING)
        assert ([call["args"] for call in calls], tries) == ([{"amount": 5}], "2")
        assert next(call for call in at.calls if call["kind"] == "model")["rule"] == "structured.shape"


@pytest.mark.parametrize("stream", [False, True])
def test_the_sdk_sees_nothing_of_it(stream: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    form = types.Schema(type=types.Type.OBJECT, properties={"amount": types.Schema(type=types.Type.INTEGER)})
    config = types.GenerateContentConfig(response_mime_type="application/json", response_schema=form)
    script = ['{"amount": "five"}', 'Here: {"amount": 5}']
    with house(script, STRUCTURED, upstreams=UPSTREAMS) as at, httpx2.Client() as http:
        models = genai.Client(
            api_key="k", http_options=types.HttpOptions(base_url=at.url, httpx_client=http)
        ).models  # fmt: skip
        call: Any = models.generate_content_stream if stream else models.generate_content
        said: Any = call(model="gemini-2.5-flash", contents="Hi", config=config)
        text = "".join(reply.text or "" for reply in (said if stream else [said]))
        assert text == '{"amount": 5}'
        assert [call["status"] for call in at.calls] == ["denied", "ok"]
