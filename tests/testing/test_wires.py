"""Responses, embeddings and Gemini of the scripted provider, as the official SDKs see them."""

from collections.abc import Iterator
from typing import Any

import httpx2
import openai
import pytest
from google import genai
from google.genai import errors, types

from comptroller.testing.upstream import Say, Upstream, Use

FULL = Say("Grüße 🌍, you.", thinking="Hm.", calls=[Use("f", {"a": 1}), Use("g", {"b": "x" * 40}, id="my_id")])


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    yield
    while KEPT:
        KEPT.pop().close()


def openai_of(up: Upstream, **options: Any) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{up.url}/v1", api_key="none", max_retries=0, **options)


KEPT: list[genai.Client] = []  # a client that nobody holds closes itself amid a call


def gemini_of(up: Upstream) -> genai.Client:
    KEPT.append(genai.Client(api_key="none", http_options=types.HttpOptions(base_url=up.url)))
    return KEPT[-1]


@pytest.fixture(scope="module")
def full() -> Iterator[Upstream]:
    with Upstream(FULL) as up:
        yield up


def told(response: Any) -> list[Any]:
    """The items of a response without what differs from request to request."""
    items = [item.to_dict(warnings=False) for item in response.output]
    gone = ("id", "call_id", "parsed_arguments", "parsed")
    return [{name: value for name, value in item.items() if name not in gone and value is not None} for item in items]


def test_responses_whole_and_streamed_say_the_same(full: Upstream) -> None:
    with openai_of(full) as client:
        whole = client.responses.create(model="gpt-4o", input="hi")
        with client.responses.stream(model="gpt-4o", input="hi") as stream:
            streamed = stream.get_final_response()
    assert (whole.output_text, whole.status, whole.model) == (FULL.text, "completed", "gpt-4o")
    calls = [item for item in whole.output if item.type == "function_call"]
    assert [(call.name, call.arguments) for call in calls] == [("f", '{"a":1}'), ("g", '{"b":"' + "x" * 40 + '"}')]
    assert calls[1].call_id == "my_id"
    assert [item["type"] for item in told(streamed)] == [item["type"] for item in told(whole)]
    assert streamed.output_text == whole.output_text
    assert streamed.usage
    assert whole.usage
    assert streamed.usage.output_tokens == whole.usage.output_tokens


def test_gemini_whole_and_streamed_say_the_same(full: Upstream) -> None:
    client = gemini_of(full)
    whole = client.models.generate_content(model="gemini-2.5-flash", contents="hi")
    replies = list(client.models.generate_content_stream(model="gemini-2.5-flash", contents="hi"))
    assert whole.candidates
    assert whole.candidates[0].content
    texts = [part.text for part in whole.candidates[0].content.parts or [] if part.text]
    assert texts == ["Hm.", FULL.text]
    streamed = [part for reply in replies for part in reply.parts or []]
    assert "".join(part.text or "" for part in streamed if not part.thought) == FULL.text
    calls = [part.function_call for part in streamed if part.function_call]
    assert [call.args for call in calls] == [{"a": 1}, {"b": "x" * 40}] == [c.args for c in whole.function_calls or []]
    assert replies[-1].usage_metadata
    assert whole.usage_metadata
    assert replies[-1].usage_metadata.thoughts_token_count == whole.usage_metadata.thoughts_token_count == 1


@pytest.mark.parametrize("given", ["one", ["one", "two"], [1, 2], [[1], [2]]])
def test_embeddings_come_one_for_each_input(given: Any) -> None:
    with Upstream() as up, openai_of(up) as client:
        reply = client.embeddings.create(model="e", input=given)
    assert [item.embedding for item in reply.data] == [[0.0, 0.5, 1.0]] * (
        2 if given in (["one", "two"], [[1], [2]]) else 1
    )


def test_refusals_come_in_the_providers_own_way() -> None:
    with Upstream(Say(refusal="I will not.")) as up, openai_of(up) as client:
        with client.responses.stream(model="m", input="hi") as stream:
            final = stream.get_final_response()
        reply = gemini_of(up).models.generate_content(model="m", contents="hi")
    assert final.output[0].content[0].refusal == "I will not."  # type: ignore[union-attr]
    assert reply.candidates
    assert reply.candidates[0].finish_reason == "SAFETY"


def test_a_response_can_be_incomplete() -> None:
    with Upstream(Say("Half", finish="max_output_tokens")) as up, openai_of(up) as client:
        whole = client.responses.create(model="m", input="hi")
        last = list(client.responses.create(model="m", input="hi", stream=True))[-1]
    assert (whole.status, last.type) == ("incomplete", "response.incomplete")


def test_errors_are_the_sdks_own() -> None:
    with Upstream(Say("Slow down.", status=429)) as up, openai_of(up) as client:
        with pytest.raises(openai.RateLimitError, match=r"Slow down\."):
            client.responses.create(model="m", input="hi")
        with pytest.raises(errors.ClientError) as caught:
            gemini_of(up).models.generate_content(model="m", contents="hi")
    assert (caught.value.code, caught.value.status) == (429, "RESOURCE_EXHAUSTED")


@pytest.mark.parametrize("fault", ["cut", "cut_character"])
def test_a_broken_stream_breaks_in_the_client(fault: Any) -> None:
    with Upstream(Say("Grüße " * 20, fault=fault)) as up, openai_of(up) as client:
        stream = client.responses.create(model="m", input="hi", stream=True)
        with pytest.raises((openai.APIConnectionError, httpx2.TransportError)):
            list(stream)
        with pytest.raises(httpx2.TransportError):
            list(gemini_of(up).models.generate_content_stream(model="m", contents="hi"))


@pytest.mark.parametrize("times", [0, 1, 2])
def test_usage_is_told_as_often_as_the_script_says(times: int) -> None:
    with Upstream(Say("xy", chunk=1, usage_times=times, usage={"input_tokens": 7})) as up, openai_of(up) as client:
        whole = client.responses.create(model="m", input="hi")
        replies = list(gemini_of(up).models.generate_content_stream(model="m", contents="hi"))
    assert (whole.usage.input_tokens if whole.usage else 0) == (7 if times else 0)
    assert sum(reply.usage_metadata is not None for reply in replies) == times


def test_a_script_can_answer_by_model_words_and_turn() -> None:
    script = [Say("by model", model="special"), Say("by word", last="weather"), Say("by turn", turn=1), "else"]
    turns: Any = [
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": "b"},
        {"role": "user", "content": "c"},
    ]
    with Upstream(script) as up, openai_of(up) as client:
        texts = [client.responses.create(model="m", input=given).output_text for given in ("the weather?", turns, "x")]
        gemini = gemini_of(up).models
        texts += [gemini.generate_content(model="special", contents="x").text]
        texts += [gemini.generate_content(model="m", contents="nice weather").text]
    assert texts == ["by word", "by turn", "else", "by model", "by word"]


def test_a_stream_without_events_is_an_array() -> None:
    body = {"contents": [{"parts": [{"text": "hi"}]}]}
    with Upstream(Say("abcdef", chunk=2)) as up:
        replies = httpx2.post(f"{up.url}/v1beta/models/m:streamGenerateContent", json=body).json()
    assert [reply["candidates"][0]["content"]["parts"][0]["text"] for reply in replies] == ["ab", "cd", "ef"]
