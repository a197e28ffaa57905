"""Responses, embeddings and Gemini through wrapped clients, against the scripted upstream."""

import asyncio
from collections.abc import Iterator
from typing import Any

import anthropic
import httpx2
import openai
import pytest

import comptroller as ct
from comptroller.core.facts import CALL_CLOSED
from comptroller.testing import TestDesk, Upstream, desk
from comptroller.testing.script import Say, Use

genai = pytest.importorskip("google.genai", minversion="3.4")  # older ones are built on httpx
types = genai.types
POLICY = """
policy: more
guards: {secrets: {in: redact, out: redact}, privacy: {in: redact, out: redact}}
tools:
  get_weather: {effect: read, args: {city: string}}
  wipe_disk: {effect: write, args: {path: string}}
rules:
  - {id: no-wiping, on: tool, tool: wipe_disk, then: deny, because: Nobody wipes disks.}
  - {id: old-model, on: model, when: 'model.name == "gpt-4"', then: deny, because: Use a newer model.}
  - {id: too-big, on: model, when: 'model.name == "gemini-2.5-pro"', then: downgrade, because: Flash will do.}
budgets:
  - {per: run, cap: 0.50 USD, over: deny}
downgrade: {to: gemini-2.5-flash}
"""
KEY = "AKIA" + "QYLPMN5HFIQR7BBB"
TOOLS = Say("Let me see.", calls=[Use("wipe_disk", {"path": "/"}), Use("get_weather", {"city": "Bern"}, id="call_w")])


@pytest.fixture
def office() -> Iterator[TestDesk]:
    with desk(POLICY) as made:
        yield made


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def openai_client(up: Upstream) -> openai.OpenAI:
    return ct.wrap(openai.OpenAI(api_key="k", base_url=up.url + "/v1"))


def gemini_client(up: Upstream, http: httpx2.Client) -> genai.Client:
    """google-genai takes an HTTP client: that one is wrapped."""
    return genai.Client(api_key="k", http_options=types.HttpOptions(base_url=up.url, httpx_client=ct.wrap(http)))


def respond(client: openai.OpenAI, stream: bool, **more: Any) -> Any:
    """The same response, whole or put together from its events."""
    asked: Any = {"model": "gpt-4o-mini", "input": "Hi, I am ann@example.com", "max_output_tokens": 90, **more}
    if not stream:
        return client.responses.create(**asked)
    with client.responses.stream(**asked) as events:
        return events.get_final_response()


def generate(client: genai.Client, stream: bool, model: str = "gemini-2.5-flash") -> list[types.Part]:
    """The parts of the same reply, whole or from its events."""
    config = types.GenerateContentConfig(max_output_tokens=90)
    asked: Any = {"model": model, "contents": "Hi, I am ann@example.com", "config": config}
    replies = client.models.generate_content_stream(**asked) if stream else [client.models.generate_content(**asked)]
    contents = [candidate.content for reply in replies for candidate in reply.candidates or []]
    return [part for content in contents if content for part in content.parts or []]


@pytest.mark.parametrize("stream", [False, True])
def test_a_response_is_whole_recorded_and_priced(office: TestDesk, stream: bool) -> None:
    with Upstream(Say("Hello there.", thinking="Hm.")) as up, ct.run("w"), openai_client(up) as client:
        reply = respond(client, stream)
        assert b"ann@example.com" not in up.requests[-1].body
    assert reply.output_text == "Hello there."
    closed = office.facts(CALL_CLOSED)[-1]
    assert (closed["status"], closed["dialect"], closed["name"]) == ("ok", "openai_responses", "gpt-4o-mini")
    assert closed["usage"]["output"] == reply.usage.output_tokens  # type: ignore[index]
    assert closed["cost"] > 0  # type: ignore[operator]


@pytest.mark.parametrize("stream", [False, True])
def test_a_denied_tool_call_of_a_response_reads_as_text(office: TestDesk, stream: bool) -> None:
    with Upstream(lambda asked: TOOLS) as up, ct.run("w"), openai_client(up) as client:
        reply = respond(client, stream)
    assert [item.name for item in reply.output if item.type == "function_call"] == ["get_weather"]
    assert reply.output_text.startswith("Let me see.[denied: the call of wipe_disk was refused. Nobody wipes disks.")
    assert [(d["name"], d["status"]) for d in office.facts(CALL_CLOSED) if d["kind"] == "tool"][:1] == [
        ("wipe_disk", "denied")
    ]


