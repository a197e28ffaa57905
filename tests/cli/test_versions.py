"""What was in force when: policy versions read back from a ledger, to the letter."""

import json
from collections.abc import Callable
from typing import Any

import pytest

pytest.importorskip("duckdb")

Cli = Callable[..., Any]
TEXT = "policy: p\nrules: [{id: r, on: model, then: deny}]\n"


@pytest.fixture
def loaded(world: Any) -> Any:
    for version, text in (("c8cd6bfc9d850003", TEXT), ("c9aa", TEXT.replace("deny", "ask"))):
        world.fact(
            "policy.loaded", "", version=version, rules=1, files=[{"path": "p.yaml", "digest": "d1", "text": text}]
        )
    return world


def test_a_version_is_printed_as_it_was_in_force(cli: Cli, loaded: Any) -> None:
    out = cli("policy", "show", "c8cd", "--ledger", loaded.path).out
    assert out.startswith("policy c8cd6bfc9d850003, 1 rule, in force since 2026-01-01 00:00:00 UTC\n")
    assert "# p.yaml  sha256 d1\n" + TEXT in out
    told = json.loads(cli("policy", "show", "c8cd", "--json", "--ledger", loaded.path).out)
    assert told["files"] == [{"path": "p.yaml", "digest": "d1", "text": TEXT}]


def test_without_a_version_all_are_listed_newest_first(cli: Cli, loaded: Any) -> None:
    _, first, second = cli("policy", "show", "--ledger", loaded.path).out.splitlines()
    assert first.startswith("c9aa ")
    assert second.startswith("c8cd6bfc9d850003 ")
    (only,) = json.loads(cli("policy", "show", "--limit", 1, "--json", "--ledger", loaded.path).out)
    assert (only["version"], only["paths"]) == ("c9aa", ["p.yaml"])


def test_a_version_that_is_none_or_two_is_wrong_use(cli: Cli, loaded: Any) -> None:
    for named, said in (("c", "more than one version"), ("zz", "no policy version begins with")):
        done = cli("policy", "show", named, "--ledger", loaded.path)
        assert done.code == 2
        assert said in done.err


def test_a_ledger_without_policies_says_so(cli: Cli, world: Any) -> None:
    assert cli("policy", "show", "--ledger", world.path).out == "No policies were in force here yet.\n"
