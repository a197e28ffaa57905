"""Two policies held against one another, and recorded calls put to a draft."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("duckdb")

Cli = Callable[..., Any]
POLICY = """policy: p
tools: {pay: {args: {amount: double}}, read: {effect: read}}
rules:
  - {id: dear, on: tool, tool: pay, when: args.amount > 100, then: ask}
  - {id: mini, on: model, when: model.name == "gpt-4o-mini", then: note}
budgets: [{per: run, cap: 1 USD}]
"""


@pytest.fixture
def policies(tmp_path: Path) -> tuple[Path, Path]:
    before, after = tmp_path / "before.yaml", tmp_path / "after.yaml"
    before.write_text(POLICY, encoding="utf-8")
    after.write_text(POLICY.replace("> 100", "> 10"), encoding="utf-8")
    return before, after


@pytest.fixture
def traffic(world: Any) -> Any:
    """A run with three model calls, of which the second asks for two tools."""
    files = [{"path": "p.yaml", "digest": "d", "text": POLICY}]
    world.fact("policy.loaded", "", version="v1", rules=2, files=files)
    run = world.run()
    asked = [
        {"id": f"c{n}", "type": "function", "function": {"name": "pay", "arguments": json.dumps({"amount": amount})}}
        for n, amount in enumerate((20.0, 5.0))
    ]
    first = world.call(
        run,
        policy="v1",
        cost=300_000_000,
        request=world.keep('{"role":"user","content":"Refund me"}'),
        reply=world.keep(json.dumps({"role": "assistant", "content": None, "tool_calls": asked})),
    )
    for number in (0, 1):
        world.call(run, "tool", "pay", 0, parent=first, policy="v1", tool={"call_id": f"c{number}", "args": "d"})
    for _ in range(2):
        world.call(run, policy="v1", cost=300_000_000, request=world.keep('{"role":"user","content":"More"}'))
    world.call(run, "tool", "pay", 0, policy="v1", tool={"call_id": "elsewhere", "args": "d"})
    world.fact("run.closed", run, status="ok")
    return world


def test_what_differs_is_told_by_meaning(cli: Cli, policies: tuple[Path, Path]) -> None:
    said = cli("policy", "diff", *policies)
    assert said.code == 0
    assert f"~ rule dear (p) changed  {policies[1]}:4" in said.out
    assert "when: args.amount > 100 -> args.amount > 10" in said.out


def test_equal_policies_say_the_same(cli: Cli, policies: tuple[Path, Path]) -> None:
    assert cli("policy", "diff", policies[0], policies[0]).out == "Both say the same.\n"


def test_a_recorded_version_is_one_side(cli: Cli, policies: tuple[Path, Path], traffic: Any) -> None:
    told = json.loads(cli("policy", "diff", "v1", policies[1], "--ledger", traffic.path, "--json").out)
    assert [(one["kind"], one["id"], one["what"]) for one in told["differences"]] == [("rule", "dear", "changed")]
    assert told["calls"] is None


def test_recorded_calls_are_asked_of_both(cli: Cli, policies: tuple[Path, Path], traffic: Any) -> None:
    said = cli("policy", "diff", *policies, "--calls", traffic.path)
    assert "6 calls, 1 would be decided otherwise" in said.out
    assert "tool pay: allow -> ask by dear" in said.out
    assert "1 could not be judged: arguments kept as a digest only" in said.out


def test_given_calls_are_asked_of_both(cli: Cli, policies: tuple[Path, Path], tmp_path: Path) -> None:
    calls = tmp_path / "calls.ndjson"
    calls.write_text('{"tool": "pay", "args": {"amount": 20.0}}\n\n{"tool": "read"}\n', encoding="utf-8")
    told = json.loads(cli("policy", "diff", *policies, "--calls", calls, "--json").out)["calls"]
    assert (told["calls"], told["changed"], told["examples"][0]["call"]) == (2, 1, "line 1")
    assert told["decisions"] == [{"before": "allow", "after": "ask", "calls": 1}]


def test_a_call_that_cannot_be_read_is_told_with_its_line(
    cli: Cli, policies: tuple[Path, Path], tmp_path: Path
) -> None:
    (tmp_path / "calls.ndjson").write_text('{"tool": "read"}\n{"tol": 1}\n', encoding="utf-8")
    said = cli("policy", "diff", *policies, "--calls", tmp_path / "calls.ndjson")
    assert (said.code, "calls.ndjson:2: this is no call" in said.err) == (2, True)


def test_a_side_that_is_nothing_is_wrong_use(cli: Cli, policies: tuple[Path, Path], traffic: Any) -> None:
    said = cli("policy", "diff", policies[0], "nothing", "--ledger", traffic.path)
    assert (said.code, "is no file, folder or pack" in said.err) == (2, True)


def test_a_draft_that_refuses_more_says_what_would_no_longer_be_spent(cli: Cli, traffic: Any, tmp_path: Path) -> None:
    draft = tmp_path / "draft.yaml"
    draft.write_text(POLICY.replace("cap: 1 USD", "cap: 0.50 USD"), encoding="utf-8")
    told = json.loads(cli("policy", "backtest", draft, "--ledger", traffic.path, "--json").out)
    assert told["no_longer_spent"] == {"USD": "0.60"}
    assert told["decisions"] == [{"before": "allow", "after": "deny", "calls": 2}]
    assert {one["after"]["rule"] for one in told["examples"]} == {"budget"}


def test_a_draft_that_says_the_same_changes_nothing(cli: Cli, traffic: Any, tmp_path: Path) -> None:
    draft = tmp_path / "draft.yaml"
    draft.write_text(POLICY, encoding="utf-8")
    assert "6 calls, 0 would be decided otherwise" in cli("policy", "backtest", draft, "--ledger", traffic.path).out


def test_what_a_refused_call_might_have_cost_is_told_where_a_draft_lets_it_pass(
    cli: Cli, world: Any, tmp_path: Path
) -> None:
    run = world.run()
    refused = {"status": "denied", "action": "deny", "rule": "no-models", "policy": "gone", "worst": 40_000_000}
    world.call(run, cost=0, **refused)
    (tmp_path / "draft.yaml").write_text("policy: p\n", encoding="utf-8")
    told = json.loads(cli("policy", "backtest", tmp_path / "draft.yaml", "--ledger", world.path, "--json").out)
    assert told["newly_allowed_at_most"] == {"USD": "0.04"}
    assert told["examples"][0]["before"]["rule"] == "no-models"


def test_days_narrow_what_is_put_to_a_draft(cli: Cli, traffic: Any, tmp_path: Path) -> None:
    (tmp_path / "draft.yaml").write_text("policy: p\n", encoding="utf-8")
    arguments = ("policy", "backtest", tmp_path / "draft.yaml", "--ledger", traffic.path)
    assert "0 calls" in cli(*arguments, "--until", "2025-01-01").out
    assert cli(*arguments, "--since", "soon").code == 2


def test_what_a_draft_asks_that_is_not_on_record_is_counted_apart(cli: Cli, traffic: Any, tmp_path: Path) -> None:
    text = "policy: p\nrules: [{id: r, on: model, when: '!has(model.max_tokens)', then: deny}]\n"
    (tmp_path / "draft.yaml").write_text(text, encoding="utf-8")
    said = cli("policy", "backtest", tmp_path / "draft.yaml", "--ledger", traffic.path)
    assert "3 could not be judged: a rule asks for what is not on record" in said.out


def test_a_version_that_no_longer_loads_is_told_so(cli: Cli, policies: tuple[Path, Path], world: Any) -> None:
    files = [{"path": "p.yaml", "digest": "d", "text": "policy: p\nrulez: []\n"}]
    world.fact("policy.loaded", "", version="v0", rules=0, files=files)
    said = cli("policy", "diff", "v0", policies[0], "--ledger", world.path)
    assert (said.code, "Version v0 no longer loads here" in said.err) == (2, True)


def test_calls_and_spending_of_a_run_are_what_they_were_when_each_call_was_made(
    cli: Cli, traffic: Any, tmp_path: Path
) -> None:
    rule = "rules: [{id: r, on: model, when: run.calls == 1 && run.spent > 0.2, then: deny}]\n"
    (tmp_path / "draft.yaml").write_text(f"policy: p\n{rule}", encoding="utf-8")
    told = json.loads(cli("policy", "backtest", tmp_path / "draft.yaml", "--ledger", traffic.path, "--json").out)
    assert [row["calls"] for row in told["decisions"] if row["after"] == "deny"] == [1]


def test_arguments_nested_beyond_reason_are_no_object_and_stop_nothing(cli: Cli, world: Any, tmp_path: Path) -> None:
    deep = {"name": "pay", "arguments": "[" * 100_000}
    reply = {"role": "assistant", "content": None, "tool_calls": [{"id": "c0", "type": "function", "function": deep}]}
    run = world.run()
    first = world.call(run, policy="v", reply=world.keep(json.dumps(reply)))
    world.call(run, "tool", "pay", 0, parent=first, policy="v", tool={"call_id": "c0", "args": "d"})
    (tmp_path / "draft.yaml").write_text(POLICY, encoding="utf-8")
    told = json.loads(cli("policy", "backtest", tmp_path / "draft.yaml", "--ledger", world.path, "--json").out)
    assert [row["after"] for row in told["decisions"]] == ["deny"]  # a rule that cannot look refuses


JUDGED = """policy: p
judges: {careful: {model: gpt-4o}, strict: {model: o3}}
rules:
  - {id: advice, on: reply, judge: {says: It advises., by: [careful, strict], votes: 1}, then: deny, because: No.}
