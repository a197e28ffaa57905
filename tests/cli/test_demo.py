"""The demo shows what it promises, from records and not from its own words, as often as one likes."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from comptroller.cli import demo as play
from comptroller.cli.demo_world import place, story, talk
from comptroller.cli.main import Misuse
from comptroller.core.errors import ComptrollerError
from comptroller.policies.load import load_policies
from comptroller.policies.trial import run_tests


def comptroller(folder: Path, *args: str) -> str:
    command = [sys.executable, "-W", "error", "-m", "comptroller.cli", *args]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, encoding="utf-8", check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the demo was played twice on one ledger."""
    folder = tmp_path_factory.mktemp("demo")
    comptroller(folder, "demo", "--once", "--ledger", "kept")
    (folder / "said.txt").write_text(comptroller(folder, "demo", "--once", "--ledger", "kept"), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def told(played: Path) -> dict[str, object]:
    """What the ledger tells of the second time."""
    return json.loads(comptroller(played, "runs", "show", "last", "--ledger", "kept", "--json"))


def calls(told: dict[str, object], **wanted: object) -> list[dict[str, object]]:
    every: list[dict[str, object]] = told["calls_in_order"]  # type: ignore[assignment]
    return [call for call in every if all(call[name] == value for name, value in wanted.items())]


def test_it_can_be_played_again_and_the_record_stays_whole(played: Path) -> None:
    runs = json.loads(comptroller(played, "runs", "ls", "--ledger", "kept", "--json"))
    assert [(run["workflow"], run["calls"]) for run in runs] == [("refund-desk", 12)] * 2
    assert runs[0]["cost"] == runs[1]["cost"]
    assert "ok" in comptroller(played, "audit", "verify", "--ledger", "kept")


def test_the_refund_that_is_too_large_is_denied_by_its_rule_and_the_small_one_is_paid(told: dict[str, object]) -> None:
    denied, paid = calls(told, name="issue_refund", agent="refunds")
    assert (denied["status"], denied["rule"]) == ("denied", "refund-over-100")
    assert paid["status"] == "ok"


def test_a_program_without_a_line_of_ours_is_governed_at_the_gateway(told: dict[str, object], played: Path) -> None:
    asked, denied = calls(told, agent="courier")
    assert (asked["status"], asked["kind"]) == ("ok", "model")
    assert (denied["name"], denied["status"], denied["rule"]) == ("issue_refund", "denied", "agents.courier.tools")
    assert "courier  (through the gateway) is refused: [denied" in (played / "said.txt").read_text(encoding="utf-8")
    assert "comptroller" not in story.PROGRAM.read_text(encoding="utf-8").lower().partition('"""\n')[2]


def test_the_call_that_could_cost_more_than_the_run_may_is_never_sent(told: dict[str, object]) -> None:
    (refused,) = calls(told, status="over_budget")
    assert (refused["name"], refused["cost"]) == ("gpt-4o", "0.00")


def test_neither_address_nor_key_is_in_what_the_model_was_sent_or_in_what_is_kept(played: Path) -> None:
    said = (played / "said.txt").read_text(encoding="utf-8")
    bodies = comptroller(played, "runs", "show", "last", "--bodies", "--ledger", "kept")
    for text in (said, bodies):
        assert "[email]" in text
        assert "ada@example.org" not in text
        assert "Q3EGRIVTTHKJ7B2M" not in text


def test_it_ends_with_the_tree_and_the_next_commands(played: Path, told: dict[str, object]) -> None:
    said = (played / "said.txt").read_text(encoding="utf-8")
    tree, following = said.split("\nNext:\n")
    for node in ("agent lead", "agent lookup", "agent refunds", "agent letters", "tool read_order", "model gpt-4o"):
        assert node in tree
    assert f"runs show {told['run']} --ledger kept" in following


def test_the_claim_of_the_demo_is_on_record(told: dict[str, object]) -> None:
    (claim,) = told["claims"]  # type: ignore[misc]
    assert (claim["type"], claim["subject"]) == ("complaint.resolved", "order-1042")


def test_the_policies_of_the_demo_pass_their_own_tests() -> None:
    outcomes = run_tests(load_policies([place.REFUND_DESK]))
    assert len(outcomes) == 2
    assert all(outcome.passed for outcome in outcomes)


def test_without_a_providers_client_the_demo_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openai", None)
    with pytest.raises(ComptrollerError, match="make run"), talk.clients("http://127.0.0.1:9"):
        pass


def test_the_demo_makes_no_ledger_among_other_things(tmp_path: Path) -> None:
    (tmp_path / "setup.py").touch()
    with pytest.raises(Misuse, match="holds other things and is no ledger"):
        play.demo(str(tmp_path), once=False, port=None, console_port=None)
    assert [path.name for path in tmp_path.iterdir()] == ["setup.py"]
