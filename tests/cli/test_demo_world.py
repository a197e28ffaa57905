"""The world of the demo really holds what it promises, each kind of thing, on record and not in its own words."""

import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("duckdb")
pytest.importorskip("openai")
pytest.importorskip("anthropic")

from comptroller.cli.demo_world import fill, place
from comptroller.cli.demo_world.script import load_tools, load_workflows
from comptroller.core.facts import CALL_CLOSED, CLAIM, INVOICE, OUTCOME, RUN_OPENED, Fact
from comptroller.office.follower import Follower
from comptroller.policies.load import load_policies
from comptroller.policies.trial import run_tests
from comptroller.store.reader import Reader

NOW = int(datetime(2026, 11, 21, 15, tzinfo=UTC).timestamp()) * 1_000_000_000


@dataclass
class World:
    """A ledger after weeks of work, and its facts."""

    ledger: Path
    facts: list[Fact]
    runs: Mapping[str, str]

    def calls(self, run: str = "", **wanted: object) -> list[Mapping[str, Any]]:
        told = [f.data for f in self.facts if f.kind == CALL_CLOSED and f.run in (run or f.run)]
        return [call for call in told if all(call.get(name) == value for name, value in wanted.items())]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Sixty days, with as little in them as shows everything."""
    ledger = tmp_path_factory.mktemp("world") / "ledger"
    filled = fill(ledger, days=60, now_ns=NOW, share=0.2)
    return World(ledger, list(Follower(ledger, "").read()), filled.world.runs)


def test_calls_end_in_every_way_there_is(world: World) -> None:
    ends = Counter(call["status"] for call in world.calls())
    assert {"ok", "denied", "over_budget", "pending", "error"} <= set(ends)
    rules = {call.get("rule") for call in world.calls()}
    assert {"refund-over-100", "payment-over-5000", "deposit-over-1000", "agents.courier.tools"} <= rules


def test_addresses_and_keys_are_redacted_before_they_leave(world: World) -> None:
    assert world.calls(action="redact", rule="guards.privacy")
    said = b"".join(path.read_bytes() for path in (world.ledger / "journal").iterdir())
    assert b"ada@example.org" not in said


def test_a_model_that_calls_the_same_tool_again_and_again_is_stopped(world: World) -> None:
    asked = world.calls(world.runs["invoice-matching/loop"], kind="tool", name="find_delivery")
    assert [call["status"] for call in asked] == ["ok"] * 6 + ["over_budget"]


def test_an_overloaded_provider_is_asked_again(world: World) -> None:
    asked = world.calls(world.runs["invoice-matching/busy"], kind="model", name="gpt-4o")
    assert [call["status"] for call in asked] == ["error", "ok"]
    assert asked[0]["upstream"]["status"] == 503


def test_a_tool_that_meets_a_conflict_fails_with_the_answer_on_record(world: World) -> None:
    run = world.runs["vendor-onboarding/known"]
    (asked,) = world.calls(run, kind="external")
    assert asked["upstream"]["status"] == 409
    assert world.calls(run, kind="tool", name="create_vendor", status="error")


def test_a_run_over_its_budget_and_a_stream_that_was_cut_are_there(world: World) -> None:
    assert world.calls(world.runs["research/greedy"], status="over_budget", rule="budget.run")
    (cut,) = world.calls(world.runs["research/cut"], status="error", kind="model")
    assert (cut["stream"], cut["estimated"]) == (True, True)


def test_a_program_that_was_killed_leaves_an_abandoned_run(world: World) -> None:
    with Reader.open(world.ledger) as reader:
        reader.refresh()
        (run,) = reader.rows("run", run=world.runs["night-digest/killed"], deserted=True)
    assert run["status"] == "abandoned"


def test_the_same_claim_differs_first_in_its_instructions(world: World) -> None:
    before, after = (
        world.calls(world.runs[f"claims-triage/resubmitted-{how}"], kind="model")[0]["request"]
        for how in ("good", "shortened")
    )
    same = [first == second for first, second in zip(before, after, strict=True)]
    assert same == [True, False, True]  # the tools on offer, the instructions, the claim


def test_claims_are_decided_well_until_six_days_ago_and_fail_since(world: World) -> None:
    assert not world.calls(world.runs["claims-triage/resubmitted-good"], status="error")
    assert world.calls(world.runs["claims-triage/resubmitted-shortened"], status="error", name="file_decision")


def test_outcomes_stand_in_every_state(world: World) -> None:
    states = {fact.data["outcome"]: fact.data["state"] for fact in world.facts if fact.kind == OUTCOME}
    assert {
        "pending",
        "verified",
        "billed",
        "final",
        "disputed",
        "reversed",
        "rejected",
        "duplicate",
        "clawed_back",
    } <= set(states.values())


def test_months_are_closed_for_four_customers_with_credit_notes(world: World) -> None:
    events = Counter(str(fact.data["event"]) for fact in world.facts if fact.kind == INVOICE)
    assert events["finalised"] == 8
    assert events["credited"] >= 2
    assert events["paid"] >= 3


def test_three_providers_models_work_in_process_and_through_the_gateway(world: World) -> None:
    models = {str(call["name"]) for call in world.calls(kind="model")}
    assert {name.partition("-")[0] for name in models} == {"gpt", "claude", "gemini"}
    workflows = {str(fact.data["workflow"]) for fact in world.facts if fact.kind == RUN_OPENED}
    assert len(workflows) == 7
    assert any(fact.data.get("by") == "rule" for fact in world.facts if fact.kind == CLAIM)


def test_a_ledger_that_has_a_world_is_left_as_it_is(world: World) -> None:
    again = fill(world.ledger, now_ns=NOW)
    assert (again.runs, again.world.runs) == (0, world.runs)


def test_the_policies_of_the_world_pass_their_own_tests() -> None:
    outcomes = run_tests(load_policies(sorted((place.FOLDER / "policies").glob("*.yaml"))))
    assert len(outcomes) >= 5
    assert all(outcome.passed for outcome in outcomes)


def test_every_tool_that_a_model_is_offered_or_an_agent_uses_is_there() -> None:
    tools = load_tools()
    for flow in load_workflows():
        for step in _steps(flow.steps):
            assert set(step.tools) <= set(tools)
            assert not step.tool or step.tool in tools


def _steps(steps: list[Any]) -> Iterator[Any]:
    for step in steps:
        yield step
        yield from _steps(step.steps)


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C is another thing there")
def test_it_lives_until_it_is_interrupted_and_leaves_no_process(world: World) -> None:
    place_of = str(world.ledger)
    command = [sys.executable, "-m", "comptroller.cli", "demo", "--ledger", place_of, "--port", "0"]
    around = {**os.environ, "PYTHONUNBUFFERED": "1"}
    living = subprocess.Popen(
        [*command, "--console-port", "0"], stdout=subprocess.PIPE, encoding="utf-8", env=around, start_new_session=True
    )
    assert living.stdout is not None
    watchdog = threading.Timer(90, living.kill)  # of a demo that hangs, so that the test fails and does not
    watchdog.start()
    try:
        said = []
        for line in living.stdout:
            said.append(line)
            if line.startswith("Ctrl-C"):
                break
        assert world.runs["invoice-matching/large"] in "".join(said)
        living.send_signal(signal.SIGINT)
        assert living.stdout.read().startswith("\nStopped.")
        assert living.wait(30) == 0
        with pytest.raises(ProcessLookupError):
            os.killpg(living.pid, 0)
    finally:
        watchdog.cancel()
        living.kill()
        living.wait()
        living.stdout.close()
