"""What an attack on a running gateway found: names and addresses that fill memory, masks, quoted keys, others' runs."""

import asyncio
import gzip
import logging
import socket
from pathlib import Path

import httpx
import pytest

from comptroller.core.call import Identity
from comptroller.gateway import app, caller
from comptroller.gateway.upstream import LONGEST_NAME
from comptroller.office.keys import Key
from comptroller.testing.script import Say
from tests.gateway.house import HI, FewKeys, house

GEMINI = [
    {"name": "openai", "format": "openai", "url": "{up}/v1"},
    {"name": "gemini", "format": "gemini", "url": "{up}"},
]
GENERATE = "/v1beta/models/gemini-2.5-flash:generateContent"
CONTENTS = {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]}
POLICY = "policy: p\ntools: {look: {effect: read}}\nunlisted: deny\n"


def test_a_model_of_no_sensible_length_is_nowhere_and_remembered_nowhere() -> None:
    with house("Hello.") as at:
        long = "m" * (LONGEST_NAME + 1)
        for path in ("/v1/chat/completions", "/v1/audio/speech"):
            assert at.post(path, {"model": long, "messages": HI}).status_code == 404
        assert at.up.requests == []
        assert long not in at.get("/metrics").text
        assert not any(long in model for _, model in at.gate.upstreams._lines)


def test_an_address_of_no_sensible_length_is_nowhere_and_not_remembered() -> None:
    with house("Hello.") as at:
        before = app._route_of.cache_info().currsize
        assert at.post(f"/v1/{'x' * app.LONGEST_PATH}/chat/completions").status_code == 404
        assert app._route_of.cache_info().currsize == before
        assert at.up.requests == []


def test_baggage_of_others_does_not_fill_memory() -> None:
    with house("Hello.") as at:
        before = len(caller._callers)
        others = "a=" + "x" * caller.LONGEST_KEPT
        assert at.post(headers={"baggage": f"comptroller-customer=acme,{others}"}).status_code == 200
        assert at.last["customer"] == "acme"
        assert len(caller._callers) == before


@pytest.mark.parametrize("query", ["fields=candidates", "%24fields=candidates", "alt=json&f%69elds="])
def test_a_reply_is_not_asked_for_without_its_usage(query: str) -> None:
    with house("Hello.", upstreams=GEMINI) as at:
        assert at.post(f"{GENERATE}?{query}", CONTENTS).status_code == 400
        assert at.up.requests == []
        assert at.post(GENERATE, CONTENTS, headers={"x-goog-fieldmask": "candidates"}).status_code == 200
        assert "x-goog-fieldmask" not in at.up.requests[-1].headers


def test_a_provider_that_quotes_our_key_does_not_tell_it(tmp_path: Path) -> None:
    secret = "provider-key-" + "x1y2"
    (tmp_path / "key").write_text(secret)
    quoting = Say(f"There is no key {secret} here.", status=401, headers={"x-asked": f"Bearer {secret}"})
    one = {"name": "openai", "format": "openai", "url": "{up}/v1", "key_file": str(tmp_path / "key")}
    with house([quoting], upstreams=[one]) as at:
        reply = at.post()
        assert at.up.requests[-1].headers["authorization"] == f"Bearer {secret}"
        assert secret not in reply.text + str(reply.headers)
        assert (reply.status_code, reply.headers["x-asked"]) == (401, "Bearer [...]")


def test_a_key_in_a_path_is_refused_and_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "comptroller")
    with house("Hello.") as at:
        for secret in ("ck_0123456789abcdef0123", "sk-proj-0123456789abcdef"):
            for path in (f"/v1/{secret}/chat/completions", f"/api/keys/{secret}", f"/{secret}"):
                assert at.post(path, headers={"host": "evil.example"}).status_code == 400
            assert secret not in caplog.text
        assert at.post("/v1/task-0123456789abcdef/chat/completions").status_code == 200


def test_a_run_is_let_go_of_for_nobody_who_may_not_see_it() -> None:
    ring = FewKeys(acme=Key("key_1", "default", customer="acme"))
    with house("Hello.", keys=ring) as at:
        at.post(headers={"authorization": "Bearer ck_acme", "comptroller-run": "mine"})
        runs = at.gate.runs
        for who in (Identity(tenant="else"), Identity(tenant="default", customer="bolt")):
            asyncio.run(runs.finish("mine", who))
            assert runs.knows("mine")
        asyncio.run(runs.finish("mine", Identity(tenant="default")))
        assert not runs.knows("mine")


def test_a_body_only_the_provider_reads_brings_no_tool_call_past_the_rules() -> None:
    with house("Hello.", POLICY) as at:
        body = '{"model":"gpt-4o-mini","max_tokens":5,"messages":[]}'
        for odd in (body.encode("utf-8-sig"), body.encode("utf-16"), body[:-1].encode() + b',"seed":NaN}'):
            assert at.post(body=odd).status_code == 403
        assert at.up.requests == []