def test_the_result_of_a_tool_call_closes_it(office: TestDesk) -> None:
    with Upstream([TOOLS, "It rains."]) as up, ct.run("w"), openai_client(up) as client:
        first = respond(client, stream=True)
        result: Any = {"type": "function_call_output", "call_id": "call_w", "output": "rain"}
        respond(client, stream=False, input=[*(item.to_dict() for item in first.output), result])
    closed = [data for data in office.facts(CALL_CLOSED) if data["name"] == "get_weather"]
    assert [data["status"] for data in closed] == ["ok"]


@pytest.mark.parametrize("size", [1, 3, 8])
def test_a_key_in_a_streamed_response_is_redacted_in_every_event(office: TestDesk, size: int) -> None:
    with Upstream(Say(f"The key is {KEY}, keep it.", chunk=size)) as up, ct.run("w"), openai_client(up) as client:
        asked: Any = {"model": "gpt-4o-mini", "input": "Hi", "max_output_tokens": 90}
        told = [event.to_dict() for event in client.responses.create(**asked, stream=True)]
    assert KEY not in str(told)
    text = "".join(event["delta"] for event in told if event["type"] == "response.output_text.delta")  # type: ignore[misc]
    assert text == told[-1]["response"]["output"][0]["content"][0]["text"]  # type: ignore[index]
    assert [event["sequence_number"] for event in told] == list(range(len(told)))


def test_a_response_that_continues_another_has_no_bound(office: TestDesk) -> None:
    with Upstream("x") as up, ct.run("w"), openai_client(up) as client, pytest.raises(ct.Denied) as raised:
        respond(client, stream=False, previous_response_id="resp_0")
    assert "previous_response_id has no bound" in str(raised.value)


def test_a_refused_response_is_one_attempt_and_both_errors_at_once(office: TestDesk) -> None:
    with Upstream("x") as up, ct.run("w"), openai_client(up) as client:
        with pytest.raises(openai.PermissionDeniedError) as raised:
            respond(client, stream=False, model="gpt-4")
        assert isinstance(raised.value, ct.Denied)
        assert not up.requests


def test_async_responses_whole_and_streamed(office: TestDesk) -> None:
    async def main(url: str) -> tuple[str, str]:
        async with ct.run("w"), ct.wrap(openai.AsyncOpenAI(api_key="k", base_url=url)) as client:
            asked: Any = {"model": "gpt-4o-mini", "input": "Hi", "max_output_tokens": 90}
            whole = await client.responses.create(**asked)
            async with client.responses.stream(**asked) as events:
                streamed = await events.get_final_response()
            return whole.output_text, streamed.output_text

    with Upstream("Hello there.") as up:
        assert asyncio.run(main(up.url + "/v1")) == ("Hello there.", "Hello there.")


@pytest.mark.parametrize("given", [["one", "ann@example.com"], [[1, 2, 3]]])
def test_embeddings_are_priced_by_their_input(office: TestDesk, given: Any) -> None:
    with Upstream() as up, ct.run("w"), openai_client(up) as client:
        reply = client.embeddings.create(model="text-embedding-3-small", input=given)
        assert b"ann@example.com" not in up.requests[-1].body
    assert reply.data[0].embedding == [0.0, 0.5, 1.0]
    closed = office.facts(CALL_CLOSED)[-1]
    assert closed["usage"] == {"input": reply.usage.prompt_tokens}
    assert closed["cost"] > 0  # type: ignore[operator]


def test_tokens_without_a_usage_are_charged_as_counted(office: TestDesk) -> None:
    with Upstream(Say(usage_times=0)) as up, ct.run("w"), openai_client(up) as client:
        client.embeddings.create(model="text-embedding-3-small", input=[11, 12, 13])
    closed = office.facts(CALL_CLOSED)[-1]
    assert (closed["usage"], closed["estimated"]) == ({"input": 3}, True)


def test_counting_tokens_and_listing_models_cost_nothing(office: TestDesk) -> None:
    with Upstream() as up, ct.run("w"), openai_client(up) as one, httpx2.Client() as http:
        assert [model.id for model in one.models.list()] == ["scripted"]
        with ct.wrap(anthropic.Anthropic(api_key="k", base_url=up.url)) as two:
            two.messages.count_tokens(model="claude-sonnet-4-6", messages=[{"role": "user", "content": "Hi"}])
        gemini_client(up, http).models.count_tokens(model="gemini-2.5-flash", contents="Hi")
    assert [(data["kind"], data["cost"]) for data in office.facts(CALL_CLOSED)] == [("external", 0)] * 3


