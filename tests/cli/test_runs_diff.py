"""Why a run failed and where it parts from a good one, read in a terminal."""

import json
from collections.abc import Callable
from typing import Any

import pytest

pytest.importorskip("duckdb")

Cli = Callable[..., Any]
HOSTILE = "\x1b[31mno\x1b[0m \x1b]0;owned\x07\u202e order ![x](http://evil.example/x.png)"


def a_run(world: Any, bad: bool = False, workflow: str = "refunds", customer: str = "acme") -> str:
    """A desk that asks a model and pays; the bad one tries twice in vain, and another order than the good one."""
    run: str = world.run(workflow, customer)
    desk = world.fact("agent.opened", run, agent="desk")
    asked = world.keep('{"role":"user","content":"Refund me"}')
    model = world.call(run, agent="desk", parent=desk, request=asked, policy="v2" if bad else "v1")
    error = {"type": "ValueError", "message": HOSTILE, "place": "tool pay"}
    failed = {"status": "error", "error": error} if bad else {}
    for _ in range(2 if bad else 1):
        world.call(run, "tool", "pay", 0, parent=model, tool={"args": "d8" if bad else "d7"}, **failed)
    status = "error" if bad else "ok"
    world.fact("agent.closed", run, span=desk, status=status)
    told = {"error": {"type": "ValueError", "place": "app.py:3"}} if bad else {}
    world.fact("run.closed", run, status=status, **told)
    return run


def test_show_says_why_a_run_failed_where_and_what_helps(cli: Cli, world: Any) -> None:
    out = cli("runs", "show", a_run(world, bad=True), "--ledger", world.path).out
    assert "why it failed: ValueError in tool pay: no order" in out
    assert "    where: call 2, agent desk > tool pay\n" in out
    assert "    what helps: Mend the tool, or let the agent handle its failure.\n" in out
    assert "    1 other call failed or was refused too\n" in out
    assert "    lost: 0.0015 USD\n" in out
    assert "  repeated: tool pay  x2, the same each time\n" in out
    assert "first error" not in out


def test_show_says_nothing_of_failure_where_there_was_none(cli: Cli, world: Any) -> None:
    out = cli("runs", "show", a_run(world), "--ledger", world.path).out
    assert "fail" not in out
    assert "what helps" not in out


def test_show_has_the_findings_for_machines_too(cli: Cli, world: Any) -> None:
    told = json.loads(cli("runs", "show", a_run(world, bad=True), "--json", "--ledger", world.path).out)
    assert told["why"]["call"] == told["calls_in_order"][told["why"]["number"] - 1]["call"]
    assert told["why"]["lost"]["total"] == {"USD": "0.0015"}
    (repeat,) = told["why"]["repeats"]
    assert (repeat["name"], repeat["count"], repeat["identical"]) == ("pay", 2, True)


def test_diff_finds_the_good_run_itself_and_says_where_they_part(cli: Cli, world: Any) -> None:
    good = a_run(world)
    bad = a_run(world, bad=True)
    said = cli("runs", "diff", "last", "--ledger", world.path)
    assert said.code == 0
    lines = said.out.splitlines()
    assert lines[0].startswith(f"bad   {bad}  refunds")
    assert lines[1].startswith(f"good  {good}  refunds")
    assert "At agent desk > tool pay something else was asked: its arguments differ, status error inst" in said.out
    assert "Not the same policy v2 instead of v1." in lines
    first = next(line for line in lines if line.startswith(">"))
    assert "its arguments differ; status error instead of ok; error ValueError in tool pay: no order" in first
    assert any("only in the bad run" in line for line in lines)


def test_diff_of_two_named_runs_is_told_to_machines_in_full(cli: Cli, world: Any) -> None:
    good, other = a_run(world), a_run(world, customer="globex")
    bad = a_run(world, bad=True)
    told = json.loads(cli("runs", "diff", bad, other, "--json", "--ledger", world.path).out)
    assert (told["bad"], told["good"], told["kind"]) == (bad, other, "input")
    assert told["counts"] == {"equal": 1, "changed": 1, "only_bad": 1, "only_good": 0, "not_reached": 0}
    assert told["first"]["changes"][0] == {"what": "args", "bad": "", "good": ""}
    assert json.loads(cli("runs", "diff", bad, "--json", "--ledger", world.path).out)["good"] == good


def test_equal_runs_are_said_to_be_so(cli: Cli, world: Any) -> None:
    one, two = a_run(world), a_run(world)
    out = cli("runs", "diff", two, one, "--ledger", world.path).out
    assert "both runs took the same course." in out
    assert "model gpt-4o and 1 more" in out


def test_a_long_comparison_is_cut_and_says_so(cli: Cli, world: Any) -> None:
    good, bad = a_run(world), a_run(world, bad=True)
    out = cli("runs", "diff", bad, good, "--limit", 1, "--ledger", world.path).out
    assert out.endswith("1 of 3 rows, see --limit\n")


def test_nothing_of_what_agents_wrote_reaches_the_terminal_as_more_than_text(cli: Cli, world: Any) -> None:
    good, bad = a_run(world), a_run(world, bad=True)
    for command in (("diff", bad, good), ("show", bad), ("diff", bad, good, "--json"), ("show", bad, "--json")):
        out = cli("runs", *command, "--ledger", world.path).out
        assert "\x1b" not in out
        assert "\u202e" not in out


@pytest.mark.parametrize(
    ("named", "because"),
    [
        (("nothing",), "No run begins with 'nothing'"),
        (("last",), "no run of its workflow ended well before it. Name one: `runs diff last GOOD`."),
        (("last", "last"), "is the same run twice. Name another"),
    ],
)
def test_wrong_use_of_diff_is_told_with_its_remedy(cli: Cli, world: Any, named: tuple[str, ...], because: str) -> None:
    a_run(world, bad=True)
    said = cli("runs", "diff", *named, "--ledger", world.path)
    assert (said.code, said.out) == (2, "")
    assert because in said.err


def test_diff_does_without_the_texts_where_their_keys_are_not_here(
    cli: Cli, world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from comptroller.core.errors import StoreError
    from comptroller.store.bodies import Bodies

    def locked(path: object) -> Bodies:
        raise StoreError("The master key is missing.")

    a_run(world)
    bad = a_run(world, bad=True)
    monkeypatch.setattr(Bodies, "open", locked)
    assert "its arguments differ" in cli("runs", "diff", bad, "--ledger", world.path).out
