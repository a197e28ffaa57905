"""Reading runs from a terminal: the truth about them, and nothing a terminal would act on."""

import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("duckdb")

Cli = Callable[..., Any]


def test_the_list_has_the_newest_first_with_cost_and_trouble(cli: Cli, world: Any, refund: str) -> None:
    other = world.run("loans", "globex")
    said = cli("runs", "ls", "--ledger", world.path)
    head, first, second = said.out.splitlines()
    assert head.split() == ["RUN", "STARTED", "(UTC)", "WORKFLOW", "CUSTOMER", "STATUS", "CALLS", "COST", "NOTES"]
    assert other[:16] in first
    assert "open" in first
    assert refund[:16] in second
    assert "0.003 USD" in second
    assert "1 failed, 1 refused, 1 redacted" in second


def test_the_list_for_machines_has_the_promised_shape(cli: Cli, world: Any, refund: str) -> None:
    (row,) = json.loads(cli("runs", "ls", "--json", "--ledger", world.path).out)
    assert row == {
        "run": refund,
        "workflow": "refunds",
        "customer": "acme",
        "calls": 7,
        "cost": "0.003",
        "currency": "USD",
        "costs": {"USD": "0.003"},
        "status": "ok",
        "started": "2026-01-01T00:00:00Z",
    }


@pytest.mark.parametrize(
    ("option", "value"), [("--workflow", "x"), ("--customer", "x"), ("--status", "error"), ("--since", "2026-01-02")]
)
def test_each_filter_narrows_the_list(cli: Cli, world: Any, refund: str, option: str, value: str) -> None:
    said = cli("runs", "ls", option, value, "--ledger", world.path)
    assert (said.code, said.out) == (0, "No runs here that match.\n")


def test_limit_is_obeyed(cli: Cli, world: Any) -> None:
    for _ in range(5):
        world.run()
    assert len(json.loads(cli("runs", "ls", "--limit", 2, "--json", "--ledger", world.path).out)) == 2


def test_a_time_that_is_none_is_wrong_use(cli: Cli, world: Any) -> None:
    said = cli("runs", "ls", "--since", "yesterday", "--ledger", world.path)
    assert said.code == 2
    assert "is not a time. Write it like 2026-03-01" in said.err


def test_an_account_tells_who_what_and_why(cli: Cli, world: Any, refund: str) -> None:
    out = cli("runs", "show", refund, "--ledger", world.path).out
    for part in (
        "workflow refunds, customer acme",
        "cost 0.003 USD of a budget of 1.00 USD",
        "7 calls, 3,600 tokens in, 90 out, 1 failed, 1 refused, 1 redacted",
        "deny by refund-over-100: Refunds above 100 USD need a person.",
        "redact by guards.secrets [secrets.aws x1]: An AWS key was found.",
        "1,200 tokens in, 30 out  0.0015 USD  500 ms",
        "claim  refund.made for order 1 to a degree of 0.5",
    ):
        assert part in out


def test_a_run_is_meant_by_a_unique_beginning_or_by_last(cli: Cli, world: Any, refund: str) -> None:
    for name in (refund[:20], "last", refund):
        assert cli("runs", "show", name, "--ledger", world.path).out.startswith(f"run {refund}")


def test_a_beginning_of_two_runs_or_of_none_is_wrong_use(cli: Cli, world: Any) -> None:
    one, two = world.run(), world.run()
    said = cli("runs", "tree", "0", "--ledger", world.path)
    assert said.code == 2
    assert one in said.err
    assert two in said.err
    assert cli("runs", "tree", "zzz", "--ledger", world.path).code == 2


def test_last_of_no_runs_is_wrong_use(cli: Cli, world: Any) -> None:
    said = cli("runs", "show", "last", "--ledger", world.path)
    assert (said.code, said.out) == (2, "")
    assert "there are no runs yet" in said.err


def test_bodies_come_out_of_the_vault_each_once(cli: Cli, world: Any, refund: str) -> None:
    out = cli("runs", "show", "last", "--bodies", "--ledger", world.path).out
    assert out.count("user: Refund me") == 1
    assert "assistant: No" in out


