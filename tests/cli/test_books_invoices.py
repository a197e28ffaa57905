"""Closing, invoicing and paying from a terminal, on a real ledger."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from comptroller.core.clock import SYSTEM
from comptroller.metering.periods import day_of

pytest.importorskip("duckdb")
Cli = Callable[..., Any]

TYPE = """
outcome: refund.resolved
means: A refund was resolved.
checks: [{id: paid, by: cel, when: evidence.paid == true}]
"""


@pytest.fixture
def ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cli: Cli) -> Path:
    """A ledger with two verified outcomes of this month, under a contract that began last December."""
    begun = f"{day_of('UTC', SYSTEM.now_ns()).year - 1}-12-01"
    contract = f"contract: c\ncustomer: acme\nfrom: {begun}\ncurrency: USD\noutcomes: {{refund.resolved: 1.50}}\n"
    (tmp_path / "contract.yaml").write_text(contract + "minimum: 10 USD\n")
    (tmp_path / "type.yaml").write_text(TYPE)
    (tmp_path / "comptroller.yaml").write_text("ledger: ./ledger\ncontracts: [contract.yaml]\noutcomes: [type.yaml]\n")
    monkeypatch.chdir(tmp_path)
    cli("keys", "issue")  # makes the ledger
    for number in range(2):
        said = cli("outcomes", "claim", "refund.resolved", "--subject", f"s{number}", "--customer", "acme",
                   "--evidence", '{"paid": true}')  # fmt: skip
        assert said.code == 0, said.err
    return tmp_path


def test_a_draft_shows_what_would_be_invoiced(cli: Cli, ledger: Path) -> None:
    said = cli("books", "invoice", "--draft", "--customer", "acme", "--json")
    assert said.code == 0, said.err
    told = json.loads(said.out)
    line = told["lines"][0]
    assert (line["kind"], line["quantity"], line["amount"]) == ("outcome", "2", "3.00")
    assert (told["number"], told["status"]) == ("", "draft")


def test_the_trial_balance_is_printed_and_zero(cli: Cli, ledger: Path) -> None:
    said = cli("books", "balance")
    assert (said.code, "It balances." in said.out) == (0, True)
    told = json.loads(cli("books", "balance", "--json").out)
    assert {row["account"]: row["balance"] for row in told["accounts"]} == {"unbilled": "3.00", "deferred": "-3.00"}
    assert told["off"] == {}


def test_nothing_is_closed_before_its_time(cli: Cli, ledger: Path) -> None:
    closed = json.loads(cli("books", "close", "--json").out)  # the minimum of the months before this one
    month = day_of("UTC", SYSTEM.now_ns()).month
    assert len(closed) == month
    assert json.loads(cli("books", "close", "--json").out) == []
    assert [one["number"][-4:] for one in closed] == [f"{n:04}" for n in range(1, month + 1)]


def test_an_invoice_is_drawn_paid_and_credited(cli: Cli, ledger: Path) -> None:
    closed = json.loads(cli("books", "close", "--json").out)
    number = closed[0]["number"]
    assert cli("books", "invoice", number, "--pdf", "a.pdf", "--html", "a.html").code == 0
    assert (ledger / "a.pdf").read_bytes().startswith(b"%PDF")
    assert number in (ledger / "a.html").read_text()
    assert cli("books", "credit", number, "4 USD", "--reference", "c1", "--because", "late").code == 0
    paid = json.loads(cli("books", "pay", number, "6.00 USD", "--reference", "w1", "--json").out)
    assert (paid["status"], paid["open"], paid["credit_notes"][0]["net"]) == ("paid", "0.00", "4.00")
    assert cli("books", "balance").code == 0


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["books", "pay", "INV-1", "5 USD", "--reference", "x"], "There is no invoice 'INV-1'"),
        (["books", "pay", "INV-1", "five", "--reference", "x"], "is not an amount of money"),
        (["books", "invoice", "INV-1"], "There is no invoice"),
        (["books", "invoice", "--draft"], "Name it with --customer"),
        (["books", "invoice", "--draft", "--customer", "nobody"], "'nobody' has no contract"),
        (["books", "invoice", "--draft", "--customer", "acme", "--period", "soon"], "no period of this calendar"),
    ],
)
def test_mistakes_are_told_with_their_remedy(cli: Cli, ledger: Path, words: list[str], told: str) -> None:
    said = cli(*words)
    assert (said.code, told in said.err) == (2, True), said.err
    assert "Traceback" not in said.err


def test_without_contracts_closing_says_what_to_do(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    cli("keys", "issue", "--ledger", tmp_path / "l")
    said = cli("books", "close", "--ledger", tmp_path / "l")
    assert (said.code, "Name their files under `contracts`" in said.err) == (2, True)
