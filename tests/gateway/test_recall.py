"""Replies out of the cache, at the gateway: for every format, whole and streamed, and never to anybody else."""

from contextlib import suppress
from typing import Any

import httpx
import pytest

from comptroller.core.clock import FrozenClock
from comptroller.office.keys import Key
from comptroller.testing.script import Say, Use
from tests.gateway.house import HI, FewKeys, House, house
from tests.gateway.test_websocket import line, talk

POLICY = """
policy: cached
cache: {mode: exact, for: 1h}
tools:
  look: {effect: read, args: {at: string}}
budgets: [{per: run, cap: "1 USD", over: deny}]
"""
UPSTREAMS = [
    {"name": "openai", "format": "openai", "url": "{up}/v1"},
    {"name": "anthropic", "format": "anthropic", "url": "{up}"},
    {"name": "gemini", "format": "gemini", "url": "{up}"},
]
SPOKEN = Say("It is sunny today.", calls=[Use("look", {"at": "Bonn"}, id="call_1")])
CHAT = {"model": "gpt-4o-mini", "messages": HI, "max_tokens": 50}
CLAUDE = {"model": "claude-sonnet-4-5", "messages": HI, "max_tokens": 50}
GEMINI = {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}], "generationConfig": {"maxOutputTokens": 50}}
FORMATS: dict[str, tuple[str, dict[str, Any]]] = {
    "chat": ("/v1/chat/completions", CHAT),
    "chat, streamed": ("/v1/chat/completions", {**CHAT, "stream": True}),
    "responses": ("/v1/responses", {"model": "gpt-4o-mini", "input": "Hi", "max_output_tokens": 50}),
    "responses, streamed": ("/v1/responses", {"model": "gpt-4o-mini", "input": "Hi", "stream": True}),
    "messages": ("/v1/messages", CLAUDE),
    "messages, streamed": ("/v1/messages", {**CLAUDE, "stream": True}),
    "gemini": ("/v1beta/models/gemini-2.5-flash:generateContent", GEMINI),
    "gemini, streamed": ("/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse", GEMINI),
    "gemini, streamed as a list": ("/v1beta/models/gemini-2.5-flash:streamGenerateContent", GEMINI),
    "embeddings": ("/v1/embeddings", {"model": "text-embedding-3-small", "input": "Hi"}),
}


def is_hit(reply: httpx.Response) -> bool:
    return reply.headers.get("comptroller-cache") == "hit"


def asked(at: House) -> int:
    return len(at.up.requests)


@pytest.mark.parametrize("name", FORMATS)
def test_the_same_request_is_answered_with_the_same_bytes_and_asked_once(name: str) -> None:
    path, body = FORMATS[name]
    with house(SPOKEN, POLICY, upstreams=UPSTREAMS) as at:
        first, again = at.post(path, body), at.post(path, body)
        assert (first.status_code, again.status_code, asked(at)) == (200, 200, 1)
        assert again.content == first.content
        assert again.headers["content-type"] == first.headers["content-type"]
        assert (is_hit(first), is_hit(again)) == (False, True)


@pytest.mark.parametrize("name", FORMATS)
def test_a_hit_costs_nothing_and_says_what_it_saved(name: str) -> None:
    path, body = FORMATS[name]
    with house(SPOKEN, POLICY, upstreams=UPSTREAMS) as at:
        at.post(path, body)
        at.post(path, body)
        paid, hit = [call for call in at.calls if call["kind"] == "model"]
        assert paid["cost"] > 0 == hit["cost"]
        assert hit["saved"] == paid["cost"]
        assert "usage" not in hit
        assert at.live_holds == 0


def test_a_stream_and_a_whole_reply_are_two_requests() -> None:
    with house(SPOKEN, POLICY) as at:
        at.post(body=CHAT)
        assert not is_hit(at.post(body={**CHAT, "stream": True}))


def test_two_ways_to_stream_the_same_are_not_mixed_up() -> None:
    with house(SPOKEN, POLICY, upstreams=UPSTREAMS) as at:
        at.post(*FORMATS["gemini, streamed"])
        assert not is_hit(at.post(*FORMATS["gemini, streamed as a list"]))


KEYS = {
    "a": Key("1", tenant="acme", customer="x"),
    "b": Key("2", tenant="acme", customer="y"),
    "c": Key("3", tenant="other", customer="x"),
    "d": Key("4", tenant="acme", customer="x"),
}


