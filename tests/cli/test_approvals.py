"""Approvals from a terminal: the queue, one whole, and answers that say why where they change nothing."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from comptroller.core.errors import NotApproved
from comptroller.office.people import Person, Register, invite
from comptroller.wrapper.desk import Desk, set_desk
from comptroller.wrapper.run import Run
from comptroller.wrapper.tools import tool

Cli = Callable[..., Any]
POLICY = """
policy: refunds
tools:
  issue_refund: {effect: write, args: {order: string, amount: double}}
rules:
  - {id: big-refund, on: tool, tool: issue_refund, when: args.amount > 100.0, then: ask, ask: {of: [finance]}}
"""


@tool(effect="write")
def issue_refund(order: str, amount: float) -> str:
    return f"{amount} for {order}"


class Held:
    """A ledger with a refund that waits."""

    def __init__(self, folder: Path) -> None:
        self.ledger, self.policy = folder / "ledger", folder / "refunds.yaml"
        self.policy.write_text(POLICY)
        self.id = self.refund(order="\x1b[31mred\u202e")

    def refund(self, order: str = "1") -> str:
        """Ask for a refund; the approval it waits for, or what it gave."""
        with Desk.open(self.ledger, {"policies": [str(self.policy)]}) as desk:
            before = set_desk(desk)
            try:
                with Run("support", customer="acme", user="ann"):
                    return issue_refund(order, 250.0)
            except NotApproved as refused:
                return str(refused.details["approval"])
            finally:
                set_desk(before)

    def invite(self, name: str, role: str) -> None:
        with Desk.open(self.ledger) as desk:
            invite(desk.ledger, desk.clock, Register(), Person("", name, role, "default"), 10**12, "local")


@pytest.fixture
def held(tmp_path: Path) -> Held:
    return Held(tmp_path)


def said(cli: Cli, held: Held, *words: object) -> Any:
    return cli("approvals", *words, "--ledger", held.ledger)


def test_what_waits_is_listed_and_shown_without_what_a_terminal_would_act_on(cli: Cli, held: Held) -> None:
    out = said(cli, held, "ls").out
    assert held.id[:16] in out
    assert "pending" in out
    shown = said(cli, held, "show", held.id[:20])
    assert shown.code == 0
    assert "\x1b" not in shown.out
    assert "\u202e" not in shown.out
    assert '"amount": 250.0' in shown.out
    assert said(cli, held, "ls", "--state", "denied").out == "No approvals that match.\n"


def test_approved_by_command_the_call_goes_through_once(cli: Cli, held: Held) -> None:
    done = said(cli, held, "approve", held.id, "--as", "jane", "--because", "Fine.", "--json")
    assert (done.code, json.loads(done.out)["state"]) == (0, "approved")
    assert held.refund("\x1b[31mred\u202e") == "250.0 for \x1b[31mred\u202e"
    assert held.refund("\x1b[31mred\u202e") not in ("", held.id)
    [new, old] = json.loads(said(cli, held, "ls", "--json").out)
    assert [new["state"], old["state"], old["people"]] == ["pending", "used", ["jane"]]


def test_an_edit_is_read_from_a_file_and_the_call_made_with_it(cli: Cli, held: Held, tmp_path: Path) -> None:
    other = held.refund("2")
    edit = tmp_path / "edit.json"
    edit.write_text('{"order": "2", "amount": 80}')
    assert said(cli, held, "approve", other, "--edit", edit, "--as", "jane").code == 0
    assert "jane approves it with:" in said(cli, held, "show", other).out
    assert held.refund("2") == "80 for 2"


def test_what_changes_nothing_says_why_and_ends_with_one(cli: Cli, held: Held) -> None:
    again = said(cli, held, "approve", held.id, "--as", "ann")
    assert (again.code, "ann asked for this call" in again.out) == (1, True)
    held.invite("Vic", "viewer")
    assert "it is for finance to answer, and Vic is viewer" in said(cli, held, "approve", held.id, "--as", "Vic").out
    assert "and jane is neither" in said(cli, held, "approve", held.id, "--as", "jane").out
    assert said(cli, held, "approve", held.id, "--as", "jane", "--digest", "00").code == 1
    held.invite("Jane", "finance")
    assert said(cli, held, "deny", held.id, "--as", "Jane").code == 0
    assert "it is denied already, by Jane" in said(cli, held, "deny", held.id, "--as", "Jane").out


def test_escalated_and_delegated_from_a_terminal(cli: Cli, held: Held) -> None:
    held.invite("Jane", "finance")
    held.invite("Cora", "compliance")
    assert said(cli, held, "escalate", held.id, "--to", "compliance", "--as", "Jane").code == 0
    assert said(cli, held, "delegate", held.id, "--to", "Vic", "--as", "Jane").code == 0
    assert said(cli, held, "approve", held.id, "--as", "Jane").code == 1
    assert said(cli, held, "approve", held.id, "--as", "Cora").code == 0


def test_how_often_each_rule_asks_is_counted(cli: Cli, held: Held) -> None:
    said(cli, held, "deny", held.id, "--as", "jane")
    [row] = json.loads(said(cli, held, "ls", "--by-rule", "--json").out)
    assert (row["rule"], row["asked"], row["denied"], row["would_ask"]) == ("big-refund", 1, 1, 0)
    assert "big-refund" in said(cli, held, "ls", "--by-rule").out


@pytest.mark.parametrize(
    ("text", "why"),
    [("{", "this is not JSON"), ("[1]", "this is JSON, but no object"), (None, "cannot be read")],
)
def test_an_edit_that_is_none_is_a_misuse(cli: Cli, held: Held, tmp_path: Path, text: str | None, why: str) -> None:
    place = tmp_path / "edit.json"
    if text is not None:
        place.write_text(text)
    done = said(cli, held, "approve", held.id, "--edit", place)
    assert (done.code, why in done.err) == (2, True)


def test_an_approval_nobody_knows_is_a_misuse(cli: Cli, held: Held) -> None:
    assert "No approval is called 'zz'" in said(cli, held, "show", "zz").err
    held.refund("2")
    assert "more than one approval" in said(cli, held, "show", "0").err
    assert "--state 'open'" in said(cli, held, "ls", "--state", "open").err
