"""The official SDKs against the gateway, as their users write them."""

import asyncio
from collections.abc import Iterator
from typing import Any

import anthropic
import openai
import pytest

from comptroller.testing.script import Say, Use
from tests.gateway.house import HI, House, house

POLICY = """
policy: door
guards: {secrets: {in: redact, out: redact}, privacy: {in: redact, out: redact}}
tools:
  get_weather: {effect: read, args: {city: string}}
  wipe_disk: {effect: write, args: {path: string}}
rules:
  - {id: no-wiping, on: tool, tool: wipe_disk, then: deny, because: Nobody wipes disks.}
  - {id: old-model, on: model, when: 'model.name == "gpt-4"', then: deny, because: Use a newer model.}
  - {id: held-model, on: model, when: 'model.name == "gpt-4-turbo"', then: ask, because: A person must look.}
budgets:
  - {per: run, cap: 0.50 USD, over: deny}
"""
KEY = "AKIA" + "QYLPMN5HFIQR7BBB"  # has the form of a key and opens nothing
SCRIPT = [
    Say("It is sunny.", last="weather"),
    Say(calls=[Use("get_weather", {"city": "Bonn"})], last="look"),
    Say(calls=[Use("wipe_disk", {"path": "/"})], last="wipe"),
    Say("Hello there, how are you today?"),
]


@pytest.fixture(scope="module")
def shared() -> Iterator[House]:
    with house(SCRIPT, POLICY) as made:
        yield made


def gpt(at: House, **more: Any) -> openai.OpenAI:
    return openai.OpenAI(base_url=at.url + "/v1", api_key="sk-own", **more)


def claude(at: House, **more: Any) -> anthropic.Anthropic:
    return anthropic.Anthropic(base_url=at.url, api_key="sk-own", **more)


def say(text: str) -> list[Any]:
    return [{"role": "user", "content": text}]


def test_an_openai_client_gets_its_reply_and_the_call_is_on_record(shared: House) -> None:
    with gpt(shared) as client:
        raw = client.chat.completions.with_raw_response.create(model="gpt-4o-mini", messages=HI, max_tokens=50)
    reply = raw.parse()
    assert reply.choices[0].message.content == "Hello there, how are you today?"
    assert shared.last["usage"]["output"] == reply.usage.completion_tokens
    assert raw.headers["comptroller-run"]
    assert raw.headers["comptroller-call"]
    assert raw.headers["comptroller-decision"] == "allow"
    assert raw.headers["comptroller-cost"].endswith(" USD")


def test_an_openai_stream_has_every_word_and_settles_on_usage_nobody_asked_for(shared: House) -> None:
    with gpt(shared) as client:
        chunks = list(client.chat.completions.create(model="gpt-4o-mini", messages=HI, stream=True))
    assert "".join(c.choices[0].delta.content or "" for c in chunks) == "Hello there, how are you today?"
    assert all(chunk.usage is None for chunk in chunks)
    assert shared.last["status"] == "ok"
    assert "estimated" not in shared.last


def test_an_async_openai_client_streams_too(shared: House) -> None:
    async def work() -> str:
        async with openai.AsyncOpenAI(base_url=shared.url + "/v1", api_key="k") as client:
            stream = await client.chat.completions.create(model="gpt-4o-mini", messages=HI, stream=True)
            return "".join([c.choices[0].delta.content or "" async for c in stream])

    assert asyncio.run(work()) == "Hello there, how are you today?"


def test_an_anthropic_client_gets_its_reply_whole_and_streamed(shared: House) -> None:
    with claude(shared) as client:
        whole = client.messages.create(model="claude-sonnet-5", max_tokens=100, messages=HI)
        with client.messages.stream(model="claude-sonnet-5", max_tokens=100, messages=HI) as stream:
            text = "".join(stream.text_stream)
    assert whole.content[0].text == text == "Hello there, how are you today?"  # type: ignore[union-attr]
    assert [call["dialect"] for call in shared.calls[-2:]] == ["anthropic", "anthropic"]


def test_an_async_anthropic_client_gets_its_reply(shared: House) -> None:
    async def work() -> Any:
        async with anthropic.AsyncAnthropic(base_url=shared.url, api_key="k") as client:
            return await client.messages.create(model="claude-sonnet-5", max_tokens=100, messages=HI)

    assert asyncio.run(work()).stop_reason == "end_turn"


@pytest.mark.parametrize("stream", [False, True])
def test_a_denied_tool_call_reads_as_a_refusal_and_the_agent_can_go_on(shared: House, stream: bool) -> None:
    with gpt(shared) as client:
        got = client.chat.completions.create(model="gpt-4o-mini", messages=say("wipe it"), stream=stream)  # type: ignore[call-overload]
        text = (
            "".join(c.choices[0].delta.content or "" for c in got if c.choices)
            if stream
            else got.choices[0].message.content
        )
    assert "Nobody wipes disks." in text


@pytest.mark.parametrize("stream", [False, True])
def test_a_denied_tool_call_of_anthropic_leaves_no_orphan_tool_use(shared: House, stream: bool) -> None:
    with claude(shared) as client:
        if stream:
            with client.messages.stream(model="claude-sonnet-5", max_tokens=99, messages=say("wipe it")) as running:
                reply = running.get_final_message()
        else:
            reply = client.messages.create(model="claude-sonnet-5", max_tokens=99, messages=say("wipe it"))
    assert [block.type for block in reply.content] == ["text"]
    assert reply.stop_reason == "end_turn"