def test_a_conversation_that_a_provider_keeps_is_gone_on_with_by_whose_it_is() -> None:
    ring = FewKeys(
        acme=Key("key_1", "ours", customer="acme"),
        clerk=Key("key_2", "ours", customer="acme"),
        bolt=Key("key_3", "ours", customer="bolt"),
        alone=Key("key_4", "ours"),
        else_=Key("key_5", "theirs"),
    )
    with house("Hello.", keys=ring) as at:

        def ask(key: str, **more: str) -> httpx.Response:
            body = {"model": "gpt-4o-mini", "input": "Hi", "max_output_tokens": 9, **more}
            return at.post("/v1/responses", body, headers={"authorization": f"Bearer ck_{key}"})

        first = ask("acme").json()["id"]
        assert [ask(key, previous_response_id=first).status_code for key in ("bolt", "else_")] == [403, 403]
        assert (at.last["rule"], len(at.up.requests)) == ("identity", 1)
        assert [ask(key, previous_response_id=first).status_code for key in ("acme", "clerk", "alone")] == [200] * 3


def test_whoever_has_a_key_of_ours_brings_no_account_of_their_own() -> None:
    own = {"x-api-key": "sk-own"}
    with house("Hello.") as at:
        assert at.post(headers=own).status_code == 200
        assert at.up.requests[-1].headers["x-api-key"] == "sk-own"
    with house("Hello.", keys=FewKeys(acme=Key("key_1", "default"))) as at:
        assert at.post(headers={**own, "authorization": "Bearer ck_acme"}).status_code == 200
        assert not {"x-api-key", "authorization"} & at.up.requests[-1].headers.keys()


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/api/runs", "/v1/audio/speech"])
def test_nothing_is_kept_of_what_a_stranger_sends(path: str) -> None:
    with house("Hello.", keys=FewKeys(acme=Key("key_1", "default"))) as at:
        head = f"POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1000000\r\n\r\n{{"
        with socket.create_connection(("127.0.0.1", int(at.url.rpartition(":")[2])), timeout=10) as line:
            line.sendall(head.encode())  # the rest never comes, and is not waited for
            assert line.recv(12) == b"HTTP/1.1 401"
        packed = gzip.compress(b" " * 100_000)
        assert at.post(path, packed, headers={"content-encoding": "gzip"}).status_code == 401


def test_where_no_key_is_asked_for_little_is_read() -> None:
    with house("Hello.") as at:
        reply = httpx.request(
            "GET", at.url + "/healthz", content=b"x" * (app.STRANGERS + 1), trust_env=False, timeout=60
        )
        assert reply.status_code == 413
        assert at.get("/healthz").status_code == 200


def test_a_retry_of_what_was_answered_counts_as_another_call() -> None:
    with house("Hello.", "policy: p\nbudgets: [{per: tenant, cap: 3 calls, over: deny}]\n") as at:
        said = [
            at.post(headers={"comptroller-run": "one", "x-stainless-retry-count": str(again)}).status_code
            for again in range(5)
        ]
        assert said == [200, 200, 200, 402, 402]


def test_a_call_that_was_refused_is_not_let_in_as_a_retry_of_itself() -> None:
    policy = "policy: p\nbudgets: [{per: tenant, cap: 1 calls, over: deny}]\n"
    with house([Say("One."), Say(status=500), Say("Two.")], policy, gateway={"retries": 0}) as at:

        def ask(words: str, again: int) -> int:
            body = {"model": "gpt-4o-mini", "max_tokens": 5, "messages": [{"role": "user", "content": words}]}
            return at.post(
                body=body, headers={"comptroller-run": "one", "x-stainless-retry-count": str(again)}
            ).status_code

        assert ask("first", 0) == 200
        assert [ask("second", again) for again in (0, 1, 0, 1, 2)] == [402] * 5
    with house([Say(status=500), Say("Two.")], policy, gateway={"retries": 0}) as at:
        assert [ask("third", again) for again in (0, 1)] == [500, 200]  # a retry of what failed counts once, as ever


def test_a_route_whose_conversations_nobody_reads_is_closed_where_policies_are_in_force() -> None:
    path = "/v1/projects/p/locations/l/publishers/anthropic/models/claude-sonnet-4-5:rawPredict"
    for policy, is_refused in (("", False), (POLICY, True)):
        with house("Hello.", policy, upstreams=GEMINI) as at:
            reply = at.post(path, {"anthropic_version": "vertex-2023-10-16", "messages": HI})
            assert (reply.status_code == 403, "upstream" not in at.last) == (is_refused, is_refused)