def test_bodies_that_were_not_kept_are_said_to_be_missing(cli: Cli, world: Any) -> None:
    run = world.run()
    world.call(run, request=["ab" * 16])
    world.call(run)
    out = cli("runs", "show", run, "--bodies", "--ledger", world.path).out
    assert "(kept as a digest only, or erased)" in out
    assert "(no text was kept)" in out


def test_bodies_for_machines_are_the_messages_themselves(cli: Cli, world: Any, refund: str) -> None:
    told = json.loads(cli("runs", "show", "last", "--bodies", "--json", "--ledger", world.path).out)
    assert told["calls_in_order"][0]["bodies"]["request"] == [{"role": "user", "content": "Refund me"}]
    assert told["cost"] == "0.003"


def test_nothing_an_agent_wrote_reaches_the_terminal_as_a_command(cli: Cli, world: Any) -> None:
    evil = "\x1b[2J\x1b]0;owned\x07\x9b31m\u202e\u200bx\x00\x08y"
    run = world.run(evil, evil)
    world.call(run, name=evil, agent=evil, because=evil, rule=evil, action="note", status="error", error=evil)
    world.call(run, request=world.keep(json.dumps({"role": evil, "content": evil}), evil))
    for command in (("ls",), ("show", run), ("show", run, "--bodies"), ("tree", run), ("tree", run, "--json")):
        out = cli("runs", *command, "--ledger", world.path).out
        assert not [char for char in out if char != "\n" and not char.isprintable()]
        assert "owned" not in out or "--json" in command


def test_a_tree_sums_what_each_branch_cost_and_folds_a_loop(cli: Cli, world: Any, refund: str) -> None:
    out = cli("runs", "tree", "last", "--ledger", world.path).out
    assert out.splitlines() == [
        "refunds for acme  ✓ ok  0.003 USD of 1.00 USD  11.0 s",
        "└─ agent desk  ✓ ok  0.003 USD",
        "   ├─ model gpt-4o  ✓ ok  0.0015 USD  500 ms",
        "   │  └─ tool issue_refund  ⊘ denied  500 ms  refund-over-100: Refunds above 100 USD need a person.",
        "   ├─ model gpt-4o  ✓ ok  0.0015 USD  500 ms  ▒ redact  guards.secrets: An AWS key was found.",
        "   ├─ tool read_order  ✓ ok  x3",
        "   └─ model gpt-4o  ✗ error  0.00  500 ms  Timeout: run evil rm -rf",
        f"run {refund}",
    ]


def test_who_took_over_is_shown_and_drawn(cli: Cli, world: Any) -> None:
    run = world.run()
    world.fact("agent.opened", run, agent="junior")
    world.fact("agent.handed_over", run, agent="junior", to="senior", because="junior failed (ValueError).")
    world.fact("run.closed", run, status="ok")
    assert (
        "handed over: junior to senior, junior failed (ValueError)."
        in cli("runs", "show", run, "--ledger", world.path).out
    )
    drawn = cli("runs", "tree", run, "--ledger", world.path).out.splitlines()
    at = next(number for number, line in enumerate(drawn) if "agent junior" in line)
    assert drawn[at + 1].strip() == "junior handed over to senior: junior failed (ValueError)."


def test_a_further_try_says_in_the_tree_which_it_is_whatever_came_of_it(cli: Cli, world: Any) -> None:
    run = world.run()
    world.call(run)
    world.call(run, status="denied", action="deny", rule="no-promises", because="It promises.", attempt=1)
    world.fact("run.closed", run, status="ok")
    first, second = [
        line for line in cli("runs", "tree", run, "--ledger", world.path).out.splitlines() if "gpt" in line
    ]
    assert ("try" in first, "try 2" in second, "no-promises" in second) == (False, True, True)


def test_a_tree_for_machines_has_every_call(cli: Cli, world: Any, refund: str) -> None:
    root = json.loads(cli("runs", "tree", "last", "--json", "--ledger", world.path).out)
    (desk,) = root["children"]
    assert root["costs"] == {"USD": "0.003"}
    assert [child["name"] for child in desk["children"]] == ["gpt-4o", "gpt-4o", *["read_order"] * 3, "gpt-4o"]