"""


@pytest.fixture
def judged(world: Any) -> Any:
    """A reply that one judge of two objected to, one that none did, and a tool call that was not judged."""
    files = [{"path": "p.yaml", "digest": "d", "text": JUDGED}]
    world.fact("policy.loaded", "", version="v1", rules=1, files=files)
    run = world.run()
    for action, words in (("deny", ("yes", "no")), ("allow", ("no", "no"))):
        votes = [
            {"judge": name, "vote": word, "ms": 3} for name, word in zip(("careful", "strict"), words, strict=True)
        ]
        row = {"stage": "reply", "action": action, "rule": "advice", "because": "No.", "judged": {"votes": votes}}
        status = {"status": "denied", "action": "deny", "rule": "advice"} if action == "deny" else {}
        world.call(run, policy="v1", cost=300_000_000, decisions=[row], **status)
    world.fact("run.closed", run, status="ok")
    return world


def tried(cli: Cli, world: Any, tmp_path: Path, *change: str) -> dict[str, Any]:
    draft = tmp_path / "draft.yaml"
    draft.write_text(JUDGED.replace(*change), encoding="utf-8")
    said = cli("policy", "backtest", draft, "--ledger", world.path, "--json")
    assert said.code == 0, said.err
    told: dict[str, Any] = json.loads(said.out)
    return told


def test_votes_on_record_are_not_asked_for_again(cli: Cli, judged: Any, tmp_path: Path) -> None:
    told = tried(cli, judged, tmp_path, "then: deny", "then: note")
    assert (told["calls"], told["untold"]) == (2, {})
    assert told["decisions"] == [{"before": "deny", "after": "note", "calls": 1}]


def test_votes_on_record_are_counted_as_the_draft_counts(cli: Cli, judged: Any, tmp_path: Path) -> None:
    told = tried(cli, judged, tmp_path, "votes: 1", "votes: unanimous")
    assert (told["untold"], told["decisions"]) == ({}, [{"before": "deny", "after": "ask", "calls": 1}])
    told = tried(cli, judged, tmp_path, "by: [careful, strict], votes: 1", "by: [strict]")
    assert (told["untold"], told["decisions"]) == ({}, [{"before": "deny", "after": "allow", "calls": 1}])


@pytest.mark.parametrize(
    "change",
    [
        ("It advises.", "It gives advice."),
        ("model: o3", "model: o1"),
        ("says: It advises.", "constitution: [It advises.]"),
        ("votes: 1", "votes: 1, sees: [reply]"),
    ],
)
def test_votes_on_another_question_say_nothing(cli: Cli, judged: Any, tmp_path: Path, change: tuple[str, str]) -> None:
    assert tried(cli, judged, tmp_path, *change)["untold"] == {"judges decide on it, and were not asked": 2}


def test_two_drafts_are_told_apart_by_votes_on_record(cli: Cli, judged: Any, tmp_path: Path) -> None:
    one, two = tmp_path / "one.yaml", tmp_path / "two.yaml"
    one.write_text(JUDGED, encoding="utf-8")
    two.write_text(JUDGED.replace("then: deny", "then: ask"), encoding="utf-8")
    told = json.loads(cli("policy", "diff", one, two, "--calls", judged.path, "--json").out)["calls"]
    assert (told["untold"], told["decisions"]) == ({}, [{"before": "deny", "after": "ask", "calls": 1}])
