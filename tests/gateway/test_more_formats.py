"""Responses, embeddings and Gemini through the gateway, as their SDKs meet it."""

from typing import Any

import httpx2
import pytest
from google import genai
from google.genai import types
from openai import OpenAI

from comptroller.testing.script import Say, Use
from tests.gateway.house import house

POLICY = """
policy: formats
tools: {wipe_disk: {effect: write, args: {path: string}}}
rules:
  - {id: no-wiping, on: tool, tool: wipe_disk, then: deny, because: Nobody wipes disks.}
  - {id: smaller, on: model, when: 'model.name == "gemini-2.5-pro"', then: downgrade, because: Flash will do.}
downgrade: {to: gemini-2.5-flash}
"""
UPSTREAMS = [
    {"name": "openai", "format": "openai", "url": "{up}/v1"},
    {"name": "gemini", "format": "gemini", "url": "{up}"},
]
WIPE = Say("Let me see.", calls=[Use("wipe_disk", {"path": "/"})])


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.mark.parametrize("stream", [False, True])
def test_a_response_is_governed(stream: bool) -> None:
    asked: Any = {"model": "gpt-4o-mini", "input": "Hi"}
    with house(WIPE, POLICY, upstreams=UPSTREAMS) as at, OpenAI(api_key="k", base_url=at.url + "/v1") as client:
        if stream:
            with client.responses.stream(**asked) as events:
                text = events.get_final_response().output_text
        else:
            text = client.responses.create(**asked).output_text
        assert "Nobody wipes disks." in text
        assert (at.last["dialect"], at.last["cost"] > 0) == ("openai_responses", True)


def test_embeddings_are_governed() -> None:
    with house(upstreams=UPSTREAMS) as at, OpenAI(api_key="k", base_url=at.url + "/v1") as client:
        assert client.embeddings.create(model="text-embedding-3-small", input="Hi").data[0].embedding == [0.0, 0.5, 1.0]
        assert at.last["dialect"] == "openai_embeddings"


@pytest.mark.parametrize("stream", [False, True])
def test_gemini_is_governed_and_a_downgrade_goes_to_the_other_models_path(stream: bool) -> None:
    with house(WIPE, POLICY, upstreams=UPSTREAMS) as at, httpx2.Client() as http:
        options = types.HttpOptions(base_url=at.url, httpx_client=http)
        models = genai.Client(api_key="k", http_options=options).models
        ask = models.generate_content_stream if stream else models.generate_content
        said: Any = ask(model="gemini-2.5-pro", contents="Hi")
        text = "".join(reply.text or "" for reply in (said if stream else [said]))
        assert "Nobody wipes disks." in text
        assert at.up.requests[-1].model == at.last["name"] == "gemini-2.5-flash"
