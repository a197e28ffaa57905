"""`kill` and `budgets`: orders by command, and what is stopped and capped told again."""

import json
from pathlib import Path

import pytest

pytest.importorskip("duckdb")
pytest.importorskip("typer")

from comptroller.cli.main import run as command
from comptroller.wrapper.context import current
from comptroller.wrapper.desk import Desk
from comptroller.wrapper.entry import Entry
from comptroller.wrapper.run import Run

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "p.yaml").write_text("policy: p\nbudgets: [{per: run, cap: 2 USD}]\n")
    (tmp_path / "comptroller.yaml").write_text("ledger: ledger\npolicies: [p.yaml]\n")
    with Desk.open("ledger", {}) as desk, Run("loans", desk=desk) as run:
        (tmp_path / "run").write_text(run.id)
    return run.id


def told(capsys: Capture, *arguments: str) -> object:
    assert command([*arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_a_run_is_killed_listed_and_revived(ledger: str, capsys: Capture) -> None:
    assert command(["kill"]) == 0
    assert "Nothing is stopped" in capsys.readouterr().out
    assert told(capsys, "kill", "--run", ledger, "--because", "It loops.") == {
        "scope": "run", "who": ledger, "tenant": "default", "killed": True,
    }  # fmt: skip
    (row,) = told(capsys, "kill")  # type: ignore[misc]
    assert (row["who"], row["because"]) == (ledger, "It loops.")
    assert command(["kill", "--run", ledger, "--revive"]) == 0
    capsys.readouterr()
    assert told(capsys, "kill") == []


def test_a_call_is_stopped_and_revived_by_the_beginning_of_its_id(tmp_path: Path, capsys: Capture) -> None:
    with Desk.open(tmp_path / "ledger", {}) as desk, Run("loans", desk=desk):
        scope = current()
        assert scope is not None
        entry = Entry(desk, scope.identity, scope.run, "model", name="gpt-4o")
        desk.ledger.record(entry.opened())
        at = ["--ledger", str(tmp_path / "ledger")]
        for begun in (entry.id[:16], entry.id):
            assert told(capsys, "kill", "--call", begun, *at)["who"] == entry.id  # type: ignore[index, call-overload]
        entry.close()
    assert command(["kill", "--call", entry.id[:16], *at]) == 2
    assert "under way" in capsys.readouterr().err
    assert told(capsys, "kill", "--call", entry.id[:16], "--revive", *at)["killed"] is False  # type: ignore[index, call-overload]
    assert told(capsys, "kill", *at) == []


def test_a_cap_set_by_hand_takes_the_place_of_the_policys(ledger: str, capsys: Capture) -> None:
    (before,) = told(capsys, "budgets", "ls", "--run", ledger)  # type: ignore[misc]
    assert (before["cap"], before["over"]) == ("2.00", "deny")
    assert command(["budgets", "set", "--run", ledger, "--cap", "5 USD"]) == 0
    assert "may spend 5.00 USD in all" in capsys.readouterr().out
    (after,) = told(capsys, "budgets", "ls", "--run", ledger)  # type: ignore[misc]
    assert (after["cap"], after["left"]) == ("5.00", "5.00")


@pytest.mark.parametrize(
    "arguments",
    [
        ["kill", "--run", "nobody"],
        ["kill", "--call", "nobody"],
        ["kill", "--run", "a", "--agent", "b"],
        ["kill", "--revive"],
        ["budgets", "ls", "--run", "nobody"],
        ["budgets", "set", "--run", "nobody", "--cap", "5 USD"],
    ],
)
def test_what_cannot_be_meant_is_wrong_use(ledger: str, capsys: Capture, arguments: list[str]) -> None:
    assert command(arguments) == 2
    assert "Traceback" not in capsys.readouterr().err


def test_a_cap_that_nothing_counts_is_refused_with_what_would_do(ledger: str, capsys: Capture) -> None:
    assert command(["budgets", "set", "--run", ledger, "--cap", "5 CHF"]) == 2
    assert "Write the cap in USD or calls" in capsys.readouterr().err
