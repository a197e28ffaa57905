"""Approvals through the gateway: held calls, polled and made again, over restarts and at several workers."""

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from comptroller.core.facts import APPROVAL_USED, ASK, CALL_CLOSED
from comptroller.office.approvals import ApprovalDesk, Approver, Heard
from comptroller.policies.approvals import Approvals
from comptroller.testing.script import Received, Say, Use
from comptroller.wrapper.desk import Desk
from tests.gateway.house import HI, House, house
from tests.gateway.yard import CHAT, PATIENCE_S, Yard, yard

REFUND = {"order": "7", "amount": 250.0}
POLICY: dict[str, Any] = {
    "tools": {"issue_refund": {"effect": "write", "args": {"order": "string", "amount": "double"}}},
    "rules": [
        {"id": "big-refund", "on": "tool", "tool": "issue_refund", "when": "args.amount > 100.0", "then": "ask",
         "ask": {"of": ["finance"]}, "because": "Refunds above 100 USD need a person."},
        {"id": "old-model", "on": "model", "when": 'model.name == "gpt-4"', "then": "ask", "ask": {"wait": "4m"}},
    ],
}  # fmt: skip
ASKS = """
policy: p
rules:
  - {id: old-model, on: model, when: 'model.name == "gpt-4"', then: ask, because: An old model., ask: {wait: %s}}
"""
OLD = {"model": "gpt-4", "messages": HI, "max_tokens": 50}
BODY = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "refund it"}], "max_tokens": 50}


def answer(at: House, word: str = "approve") -> Heard:
    office = ApprovalDesk(at.desk).catch_up()
    return office.answer(office.all()[0], word, Approver("jane", any_role=True))


def test_a_held_call_is_told_where_to_ask_and_passes_once_when_made_again() -> None:
    with house(policy=ASKS % "0s") as at:
        held = at.post(body=OLD)
        error = held.json()["error"]
        assert (held.status_code, error["code"], held.headers["x-should-retry"]) == (409, "approval_pending", "false")
        assert held.headers["comptroller-approval"] == error["approval"] == at.desk.ledger.of(ASK)[0].id
        assert error["poll"] == f"/api/approvals/{error['approval']}/state"
        assert at.post(body=OLD).json()["error"]["approval"] == error["approval"]
        answer(at)
        assert [at.post(body=OLD).status_code for _ in range(2)] == [200, 409]
        assert len(at.up.requests) == 1


def test_a_call_that_waits_goes_on_when_it_is_approved_and_a_denied_one_is_told_who_did() -> None:
    with house(policy=ASKS % "1m") as at, ThreadPoolExecutor() as pool:
        waiting = pool.submit(at.post, body=OLD)
        while not at.desk.ledger.of(ASK):
            pass
        answer(at)
        assert waiting.result().status_code == 200
        waiting = pool.submit(at.post, body={**OLD, "max_tokens": 51})
        while len(at.desk.ledger.of(ASK)) < 2:
            pass
        answer(at, "deny")
        assert waiting.result().status_code == 403
        assert "jane denied it" in waiting.result().json()["error"]["message"]


def test_a_client_that_leaves_while_its_call_waits_leaves_nothing_held() -> None:
    with house(policy=ASKS % "1m") as at:
        with pytest.raises(httpx.TimeoutException):
            at.post(body=OLD, timeout=0.3)
        answer(at)
        assert at.post(body=OLD).status_code == 200
        assert (at.live_holds, len(at.up.requests)) == (0, 1)


def test_an_attempt_after_a_failure_upstream_is_the_same_approved_call() -> None:
    script = [Say(status=503), Say("Hello.")]
    with house(script, policy=ASKS % "0s", gateway={"retries": 1, "retry_on": ("5xx",)}) as at:
        at.post(body=OLD)
        answer(at)
        assert at.post(body=OLD).status_code == 200
        assert len(at.desk.ledger.of(APPROVAL_USED)) == 1


def test_many_at_once_pass_once() -> None:
    with house(policy=ASKS % "0s") as at, ThreadPoolExecutor(16) as pool:
        at.post(body=OLD)
        answer(at)
        said = Counter(reply.status_code for reply in pool.map(lambda _: at.post(body=OLD), range(16)))
        assert said == {200: 1, 409: 15}


