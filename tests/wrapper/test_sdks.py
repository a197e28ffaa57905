"""The official SDKs and plain HTTP clients, wrapped, against the scripted upstream."""

import asyncio
from collections.abc import Iterator
from typing import Any

import anthropic
import httpx
import httpx2
import openai
import pytest

import comptroller as ct
from comptroller.core.facts import CALL_CLOSED
from comptroller.testing import TestDesk, Upstream, desk
from comptroller.testing.script import Say, Use
from tests.wrapper.bodies import http_library

POLICY = """
policy: sdk
guards: {secrets: {in: redact, out: redact}, privacy: {in: redact, out: redact}}
tools:
  get_weather: {effect: read, args: {city: string}}
  wipe_disk: {effect: write, args: {path: string}}
rules:
  - {id: no-wiping, on: tool, tool: wipe_disk, then: deny, because: Nobody wipes disks.}
  - {id: old-model, on: model, when: 'model.name == "gpt-4"', then: deny, because: Use a newer model.}
budgets:
  - {per: run, cap: 0.50 USD, over: deny}
"""
HI: list[Any] = [{"role": "user", "content": "Hi"}]


@pytest.fixture
def office() -> Iterator[TestDesk]:
    with desk(POLICY) as made:
        yield made


def openai_client(up: Upstream, **more: Any) -> openai.OpenAI:
    return ct.wrap(openai.OpenAI(api_key="k", base_url=up.url + "/v1", **more))


def test_openai_whole_gets_its_reply_and_the_call_is_on_record(office: TestDesk) -> None:
    with Upstream("Hello there.") as up, ct.run("w"), openai_client(up) as client:
        reply = client.chat.completions.create(model="gpt-4o-mini", messages=HI, max_tokens=50)
    assert reply.choices[0].message.content == "Hello there."
    closed = office.facts(CALL_CLOSED)[-1]
    assert (closed["status"], closed["name"]) == ("ok", "gpt-4o-mini")
    assert reply.usage is not None
    assert closed["usage"] == {"input": reply.usage.prompt_tokens, "output": reply.usage.completion_tokens}


def test_openai_streamed_gets_every_word_and_no_usage_it_did_not_ask_for(office: TestDesk) -> None:
    with Upstream("Hello there, how are you today?") as up, ct.run("w"), openai_client(up) as client:
        chunks = list(client.chat.completions.create(model="gpt-4o-mini", messages=HI, max_tokens=50, stream=True))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "Hello there, how are you today?"
    assert all(chunk.usage is None for chunk in chunks)
    assert office.facts(CALL_CLOSED)[-1]["usage"]["output"] > 0  # type: ignore[index]


def test_async_openai_whole_and_streamed(office: TestDesk) -> None:
    async def main(url: str) -> tuple[str | None, str]:
        async with ct.run("w"), ct.wrap(openai.AsyncOpenAI(api_key="k", base_url=url)) as client:
            whole = await client.chat.completions.create(model="gpt-4o-mini", messages=HI, max_tokens=50)
            stream = await client.chat.completions.create(model="gpt-4o-mini", messages=HI, max_tokens=50, stream=True)
            return whole.choices[0].message.content, "".join([c.choices[0].delta.content or "" async for c in stream])

    with Upstream("Hello there.") as up:
        assert asyncio.run(main(up.url + "/v1")) == ("Hello there.", "Hello there.")
    assert [data["status"] for data in office.facts(CALL_CLOSED)] == ["ok", "ok"]


def test_one_async_client_works_under_two_event_loops(office: TestDesk) -> None:
    lib = http_library()
    with Upstream("Hello.") as up:
        http = lib.AsyncClient(limits=lib.Limits(max_keepalive_connections=0))  # a kept connection is its loop's own
        client = ct.wrap(openai.AsyncOpenAI(api_key="k", base_url=up.url + "/v1", http_client=http))

        async def main() -> None:
            async with ct.run("w"):
                await client.chat.completions.create(model="gpt-4o-mini", messages=HI, max_tokens=50)

        asyncio.run(main())
        asyncio.run(main())
    assert [data["status"] for data in office.facts(CALL_CLOSED)] == ["ok", "ok"]


def test_anthropic_whole_and_streamed(office: TestDesk) -> None:
    with Upstream("Hello there.") as up, ct.run("w"):
        client = ct.wrap(anthropic.Anthropic(api_key="k", base_url=up.url))
        whole = client.messages.create(model="claude-sonnet-4-6", max_tokens=50, messages=HI)
        with client.messages.stream(model="claude-sonnet-4-6", max_tokens=50, messages=HI) as stream:
            text = "".join(stream.text_stream)
        client.close()
    assert (whole.content[0].text, text) == ("Hello there.", "Hello there.")  # type: ignore[union-attr]
    assert [data["dialect"] for data in office.facts(CALL_CLOSED)] == ["anthropic", "anthropic"]
    assert all(data["cost"] > 0 for data in office.facts(CALL_CLOSED))  # type: ignore[operator]


