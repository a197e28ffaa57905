"""Outcomes from a terminal: claimed by an agent, seen, attested, disputed, decided."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("duckdb")

from comptroller.wrapper.desk import Desk, set_desk
from comptroller.wrapper.run import Run
from comptroller.wrapper.tools import tool

Cli = Callable[..., Any]
TYPE = """
outcome: loan.decided
means: A loan was decided.
checks: [{id: decided, by: cel, when: has(evidence.decision)}]
attest: [{by: customer}, {by: human, of: [alice]}, {by: silence, after: 24h}]
"""


@pytest.fixture
def claimed(cli: Cli, tmp_path: Path) -> tuple[Cli, str]:
    """A command line where an agent has claimed something."""
    Path("loan.yaml").write_text(TYPE)
    Path("comptroller.yaml").write_text("ledger: ./ledger\noutcomes: [loan.yaml]\n")
    with Desk.open() as desk, Run("loans", customer="acme", desk=desk) as run, run.agent("clerk"):
        key = run.claim("loan.decided", subject="app-1", evidence={"decision": "yes"})
    return cli, key


def asked(cli: Cli, *words: object) -> Any:
    said = cli("outcomes", *words, "--json")
    return json.loads(said.out)


def test_what_an_agent_claimed_is_listed_by_the_claims_own_id(claimed: tuple[Cli, str]) -> None:
    cli, key = claimed
    [row] = asked(cli, "ls")
    assert (row["outcome"], row["state"], row["subject"], row["customer"]) == (key, "pending", "app-1", "acme")
    assert key[:16] in cli("outcomes", "ls").out
    assert asked(cli, "ls", "--state", "final") == []
    assert "No outcomes that match" in cli("outcomes", "ls", "--customer", "bolt").out


def test_an_outcome_goes_from_claim_to_reversal_by_commands_alone(claimed: tuple[Cli, str]) -> None:
    cli, key = claimed
    assert cli("outcomes", "confirm", key[:20], "--as", "alice").code == 0
    assert cli("outcomes", "dispute", key, "--because", "It was wrong.").code == 0
    assert cli("outcomes", "dispute", key, "--evidence", '{"letter": 1}').code == 0
    assert cli("outcomes", "resolve", key, "--denied").code == 0
    assert asked(cli, "reopen", key)["state"] == "reversed"
    told = asked(cli, "show", key)
    events = [event["type"] for event in told["events"]]
    assert events == ["claim", "verify_pass", "human", "dispute", "evidence", "denied", "reopen"]
    assert len(told["evidence"]) == 2
    shown = cli("outcomes", "show", key).out
    assert "It was wrong." in shown
    assert "reversed" in shown


def test_what_may_not_happen_is_not_done_says_why_and_exits_1(claimed: tuple[Cli, str]) -> None:
    cli, key = claimed
    said = cli("outcomes", "confirm", key, "--as", "bob")
    assert said.code == 1
    assert "bob is not among those who may attest it" in said.out
    assert asked(cli, "resolve", key, "--upheld")["not_done"] == "it is pending"
    assert asked(cli, "clawback", key, "--reason", "fraud")["not_done"] == "it is pending"
    assert asked(cli, "show", key)["ignored"] == 3


def test_a_claim_by_command_is_heard_at_once(claimed: tuple[Cli, str]) -> None:
    cli, _ = claimed
    Path("shown.json").write_text('{"decision": "no"}')
    words = ("claim", "loan.decided", "--subject", "app-2", "--customer", "acme", "--evidence")
    assert asked(cli, *words, "@shown.json")["state"] == "pending"
    assert asked(cli, *words, "{}")["state"] == "duplicate"
    assert asked(cli, *words[:3], "app-3", "--evidence", "{}")["state"] == "rejected"
    said = cli("outcomes", "claim", "loan.lost", "--subject", "x")
    assert "no type is called loan.lost yet" in said.out
    assert "Claimed, but no outcome type" in cli("outcomes", "ls").out


def test_a_claim_for_a_run_is_for_its_customer(claimed: tuple[Cli, str]) -> None:
    cli, key = claimed
    run = asked(cli, "show", key)["run"]
    made = asked(cli, "claim", "loan.decided", "--subject", "z", "--run", run, "--evidence", '{"decision": 1}')
    assert (made["customer"], made["run"], made["workflow"]) == ("acme", run, "loans")
    assert cli("outcomes", "claim", "loan.decided", "--subject", "z", "--run", run, "--customer", "bolt").code == 2


def test_a_link_for_the_customer_is_made_and_changes_nothing_yet(claimed: tuple[Cli, str]) -> None:
    cli, key = claimed
    path = asked(cli, "confirm", key, "--link", "--expires", "2d")["path"]
    assert path.startswith("/api/confirm/")
    assert asked(cli, "show", key)["state"] == "pending"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("show", "nothing"), "No outcome is called 'nothing'"),
        (("confirm", "KEY", "--by", "dog"), "say customer, human or third_party"),
        (("claim", "t", "--subject", "s", "--evidence", "{"), "this is not JSON"),
        (("claim", "t", "--subject", "s", "--evidence", "[]"), "no object"),
        (("claim", "t", "--subject", "s", "--run", "nowhere"), "There is no run 'nowhere'"),
        (("resolve", "KEY", "--upheld", "--amount", "much"), "is not an amount of money"),
        (("confirm", "KEY", "--degree", "2"), "is not a share"),
        (("confirm", "KEY", "--link", "--expires", "soon"), "--expires"),
    ],
)
def test_a_slip_is_told_in_words_and_exits_2(claimed: tuple[Cli, str], words: tuple[str, ...], told: str) -> None:
    cli, key = claimed
    said = cli("outcomes", *(key if word == "KEY" else word for word in words))
    assert said.code == 2
    assert told in said.err


def test_a_mistake_in_a_type_is_told_with_its_line(cli: Cli) -> None:
    Path("loan.yaml").write_text(TYPE.replace("by: cel", "by: cell"))
    Path("comptroller.yaml").write_text("ledger: ./ledger\noutcomes: [loan.yaml]\n")
    with Desk.open("./ledger", {}):
        pass
    said = cli("outcomes", "ls")
    assert said.code == 2
    assert "loan.yaml:4: `by` cannot be `cell`" in said.err


RULED = """
outcome: support.resolved
means: A question was answered without a person.
attest: [{by: silence, after: 24h}]
split: cost
claims: [{workflow: 'support*', when: 'run.status == "ok" && !("hand_over" in run.tools)', subject: run}]
"""


def test_runs_that_meet_a_rule_are_claimed_out_of_the_books(cli: Cli) -> None:
    Path("support.yaml").write_text(RULED)
    Path("comptroller.yaml").write_text("ledger: ./ledger\noutcomes: [support.yaml]\n")

    @tool(effect="write")
    def hand_over() -> None:
        """To a person."""

    with Desk.open() as desk:
        before = set_desk(desk)
        for workflow, handed in (("support-eu", False), ("support-us", True), ("sales", False)):
            with Run(workflow, customer="acme", desk=desk) as run, run.agent("clerk"):
                if handed:
                    hand_over()
        set_desk(before)
    [row] = asked(cli, "ls")
    assert (row["workflow"], row["customer"], row["state"]) == ("support-eu", "acme", "pending")
    assert row["agents"] == ["clerk"]
    assert len(asked(cli, "ls")) == 1
