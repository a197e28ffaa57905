"""A scripted run of several agents with a poisoned document: the tree shows which value came from where."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("duckdb")
pytest.importorskip("openai")

from comptroller.policies.load import load_policies
from examples.poisoned_document import POLICY, THEIRS, work

Cli = Callable[..., Any]


@pytest.fixture
def run(tmp_path: Path) -> tuple[str, Path]:
    """A reader reads the document, a payer is told what it says; the payment is refused."""
    policy = tmp_path / "money.yaml"
    policy.write_text(POLICY, encoding="utf-8")
    return work(tmp_path / "ledger", policy), tmp_path / "ledger"


def test_the_tree_shows_which_value_came_from_where_and_which_rule_stopped_it(cli: Cli, run: tuple[str, Path]) -> None:
    lines = cli("runs", "tree", run[0], "--ledger", run[1]).out.splitlines()
    at = next(number for number, line in enumerate(lines) if "tool send_money" in line)
    assert "denied" in lines[at]
    assert "no-stranger: The recipient comes from a file nobody vouches for." in lines[at]
    assert "to: untrusted, from result:c0 (read_file)" in lines[at + 1]
    assert THEIRS not in "\n".join(lines)


def test_the_account_and_the_tree_for_machines_tell_it_too(cli: Cli, run: tuple[str, Path]) -> None:
    assert "to: untrusted, from result:c0 (read_file)" in cli("runs", "show", run[0], "--ledger", run[1]).out
    tree = json.loads(cli("runs", "tree", run[0], "--json", "--ledger", run[1]).out)
    found = [node for node in walk(tree) if node.get("name") == "send_money"]
    assert {"arg": "to", "label": "untrusted", "sources": ["result:c0"], "tools": ["read_file"]} in found[0]["origins"]


def walk(node: dict[str, Any]) -> list[dict[str, Any]]:
    return [node, *(inner for child in node["children"] for inner in walk(child))]


def test_the_transcript_of_a_run_is_judged_as_the_run_was(
    cli: Cli, run: tuple[str, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    told = cli("runs", "show", run[0], "--transcript", "--ledger", run[1]).out
    events = [json.loads(line) for line in told.splitlines()]
    assert [event["event"] for event in events] == ["user", "call", "result", "reply", "user", "call"]
    (tmp_path / "told.ndjson").write_text(told, encoding="utf-8")
    with (tmp_path / "told.ndjson").open(encoding="utf-8") as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        out = cli("policy", "judge", "--policies", tmp_path / "money.yaml").out
    judged = [json.loads(line) for line in out.splitlines()]
    assert [(row["id"], row["decision"], row["rule"]) for row in judged] == [
        ("c0", "allow", ""),
        ("c1", "deny", "no-stranger"),
    ]
    assert judged[1]["sources"]["args.to"] == ["result:c0"]


def test_policies_that_look_at_no_run_of_a_transcript_are_named(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "p.yaml").write_text("policy: pay\napplies: {workflows: [pay-*]}\n", encoding="utf-8")
    (tmp_path / "told.ndjson").write_text("", encoding="utf-8")
    for more, named in (((), True), (("--workflow", "pay-bills"), False)):
        with (tmp_path / "told.ndjson").open(encoding="utf-8") as stdin:
            monkeypatch.setattr("sys.stdin", stdin)
            said = cli("policy", "judge", "--policies", tmp_path / "p.yaml", *more)
        assert (said.code, "these policies do not look at these runs: `pay`." in said.err) == (0, named)


def test_a_draft_is_learned_from_good_runs_and_holds_nothing_that_was_said(cli: Cli, run: tuple[str, Path]) -> None:
    out = cli("policy", "learn", "--from", run[0], "--name", "invoices", "--ledger", run[1]).out
    book = load_policies([("learned.yaml", out)])
    tools = book.policies[0].document.tools or {}
    assert tools["read_file"].effect == "read"
    assert tools["read_file"].returns == "untrusted"
    assert tools["send_money"].args == {"to": "string", "amount": "double"}
    assert book.policies[0].document.agents["payer"].tools == ["send_money"]
    assert THEIRS not in out
