"""Trying other contracts, taking usage in and looking for gaming from a terminal, on a real ledger."""

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
attest: [{by: customer}]
"""
TERMS = "customer: acme\nfrom: 2020-01-01\ncurrency: USD\n"


@pytest.fixture
def month(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cli: Cli) -> str:
    """A ledger with a confirmed outcome and a rejected confirmation of this month; returns the month."""
    for file, fee, unit in (("contract", "1.50", 2), ("other", "2", 3)):
        priced = f"outcomes: {{refund.resolved: {fee}}}\nusage: {{pages: {unit}}}\n"
        (tmp_path / f"{file}.yaml").write_text(f"contract: {file}\n{TERMS}{priced}")
    (tmp_path / "type.yaml").write_text(TYPE)
    (tmp_path / "comptroller.yaml").write_text("ledger: ./ledger\ncontracts: [contract.yaml]\noutcomes: [type.yaml]\n")
    monkeypatch.chdir(tmp_path)
    cli("keys", "issue")  # makes the ledger
    for subject, who in (("s1", "mail@acme"), ("s2", "ada")):
        said = cli("outcomes", "claim", "refund.resolved", "--subject", subject, "--customer", "acme", "--agent", "ada",
                   "--evidence", json.dumps({"paid": True, "of": subject}), "--json")  # fmt: skip
        key = json.loads(said.out)["outcome"]
        cli("outcomes", "confirm", key, "--by", "customer", "--as", who)
    return day_of("UTC", SYSTEM.now_ns()).isoformat()[:7]


def test_another_contract_is_told_beside_the_one_that_holds(cli: Cli, month: str) -> None:
    now = SYSTEM.now_ns() // 10**9
    at = f"{day_of('UTC', now * 10**9).isoformat()}T00:00:00Z"
    Path("usage.csv").write_text(f"source,event_id,customer,meter,quantity,event_ts\nocr,1,acme,pages,2.5,{at}\n")
    assert cli("books", "usage", "import", "usage.csv").code == 0
    said = cli("books", "reprice", "--contract", "other.yaml", "--period", month, "--json")
    assert said.code == 0, said.err
    (told,) = json.loads(said.out)
    assert (told["now"]["revenue"], told["then"]["revenue"], told["change"]) == ("6.50", "9.50", "3.00")
    assert told["then"]["by_type"] == {"refund.resolved": {"outcomes": 1, "revenue": "2.00"}}
    shown = cli("books", "reprice", "--contract", "other.yaml", "--period", month, "--outcomes")
    assert (shown.code, "3.00" in shown.out, "1.50" in shown.out) == (0, True, True)


def test_a_period_nobody_can_mean_is_wrong_use(cli: Cli, month: str) -> None:
    said = cli("books", "reprice", "--contract", "other.yaml", "--period", "soon")
    assert (said.code, "'soon' is no period" in said.err) == (2, True)
    assert cli("books", "cost", "--by", "weather").code == 2
    assert cli("outcomes", "findings", "--signal", "weather").code == 2


def test_who_tried_to_attest_own_work_is_a_finding(cli: Cli, month: str) -> None:
    (told,) = json.loads(cli("outcomes", "findings", "--json").out)
    assert (told["signal"], told["who"], len(told["outcomes"])) == ("self_dealing", "ada", 1)
    shown = cli("outcomes", "findings", "--signal", "self_dealing", "--customer", "acme")
    assert "self dealing  acme refund.resolved ada" in shown.out
    assert cli("outcomes", "findings", "--customer", "blue").out == "Nothing looks like gaming.\n"


def test_without_runs_that_cost_anything_no_cost_of_a_success_is_told(cli: Cli, month: str) -> None:
    assert "No runs" in cli("books", "cost", "--period", month).out
    assert json.loads(cli("books", "cost", "--json").out) == []


def test_usage_is_taken_in_listed_and_what_waits_is_told(cli: Cli, month: str) -> None:
    row = "ocr,1,{},pages,{},2026-01-01T00:00:00Z\n"
    head = "source,event_id,customer,meter,quantity,event_ts\n"
    Path("usage.csv").write_text(head + row.format("acme", 1) + row.format("acme", 2))
    said = cli("books", "usage", "import", "usage.csv")
    assert said.out.startswith("usage.csv: taken in, 2 rows, 1 counted, 1 waiting.")
    again = json.loads(cli("books", "usage", "import", "usage.csv", "--json").out)
    assert [(one["new"], one["rows"], one["counted"]) for one in again] == [(False, 2, 1)]
    assert len(json.loads(cli("books", "usage", "ls", "--json").out)) == 1
    (waits,) = json.loads(cli("books", "usage", "waiting", "--json").out)
    assert (waits["reason"], waits["place"]) == ("conflict", "usage.csv, row 2")
    assert "was told before with other content" in cli("books", "usage", "waiting").out
    missing = cli("books", "usage", "import", "missing.csv")
    assert (missing.code, "there is no such file" in missing.err) == (1, True)
