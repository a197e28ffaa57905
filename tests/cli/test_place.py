"""Commands about a ledger elsewhere: which settings and policies go with it, wherever somebody sits."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("duckdb")

from comptroller.cli.place import settings_of
from comptroller.core.errors import NotApproved
from comptroller.core.facts import POLICY_LOADED
from comptroller.office.follower import Follower
from comptroller.wrapper.desk import Desk, set_desk
from comptroller.wrapper.run import Run
from comptroller.wrapper.tools import tool

Cli = Callable[..., Any]
POLICY = """
policy: refunds
tools:
  issue_refund: {effect: write, args: {order: string, amount: double}}
rules:
  - {id: never, on: tool, tool: issue_refund, when: args.amount > 900.0, then: deny, because: Too much.}
  - {id: big, on: tool, tool: issue_refund, when: args.amount > 100.0, then: ask}
"""


@tool(effect="write")
def issue_refund(order: str, amount: float) -> str:
    return f"{amount} for {order}"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A folder with policies and a ledger in which a refund waits; no settings yet."""
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "refunds.yaml").write_text(POLICY, encoding="utf-8")
    with Desk.open(folder / "ledger", {"policies": [str(folder / "refunds.yaml")]}) as desk:
        before = set_desk(desk)
        with pytest.raises(NotApproved), Run("support"):
            issue_refund("1", 250.0)
        set_desk(before)
    return folder


def approve(cli: Cli, home: Path, tmp_path: Path, amount: float) -> Any:
    edit = tmp_path / "edit.json"
    edit.write_text(json.dumps({"order": "1", "amount": amount}), encoding="utf-8")
    ledger = home / "ledger"
    [row] = json.loads(cli("approvals", "ls", "--json", "--ledger", ledger).out)
    return cli("approvals", "approve", row["approval"], "--edit", edit, "--ledger", ledger)


def versions(home: Path) -> set[object]:
    return {fact.data["version"] for fact in Follower(home / "ledger", POLICY_LOADED).read()}


def test_an_edit_is_checked_against_the_policies_on_record_and_that_is_said(
    cli: Cli, home: Path, tmp_path: Path
) -> None:
    refused = approve(cli, home, tmp_path, 5_000.0)
    assert (refused.code, "Too much." in refused.out) == (1, True)
    assert "no comptroller.yaml names it, so the policies on its record are asked" in refused.err
    assert "No policies" not in refused.err
    assert approve(cli, home, tmp_path, 150.0).code == 0


def test_looking_at_a_ledger_from_elsewhere_puts_no_other_policies_in_force(cli: Cli, home: Path) -> None:
    before = versions(home)
    Path("comptroller.yaml").write_text("ledger: ./ours\npolicies: []\n", encoding="utf-8")
    assert cli("approvals", "ls", "--ledger", home / "ledger").code == 0
    assert versions(home) == before
    assert len(before) == 1


@pytest.mark.parametrize("place", ["comptroller.yaml", "ledger/demo/comptroller.yaml"])
def test_settings_beside_a_ledger_that_name_it_go_with_it(cli: Cli, home: Path, place: str) -> None:
    file = home / place
    file.parent.mkdir(exist_ok=True)
    up = "." if file.parent == home else "../.."
    within = "ledger" if file.parent == home else ".."
    file.write_text(f"ledger: {within}\npolicies: [{up}/refunds.yaml]\ntenant: acme\n", encoding="utf-8")
    found = settings_of(str(home / "ledger"))
    assert (found.tenant, [Path(name).name for name in found.policies]) == ("acme", ["refunds.yaml"])
    assert cli("approvals", "ls", "--ledger", home / "ledger").err == ""


def test_settings_beside_a_ledger_that_name_another_are_left_alone(cli: Cli, home: Path) -> None:
    (home / "comptroller.yaml").write_text("ledger: ./other\ntenant: acme\n", encoding="utf-8")
    assert settings_of(str(home / "ledger")).tenant == "default"


def test_settings_of_this_folder_that_name_no_ledger_are_about_any(cli: Cli, home: Path) -> None:
    Path("comptroller.yaml").write_text("tenant: here\n", encoding="utf-8")
    (home / "comptroller.yaml").write_text("ledger: ./ledger\ntenant: acme\n", encoding="utf-8")
    assert settings_of(str(home / "ledger")).tenant == "here"


def test_policies_on_record_that_no_longer_load_are_said_to(cli: Cli, home: Path, monkeypatch: Any) -> None:
    from comptroller.office import versions as kept
    from comptroller.policies.mistakes import PolicyErrors

    def broken(*_: object) -> None:
        raise PolicyErrors(["a.yaml:1: mistaken."])

    monkeypatch.setattr(kept, "loaded", broken)
    said = cli("approvals", "ls", "--ledger", home / "ledger")
    assert (said.code, "no longer load here (a.yaml:1: mistaken.)" in said.err) == (0, True)
