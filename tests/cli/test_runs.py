"""Reading runs from a terminal: the truth about them, and nothing a terminal would act on."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("duckdb")

Cli = Callable[..., Any]


def test_the_list_has_the_newest_first_with_cost_and_trouble(cli: Cli, world: Any, refund: str) -> None:
    other = world.run("loans", "globex")
    said = cli("runs", "ls", "--ledger", world.path)
    head, first, second = said.out.splitlines()
    assert head.split() == ["RUN", "STARTED", "(UTC)", "WORKFLOW", "CUSTOMER", "STATUS", "CALLS", "COST", "NOTES"]
    assert other[:16] in first
    assert "open" in first
    assert refund[:16] in second
    assert "0.003 USD" in second
    assert "1 failed, 1 refused, 1 redacted" in second


def test_the_list_for_machines_has_the_promised_shape(cli: Cli, world: Any, refund: str) -> None:
    (row,) = json.loads(cli("runs", "ls", "--json", "--ledger", world.path).out)
    assert row == {
        "run": refund,
        "workflow": "refunds",
        "customer": "acme",
        "calls": 7,
        "cost": "0.003",
        "currency": "USD",
        "status": "ok",
        "started": "2026-01-01T00:00:00Z",
    }


@pytest.mark.parametrize(
    ("option", "value"), [("--workflow", "x"), ("--customer", "x"), ("--status", "error"), ("--since", "2026-01-02")]
)
def test_each_filter_narrows_the_list(cli: Cli, world: Any, refund: str, option: str, value: str) -> None:
    said = cli("runs", "ls", option, value, "--ledger", world.path)
    assert (said.code, said.out) == (0, "No runs here that match.\n")


def test_limit_is_obeyed(cli: Cli, world: Any) -> None:
    for _ in range(5):
        world.run()
    assert len(json.loads(cli("runs", "ls", "--limit", 2, "--json", "--ledger", world.path).out)) == 2


def test_a_time_that_is_none_is_wrong_use(cli: Cli, world: Any) -> None:
    said = cli("runs", "ls", "--since", "yesterday", "--ledger", world.path)
    assert said.code == 2
    assert "is not a time. Write it like 2026-03-01" in said.err


def test_an_account_tells_who_what_and_why(cli: Cli, world: Any, refund: str) -> None:
    out = cli("runs", "show", refund, "--ledger", world.path).out
    for part in (
        "workflow refunds, customer acme",
        "cost 0.003 USD of a budget of 1.00 USD",
        "7 calls, 3,600 tokens in, 90 out, 1 failed, 1 refused, 1 redacted",
        "deny by refund-over-100: Refunds above 100 USD need a person.",
        "redact by guards.secrets [secrets.aws x1]: An AWS key was found.",
        "1,200 tokens in, 30 out  0.0015 USD  500 ms",
        "claim  refund.made for order 1 to a degree of 0.5",
    ):
        assert part in out


def test_a_run_is_meant_by_a_unique_beginning_or_by_last(cli: Cli, world: Any, refund: str) -> None:
    for name in (refund[:20], "last", refund):
        assert cli("runs", "show", name, "--ledger", world.path).out.startswith(f"run {refund}")


def test_a_beginning_of_two_runs_or_of_none_is_wrong_use(cli: Cli, world: Any) -> None:
    one, two = world.run(), world.run()
    said = cli("runs", "tree", "0", "--ledger", world.path)
    assert said.code == 2
    assert one in said.err
    assert two in said.err
    assert cli("runs", "tree", "zzz", "--ledger", world.path).code == 2


def test_last_of_no_runs_is_wrong_use(cli: Cli, world: Any) -> None:
    said = cli("runs", "show", "last", "--ledger", world.path)
    assert (said.code, said.out) == (2, "")
    assert "there are no runs yet" in said.err


def test_bodies_come_out_of_the_vault_each_once(cli: Cli, world: Any, refund: str) -> None:
    out = cli("runs", "show", "last", "--bodies", "--ledger", world.path).out
    assert out.count("user: Refund me") == 1
    assert "assistant: No" in out


def test_bodies_that_were_not_kept_are_said_to_be_missing(cli: Cli, world: Any) -> None:
    run = world.run()
    world.call(run, request=["ab" * 16])
    world.call(run)
    out = cli("runs", "show", run, "--bodies", "--ledger", world.path).out
    assert "(kept as a digest only, or erased)" in out
    assert "(no text was kept)" in out


def test_bodies_for_machines_are_the_messages_themselves(cli: Cli, world: Any, refund: str) -> None:
    told = json.loads(cli("runs", "show", "last", "--bodies", "--json", "--ledger", world.path).out)
    assert told["calls_in_order"][0]["bodies"]["request"] == [{"role": "user", "content": "Refund me"}]
    assert told["cost"] == "0.003"


def test_nothing_an_agent_wrote_reaches_the_terminal_as_a_command(cli: Cli, world: Any) -> None:
    evil = "\x1b[2J\x1b]0;owned\x07\x9b31m\u202e\u200bx\x00\x08y"
    run = world.run(evil, evil)
    world.call(run, name=evil, agent=evil, because=evil, rule=evil, action="note", status="error", error=evil)
    world.call(run, request=world.keep(json.dumps({"role": evil, "content": evil}), evil))
    for command in (("ls",), ("show", run), ("show", run, "--bodies"), ("tree", run), ("tree", run, "--json")):
        out = cli("runs", *command, "--ledger", world.path).out
        assert not [char for char in out if char != "\n" and not char.isprintable()]
        assert "owned" not in out or "--json" in command


def test_a_tree_sums_what_each_branch_cost_and_folds_a_loop(cli: Cli, world: Any, refund: str) -> None:
    out = cli("runs", "tree", "last", "--ledger", world.path).out
    assert out.splitlines() == [
        "refunds for acme  ✓ ok  0.003 USD of 1.00 USD  11.0 s",
        "└─ agent desk  ✓ ok  0.003 USD",
        "   ├─ model gpt-4o  ✓ ok  0.0015 USD  500 ms",
        "   │  └─ tool issue_refund  ⊘ denied  500 ms  refund-over-100: Refunds above 100 USD need a person.",
        "   ├─ model gpt-4o  ✓ ok  0.0015 USD  500 ms  ▒ redact  guards.secrets: An AWS key was found.",
        "   ├─ tool read_order  ✓ ok  x3",
        "   └─ model gpt-4o  ✗ error  0.00  500 ms  Timeout: run evil rm -rf",
        f"run {refund}",
    ]


def test_a_tree_for_machines_has_every_call(cli: Cli, world: Any, refund: str) -> None:
    root = json.loads(cli("runs", "tree", "last", "--json", "--ledger", world.path).out)
    (desk,) = root["children"]
    assert root["costs"] == {"USD": "0.003"}
    assert [child["name"] for child in desk["children"]] == ["gpt-4o", "gpt-4o", *["read_order"] * 3, "gpt-4o"]


def test_a_chain_of_a_thousand_agents_and_a_circle_are_drawn(cli: Cli, world: Any) -> None:
    run, above = world.run(), ""
    for number in range(1000):
        above = world.fact("agent.opened", run, agent=f"a{number}", parent=above)
    first, second = "a" * 32, "b" * 32
    for call, parent in ((first, second), (second, first)):
        world.fact("call.closed", run, call, kind="tool", name="round", parent=parent, status="ok")
    out = cli("runs", "tree", run, "--ledger", world.path).out
    assert out.count("agent a") == 1000
    assert "tool round" in out
    assert cli("runs", "tree", run, "--json", "--ledger", world.path).code == 0


def test_a_ledger_that_is_not_there_is_wrong_use_without_a_traceback(cli: Cli, tmp_path: Path) -> None:
    said = cli("runs", "ls", "--ledger", tmp_path / "nowhere")
    assert (said.code, said.out) == (2, "")
    assert "there is no ledger here. Name one with --ledger" in said.err
    assert not (tmp_path / "nowhere").exists()


def test_the_ledger_of_the_environment_is_used(
    cli: Cli, world: Any, refund: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COMPTROLLER_LEDGER", str(world.path))
    assert refund[:16] in cli("runs", "ls").out


def test_a_conversation_is_printed_once_and_its_history_named(cli: Cli, world: Any) -> None:
    run = world.run()
    hello, more = world.keep('{"role":"user","content":"Hello"}', '{"role":"user","content":"And more"}')
    first = world.call(run, request=[hello])
    world.call(run, request=[more], request_after=[first, 1])
    out = cli("runs", "show", run, "--bodies", "--ledger", world.path).out
    assert out.count("user: Hello") == 1
    assert "(1 message as in call 1)\n       user: And more" in out