def test_an_allowed_tool_call_passes_and_its_result_becomes_a_tool_record_of_the_same_run(shared: House) -> None:
    with gpt(shared) as client:
        asked = client.chat.completions.create(model="gpt-4o-mini", messages=say("look"))
        call = asked.choices[0].message.tool_calls[0]  # type: ignore[index]
        history = [*say("look"), asked.choices[0].message.model_dump(exclude_none=True)]
        history.append({"role": "tool", "tool_call_id": call.id, "content": "Sunny in Bonn"})
        client.chat.completions.create(model="gpt-4o-mini", messages=history)
    tools = [fact for fact in shared.desk.ledger.of("call.closed") if fact.data["kind"] == "tool"]
    assert (tools[-1].data["name"], tools[-1].data["status"]) == ("get_weather", "ok")
    assert tools[-1].run == shared.desk.ledger.of("call.closed")[-1].run


def test_a_policy_refusal_is_one_attempt_and_the_sdks_own_error(shared: House) -> None:
    before = len(shared.calls)
    with gpt(shared) as client, pytest.raises(openai.PermissionDeniedError) as refused:
        client.chat.completions.create(model="gpt-4", messages=HI)
    assert refused.value.code == "denied"
    assert refused.value.body["rule"] == "old-model"  # type: ignore[index]
    assert refused.value.response.headers["x-should-retry"] == "false"
    assert len(shared.calls) == before + 1


def test_a_refusal_for_want_of_money_is_402_and_one_attempt_in_both_sdks(shared: House) -> None:
    before = len(shared.calls)
    with gpt(shared) as client, pytest.raises(openai.APIStatusError) as refused:
        client.chat.completions.create(model="gpt-4o", messages=HI, max_tokens=10_000_000)
    assert (refused.value.status_code, refused.value.code) == (402, "over_budget")
    with claude(shared) as client, pytest.raises(anthropic.APIStatusError) as other:
        client.messages.create(model="claude-sonnet-5", messages=HI, max_tokens=10_000_000, timeout=9)
    assert other.value.status_code == 402
    assert other.value.body["error"]["code"] == "over_budget"  # type: ignore[index]
    assert len(shared.calls) == before + 2


def test_a_call_that_needs_a_person_is_409_and_not_asked_again(shared: House) -> None:
    before = len(shared.calls)
    with gpt(shared) as client, pytest.raises(openai.ConflictError) as refused:
        client.chat.completions.create(model="gpt-4-turbo", messages=HI)
    assert refused.value.code == "approval_pending"
    assert len(shared.calls) == before + 1


def test_a_secret_in_the_prompt_never_reaches_the_upstream(shared: House) -> None:
    with claude(shared) as client:
        client.messages.create(model="claude-sonnet-5", max_tokens=9, messages=say(f"My key is {KEY}."))
    assert KEY.encode() not in shared.up.requests[-1].body
    assert shared.last["action"] == "redact"


def test_counting_tokens_is_free_and_needs_no_dialect(shared: House) -> None:
    with claude(shared) as client:
        counted = client.messages.count_tokens(model="claude-sonnet-5", messages=HI)
    assert counted.input_tokens > 0
    assert (shared.last["kind"], shared.last["cost"]) == ("external", 0)


def test_models_are_listed_in_the_shape_of_whoever_asks(shared: House) -> None:
    with gpt(shared) as client:
        assert [model.id for model in client.models.list()] == ["scripted"]
        assert client.models.retrieve("scripted").owned_by == "openai"
        with pytest.raises(openai.NotFoundError):
            client.models.retrieve("unheard-of")
    with claude(shared) as other:
        assert [model.id for model in other.models.list()] == ["scripted"]


def test_money_refusals_can_be_429_for_clients_that_know_no_402() -> None:
    with house("x", POLICY, gateway={"over_budget_status": 429}) as at, gpt(at) as client:
        with pytest.raises(openai.RateLimitError) as refused:
            client.chat.completions.create(model="gpt-4o", messages=HI, max_tokens=10_000_000)
        assert refused.value.code == "over_budget"
        assert len(at.calls) == 1


def test_an_sdks_own_retries_work_as_against_the_provider_and_count_as_attempts_of_one_call() -> None:
    script = [Say(status=500), Say(status=429, retry_after="0.01"), "Third time."]
    with house(script) as at, gpt(at) as client:
        reply = client.chat.completions.create(model="gpt-4o-mini", messages=HI)
        assert reply.choices[0].message.content == "Third time."
        assert [call.get("attempt", 0) for call in at.calls] == [0, 1, 2]
        assert [call["cost"] > 0 for call in at.calls] == [False, False, True]
        assert len({fact.run for fact in at.desk.ledger.of("call.closed")}) == 1


def test_a_downgrade_goes_to_the_upstream_of_the_model_it_ends_up_with() -> None:
    policy = """
policy: thrift
rules:
  - {id: cheaper, on: model, when: 'model.name == "gpt-4o"', then: downgrade, because: Cheaper will do.}
downgrade: {to: gpt-4o-mini}
"""
    upstreams = [
        {"name": "dear", "format": "openai", "url": "http://127.0.0.1:9/v1", "models": ["gpt-4o"]},
        {"name": "cheap", "format": "openai", "url": "{up}/v1", "models": ["gpt-4o-mini"]},
    ]
    with house("Hello.", policy, upstreams=upstreams) as at:
        assert at.post(body={"model": "gpt-4o", "messages": HI}).status_code == 200
        assert at.up.requests[-1].model == "gpt-4o-mini"
