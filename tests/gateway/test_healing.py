"""Replies asked for again and models that take over, through the gateway."""

import threading
from collections.abc import Callable
from typing import Any

import httpx
import openai
import pytest

from comptroller.core.clock import SYSTEM
from comptroller.office import orders
from comptroller.office.orders import Target
from comptroller.testing.script import Say, Use
from tests.gateway.house import HI, house
from tests.wrapper.healing_model import NO_PROMISES, told

FORM = {
    "type": "object",
    "properties": {"amount": {"type": "integer"}},
    "required": ["amount"],
    "additionalProperties": False,
}
WANTED = {"type": "json_schema", "json_schema": {"name": "order", "schema": FORM, "strict": True}}


def body(**more: Any) -> dict[str, Any]:
    return {"model": "gpt-4o-mini", "messages": HI, "max_tokens": 50, **more}


def test_a_refused_reply_is_asked_for_again() -> None:
    with house(["I promise.", "We try."], NO_PROMISES) as it:
        answer = it.post()
        assert answer.json()["choices"][0]["message"]["content"] == "We try."
        assert answer.headers["comptroller-tries"] == "2"
        assert "We promise nothing." in it.up.requests[-1].last
        assert [call["status"] for call in it.calls] == ["denied", "ok"]
        assert it.live_holds == 0


def test_a_stream_waits_and_gives_the_try_that_passed() -> None:
    with house(["I promise.", "We try."], NO_PROMISES) as it:
        answer = it.post(body=body(stream=True))
        assert told([answer.content]) == "We try."
        assert answer.headers["comptroller-tries"] == "2"


@pytest.mark.parametrize("stream", [False, True])
def test_sdks_see_nothing_of_it(stream: bool) -> None:
    with house(["I promise.", "We try."], NO_PROMISES) as it:
        with openai.OpenAI(base_url=f"{it.url}/v1", api_key="x", http_client=httpx.Client(trust_env=False)) as client:
            got: Any = client.chat.completions.create(model="gpt-4o-mini", messages=HI, stream=stream)
            chunks = [chunk for chunk in got if chunk.choices] if stream else []
            text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
        assert (text if stream else got.choices[0].message.content) == "We try."


@pytest.mark.parametrize(
    ("path", "asked"),
    [
        ("/v1/messages", body(model="claude-haiku-4-5")),
        ("/v1/responses", {"model": "gpt-4o-mini", "input": "Hi", "max_output_tokens": 50}),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_in_every_format(path: str, asked: dict[str, Any], stream: bool) -> None:
    with house(["I promise.", "Trying."], NO_PROMISES) as it:
        answer = it.post(path, {**asked, "stream": stream})
        assert "Trying." in answer.text
        assert "promise" not in answer.text
        assert [call["status"] for call in it.calls] == ["denied", "ok"]


def test_a_transport_retry_and_a_further_try_each_do_their_own() -> None:
    script = [Say(status=503), "I promise.", "We try."]
    with house(script, NO_PROMISES, gateway={"retry_on": ["5xx"]}) as it:
        answer = it.post()
        assert answer.json()["choices"][0]["message"]["content"] == "We try."
        assert [call["status"] for call in it.calls] == ["error", "denied", "ok"]
        assert it.last["retry_of"]["rule"] == "no-promises"


def test_a_repeated_request_gets_the_reply_of_the_try_that_passed() -> None:
    with house(["I promise.", "We try."], NO_PROMISES) as it:
        first, second = (it.post(headers={"idempotency-key": "k1"}) for _ in range(2))
        assert first.content == second.content
        assert len(it.up.requests) == 2


def test_json_is_mended_in_a_stream() -> None:
    with house('```json\n{"amount": 5}\n```', "policy: p\nstructured: {retry: {times: 1}}") as it:
        assert told([it.post(body=body(stream=True, response_format=WANTED)).content]) == '{"amount": 5}'


def test_arguments_of_a_demanded_tool_are_asked_for_again() -> None:
    tool = {"name": "order", "input_schema": FORM}
    script = [Say(calls=[Use("order", {"amount": "x"})]), Say(calls=[Use("order", {"amount": 1})])]
    with house(script, "policy: p\nstructured: {retry: {times: 1}}") as it:
        asked = body(model="claude-haiku-4-5", tools=[tool], tool_choice={"type": "tool", "name": "order"})
        answer = it.post("/v1/messages", asked)
        assert answer.json()["content"][0]["input"] == {"amount": 1}


def test_a_run_goes_on_with_another_model() -> None:
    script = [Say(model="gpt-4o-mini", status=500), Say("From the other.", model="gpt-4o")]
    with house(script, "policy: p\nfallback: {to: gpt-4o, after: 2}") as it:
        who = {"comptroller-run": "a" * 32, "comptroller-agent": "junior"}
        answers = [it.post(headers=who).status_code for _ in range(3)]
        assert answers == [500, 500, 200]
        assert it.up.requests[-1].model == "gpt-4o"


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages"])
def test_a_stream_nobody_has_seen_anything_of_ends_when_it_is_stopped(path: str) -> None:
    with house(Say("word " * 200, fault="hang_midway"), NO_PROMISES, gateway={"read_s": 60}) as it:
        found: list[httpx.Response] = []
        asked = body(model="claude-haiku-4-5" if "messages" in path else "gpt-4o-mini", stream=True)
        caller = threading.Thread(target=lambda: found.append(it.post(path, asked, timeout=30)))
        caller.start()
        _until(lambda: bool(it.desk.streams))
        orders.kill(it.desk.ledger, SYSTEM, Target("tenant", "default", "default"), "Ann", "It loops.")
        caller.join(20)
        assert b"was stopped by Ann" in found[0].content
        assert (it.last["status"], it.last["rule"]) == ("denied", "kill.tenant")
        assert it.live_holds == 0
        assert it.desk.streams == set()


def _until(holds: Callable[[], bool]) -> None:
    pause = threading.Event()
    for _ in range(4_000):
        if holds():
            return
        pause.wait(0.005)
    raise AssertionError("it never came to that")
