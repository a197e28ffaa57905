"""Orders at the gateway: streams of what was stopped end in the provider's shape, also while nothing comes."""

from typing import Any

import httpx
import pytest

from comptroller.core.clock import SYSTEM
from comptroller.office import orders
from comptroller.office.orders import Target
from comptroller.testing.script import Say
from tests.gateway.house import HI, House, house

STREAMED = {"model": "gpt-4o-mini", "messages": HI, "max_tokens": 500, "stream": True}
CLAUDE = {"model": "claude-sonnet-5", "messages": HI, "max_tokens": 500, "stream": True}


def stop(at: House) -> None:
    orders.kill(at.desk.ledger, SYSTEM, Target("tenant", "default", "default"), "Ann", "It loops.")


@pytest.mark.parametrize(("path", "body"), [("/v1/chat/completions", STREAMED), ("/v1/messages", CLAUDE)])
@pytest.mark.parametrize("script", [Say("word " * 200, fault="hang_midway"), Say("word " * 2_000, pause_s=0.005)])
def test_a_stream_under_way_ends_with_an_error_of_its_provider_and_is_charged(
    script: Say, path: str, body: Any
) -> None:
    with house(script, gateway={"read_s": 60}) as at:
        with httpx.stream("POST", at.url + path, json=body, trust_env=False, timeout=30) as reply:
            pieces = reply.iter_raw()
            got = next(pieces)
            stop(at)
            got += b"".join(pieces)
        assert b"was stopped by Ann" in got
        assert b"denied" in got
        assert (at.last["status"], at.last["rule"], at.last["estimated"]) == ("denied", "kill.tenant", True)
        assert at.last["cost"] > 0
        assert at.live_holds == 0
        assert at.desk.streams == set()


def test_one_call_is_stopped_and_its_run_goes_on() -> None:
    with house([Say("word " * 200, fault="hang_midway"), Say("Hello.")], gateway={"read_s": 60}) as at:
        run = {"comptroller-run": "kept"}
        with httpx.stream(
            "POST", f"{at.url}/v1/chat/completions", json=STREAMED, headers=run, trust_env=False, timeout=30
        ) as reply:
            pieces = reply.iter_raw()
            got = next(pieces)
            target = Target("call", reply.headers["comptroller-call"], "default")
            orders.kill(at.desk.ledger, SYSTEM, target, "Ann", "It rambles.")
            got += b"".join(pieces)
        assert b"was stopped by Ann: It rambles" in got
        assert at.last["rule"] == "kill.call"
        assert at.post(headers=run).status_code == 200


def test_new_calls_of_what_is_stopped_are_403_and_pass_again_once_it_is_revived() -> None:
    with house("Hello.") as at:
        stop(at)
        reply = at.post()
        assert (reply.status_code, reply.headers["x-should-retry"]) == (403, "false")
        error = reply.json()["error"]
        assert (error["code"], error["rule"]) == ("denied", "kill.tenant")
        assert at.last["cost"] == 0
        orders.revive(at.desk.ledger, SYSTEM, Target("tenant", "default", "default"), "Ann", "")
        assert at.post().status_code == 200


def test_a_stream_of_somebody_else_goes_on() -> None:
    with house(Say("word " * 400)) as at:
        with httpx.stream("POST", f"{at.url}/v1/chat/completions", json=STREAMED, trust_env=False, timeout=60) as reply:
            pieces = reply.iter_raw()
            got = next(pieces)
            orders.kill(at.desk.ledger, SYSTEM, Target("run", "another", "default"), "Ann", "")
            got += b"".join(pieces)
        assert got.endswith(b"data: [DONE]\n\n")
        assert at.last["status"] == "ok"
