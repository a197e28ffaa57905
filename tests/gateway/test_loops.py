"""Loops at the gateway: whole and streamed replies, agents by header, what a client is told."""

from pathlib import Path
from typing import Any

import pytest

from comptroller.core.clock import SYSTEM
from comptroller.core.facts import AGENT_OPENED, KILLED
from comptroller.office import orders
from comptroller.testing.script import Say, Use
from tests.gateway.house import HI, house
from tests.gateway.test_crew import Two
from tests.gateway.yard import yard

RUN = {"comptroller-run": "nightly-7"}
AGAIN = Say(calls=[Use("search", {"query": "x"})])


def body(stream: bool = False) -> dict[str, Any]:
    return {"model": "gpt-4o-mini", "messages": HI, "max_tokens": 50, "stream": stream}


@pytest.mark.parametrize("stream", [False, True])
def test_a_loop_ends_the_run_and_its_client_is_told_how_to_let_it_go_on(stream: bool) -> None:
    with house(AGAIN, policy="policy: p\nloops: {repeat: {times: 3, then: stop}}") as at:
        told = [at.post(body=body(stream), headers=RUN).text for _ in range(3)]
        assert ["called `search` 3 times" in text for text in told] == [False, False, True]
        reply = at.post(body=body(stream), headers=RUN)
        error = reply.json()["error"]
        assert (reply.status_code, error["rule"], reply.headers["x-should-retry"]) == (403, "loops.repeat", "false")
        assert "comptroller kill --run nightly-7 --revive" in error["message"]
        assert at.post(body=body(stream), headers={"comptroller-run": "another"}).status_code == 200
        orders.revive(at.desk.ledger, SYSTEM, orders.Target("run", "nightly-7", "default"), "Ann", "")
        assert at.post(body=body(stream), headers=RUN).status_code == 200


def test_agents_beneath_one_are_counted_by_their_headers() -> None:
    with house("Hello.", policy="policy: p\nloops: {width: {most: 2, then: stop}}") as at:
        told = [
            at.post(headers={**RUN, "comptroller-agent": agent, "comptroller-parent": "boss"}).status_code
            for agent in ("a", "b", "a", "c", "a")
        ]
        assert told == [200, 200, 200, 403, 403]
        assert at.desk.facts(AGENT_OPENED)[-1]["rule"] == "loops.width"
        assert [fact["rule"] for fact in at.desk.facts(KILLED)] == ["loops.width"]


def test_one_agent_too_many_that_is_only_refused_leaves_the_others_at_work() -> None:
    with house("Hello.", policy="policy: p\nloops: {width: {most: 1, then: deny}}") as at:
        told = [
            at.post(headers={**RUN, "comptroller-agent": agent, "comptroller-parent": "boss"}).status_code
            for agent in ("a", "b", "b", "a")
        ]
        assert told == [200, 403, 403, 200]
        assert at.desk.facts(KILLED) == []
        assert '"stops"' not in at.post(headers={**RUN, "comptroller-agent": "b", "comptroller-parent": "boss"}).text


def test_a_slow_call_is_answered_all_the_same() -> None:
    with house(AGAIN, policy="policy: p\nloops: {repeat: {times: 2, then: slow, delay: 10ms}}") as at:
        assert [at.post(body=body(), headers=RUN).status_code for _ in range(3)] == [200] * 3
        slow = [call for call in at.calls if any(row["rule"] == "loops.repeat" for row in call.get("decisions", ()))]
        assert len([call for call in slow if call["kind"] == "model"]) == 2


def test_agents_that_bounce_one_sentence_are_stopped_across_formats() -> None:
    policy = "policy: p\nloops: {ping_pong: {times: 3, then: stop}}"
    with house("Over to you.", policy=policy) as at:
        told = []
        for _ in range(4):
            told.append(at.post(headers={**RUN, "comptroller-agent": "a"}).status_code)
            claude = {"model": "claude-haiku-4-5", "messages": HI, "max_tokens": 50}
            told.append(at.post("/v1/messages", claude, headers={**RUN, "comptroller-agent": "b"}).status_code)
        assert told == [200] * 6 + [403] * 2
        assert at.last["rule"] == "loops.ping_pong"


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="children are looked up in /proc")
def test_each_worker_counts_what_it_sees_and_a_stop_holds_for_all() -> None:
    with yard(AGAIN, {"loops": {"repeat": {"times": 3, "then": "stop"}}}) as at:
        two = Two(at)
        try:
            first = [two.post(number, comptroller_run="nightly-7").text for number in (0, 1, 0, 1)]
            assert not any("called `search`" in text for text in first)
            assert "called `search` 3 times" in two.post(0, comptroller_run="nightly-7").text
            replies = [two.post(number, comptroller_run="nightly-7") for number in (0, 1)]
            assert [reply.json()["error"]["rule"] for reply in replies] == ["loops.repeat"] * 2
            assert two.post(1, comptroller_run="another").status_code == 200
            assert len(at.facts(KILLED)) == 1
        finally:
            two.close()