def test_async_anthropic_whole_and_streamed(office: TestDesk) -> None:
    async def main(url: str) -> tuple[str, str]:
        async with ct.run("w"), ct.wrap(anthropic.AsyncAnthropic(api_key="k", base_url=url)) as client:
            whole = await client.messages.create(model="claude-sonnet-4-6", max_tokens=50, messages=HI)
            async with client.messages.stream(model="claude-sonnet-4-6", max_tokens=50, messages=HI) as stream:
                text = "".join([piece async for piece in stream.text_stream])
            return whole.content[0].text, text  # type: ignore[union-attr]

    with Upstream("Hello there.") as up:
        assert asyncio.run(main(up.url)) == ("Hello there.", "Hello there.")


@pytest.mark.parametrize("stream", [False, True])
def test_a_denied_tool_call_reads_as_text_in_both_sdks(office: TestDesk, stream: bool) -> None:
    script = Say("Let me see.", calls=[Use("wipe_disk", {"path": "/"}), Use("get_weather", {"city": "Bern"})])
    with Upstream(lambda asked: script) as up, ct.run("w"):
        with openai_client(up) as ours:
            if stream:
                with ours.chat.completions.stream(model="gpt-4o-mini", messages=HI, max_tokens=90) as events:
                    got = events.get_final_completion()
            else:
                got = ours.chat.completions.create(model="gpt-4o-mini", messages=HI, max_tokens=90)  # type: ignore[assignment]
        with ct.wrap(anthropic.Anthropic(api_key="k", base_url=up.url)) as theirs:
            if stream:
                with theirs.messages.stream(model="claude-sonnet-4-6", max_tokens=90, messages=HI) as blocks:
                    message = blocks.get_final_message()
            else:
                message = theirs.messages.create(model="claude-sonnet-4-6", max_tokens=90, messages=HI)
    choice = got.choices[0]
    assert [call.function.name for call in choice.message.tool_calls or []] == ["get_weather"]
    assert "Nobody wipes disks." in (choice.message.content or "")
    assert [block.name for block in message.content if block.type == "tool_use"] == ["get_weather"]
    assert "Nobody wipes disks." in "".join(block.text for block in message.content if block.type == "text")
    assert (choice.finish_reason, message.stop_reason) == ("tool_calls", "tool_use")


def test_a_refusal_is_one_attempt_and_both_errors_at_once(office: TestDesk) -> None:
    with Upstream("never said") as up, ct.run("w"), openai_client(up, max_retries=5) as client:
        with pytest.raises(openai.PermissionDeniedError) as raised:
            client.chat.completions.create(model="gpt-4", messages=HI)
        assert isinstance(raised.value, ct.Denied)
        assert raised.value.details["rule"] == "old-model"
        assert not up.requests
    assert len(office.facts(CALL_CLOSED)) == 1


def test_a_copy_of_a_wrapped_client_names_its_refusals_too(office: TestDesk) -> None:
    with Upstream("x") as up, ct.run("w"), openai_client(up) as client, pytest.raises(ct.Denied):
        client.with_options(timeout=3).chat.completions.create(model="gpt-4", messages=HI)


def test_too_dear_is_over_budget_in_both_sdks(office: TestDesk) -> None:
    with Upstream("x") as up, ct.run("w"):
        with openai_client(up) as ours, pytest.raises(ct.OverBudget) as raised:
            ours.chat.completions.create(model="gpt-4o", messages=HI, max_tokens=100_000)
        assert raised.value.status_code == 402  # type: ignore[attr-defined]
        assert raised.value.details["cap"] == "0.50"
        with (
            ct.wrap(anthropic.Anthropic(api_key="k", base_url=up.url)) as theirs,
            pytest.raises(anthropic.APIStatusError) as dear,
        ):
            theirs.messages.create(model="claude-opus-4-8", max_tokens=20_000, messages=HI)
        assert isinstance(dear.value, ct.OverBudget)


def test_a_providers_error_is_retried_as_ever_and_each_attempt_is_on_record(office: TestDesk) -> None:
    script = [Say(status=500), Say(status=500), Say("Hello.")]
    with Upstream(script) as up, ct.run("w"), openai_client(up, max_retries=2) as client:
        client.chat.completions.create(model="gpt-4o-mini", messages=HI, max_tokens=50)
    assert [data["status"] for data in office.facts(CALL_CLOSED)] == ["error", "error", "ok"]
    assert [data.get("attempt", 0) for data in office.facts(CALL_CLOSED)] == [0, 1, 2]
    office.ledger.purse.check()


def test_a_stream_closed_early_reaches_the_upstream_and_is_charged(office: TestDesk) -> None:
    with Upstream(Say("word " * 200, pause_s=0.001)) as up, ct.run("w"), openai_client(up) as client:
        stream = client.chat.completions.create(model="gpt-4o-mini", messages=HI, max_tokens=50, stream=True)
        next(iter(stream))
        stream.close()
    closed = office.facts(CALL_CLOSED)[-1]
    assert (closed["status"], closed["estimated"]) == ("cancelled", True)
    assert not office.ledger.purse.live()


