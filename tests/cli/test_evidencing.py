"""What a period has to show for its controls."""

import json
from collections.abc import Callable
from typing import Any

import pytest

pytest.importorskip("duckdb")

Cli = Callable[..., Any]
DAY_S = 86_400
FIRST = """policy: p
guards: {secrets: {in: redact, evidences: [SOC2.CC6.1]}}
rules: [{id: stop, on: tool, then: deny, evidences: [SOC2.CC6.1, OWN.1]}, {id: silent, on: model, then: note}]
needs: {OWN.2: A person who reads this.}
"""
SECOND = "# moved down a line\n" + FIRST.replace("on: tool, then: deny,", "on: tool, then: deny, mode: shadow,")


@pytest.fixture
def house(world: Any) -> Any:
    """A first version for two days, a second from then on; the rule spoke twice in each, a guard once."""
    for version, text in (("v1", FIRST), ("v2", SECOND)):
        files = [{"path": "p.yaml", "digest": version, "text": text}]
        world.fact("policy.loaded", "", version=version, rules=2, files=files)
        run, shadow = world.run(), version == "v2"
        said = {"stage": "tool", "action": "deny", "rule": "stop", "policy": "p", "because": "No.", "shadow": shadow}
        for _ in range(2):
            world.call(run, "tool", "pay", 0, decisions=[said], policy=version)
        found = {"stage": "model", "action": "redact", "rule": "guards.secrets", "policy": "", "because": "A key."}
        if not shadow:
            world.call(run, decisions=[found], policy=version)
        world.clock.tick(2 * DAY_S)
    return world


def told(cli: Cli, house: Any, *arguments: str) -> dict[str, Any]:
    said = cli("policy", "evidence", "--ledger", house.path, "--json", *arguments)
    assert said.code == 0, said.err
    answer: dict[str, Any] = json.loads(said.out)
    return answer


def test_each_control_lists_its_rules_with_how_often_they_spoke(cli: Cli, house: Any) -> None:
    controls = {one["control"]: one["rules"] for one in told(cli, house)["controls"]}
    assert list(controls) == ["OWN.1", "SOC2.CC6.1"]
    assert {one["rule"]: one["decisions"] for one in controls["SOC2.CC6.1"]} == {"stop": 2, "guards.secrets": 1}
    (stop,) = controls["OWN.1"]
    assert (stop["shadow_decisions"], stop["versions"], stop["place"]) == (2, ["v1", "v2"], "p.yaml:4")
    assert len(stop["in_force"]) == 1
    assert stop["in_force"][0]["until"] is None


def test_a_period_counts_what_was_loaded_before_it(cli: Cli, house: Any) -> None:
    controls = told(cli, house, "--since", "2026-01-02", "--until", "2026-01-02")["controls"]
    (stop,) = (one for one in controls[0]["rules"])
    assert (stop["versions"], stop["decisions"], stop["shadow_decisions"]) == (["v1"], 0, 0)
    assert stop["in_force"][0]["since"].startswith("2026-01-02T00:00:00")


def test_controls_without_a_rule_say_what_they_need(cli: Cli, house: Any) -> None:
    assert told(cli, house)["without_rules"] == [{"control": "OWN.2", "needs": "A person who reads this."}]
    out = cli("policy", "evidence", "--ledger", house.path, "--control", "OWN.*").out
    assert "OWN.2\n  no rule\n  needs besides: A person who reads this.\n" in out
    assert "SOC2" not in out
    assert "rule stop (p), in force 2026-01-01 00:00 to now: spoke 2 times, 2 in shadow" in out


def test_a_version_that_no_longer_loads_is_told(cli: Cli, world: Any) -> None:
    files = [{"path": "p.yaml", "digest": "d", "text": "policy: p\nrulez: []\n"}]
    world.fact("policy.loaded", "", version="old", rules=2, files=files)
    assert "Version old was in force and no longer loads here" in cli("policy", "evidence", "--ledger", world.path).out


def test_a_ledger_without_evidence_says_so(cli: Cli, world: Any) -> None:
    assert cli("policy", "evidence", "--ledger", world.path).out.startswith("No rule in force in this time says")