def test_an_agent_that_a_rule_asks_about_is_approved_for_its_run() -> None:
    policy = "policy: p\nrules:\n  - {id: spies, on: agent, when: 'agent == \"spy\"', then: ask}\n"
    spy = {"comptroller-run": "r1", "comptroller-agent": "spy"}
    with house(policy=policy) as at:
        assert at.post(headers=spy).json()["error"]["code"] == "approval_pending"
        answer(at)
        assert [at.post(headers=spy).status_code for _ in range(2)] == [200, 200]
        assert at.post(headers={**spy, "comptroller-run": "r2"}).status_code == 409
        assert len(at.desk.ledger.of(APPROVAL_USED)) == 1


# -- as processes


def _refunds(asked: Received) -> Say:
    if asked.messages[-1].get("role") == "user" and "refund" in asked.last:
        return Say("", calls=[Use("issue_refund", REFUND)])
    return Say("Done.")


def _command(at: Yard, *words: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "comptroller.cli", "approvals", *words, "--ledger", str(at.ledger), "--json"]
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, cwd=at.folder)


def _args(reply: httpx.Response) -> dict[str, Any] | None:
    calls = reply.json()["choices"][0]["message"].get("tool_calls")
    return json.loads(calls[0]["function"]["arguments"]) if calls else None


posix = pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="children are looked up in /proc")


@posix
def test_a_held_refund_approved_with_an_edit_after_a_restart_of_the_gateway_goes_through_once(tmp_path: Path) -> None:
    with yard(_refunds, POLICY, workers=1, folder=tmp_path) as at, at.client() as client:
        held = client.post(CHAT, json=BODY).json()["choices"][0]["message"]
        assert "tool_calls" not in held or not held["tool_calls"]
        assert "It waits for approval" in held["content"]
        os.killpg(at.process.pid, signal.SIGKILL)
        at.process.wait()
    (tmp_path / "smaller.json").write_text(json.dumps({"order": "7", "amount": 180.0}))
    with yard(_refunds, POLICY, workers=2, folder=tmp_path) as at:
        [ask] = at.facts(ASK)
        done = _command(at, "approve", ask.id, "--edit", str(tmp_path / "smaller.json"), "--as", "jane")
        assert json.loads(done.stdout)["state"] == "approved", done.stderr
        with ThreadPoolExecutor(6) as pool:
            replies = list(
                pool.map(lambda _: httpx.post(at.url + CHAT, json=BODY, trust_env=False, timeout=60), range(6))
            )
        passed = [args for reply in replies if (args := _args(reply))]
        assert passed == [{"order": "7", "amount": 180.0}]
        assert [fact.data["approvals"] for fact in at.facts(APPROVAL_USED)] == [[ask.id]]
        approval = Approvals().fold(at.facts()).approvals[ask.id]
        assert (approval.state, approval.people, bool(approval.edit)) == ("used", ("jane",), True)


@posix
def test_a_call_that_waits_at_a_worker_is_answered_by_another_process() -> None:
    with yard("Hello.", POLICY) as at, at.client() as client, ThreadPoolExecutor() as pool:
        waiting = pool.submit(client.post, CHAT, json=OLD)
        while not at.facts(ASK):
            pass
        with Desk.open(at.ledger) as desk:
            office = ApprovalDesk(desk).catch_up()
            assert office.answer(office.all()[0], "approve", Approver("jane", any_role=True)).not_done == ""
        assert waiting.result(PATIENCE_S).status_code == 200
        [closed] = [fact.data for fact in at.facts(CALL_CLOSED)]
        assert closed["approvals"] == [{"id": at.facts(ASK)[0].id, "people": ["jane"]}]


@posix
def test_a_restart_while_a_call_waits_loses_the_call_and_not_the_question(tmp_path: Path) -> None:
    with yard("Hello.", POLICY, workers=1, folder=tmp_path) as at, ThreadPoolExecutor() as pool:
        waiting = pool.submit(httpx.post, at.url + CHAT, json=OLD, trust_env=False, timeout=PATIENCE_S)
        while not at.facts(ASK):
            pass
        os.killpg(at.process.pid, signal.SIGKILL)
        at.process.wait()
        with pytest.raises(httpx.HTTPError):
            waiting.result()
    with Desk.open(tmp_path / "ledger") as desk:
        office = ApprovalDesk(desk).catch_up()
        assert office.answer(office.all()[0], "approve", Approver("jane", any_role=True)).not_done == ""
    with yard("Hello.", POLICY, workers=1, folder=tmp_path) as at:
        assert httpx.post(at.url + CHAT, json=OLD, trust_env=False, timeout=PATIENCE_S).status_code == 200
        assert len(at.up.requests) == 1
