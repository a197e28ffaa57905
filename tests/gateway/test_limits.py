"""Limits at the gateway: what clients get, and how they wait in line."""

import json
import threading
from collections.abc import Callable
from time import sleep
from typing import Any

import httpx
import openai
import pytest
from websockets.sync.client import connect

from comptroller.core.errors import RateLimited
from comptroller.core.facts import CALL_CLOSED, CALL_OPENED, Fact
from tests.gateway.house import HI, House, house

ONE_A_MINUTE = "policy: p\nlimits: [{per: tenant, requests: 1/min}]\n"
ONE_AT_A_TIME = "policy: p\nlimits: [{per: tenant, concurrent: 1, queue: 60s}]\n"
LINE = ["tenant:default|live:", "live", 1, 1]
ASK = {"model": "gpt-4o-mini", "messages": HI, "max_tokens": 50}
FORMATS: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": ASK,
    "/v1/messages": {"model": "claude-haiku-4-5", "messages": HI, "max_tokens": 50},
}


def until(true: Callable[[], bool]) -> None:
    for _ in range(1_000):
        if true():
            return
        sleep(0.01)
    raise AssertionError("it did not come about")


def elsewhere(at: House, kind: str) -> None:
    """A call of another process begins or ends: nobody in this one is told."""
    data = {"hold": {"id": "other", "lines": [LINE if kind == CALL_OPENED else [*LINE[:2], 0]]}}
    fact = Fact(kind, kind, at.desk.clock.now_ns(), "r", "other", data)  # type: ignore[arg-type]
    if kind == CALL_OPENED:
        assert at.desk.ledger.reserve(fact) is None
    else:
        at.desk.ledger.record(fact)


@pytest.mark.parametrize("path", FORMATS)
def test_a_refusal_is_a_429_in_the_providers_shape_with_the_time_to_come_back(path: str) -> None:
    with house(policy=ONE_A_MINUTE) as at:
        assert at.post(path, FORMATS[path]).status_code == 200
        reply = at.post(path, FORMATS[path])
        error = reply.json()["error"]
        assert (reply.status_code, error["code"], error["limit"]) == (429, "rate_limited", "1 request/min")
        assert 58_000 < int(reply.headers["retry-after-ms"]) <= 60_000
        assert reply.headers["retry-after"] in ("59", "60")
        assert reply.headers["x-should-retry"] == "true"
        if path == "/v1/messages":
            assert error["type"] == "rate_limit_error"
        assert at.last["status"] == "rate_limited"
        assert b'comptroller_refusals_total{code="rate_limited"} 1' in at.get("/metrics").content


def test_an_official_client_comes_back_by_itself_and_its_retry_is_counted() -> None:
    policy = "policy: p\nlimits: [{per: tenant, requests: 1/s}]\nbudgets: [{per: tenant, cap: 9 calls}]\n"
    with house(policy=policy) as at, openai.OpenAI(base_url=at.url + "/v1", api_key="x") as client:
        for _ in range(2):
            client.chat.completions.create(model="gpt-4o-mini", messages=HI, max_tokens=5)
        assert [call["status"] for call in at.calls] == ["ok", "rate_limited", "ok"]
        assert at.desk.ledger.counter("tenant:default|:", "calls") == (2, 0)


def test_a_wrapped_client_raises_what_is_both_ours_and_the_sdks() -> None:
    import comptroller as ct

    with house(policy=ONE_A_MINUTE) as at:
        client = ct.wrap(openai.OpenAI(base_url=at.up.url + "/v1", api_key="x", max_retries=0))
        client.chat.completions.create(model="gpt-4o-mini", messages=HI, max_tokens=5)
        with pytest.raises(RateLimited) as refused:
            client.chat.completions.create(model="gpt-4o-mini", messages=HI, max_tokens=5)
        assert isinstance(refused.value, openai.RateLimitError)
        assert refused.value.details["scope"] == "tenant:default"
        client.close()


def test_a_place_that_another_process_gives_back_is_found_and_the_gateway_serves_meanwhile() -> None:
    with house(policy=ONE_AT_A_TIME) as at:
        elsewhere(at, CALL_OPENED)
        replies: list[httpx.Response] = []
        thread = threading.Thread(target=lambda: replies.append(at.post(timeout=60)))
        thread.start()
        until(lambda: at.desk.queue.waiting == 1)
        assert at.get("/healthz").status_code == 200
        elsewhere(at, CALL_CLOSED)
        thread.join()
        assert replies[0].status_code == 200
        assert at.last["waited_ms"] > 0
        assert at.live_holds == at.desk.queue.waiting == 0


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_a_client_that_leaves_while_it_waits_leaves_the_line(stream: bool) -> None:
    with house(policy=ONE_AT_A_TIME, gateway={"drain_s": 30}) as at:
        elsewhere(at, CALL_OPENED)
        with pytest.raises(httpx.ReadTimeout):
            at.post(body={**ASK, "stream": stream}, timeout=0.3)
        until(lambda: bool(at.calls))
        assert (at.last["status"], at.last["cost"], at.desk.queue.waiting) == ("cancelled", 0, 0)
        assert at.up.requests == []
        elsewhere(at, CALL_CLOSED)
        assert at.post().status_code == 200


def test_what_nobody_reads_waits_in_line_too() -> None:
    with house(policy=ONE_AT_A_TIME) as at:
        elsewhere(at, CALL_OPENED)
        replies: list[httpx.Response] = []
        post = threading.Thread(target=lambda: replies.append(at.post("/v1/images/generations", {}, timeout=60)))
        post.start()
        until(lambda: at.desk.queue.waiting == 1)
        elsewhere(at, CALL_CLOSED)
        post.join()
        assert at.last["waited_ms"] > 0
        assert at.live_holds == 0


@pytest.mark.filterwarnings("ignore:connect\\(\\) must be used as a context manager:DeprecationWarning")
def test_a_call_on_a_socket_waits_too_and_leaves_the_line_with_it() -> None:
    with house(policy=ONE_AT_A_TIME) as at:
        elsewhere(at, CALL_OPENED)
        with connect(at.url.replace("http", "ws") + "/v1/responses", proxy=None, close_timeout=2) as wire:
            wire.send(json.dumps({"type": "response.create", "model": "gpt-4o-mini", "input": "Hi"}))
            until(lambda: at.desk.queue.waiting == 1)
        until(lambda: bool(at.calls))
        assert (at.last["status"], at.desk.queue.waiting, at.up.requests) == ("cancelled", 0, [])