def test_a_chain_of_a_thousand_agents_and_a_circle_are_drawn(cli: Cli, world: Any) -> None:
    run, above = world.run(), ""
    for number in range(1000):
        above = world.fact("agent.opened", run, agent=f"a{number}", parent=above)
    first, second = "a" * 32, "b" * 32
    for call, parent in ((first, second), (second, first)):
        world.fact("call.closed", run, call, kind="tool", name="round", parent=parent, status="ok")
    out = cli("runs", "tree", run, "--ledger", world.path).out
    assert out.count("agent a") == 1000
    assert "tool round" in out
    assert cli("runs", "tree", run, "--json", "--ledger", world.path).code == 0


def test_a_ledger_that_is_not_there_is_wrong_use_without_a_traceback(cli: Cli, tmp_path: Path) -> None:
    said = cli("runs", "ls", "--ledger", tmp_path / "nowhere")
    assert (said.code, said.out) == (2, "")
    assert "there is no ledger here. Name one with --ledger" in said.err
    assert not (tmp_path / "nowhere").exists()


def test_the_ledger_of_the_environment_is_used(
    cli: Cli, world: Any, refund: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COMPTROLLER_LEDGER", str(world.path))
    assert refund[:16] in cli("runs", "ls").out


def test_a_conversation_is_printed_once_and_its_history_named(cli: Cli, world: Any) -> None:
    run = world.run()
    hello, more = world.keep('{"role":"user","content":"Hello"}', '{"role":"user","content":"And more"}')
    first = world.call(run, request=[hello])
    world.call(run, request=[more], request_after=[first, 1])
    out = cli("runs", "show", run, "--bodies", "--ledger", world.path).out
    assert out.count("user: Hello") == 1
    assert "(1 message as in call 1)\n       user: And more" in out


def test_a_list_cut_short_says_of_how_many(cli: Cli, world: Any) -> None:
    for _ in range(60):
        world.run()
    lines = cli("runs", "ls", "--ledger", world.path).out.splitlines()
    assert (len(lines), lines[-1]) == (52, "50 of 60, see --limit")
    assert "2 of 60, see --limit" in cli("runs", "ls", "--limit", 2, "--ledger", world.path).out
    assert "see --limit" not in cli("runs", "ls", "--limit", 60, "--ledger", world.path).out


def test_machines_get_the_whole_list_unless_they_say_how_many(cli: Cli, world: Any) -> None:
    for _ in range(60):
        world.run()
    assert len(json.loads(cli("runs", "ls", "--json", "--ledger", world.path).out)) == 60


def test_a_run_in_two_currencies_shows_both(cli: Cli, world: Any) -> None:
    run = world.run()
    world.call(run)
    world.call(run, cost=2_000_000_000, currency="EUR")
    (row,) = json.loads(cli("runs", "ls", "--json", "--ledger", world.path).out)
    assert (row["cost"], row["currency"]) == ("0.0015", "USD")
    assert row["costs"] == {"USD": "0.0015", "EUR": "2.00"}
    for command in ("ls", "show", "tree"):
        named = () if command == "ls" else (run,)
        assert "0.0015 USD + 2.00 EUR" in cli("runs", command, *named, "--ledger", world.path).out


def test_a_status_that_does_not_exist_is_wrong_use_and_told_with_those_that_do(cli: Cli, world: Any) -> None:
    said = cli("runs", "ls", "--status", "failed", "--ledger", world.path)
    assert (said.code, said.out) == (2, "")
    assert "Say one of: ok, error, open, abandoned." in said.err


def test_every_call_says_which_rules_and_prices_were_in_force(cli: Cli, world: Any) -> None:
    run = world.run()
    more = {"policy": "c8cd6bfc9d850003", "price": "prices@2026", "upstream": {"status": 200, "id": "req_7"}}
    world.call(run, **more)
    world.call(run, "tool", "read_order", 0, policy="c8cd6bfc9d850003")
    out = cli("runs", "show", run, "--ledger", world.path).out
    assert "policy c8cd6bfc, price prices@2026, upstream 200 req_7\n" in out
    assert "policy c8cd6bfc\n" in out
    first, second = json.loads(cli("runs", "show", run, "--json", "--ledger", world.path).out)["calls_in_order"]
    assert {name: first[name] for name in more} == more
    assert (second["policy"], second["price"], second["upstream"]) == (more["policy"], "", {"status": None, "id": ""})


def test_a_failure_is_told_with_status_type_message_and_request_id(cli: Cli, world: Any) -> None:
    run = world.run()
    world.call(run)
    body = '{"type":"error","error":{"type":"rate_limit_error","message":"slow"}}'
    refused = {"type": "upstream", "status": 429, "message": body}
    world.call(run, status="error", error=refused, attempt=1, upstream={"status": 429, "id": "req_000100"})
    world.call(
        run,
        "tool",
        "read_order",
        0,
        status="error",
        error={"type": "KeyError", "message": "'x'", "place": "tool read_order"},
    )
    world.fact("run.closed", run, status="ok")
    out = cli("runs", "show", run, "--ledger", world.path).out
    assert "it ended on a failure: 429 rate_limit_error: slow (req_000100)\n    where: call 2, model gpt-4o\n" in out
    assert "     error: 429 rate_limit_error: slow (req_000100)\n" in out
    assert "     error: KeyError in tool read_order: 'x'\n" in out
    assert "attempt 2" in out
    assert "  error: " not in out.split("  1. ")[0]


def test_what_nobody_can_price_is_unknown_and_not_nothing(cli: Cli, world: Any) -> None:
    run = world.run()
    world.call(run, name="strange", cost=0, opaque=True)
    world.call(run, name="new-model", cost=0, unpriced=True)
    world.call(run, name="refused", cost=0, opaque=True, status="denied", action="deny")
    out = cli("runs", "show", run, "--ledger", world.path).out
    assert "1 unpriced, 1 opaque" in out
    assert "cost unknown: not understood" in out
    assert "cost unknown: no price for this model" in out
    assert "1 opaque" in cli("runs", "ls", "--ledger", world.path).out
    assert cli("runs", "tree", run, "--ledger", world.path).out.count("cost unknown") == 2


def test_a_run_whose_process_died_in_a_call_is_abandoned_until_it_is_heard_of_again(cli: Cli, world: Any) -> None:
    run, call = world.run(), world.clock.new_id()
    assert "open" in cli("runs", "ls", "--ledger", world.path).out
    world.fact("call.opened", run, call, kind="model", name="gpt-4o")
    world.fact(
        "hold.expired", run, call, hold={"id": call, "lines": []}, reason="its process ended before the call did"
    )
    assert "abandoned" in cli("runs", "ls", "--status", "abandoned", "--ledger", world.path).out
    assert "its process ended without closing it" in cli("runs", "show", run, "--ledger", world.path).out
    world.call(run)
    assert "abandoned" not in cli("runs", "ls", "--ledger", world.path).out


@pytest.mark.skipif(sys.platform == "win32", reason="Windows knows no shared locks")
def test_an_open_run_is_abandoned_where_nobody_uses_the_ledger_any_more(cli: Cli, world: Any) -> None:
    run = world.run()
    assert json.loads(cli("runs", "ls", "--json", "--ledger", world.path).out)[0]["status"] == "open"
    world.ledger.close()
    assert json.loads(cli("runs", "ls", "--json", "--ledger", world.path).out)[0]["status"] == "abandoned"
    assert "abandoned" in cli("runs", "tree", run, "--ledger", world.path).out
    assert "match" in cli("runs", "ls", "--status", "open", "--ledger", world.path).out


def test_runs_inside_a_run_are_nodes_of_its_tree_and_linked_from_it(cli: Cli, world: Any) -> None:
    outer = world.run("outer")
    desk = world.fact("agent.opened", outer, agent="desk")
    inner, innermost = world.clock.new_id(), world.clock.new_id()
    world.fact("run.opened", inner, workflow="inner", outer=outer, parent=desk)
    world.call(inner)
    world.fact("run.opened", innermost, workflow="innermost", outer=inner, parent=inner)
    world.call(innermost, cost=1, currency="EUR")
    for run in (innermost, inner, outer):
        world.fact("run.closed", run, status="ok")
    lines = cli("runs", "tree", outer, "--ledger", world.path).out.splitlines()
    assert lines[0].startswith("outer for acme  ✓ ok  0.0015 USD + 0.000000001 EUR")
    assert lines[1] == "└─ agent desk  … open  0.0015 USD + 0.000000001 EUR"
    assert lines[2].startswith(f"   └─ run inner  ✓ ok  0.0015 USD + 0.000000001 EUR  1 call  {inner}")
    assert lines[3].startswith(f"      └─ run innermost  ✓ ok  0.000000001 EUR  1 call  {innermost}")
    assert (
        f"inner run {inner}  inner  ✓ ok  1 call, 0.0015 USD" in cli("runs", "show", outer, "--ledger", world.path).out
    )
    assert f"inside run {outer}" in cli("runs", "show", inner, "--ledger", world.path).out
    told = json.loads(cli("runs", "show", outer, "--json", "--ledger", world.path).out)
    assert [(row["run"], row["outer"]) for row in told["inner"]] == [(inner, outer), (innermost, inner)]


def test_runs_that_claim_to_lie_in_each_other_are_shown_all_the_same(cli: Cli, world: Any) -> None:
    one, two = world.clock.new_id(), world.clock.new_id()
    world.fact("run.opened", one, workflow="one", outer=two)
    world.fact("run.opened", two, workflow="two", outer=one)
    assert "run two" in cli("runs", "tree", one, "--ledger", world.path).out
    assert "inner run" in cli("runs", "show", two, "--ledger", world.path).out


def test_what_is_folded_is_summed_on_every_level(cli: Cli, world: Any) -> None:
    run = world.run()
    for _ in range(3):
        span = world.fact("agent.opened", run, agent="worker")
        world.call(run, parent=span)
        world.fact("agent.closed", run, span=span, status="ok")
    lines = cli("runs", "tree", run, "--ledger", world.path).out.splitlines()
    assert lines[1:3] == ["└─ agent worker  ✓ ok  x3  0.0045 USD", "   └─ model gpt-4o  ✓ ok  x3  0.0045 USD"]


def test_tools_on_offer_are_named_and_not_printed_as_json(cli: Cli, world: Any) -> None:
    run = world.run()
    openai = [{"type": "function", "function": {"name": n, "parameters": {}}} for n in ("read_order", "issue_refund")]
    anthropic = [{"name": "lookup", "input_schema": {}}, {"type": "web_search_20250305", "name": "web_search"}]
    gemini = [{"functionDeclarations": [{"name": "one"}, {"name": "two"}]}]
    said = [{"type": "text", "text": "You are kind."}]
    for body in (openai, anthropic, gemini, said):
        world.call(run, request=world.keep(json.dumps(body)))
    out = cli("runs", "show", run, "--bodies", "--ledger", world.path).out
    for names in ("read_order, issue_refund", "lookup, web_search", "one, two"):
        assert f"tools offered: {names}\n" in out
    assert "text: You are kind." in out


def things(ledger: Path) -> dict[str, tuple[int, int]]:
    return {str(path): (path.stat().st_mtime_ns, path.stat().st_size) for path in sorted(ledger.rglob("*"))}


def test_a_ledger_nobody_may_write_in_is_read_without_a_trace(
    cli: Cli,
    world: Any,
    refund: str,
    read_only: Callable[[Path], None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world.ledger.close()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    before = things(world.path)
    read_only(world.path)
    for command in (("ls",), ("show", "last", "--bodies"), ("tree", refund)):
        said = cli("runs", *command, "--ledger", world.path)
        assert said.code == 0
        assert refund[:16] in said.out
        assert said.err == f"{world.path}: read-only, so its books were made in a temporary directory.\n"
    assert things(world.path) == before
    assert not list(tmp_path.glob("comptroller-books-*"))


def test_the_tree_of_a_run_without_a_workflow_still_begins_with_a_word(cli: Cli, world: Any) -> None:
    run = world.run(workflow="", customer="")
    assert cli("runs", "tree", run, "--ledger", world.path).out.startswith("run  ")


def test_the_votes_of_judges_stand_with_what_came_of_them(cli: Cli, world: Any) -> None:
    run = world.run()
    votes = [{"judge": "careful", "vote": "yes", "ms": 3}, {"judge": "quick", "vote": "unsure", "ms": 2}]
    said = {"stage": "reply", "action": "deny", "rule": "advice", "because": "No.", "judged": {"votes": votes}}
    call = world.call(run, decisions=[said, {**said, "rule": "other", "judged": None}])
    out = cli("runs", "show", run, "--ledger", world.path).out
    assert "deny by advice [careful yes, quick unsure]: No." in out
    assert "deny by other: No." in out
    assert f"call {call[:16]}" in out