def test_a_key_in_a_stream_is_redacted_wherever_the_deltas_break(office: TestDesk) -> None:
    key = "AKIA" + "QYLPMN5HFIQR7BBB"
    for size in (1, 3, 8):
        with Upstream(Say(f"The key is {key}, keep it.", chunk=size)) as up, ct.run("w"), openai_client(up) as client:
            stream = client.chat.completions.create(model="gpt-4o-mini", messages=HI, max_tokens=50, stream=True)
            text = "".join(chunk.choices[0].delta.content or "" for chunk in stream)
        assert key not in text
        assert text.startswith("The key is [")
        assert text.endswith("keep it.")


@pytest.mark.parametrize("lib", [httpx, httpx2])
def test_a_plain_client_raises_our_own_errors(office: TestDesk, lib: Any) -> None:
    body = {"model": "gpt-4", "messages": HI}
    with Upstream("x") as up, ct.run("w"), ct.wrap(lib.Client()) as client, pytest.raises(ct.Denied, match="newer"):
        client.post(up.url + "/v1/chat/completions", json=body)


@pytest.mark.parametrize("lib", [httpx, httpx2])
def test_other_http_through_a_plain_client_is_external_and_scanned(office: TestDesk, lib: Any) -> None:
    with Upstream("x") as up, ct.run("w"), ct.wrap(lib.Client()) as client:
        client.post(up.url + "/hook", json={"to": "jane.doe@acme.com"})
        assert b"jane.doe" not in up.requests[-1].body
    closed = office.facts(CALL_CLOSED)[-1]
    assert (closed["kind"], closed["cost"]) == ("external", 0)


def test_wrapping_twice_is_harmless_and_gives_the_same_object_back(office: TestDesk) -> None:
    with Upstream("Hello.") as up, ct.run("w"):
        client = openai.OpenAI(api_key="k", base_url=up.url + "/v1")
        assert ct.wrap(ct.wrap(client)) is client
        client.chat.completions.create(model="gpt-4o-mini", messages=HI, max_tokens=50)
        client.close()
    assert len(office.facts(CALL_CLOSED)) == 1


def test_the_clients_own_event_hooks_and_timeouts_stay(office: TestDesk) -> None:
    seen: list[str] = []
    hooks = {"request": [lambda r: seen.append("request")], "response": [lambda r: seen.append("response")]}
    with Upstream(Say("late", wait_s=5)) as up, ct.run("w"):
        http = http_library().Client(event_hooks=hooks, timeout=0.05)
        with openai_client(up, http_client=http, max_retries=0) as client, pytest.raises(openai.APITimeoutError):
            client.chat.completions.create(model="gpt-4o-mini", messages=HI, max_tokens=50, timeout=0.05)
    assert seen == ["request"]
    assert office.facts(CALL_CLOSED)[-1]["estimated"] is True


def test_a_header_may_name_the_agent_but_not_replace_it(office: TestDesk) -> None:
    with Upstream("Hello.") as up, ct.run("w") as run:
        client = openai_client(up, default_headers={"comptroller-agent": "planner"})
        client.chat.completions.create(model="gpt-4o-mini", messages=HI, max_tokens=50)
        assert "comptroller-agent" not in up.requests[-1].headers
        with run.agent("clerk"), pytest.raises(ct.Denied, match="Leave it out"):
            client.chat.completions.create(model="gpt-4o-mini", messages=HI, max_tokens=50)
        client.close()
    assert office.facts(CALL_CLOSED)[0]["agent"] == "planner"


def test_a_call_outside_any_run_has_an_owner_still(office: TestDesk) -> None:
    with Upstream("Hello.") as up, openai_client(up) as client:
        client.chat.completions.create(model="gpt-4o-mini", messages=HI, max_tokens=50)
    assert office.ledger.of(CALL_CLOSED)[-1].run


def test_a_client_nobody_knows_is_an_error_with_a_remedy() -> None:
    with pytest.raises(TypeError, match="Give an OpenAI or Anthropic client"):
        ct.wrap(object())


def test_a_secret_leaves_by_no_route_that_states_what_it_sends(office: TestDesk) -> None:
    key = "AKIA" + "QYLPMN5HFIQR7BBB"
    with Upstream("x") as up, ct.run("w"), ct.wrap(httpx2.Client()) as client:
        client.post(up.url + "/v1/files", files={"file": ("notes.txt", f"the key is {key}".encode(), "text/plain")})
        client.post(up.url + "/hook", content=f"the key is {key}", headers={"content-type": "text/plain"})
        assert not any(key.encode() in received.body for received in up.requests)


def test_a_body_the_guards_cannot_read_is_said_to_be_unread(office: TestDesk) -> None:
    with Upstream("x") as up, ct.run("w"), ct.wrap(httpx2.Client()) as client:
        client.post(up.url + "/picture", content=b"\x89PNG\x00", headers={"content-type": "image/png"})
    assert office.facts(CALL_CLOSED)[-1]["rule"] == "guards.unread"