@pytest.mark.parametrize(("per", "shared"), [("customer", {"d"}), ("tenant", {"b", "d"})])
def test_a_reply_is_given_to_its_own_customer_or_tenant_only(per: str, shared: set[str]) -> None:
    with house(SPOKEN, POLICY.replace("for: 1h", f"per: {per}"), keys=FewKeys(**KEYS)) as at:
        at.post(body=CHAT, headers={"authorization": "Bearer ck_a"})
        hits = {name for name in "bcd" if is_hit(at.post(body=CHAT, headers={"authorization": f"Bearer ck_{name}"}))}
        assert hits == shared


def test_clients_that_pay_themselves_do_not_share() -> None:
    with house(SPOKEN, POLICY) as at:
        at.post(body=CHAT, headers={"authorization": "Bearer sk-one"})
        assert not is_hit(at.post(body=CHAT, headers={"authorization": "Bearer sk-two"}))
        assert is_hit(at.post(body=CHAT, headers={"authorization": "Bearer sk-one"}))


def test_a_client_can_ask_for_a_fresh_reply_which_is_kept_or_for_none_to_be_kept() -> None:
    with house(SPOKEN, POLICY) as at:
        at.post(body=CHAT, headers={"cache-control": "no-store"})
        assert not is_hit(at.post(body=CHAT, headers={"cache-control": "max-age=0, No-Cache"}))
        assert not is_hit(at.post(body=CHAT, headers={"cache-control": "no-store"}))
        assert is_hit(at.post(body=CHAT))
        assert asked(at) == 3


def test_without_a_policy_that_says_so_nothing_is_kept() -> None:
    with house(SPOKEN, POLICY.replace("cache:", "#")) as at:
        at.post(body=CHAT)
        assert not is_hit(at.post(body=CHAT))
        assert len(at.desk.cache) == 0


@pytest.mark.parametrize(
    "bad", [Say("x", status=500), Say("x", fault="cut"), Say("x", fault="garbage"), Say("x", finish="content_filter")]
)
@pytest.mark.parametrize("stream", [False, True])
def test_only_replies_that_came_well_to_their_end_are_kept(bad: Say, stream: bool) -> None:
    with house([bad, "Fine."], POLICY) as at:
        with suppress(httpx.RemoteProtocolError):  # a stream that breaks off
            at.post(body={**CHAT, "stream": stream})
        assert len(at.desk.cache) == 0
        at.post(body={**CHAT, "stream": stream})
        assert len(at.desk.cache) == 1


def test_a_kept_reply_is_old_after_the_time_the_policy_says() -> None:
    clock = FrozenClock()
    with house(SPOKEN, POLICY, clock=clock) as at:
        at.post(body=CHAT)
        clock.tick(3_599)
        assert is_hit(at.post(body=CHAT))
        clock.tick(1)
        assert not is_hit(at.post(body=CHAT))


def test_a_hit_counts_for_a_cap_in_calls_and_for_no_other() -> None:
    caps = '{per: tenant, cap: "2 calls", over: deny}, {per: tenant, cap: "1000 tokens", over: deny}'
    with house(SPOKEN, POLICY.replace('{per: run, cap: "1 USD", over: deny}', caps)) as at:
        assert [at.post(body=CHAT).status_code for _ in range(3)] == [200, 200, 402]
        tokens = at.desk.ledger.purse.counter("tenant:default|:", "tokens")[0]
        assert tokens == sum(at.calls[0]["usage"][name] for name in ("input", "output"))


def test_a_hit_counts_for_a_rate_of_requests_and_not_for_one_of_tokens() -> None:
    limits = "limits: [{per: tenant, requests: 3/hour}, {per: tenant, tokens: 180/hour}]\n"
    with house(SPOKEN, POLICY + limits) as at:
        assert [at.post(body=CHAT).status_code for _ in range(4)] == [200, 200, 200, 429]


def test_a_frame_of_a_socket_is_answered_out_of_the_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with house("Hello.", POLICY) as at, line(at) as wire:
        first, again = talk(wire), talk(wire)
        assert [event["type"] for event in again] == [event["type"] for event in first]
        assert again[0]["comptroller"]["call"] != first[0]["comptroller"]["call"]
        assert (asked(at), "cached" in at.last) == (1, True)
