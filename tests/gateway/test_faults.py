"""What upstreams and clients do wrong, and that no hold is left behind by any of it."""

import errno
import gzip
import os
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import openai
import pytest

from comptroller.core.clock import FrozenClock
from comptroller.core.errors import StoreError
from comptroller.gateway.wire.faults import unreachable
from comptroller.testing.script import Say
from tests.gateway.house import HI, house

STREAMED = {"model": "gpt-4o-mini", "messages": HI, "max_tokens": 50, "stream": True}
DEAD = "http://127.0.0.1:9/v1"  # nobody listens there


def one(url: str, **more: Any) -> list[dict[str, Any]]:
    return [{"name": "first", "format": "openai", "url": url, **more}]


@contextmanager
def speaking(*replies: bytes) -> Iterator[str]:
    """A server that says these very bytes, one connection each, whatever it is asked."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def work() -> None:
            for reply in replies:
                connection, _ = server.accept()
                with connection:
                    connection.recv(65536)
                    connection.sendall(reply)

        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}/v1"
        thread.join(5)


def test_an_upstream_nobody_listens_at_is_502_and_costs_nothing() -> None:
    with house(upstreams=one(DEAD)) as at:
        reply = at.post()
        assert (reply.status_code, reply.json()["error"]["code"]) == (502, "upstream_error")
        assert "first" in reply.json()["error"]["message"]
        assert "`url`" in reply.json()["error"]["remedy"]
        assert [(call["status"], call["cost"]) for call in at.calls] == [("error", 0), ("error", 0)]  # with one retry
        assert at.live_holds == 0


@pytest.mark.parametrize("client", ["own", "aiohttp"])
def test_an_upstream_that_takes_no_connection_is_told_with_the_systems_reason(client: str) -> None:
    with house(upstreams=one(DEAD), gateway={"client": client}) as at:
        assert f"cannot be reached ({os.strerror(errno.ECONNREFUSED)})" in at.post().json()["error"]["message"]


def test_what_tls_says_is_told_instead_of_a_number_that_means_something_else() -> None:
    shaken = ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version number")
    shaken.reason = "WRONG_VERSION_NUMBER"
    assert str(unreachable("a", shaken)) == "Upstream a cannot be reached (TLS: WRONG_VERSION_NUMBER)."
    assert str(unreachable("a", UnicodeError("label too long"))) == "Upstream a cannot be reached."


def test_no_retry_is_made_where_none_is_wanted() -> None:
    with house(upstreams=one(DEAD), gateway={"retries": 0}) as at:
        assert at.post().status_code == 502
        assert len(at.calls) == 1


def test_an_upstream_that_hangs_is_504_and_is_charged_what_it_may_have_cost() -> None:
    with house(Say(fault="hang"), gateway={"read_s": 1}) as at:
        reply = at.post()
        assert (reply.status_code, reply.json()["error"]["code"]) == (504, "upstream_timeout")
        assert "gateway.read_s" in reply.json()["error"]["remedy"]
        assert at.last["status"] == "error"
        assert at.last["estimated"] is True
        assert at.last["cost"] > 0
        assert at.live_holds == 0


def test_a_stream_that_hangs_midway_is_broken_off_and_charged_what_was_streamed() -> None:
    with house(Say("word " * 40, fault="hang_midway"), gateway={"read_s": 1}) as at:
        with pytest.raises(httpx.RemoteProtocolError):
            at.post(body=STREAMED)
        assert (at.last["status"], at.last["estimated"]) == ("error", True)
        assert at.last["usage"]["output"] > 0
        assert at.live_holds == 0


@pytest.mark.parametrize("fault", ["cut", "cut_character"])
def test_a_stream_that_is_cut_looks_cut_to_the_client_and_settles(fault: Any) -> None:
    with house(Say("Grüße und viele Worte. " * 9, fault=fault)) as at:
        with pytest.raises(httpx.RemoteProtocolError):
            at.post(body=STREAMED)
        assert at.last["status"] in ("error", "cut")
        assert at.live_holds == 0


def test_a_whole_reply_that_is_cut_is_502_and_charged() -> None:
    with house(Say("Many words. " * 9, fault="cut")) as at:
        assert at.post().status_code == 502
        assert at.last["cost"] > 0
        assert at.live_holds == 0


def test_under_a_policy_garbage_is_refused_with_what_may_be_the_matter() -> None:
    with house(Say(fault="garbage"), policy="policy: any\nrules: [{id: a, on: model, then: note}]\n") as at:
        reply = at.post()
        assert (reply.status_code, reply.json()["error"]["rule"]) == (403, "unreadable")
        assert "address and its format" in reply.json()["error"]["message"]


def test_garbage_is_passed_on_as_it_came_and_charged_at_its_estimate() -> None:
    with house(Say(fault="garbage")) as at:
        reply = at.post()
        assert reply.status_code == 200
        assert b"neither JSON nor" in reply.content
        assert (at.last["opaque"], at.last["estimated"]) == (True, True)


@pytest.mark.parametrize(("times", "estimated"), [(0, True), (1, False), (2, False)])
def test_usage_told_never_once_or_twice_is_charged_once(times: int, estimated: bool) -> None:
    with house(Say("Hello there.", usage_times=times)) as at:
        assert at.post(body=STREAMED).status_code == 200
        assert at.last.get("estimated", False) is estimated
        assert at.last["usage"]["output"] in range(1, 10)


@pytest.mark.parametrize("status", [400, 401, 404, 429, 500, 529])
def test_an_upstreams_refusal_goes_through_word_for_word_and_costs_nothing(status: int) -> None:
    with house(Say("So it is.", status=status, retry_after="7")) as at:
        reply = at.post()
        assert (reply.status_code, reply.json()["error"]["message"]) == (status, "So it is.")
        assert reply.headers["retry-after"] == "7"
        assert (at.last["status"], at.last["cost"]) == ("error", 0)
        assert at.live_holds == 0


def test_busy_and_broken_upstreams_are_tried_again_where_the_settings_say_so() -> None:
    script = [Say(status=429, retry_after="0.01"), Say(status=503), "Now."]
    with house(script, gateway={"retries": 2, "retry_on": ["connect", "429", "5xx"]}) as at:
        assert at.post().json()["choices"][0]["message"]["content"] == "Now."
        assert [call.get("attempt", 0) for call in at.calls] == [0, 1, 2]


def test_a_retry_that_would_have_to_wait_long_is_left_to_the_client() -> None:
    with house([Say(status=429, retry_after="3600"), "x"], gateway={"retries": 2, "retry_on": ["429"]}) as at:
        assert at.post().status_code == 429
        assert len(at.up.requests) == 1


def test_a_fallback_stands_in_with_a_hold_of_its_own() -> None:
    upstreams = [*one(DEAD, fallback=["second"]), {"name": "second", "format": "openai", "url": "{up}/v1"}]
    with house(upstreams=upstreams, gateway={"retries": 0}) as at:
        assert at.post().status_code == 200
        assert [(call["status"], call.get("attempt", 0)) for call in at.calls] == [("error", 0), ("ok", 1)]


def test_an_upstream_that_keeps_failing_is_left_alone_until_the_pause_is_over() -> None:
    clock = FrozenClock()
    with house(
        [Say(status=500), Say(status=500), "Well again."], clock=clock, gateway={"breaker_failures": 2, "breaker_s": 10}
    ) as at:
        assert [at.post().status_code for _ in range(2)] == [500, 500]
        left_alone = at.post()
        assert left_alone.status_code == 503
        assert left_alone.headers["retry-after"] == "10"
        assert len(at.up.requests) == 2
        clock.tick(11)
        assert at.post().status_code == 200


def test_a_redirect_is_never_followed_and_names_no_address_to_the_client() -> None:
    redirect = b"HTTP/1.1 307 Go\r\nlocation: http://127.0.0.1:1/evil\r\ncontent-length: 0\r\n\r\n"
    with speaking(redirect) as url, house(upstreams=one(url), gateway={"retries": 0}) as at:
        reply = at.post()
        assert (reply.status_code, at.last["cost"]) == (502, 0)
        assert "redirect" in reply.json()["error"]["message"]
        assert "location" not in reply.headers


ODD = {
    "no length, ended by closing": b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n%b",
    "HTTP/1.0": b"HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n%b",
    "a continue before it": b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nconnection: close\r\n\r\n%b",
    "names in capitals, odd blanks": b"HTTP/1.1 200 OK\r\nCONTENT-TYPE:\t application/json \r\nX-A:\r\n\r\n%b",
    "no reason": b"HTTP/1.1 200 \r\nconnection: close\r\n\r\n%b",
}
BODY = b'{"id":"r","object":"chat.completion","created":1,"model":"gpt-4o-mini","choices":[{"index":0,"message":' + (
    b'{"role":"assistant","content":"Odd."},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":2}}'
)


@pytest.mark.parametrize("form", ODD)
def test_odd_but_legal_replies_are_understood(form: str) -> None:
    with speaking(ODD[form] % BODY) as url, house(upstreams=one(url)) as at:
        assert at.post().json()["choices"][0]["message"]["content"] == "Odd."
        assert at.last["usage"] == {"input": 3, "output": 2}


def test_a_chunked_reply_in_tiny_chunks_with_extensions_and_trailers_is_understood() -> None:
    chunks = b"".join(b"%x;x=y\r\n%b\r\n" % (len(BODY[i : i + 7]), BODY[i : i + 7]) for i in range(0, len(BODY), 7))
    head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
    with speaking(head + chunks + b"0\r\nx-late: 1\r\n\r\n") as url, house(upstreams=one(url)) as at:
        assert at.post().json()["choices"][0]["message"]["content"] == "Odd."


def test_a_stream_of_garbage_is_cut_before_any_of_it_is_handed_on_and_charged() -> None:
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"
    with speaking(head + b"data: {not json\n\ndata: <script>\n\n") as url, house(upstreams=one(url)) as at:
        reply = at.post(body=STREAMED)
        assert b"not json" not in reply.content
        assert b"could not be understood" in reply.content
        assert (at.last["status"], at.last["estimated"], at.live_holds) == ("denied", True, 0)


def test_a_packed_reply_that_would_explode_is_refused_and_charged() -> None:
    bomb = gzip.compress(b" " * (64 << 20))
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-encoding: gzip\r\ncontent-length: %d\r\n\r\n"
    with speaking(head % len(bomb) + bomb) as url, house(upstreams=one(url), limits={"body_mb": 1}) as at:
        assert at.post().status_code in (403, 502)
        assert at.last["cost"] > 0
        assert at.live_holds == 0


def test_a_reply_that_is_not_http_is_502() -> None:
    with speaking(b"SSH-2.0-OpenSSH_9.6\r\n") as url, house(upstreams=one(url)) as at:
        assert at.post().status_code == 502
        assert at.live_holds == 0


def test_a_client_that_vanishes_from_a_stream_pays_for_what_was_streamed() -> None:
    with house(Say("word " * 2_000, pause_s=0.01)) as at:
        with httpx.stream("POST", at.url + "/v1/chat/completions", json=STREAMED, trust_env=False, timeout=60) as reply:
            next(reply.iter_bytes())
        _wait_for(lambda: bool(at.calls))
        assert (at.last["status"], at.last["estimated"]) == ("cancelled", True)
        assert 0 < at.last["usage"]["output"] < 2_000
        assert at.live_holds == 0


def test_a_stream_that_is_nearly_over_is_read_to_its_end_after_the_client_left() -> None:
    with house(Say("word " * 8, pause_s=0.05), gateway={"drain_s": 5}) as at:
        with httpx.stream("POST", at.url + "/v1/chat/completions", json=STREAMED, trust_env=False, timeout=60) as reply:
            next(reply.iter_bytes())
        _wait_for(lambda: bool(at.calls))
        assert at.last["status"] == "ok"
        assert "estimated" not in at.last


def test_a_whole_reply_is_waited_for_after_its_client_left_so_that_its_usage_is_known() -> None:
    with house(Say("Late.", wait_s=0.5)) as at:
        with pytest.raises(httpx.ReadTimeout):
            at.post(timeout=0.3)
        _wait_for(lambda: bool(at.calls))
        assert at.last["status"] == "ok"
        assert "estimated" not in at.last


def test_a_ledger_that_cannot_be_written_refuses_under_a_cap() -> None:
    policy = "policy: p\nbudgets:\n  - {per: tenant, cap: 1 USD, over: deny}\n"
    with house("x", policy) as at:
        assert at.post(headers={"comptroller-run": "r1"}).status_code == 200
        at.desk.ledger.broken = StoreError("The disk is full.")
        refused = at.post(headers={"comptroller-run": "r1"})
        at.desk.ledger.broken = None
        assert refused.status_code in (403, 503)
        assert len(at.up.requests) == 1


@pytest.mark.parametrize(("setting", "status"), [(None, 200), ("open", 200), ("closed", 503)])
def test_a_run_whose_beginning_cannot_be_written_goes_on_where_the_settings_let_it(
    setting: str | None, status: int
) -> None:
    with house("x", "policy: p\ntools: {look: {effect: read}}\n", on_store_failure=setting) as at:
        at.desk.ledger.broken = StoreError("The disk is full.")
        answered = at.post(headers={"comptroller-agent": "clerk"})
        at.desk.ledger.broken = None
        assert answered.status_code == status
        assert len(at.up.requests) == (status == 200)


def test_an_sdk_gives_up_on_an_upstream_that_stays_broken() -> None:
    with house(Say(status=500)) as at, openai.OpenAI(base_url=at.url + "/v1", api_key="k", max_retries=1) as client:
        with pytest.raises(openai.InternalServerError):
            client.chat.completions.create(model="gpt-4o-mini", messages=HI)
        assert len(at.up.requests) == 2


def _wait_for(done: Any, most: int = 2_000) -> None:
    """Until something another thread does has happened; gives up after ten seconds."""
    pause = threading.Event()
    for _ in range(most):
        if done():
            return
        pause.wait(0.005)
    raise AssertionError("it did not happen")
