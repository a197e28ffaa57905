"""Why a call was decided as it was, out of a ledger or of a call that is given."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("duckdb")
pytest.importorskip("openai")

from examples.poisoned_document import work

Cli = Callable[..., Any]
POLICY = """
policy: money
guards: {secrets: {out: deny}}
tools:
  read_file: {effect: read, returns: untrusted, args: {path: string}}
  send_money: {effect: external, args: {to: string, amount: double}}
rules:
  - {id: no-stranger, on: tool, tool: send_money, when: provenance.args.to == "untrusted", then: deny}
  - {id: dear, on: tool, tool: send_money, when: args.amount > 50.0, then: ask, ask: {of: [finance]}}
  - {id: long, on: model, when: 'text.contains("weather")', then: note}
"""


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    path = tmp_path / "money.yaml"
    path.write_text(POLICY, encoding="utf-8")
    return path


@pytest.fixture
def ledger(policy: Path, tmp_path: Path) -> Path:
    """A reader of a poisoned invoice tried to pay; the payment was refused."""
    work(tmp_path / "ledger", policy)
    return tmp_path / "ledger"


def call_of(cli: Cli, ledger: Path, name: str) -> str:
    told = json.loads(cli("runs", "show", "last", "--json", "--ledger", ledger).out)
    return str(next(call["call"] for call in told["calls_in_order"] if call["name"] == name))


def test_a_recorded_call_is_explained_under_the_policies_it_was_decided_on(
    cli: Cli, policy: Path, ledger: Path
) -> None:
    policy.write_text("policy: other\n", encoding="utf-8")  # since then nothing is forbidden any more
    said = cli("policy", "explain", call_of(cli, ledger, "send_money"), "--ledger", ledger)
    assert said.code == 1
    assert "matched: no-stranger (deny)" in said.out
    assert "provenance.args.to = 'untrusted'" in said.out
    assert "Allowed if `to` does not come from what is untrusted and `amount` <= 50" in said.out
    assert "or if `to` does not come from what is untrusted and finance approves." in said.out


def test_other_policies_can_be_asked_about_a_recorded_call(cli: Cli, policy: Path, ledger: Path) -> None:
    policy.write_text(POLICY.replace("> 50.0", "> 500.0"), encoding="utf-8")
    call = call_of(cli, ledger, "send_money")
    told = json.loads(cli("policy", "explain", call, "--policies", policy, "--ledger", ledger, "--json").out)
    assert told["recorded"]["rule"] == "no-stranger"
    assert told["cases"][0]["remedy"] == "Allowed if `to` does not come from what is untrusted."
    assert [one["says"] for one in told["cases"][0]["reasons"]] == ["matched", "not matched"]


def test_a_call_that_passed_says_so_with_exit_0(cli: Cli, ledger: Path) -> None:
    said = cli("policy", "explain", call_of(cli, ledger, "read_file")[:-2], "--ledger", ledger)
    assert (said.code, "tool read_file: allow" in said.out) == (0, True)


def test_a_model_call_is_explained_by_its_texts(cli: Cli, ledger: Path) -> None:
    said = cli("policy", "explain", call_of(cli, ledger, "gpt-4o-mini"), "--ledger", ledger, "--json")
    saw = json.loads(said.out)["cases"][0]["reasons"][0]["saw"]
    assert saw == {"text": "Pay the invoice in invoice.txt"}


@pytest.mark.parametrize(
    "written", ['{"tool": "send_money", "args": {"to": "x", "amount": 90.0}, "said": "pay 90 to x"}']
)
def test_a_call_is_given_as_json_on_the_line_or_in_a_file(cli: Cli, policy: Path, tmp_path: Path, written: str) -> None:
    (tmp_path / "call.json").write_text(written, encoding="utf-8")
    for call in (written, tmp_path / "call.json"):
        said = cli("policy", "explain", call, "--policies", policy)
        assert (said.code, "Allowed if `amount` <= 50, or if finance approves." in said.out) == (1, True)


def test_what_guards_find_is_part_of_it(cli: Cli, policy: Path) -> None:
    key = "AKIA" + "IOSFODNN7EXAMPLQ"
    policy.write_text(POLICY + "  - {id: odd, on: tool, when: 'text.contains(\"x\")', then: note}\n", encoding="utf-8")
    given = json.dumps({"tool": "read_file", "args": {"path": key}})
    said = cli("policy", "explain", given, "--policies", policy)
    assert "text = " in said.out
    assert "tool read_file: deny by guards.secrets" in said.out
    assert "Take out what the guards found." in said.out
    assert key not in said.out


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ('{"tool": "x", "argz": {}}', "There is no field `argz` here. Did you mean `args`?"),
        ("{", "call:2:"),
        ('{"spent": "much"}', "is not"),
        ("{}", "It is empty."),
    ],
)
def test_a_call_that_cannot_be_read_is_wrong_use(cli: Cli, policy: Path, given: str, told: str) -> None:
    said = cli("policy", "explain", given, "--policies", policy)
    assert (said.code, told in said.err) == (2, True), said.err


def test_a_call_that_is_not_there_is_wrong_use(cli: Cli, ledger: Path) -> None:
    said = cli("policy", "explain", "nope", "--ledger", ledger)
    assert (said.code, "there is no call 'nope'" in said.err) == (2, True)


def test_arguments_that_were_not_kept_are_said_to_be_lost(cli: Cli, world: Any) -> None:
    run = world.run()
    call = world.call(run, "tool", "issue_refund", 0, tool={"call_id": "c9", "args": "d"}, rule="r", because="B.")
    said = cli("policy", "explain", call, "--ledger", world.path, "--policies", "pack:tools")
    assert (said.code, "are on record as a digest only" in said.err) == (2, True)


def test_a_call_that_says_no_workflow_names_the_policies_that_do_not_look_at_it(cli: Cli, policy: Path) -> None:
    policy.write_text(POLICY + "applies: {workflows: [pay-*]}\n", encoding="utf-8")
    given = {"tool": "send_money", "args": {"to": "x", "amount": 90.0}}
    said = cli("policy", "explain", json.dumps(given), "--policies", policy)
    assert (said.code, "these policies do not look at it: `money` (workflows: pay-*)." in said.out) == (0, True)
    said = cli("policy", "explain", json.dumps({**given, "workflow": "pay-bills"}), "--policies", policy)
    assert (said.code, "do not look" in said.out) == (1, False)


def test_a_stopped_reply_is_said_to_be_beyond_another_try(cli: Cli, world: Any) -> None:
    run = world.run()
    decision = {"stage": "reply", "action": "deny", "rule": "no-promises", "because": "B.", "shadow": False}
    call = world.call(run, "model", "gpt-4o", 0, status="denied", rule="no-promises", decisions=[decision])
    said = cli("policy", "explain", call, "--ledger", world.path, "--policies", "pack:tools")
    assert "`no-promises` stopped its reply, and a reply that was stopped is kept nowhere" in said.out
