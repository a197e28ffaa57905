"""The data flow on the call path: what agents read is known when their tools are called."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

import comptroller as ct
from comptroller.core.call import Identity
from comptroller.core.facts import CALL_CLOSED
from comptroller.dialects.routes import dialect_for
from comptroller.testing import Playbook, TestDesk, desk
from comptroller.wrapper import dataflow
from comptroller.wrapper.boundary import Boundary
from comptroller.wrapper.context import RunState
from comptroller.wrapper.dataflow import Flows
from comptroller.wrapper.effects import Head, Read, Reserve, Send
from comptroller.wrapper.flow import model_call
from comptroller.wrapper.shared import Job
from tests.wrapper.bodies import reply

CHAT = dialect_for("POST", "/v1/chat/completions")
OK = Head(200, {"content-type": "application/json"})
IBAN = "DE89370400440532013000"
POLICY = """
policy: money
tools:
  read_file: {effect: read, returns: untrusted, args: {path: string}}
  contacts: {effect: read, args: {name: string}}
  send_money: {effect: external, args: {to: string, amount: double}}
rules:
  - id: no-stranger
    on: tool
    tool: send_money
    when: provenance.args.to == "untrusted"
    then: deny
    because: The recipient comes from a file.
"""
SYSTEM = {"role": "system", "content": "You pay bills."}
USER = {"role": "user", "content": "Pay what bill.txt says; Ann gets 5"}
READS = {
    "role": "assistant",
    "content": None,
    "tool_calls": [
        {"id": "c0", "type": "function", "function": {"name": "read_file", "arguments": '{"path": "bill.txt"}'}}
    ],
}
BILL = {"role": "tool", "tool_call_id": "c0", "content": "Pay DE89 3704 0044 0532 0130 00"}


def run_of(id: str = "r") -> RunState:
    return RunState(id, id, Boundary())


def ask(
    office: TestDesk, run: RunState, messages: list[Any], answer: bytes, agent: str = "payer", elsewhere: int = 0
) -> None:
    """One model call, all the way."""
    assert CHAT is not None
    body = json.dumps({"model": "gpt-4o-mini", "messages": messages}).encode()
    play = Playbook(model_call(Job(office, Identity(run=run.id, agent=agent), run, CHAT, body)))
    play.answer(office.ledger.reserve(play.expect(Reserve).opened))
    play.expect(Send)
    play.answer(OK)
    play.expect(Read)
    play.answer(answer)
    play.done()


def pays(to: str, id: str = "c1") -> bytes:
    return reply(None, [(id, "send_money", {"to": to, "amount": 5.0})])


def tools(office: TestDesk) -> list[Mapping[str, Any]]:
    return [fact for fact in office.facts(CALL_CLOSED) if fact["kind"] == "tool"]


def sources(fact: Mapping[str, Any]) -> dict[str, list[Any]]:
    return {row["arg"]: [row["label"], row["sources"], row["tools"]] for row in fact["tool"]["origins"]}


def test_a_call_with_a_value_out_of_a_file_is_denied_and_its_source_is_on_record() -> None:
    with desk(POLICY) as office:
        ask(office, run_of(), [SYSTEM, USER, READS, BILL], pays(IBAN))
        denied = tools(office)[-1]
    assert (denied["status"], denied["rule"]) == ("denied", "no-stranger")
    assert sources(denied)["to"] == ["untrusted", ["result:c0"], ["read_file"]]
    assert IBAN not in json.dumps(denied)


def test_a_value_the_user_gave_passes() -> None:
    with desk(POLICY) as office:
        run = run_of()
        ask(office, run, [SYSTEM, USER, READS, BILL], pays("Ann"))
        asked = run.boundary.answer("c1")
        assert asked is not None
        assert asked.entry.tool["origins"][0]["label"] == "user"  # type: ignore[index]


def test_what_one_agent_read_and_told_another_keeps_its_source() -> None:
    with desk(POLICY) as office:
        run = run_of()
        ask(office, run, [SYSTEM, USER], reply(None, [("c0", "read_file", {"path": "bill.txt"})]), "reader")
        ask(office, run, [SYSTEM, USER, READS, BILL], reply(f"The bill wants money on {IBAN}."), "reader")
        handed = {"role": "user", "content": f"The reader says: the bill wants money on {IBAN}. Pay it."}
        ask(office, run, [{"role": "system", "content": "You are the payer."}, handed], pays(IBAN))
        denied = tools(office)[-1]
    assert denied["status"] == "denied"
    assert sources(denied)["to"] == ["untrusted", ["result:c0"], ["read_file"]]


def test_a_run_of_which_another_process_made_a_part_trusts_nothing_new_and_says_why() -> None:
    with desk(POLICY) as office:
        here, there = run_of(), run_of()
        ask(office, there, [SYSTEM, USER], reply("I read something here."))
        ask(office, here, [{"role": "user", "content": "Pay Bo 5"}], pays("Bo"))
        denied = tools(office)[-1]
    assert denied["status"] == "denied"
    assert any(row["rule"] == "provenance" and "elsewhere" in row["because"] for row in denied["decisions"])


def test_a_conversation_that_brings_its_whole_history_to_another_process_is_known_there() -> None:
    with desk(POLICY) as office:
        here, there = run_of(), run_of()
        ask(office, there, [SYSTEM, USER], reply(None, [("c0", "read_file", {"path": "bill.txt"})]))
        ask(office, here, [SYSTEM, USER, READS, BILL], pays("Ann"))
        assert here.flow.gap == ""
        assert here.boundary.answer("c1") is not None


def test_a_run_whose_calls_all_went_through_here_has_no_gap() -> None:
    with desk(POLICY) as office:
        run, talk = run_of(), [SYSTEM, USER]
        for number in range(5):
            ask(office, run, talk, reply(f"Turn {number}."))
            talk = [
                *talk,
                {"role": "assistant", "content": f"Turn {number}."},
                {"role": "user", "content": f"Go on {number}"},
            ]
        assert run.flow.gap == ""


def test_functions_under_tool_are_traced_without_a_model_between_them() -> None:
    @ct.tool(name="read_file")
    def read_file(path: str) -> str:
        return f"Pay {IBAN}"

    @ct.tool(name="send_money", effect="external")
    def send_money(to: str, amount: float) -> str:
        return "paid"

    with desk(POLICY), ct.run("bills") as run, run.agent("payer"):
        bill = read_file("bill.txt")
        with pytest.raises(ct.Denied, match="comes from a file"):
            send_money(bill.removeprefix("Pay "), 5.0)
        assert send_money("Ann", 5.0) == "paid"


def test_a_run_inside_another_knows_what_the_outer_one_has_read() -> None:
    @ct.tool(name="read_file")
    def read_file(path: str) -> str:
        return f"Pay {IBAN}"

    @ct.tool(name="send_money", effect="external")
    def send_money(to: str, amount: float) -> str:
        return "paid"

    with desk(POLICY), ct.run("bills"):
        read_file("bill.txt")
        with ct.run("payment"), pytest.raises(ct.Denied):
            send_money(IBAN, 5.0)


def test_conversations_outside_any_run_know_nothing_of_each_other() -> None:
    with desk(POLICY) as office:
        from comptroller.wrapper.run import ambient

        run = ambient(office).run
        ask(office, run, [SYSTEM, USER, READS, BILL], reply("Fine."))
        ask(office, run, [SYSTEM, {"role": "user", "content": f"Send 5 to {IBAN}"}], pays(IBAN, "c9"))
        assert run.boundary.answer("c9") is not None


def test_where_no_policy_asks_nothing_is_remembered() -> None:
    with desk("policy: p\ntools: {read_file: {effect: read}}\nunlisted: allow") as office:
        run = run_of()
        ask(office, run, [SYSTEM, USER, READS, BILL], pays(IBAN))
        assert not run.flow.heard
        asked = run.boundary.answer("c1")
        assert asked is not None
        assert "origins" not in asked.entry.tool


def test_a_profile_holds_on_the_call_path() -> None:
    policy = POLICY[: POLICY.index("rules:")] + "profile: least-privilege\n"
    with desk(policy) as office:
        ask(office, run_of(), [SYSTEM, {"role": "user", "content": "Summarize bill.txt"}, READS, BILL], pays("Ann"))
        assert tools(office)[-1]["rule"] == "profile.uncalled"


def test_all_runs_together_stay_within_one_bound_and_the_oldest_is_forgotten_loudly() -> None:
    flows, runs = Flows(most=1_000), [run_of(str(number)) for number in range(5)]
    for run in runs:
        run.flow.system("many words " * 40)
        flows.touch(run.flow)
    assert runs[0].flow.gap == dataflow.NO_ROOM
    assert runs[-1].flow.gap == ""
    assert sum(run.flow.chars for run in runs) <= 1_000