@pytest.mark.parametrize("stream", [False, True])
def test_gemini_gets_its_reply_and_the_call_is_on_record(office: TestDesk, stream: bool) -> None:
    script = Say(f"The key is {KEY}, keep it.", thinking="Hm.", chunk=5)
    with Upstream(script) as up, ct.run("w"), httpx2.Client() as http:
        parts = generate(gemini_client(up, http), stream)
        assert b"ann@example.com" not in up.requests[-1].body
    text = "".join(part.text or "" for part in parts if not part.thought)
    assert KEY not in text
    assert (text[:12], text[-8:]) == ("The key is [", "keep it.")
    closed = office.facts(CALL_CLOSED)[-1]
    assert (closed["status"], closed["dialect"], closed["name"]) == ("ok", "gemini", "gemini-2.5-flash")
    assert closed["usage"]["reasoning"] > 0  # type: ignore[index]
    assert closed["cost"] > 0  # type: ignore[operator]


@pytest.mark.parametrize("stream", [False, True])
def test_a_denied_function_call_of_geminis_reads_as_text(office: TestDesk, stream: bool) -> None:
    with Upstream(lambda asked: TOOLS) as up, ct.run("w"), httpx2.Client() as http:
        parts = generate(gemini_client(up, http), stream)
    assert [part.function_call.name for part in parts if part.function_call] == ["get_weather"]
    assert "Nobody wipes disks." in "".join(part.text or "" for part in parts)


def test_the_result_of_a_function_call_closes_it_though_gemini_gave_it_no_id(office: TestDesk) -> None:
    ask = types.Content(role="user", parts=[types.Part(text="Hi")])
    result = types.Part(function_response=types.FunctionResponse(name="get_weather", response={"result": "rain"}))
    with (
        Upstream([Say(calls=[Use("get_weather", {"city": "Bern"})]), "Rain."]) as up,
        ct.run("w"),
        httpx2.Client() as http,
    ):
        client = gemini_client(up, http)
        first = client.models.generate_content(model="gemini-2.5-flash", contents=[ask])
        assert first.candidates
        said = first.candidates[0].content
        assert said
        turns: Any = [ask, said, types.Content(role="user", parts=[result])]
        client.models.generate_content(model="gemini-2.5-flash", contents=turns)
    assert [d["status"] for d in office.facts(CALL_CLOSED) if d["kind"] == "tool"] == ["ok"]


@pytest.mark.parametrize("stream", [False, True])
def test_a_downgrade_of_geminis_goes_to_the_other_models_path(office: TestDesk, stream: bool) -> None:
    with Upstream("Hello.") as up, ct.run("w"), httpx2.Client() as http:
        generate(gemini_client(up, http), stream, model="gemini-2.5-pro")
        assert up.requests[-1].model == "gemini-2.5-flash"
    assert office.facts(CALL_CLOSED)[-1]["name"] == "gemini-2.5-flash"


def test_a_stream_of_geminis_as_an_array_is_governed_as_one_reply(office: TestDesk) -> None:
    body = {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]}
    script = Say(f"The key is {KEY}.", calls=[Use("wipe_disk", {"path": "/"})], chunk=4)
    with Upstream(script) as up, ct.run("w"), ct.wrap(httpx2.Client()) as http:
        reply = http.post(f"{up.url}/v1beta/models/gemini-2.5-flash:streamGenerateContent", json=body)
    assert KEY not in reply.text
    assert "functionCall" not in reply.text
    assert "Nobody wipes disks." in reply.json()[0]["candidates"][0]["content"]["parts"][-1]["text"]


@pytest.mark.parametrize("fault", ["cut", "garbage"])
def test_a_broken_reply_is_charged_its_estimate(office: TestDesk, fault: Any) -> None:
    with Upstream(Say("Hello there, " * 20, fault=fault)) as up, ct.run("w"), openai_client(up) as client:  # noqa: SIM117
        with pytest.raises((openai.APIError, httpx2.TransportError, ValueError)):
            list(client.with_options(max_retries=0).responses.create(model="gpt-4o-mini", input="Hi", stream=True))
    closed = office.facts(CALL_CLOSED)[-1]
    assert closed["estimated"] is True
    assert not office.ledger.purse.live()
