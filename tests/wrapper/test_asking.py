"""Calls that need a person: parked, refused, and let through once, in-process and at the model's boundary."""

import asyncio
import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from comptroller.core.call import Identity
from comptroller.core.clock import SYSTEM
from comptroller.core.errors import ComptrollerError, Denied, NotApproved, StoreError
from comptroller.core.facts import APPROVAL_USED, APPROVAL_VOIDED, ASK, CALL_CLOSED
from comptroller.dialects.routes import dialect_for
from comptroller.office.approvals import ApprovalDesk, Approver, Heard
from comptroller.office.orders import Target, kill
from comptroller.policies.load import load_policies
from comptroller.testing import Playbook, TestDesk, desk
from comptroller.wrapper.boundary import Boundary
from comptroller.wrapper.context import RunState
from comptroller.wrapper.drive import at_desk
from comptroller.wrapper.effects import Answer, Ask, Effect, Head, Pause, Reserve, Send, Use
from comptroller.wrapper.flow import model_call
from comptroller.wrapper.run import Run
from comptroller.wrapper.shared import Job
from comptroller.wrapper.tools import tool
from tests.wrapper.bodies import DONE, ask, event, reply

OK = Head(200, {"content-type": "application/json"})
STREAM = Head(200, {"content-type": "text/event-stream"})
CHAT = dialect_for("POST", "/v1/chat/completions")
ASKING = "ask: {of: [finance], within: 4h}"
POLICY = f"""
policy: refunds
guards: {{secrets: {{out: deny}}, privacy: {{out: redact}}}}
tools:
  issue_refund: {{effect: write, args: {{order: string, amount: double, to: string?}}}}
  wire: {{effect: write, args: {{payee: string, amount: double}}}}
  look: {{effect: read}}
rules:
  - {{id: big, on: tool, tool: issue_refund, when: args.amount > 100.0, then: ask, {ASKING}, because: Big.}}
  - {{id: bigger, on: tool, tool: issue_refund, when: args.amount > 500.0, then: ask, ask: {{of: [compliance]}}}}
  - {{id: huge, on: tool, tool: issue_refund, when: args.amount > 1000.0, then: deny, because: Too much.}}
  - {{id: wires, on: tool, tool: wire, then: ask, ask: {{of: [finance], benefits: [payee], quorum: 2}}}}
  - {{id: old-model, on: model, when: 'model.name == "gpt-4"', then: ask, ask: {{wait: 30s}}}}
  - {{id: bad-news, on: result, tool: look, when: 'text.contains("bad")', then: ask}}
  - {{id: spy, on: agent, when: 'agent == "spy"', then: ask}}
  - {{id: bribe, on: outcome, when: 'outcome.type == "bribe"', then: ask}}
"""
JANE, CORA = Approver("jane", frozenset({"finance"})), Approver("cora", frozenset({"compliance"}))
BIG = {"order": "1", "amount": 250.0}


@pytest.fixture
def held() -> Iterator[TestDesk]:
    with desk(POLICY) as made:
        yield made


@pytest.fixture
def done() -> list[tuple[Any, ...]]:
    return []


@pytest.fixture
def refund(done: list[tuple[Any, ...]]) -> Any:
    @tool(effect="write")
    def issue_refund(order: str, amount: float, to: str | None = None) -> str:
        done.append((order, amount, to))
        return "refunded"

    return issue_refund


def say(held: TestDesk, word: str, who: Approver = JANE, number: int = -1, **more: Any) -> Heard:
    """Answer the latest approval, or another one by its number."""
    office = ApprovalDesk(held).catch_up()
    return office.answer(sorted(office.all(), key=lambda each: each.id)[number], word, who, **more)


def drive(held: TestDesk, body: bytes, *pieces: bytes, run: RunState | None = None, head: Head = OK) -> Answer | bytes:
    """Drive a model call on a desk to its end; a stream gives what was handed out."""
    run = run or RunState("r" * 32, "r" * 32, Boundary())
    job = Job(held, Identity(run=run.id, agent="clerk", customer="acme"), run, CHAT, body)  # type: ignore[arg-type]
    play, left, out = Playbook(model_call(job)), list(pieces), b""
    while not isinstance(play.now, Answer):
        effect: Effect = play.now
        if isinstance(effect, Send):
            play.answer(head)
        elif isinstance(effect, Ask | Use | Reserve):
            play.answer(at_desk(held, effect))
        elif isinstance(effect, Pause):
            held.clock.tick(effect.seconds)  # type: ignore[attr-defined]
            play.answer()
        else:
            out += getattr(effect, "data", b"")
            play.answer(left.pop(0) if left else None)
    return out if head is STREAM else play.done()


def asked_of(body: bytes) -> str:
    return json.loads(body)["choices"][0]["message"]["content"] or ""


def test_a_tool_is_refused_with_an_id_until_approved_and_then_runs_once(
    held: TestDesk, refund: Any, done: list[Any]
) -> None:
    with Run("support"):
        with pytest.raises(NotApproved, match=r"Big\. It waits for approval \w+ by finance until") as refused:
            refund(**BIG)
        assert say(held, "approve").not_done == ""
        assert refund(**BIG) == "refunded"
        with pytest.raises(NotApproved) as again:
            refund(**BIG)
    assert done == [("1", 250.0, None)]
    assert refused.value.details["approval"] != again.value.details["approval"]
    assert len(held.ledger.of(APPROVAL_USED)) == 1


def test_what_is_asked_and_used_is_synced_before_anybody_is_told(held: TestDesk, refund: Any) -> None:
    with Run("support"):
        with pytest.raises(NotApproved):
            refund(**BIG)
        say(held, "approve")
        refund(**BIG)
    kinds = [fact.kind for fact in held.ledger.synced]
    assert kinds == [ASK, "approval.answered", APPROVAL_USED]


def test_the_same_call_asks_once_while_it_waits_and_another_one_by_itself(held: TestDesk, refund: Any) -> None:
    with Run("support"):
        for args in (BIG, BIG, {**BIG, "amount": 251.0}):
            with pytest.raises(NotApproved):
                refund(**args)
    with Run("support"), pytest.raises(NotApproved):
        refund(**BIG)
    with Run("support", customer="bolt"), pytest.raises(NotApproved):
        refund(**BIG)
    assert len(held.facts(ASK)) == 3


def test_an_approved_call_passes_in_another_run_but_for_no_other_customer(
    held: TestDesk, refund: Any, done: list[Any]
) -> None:
    with Run("support", customer="acme"), pytest.raises(NotApproved):
        refund(**BIG)
    say(held, "approve")
    with Run("support", customer="bolt"), pytest.raises(NotApproved):
        refund(**BIG)
    with Run("support", customer="acme"):
        refund(**BIG)
    assert len(done) == 1


def test_a_denied_call_is_refused_with_who_and_why_until_its_time_is_over(held: TestDesk, refund: Any) -> None:
    with Run("support"):
        with pytest.raises(NotApproved):
            refund(**BIG)
        say(held, "deny", because="Not this customer.")
        with pytest.raises(Denied, match="jane denied it: Not this customer"):
            refund(**BIG)
        held.clock.tick(4 * 3600 + 1)  # type: ignore[attr-defined]
        with pytest.raises(NotApproved):
            refund(**BIG)
    assert [data["status"] for data in held.facts(CALL_CLOSED)] == ["pending", "denied", "pending"]


def test_an_expired_approval_is_asked_for_anew_and_a_late_answer_changes_nothing(held: TestDesk, refund: Any) -> None:
    with Run("support"):
        with pytest.raises(NotApproved):
            refund(**BIG)
        held.clock.tick(4 * 3600 + 1)  # type: ignore[attr-defined]
        assert say(held, "approve").not_done == "it has expired"
        held.ledger.sweep()
        with pytest.raises(NotApproved):
            refund(**BIG)
    assert len(held.facts(ASK)) == 2


def test_an_approval_that_nobody_used_in_time_is_no_longer_good(held: TestDesk, refund: Any, done: list[Any]) -> None:
    with Run("support"):
        with pytest.raises(NotApproved):
            refund(**BIG)
        say(held, "approve")
        held.clock.tick(4 * 3600 + 1)  # type: ignore[attr-defined]
        with pytest.raises(NotApproved):
            refund(**BIG)
    assert not done


def test_an_edited_call_goes_out_as_it_was_approved(held: TestDesk, refund: Any, done: list[Any]) -> None:
    with Run("support"):
        with pytest.raises(NotApproved):
            refund(**BIG)
        assert say(held, "approve", edit={"order": "1", "amount": 180}).not_done == ""
        refund(**BIG)
    assert done == [("1", 180, None)]
    assert held.facts(CALL_CLOSED)[-1]["approvals"][0] | {"id": ""} == {"id": "", "people": ["jane"], "edited": True}  # type: ignore[index]


def test_an_edited_call_meets_the_whole_policy_again(held: TestDesk, refund: Any, done: list[Any]) -> None:
    with Run("support"):
        with pytest.raises(NotApproved):
            refund(**BIG)
        assert "huge denies it" in say(held, "approve", edit={"order": "1", "amount": 2000.0}).not_done
        assert say(held, "approve", edit={"order": "1", "amount": 600.0}).not_done == ""
        with pytest.raises(NotApproved) as more:
            refund(**BIG)
        assert more.value.details["rule"] == "bigger"
        assert say(held, "approve", JANE).not_done == "it is for compliance to answer, and jane is finance"
        say(held, "approve", CORA)
        refund(**BIG)
        assert done == [("1", 600.0, None)]
        with pytest.raises(NotApproved):
            refund(**BIG)


def test_a_secret_in_an_edit_is_denied_all_the_same(held: TestDesk, refund: Any, done: list[Any]) -> None:
    with Run("support"):
        with pytest.raises(NotApproved):
            refund(**BIG)
        say(held, "approve", edit={**BIG, "to": "AKIA" + "QYLPMN5HFIQR7BBB"})
        with pytest.raises(Denied):
            refund(**BIG)
    assert not done


def test_what_an_approver_saw_redacted_and_left_alone_stays_what_it_was(
    held: TestDesk, refund: Any, done: list[Any]
) -> None:
    with Run("support"):
        with pytest.raises(NotApproved):
            refund(**BIG, to="ann@example.com")
        office = ApprovalDesk(held).catch_up()
        seen = office.shown(office.all()[0])
        assert seen is not None
        assert "ann@example.com" not in json.dumps(seen)
        say(held, "approve", edit={**seen["args"], "amount": 120.0})
        refund(**BIG, to="ann@example.com")
    assert done[0][:2] == ("1", 120.0)
    assert "ann@" not in str(done[0][2])  # redacted by the policy, as without an approval


def test_every_rule_that_asks_has_to_be_answered(held: TestDesk, refund: Any, done: list[Any]) -> None:
    large = {"order": "1", "amount": 700.0}
    with Run("support"):
        with pytest.raises(NotApproved):
            refund(**large)
        say(held, "approve")
        with pytest.raises(NotApproved):
            refund(**large)
        assert not held.ledger.of(APPROVAL_USED)
        say(held, "approve", CORA)
        refund(**large)
    assert len(done) == 1
    assert len(held.facts(APPROVAL_USED)[0]["approvals"]) == 2  # type: ignore[arg-type]


def test_two_people_must_agree_and_who_benefits_is_none_of_them(held: TestDesk) -> None:
    paid = []

    @tool(effect="write")
    def wire(payee: str, amount: float) -> None:
        paid.append(payee)

    with Run("support", user="Ann"):
        with pytest.raises(NotApproved):
            wire("Bob", 5.0)
        finance = frozenset({"finance"})
        assert "benefits" in say(held, "approve", Approver("bob", finance)).not_done
        assert "asked for this call" in say(held, "approve", Approver("ann", finance)).not_done
        assert say(held, "approve").approval.state == "pending"
        assert say(held, "approve").not_done == "jane has said so already"
        with pytest.raises(NotApproved):
            wire("Bob", 5.0)
        assert say(held, "approve", Approver("kim", finance)).approval.state == "approved"
        wire("Bob", 5.0)
    assert paid == ["Bob"]


def test_changed_policies_void_what_was_asked_for(held: TestDesk, refund: Any, done: list[Any]) -> None:
    with Run("support"):
        with pytest.raises(NotApproved):
            refund(**BIG)
        held.book = load_policies([("policy.yaml", POLICY + "\n# another version\n")])
        held._announce()
        assert say(held, "approve").not_done.startswith("it is void: the policies have changed")
        with pytest.raises(NotApproved):
            refund(**BIG)
        say(held, "approve")
        refund(**BIG)
    assert len(done) == 1


def test_a_call_made_under_other_policies_voids_an_approval_already_given(
    held: TestDesk, refund: Any, done: list[Any]
) -> None:
    with Run("support"):
        with pytest.raises(NotApproved):
            refund(**BIG)
        say(held, "approve")
        held.book = load_policies([("policy.yaml", POLICY + "\n# another version\n")])
        with pytest.raises(NotApproved):
            refund(**BIG)
    assert not done
    assert len(held.facts(APPROVAL_VOIDED)) == 1


def test_nobody_in_time_lets_it_pass_once_where_the_rule_says_so(refund: Any, done: list[Any]) -> None:
    with desk(POLICY.replace(ASKING, "ask: {of: [finance], within: 1h, otherwise: allow}")) as held, Run("support"):
        with pytest.raises(NotApproved):
            refund(**BIG)
        held.clock.tick(3601)  # type: ignore[attr-defined]
        held.ledger.sweep()
        refund(**BIG)
        with pytest.raises(NotApproved):
            refund(**BIG)
    assert len(done) == 1


def test_a_full_disk_refuses_what_nobody_can_be_asked_about(held: TestDesk, refund: Any, done: list[Any]) -> None:
    with Run("support"):
        held.ledger.broken = StoreError("no room left")
        with pytest.raises(Denied, match="Nobody can be asked"):
            refund(**BIG)
        held.ledger.broken = None
    assert not done


def test_a_waiting_call_goes_on_when_it_is_answered(held: TestDesk) -> None:
    run = RunState("r" * 32, "r" * 32, Boundary())
    job = Job(held, Identity(run=run.id), run, CHAT, ask(model="gpt-4"))  # type: ignore[arg-type]
    play = Playbook(model_call(job))
    play.answer(at_desk(held, play.expect(Ask)))
    for _ in range(3):
        play.expect(Pause)
        play.answer()
        play.answer(at_desk(held, play.expect(Ask)))
    say(held, "approve")
    play.expect(Pause)
    play.answer()
    play.answer(at_desk(held, play.expect(Ask)))
    play.answer(at_desk(held, play.expect(Reserve)))
    play.answer(at_desk(held, play.expect(Use)))
    play.expect(Send)
    play.answer(OK).answer(reply())
    assert play.done().status == 200
    assert held.facts(CALL_CLOSED)[-1]["parked_ms"] > 0  # type: ignore[operator]


def test_a_call_waits_no_longer_than_its_rule_allows(held: TestDesk) -> None:
    answer = drive(held, ask(model="gpt-4"))
    assert isinstance(answer, Answer)
    assert (answer.status, json.loads(answer.body)["error"]["code"]) == (409, "approval_pending")
    assert answer.headers["x-should-retry"] == "false"
    assert held.facts(CALL_CLOSED)[-1]["parked_ms"] == 30_000


def test_a_call_that_is_refused_elsewhere_uses_nothing_up() -> None:
    with desk(POLICY + "budgets: [{per: tenant, cap: 0 calls}]\n") as held:
        drive(held, ask(model="gpt-4"))
        say(held, "approve")
        assert drive(held, ask(model="gpt-4")).status == 402  # type: ignore[union-attr]
        assert not held.ledger.of(APPROVAL_USED)


def test_a_cap_that_asks_is_lifted_for_the_approved_call_alone() -> None:
    with desk("policy: p\nbudgets: [{per: tenant, cap: 0 calls, over: ask}]\n") as held:
        assert drive(held, ask(), reply()).status == 409  # type: ignore[union-attr]
        say(held, "approve")
        assert drive(held, ask(), reply()).status == 200  # type: ignore[union-attr]
        assert drive(held, ask(), reply()).status == 409  # type: ignore[union-attr]


def test_a_tool_call_of_a_model_is_refused_in_words_and_passes_once(
    held: TestDesk, refund: Any, done: list[Any]
) -> None:
    run = RunState("r" * 32, "r" * 32, Boundary())
    wanted = reply(None, [("c1", "issue_refund", BIG)])
    first = drive(held, ask(), wanted, run=run)
    approval = str(held.ledger.of(ASK)[0].id)
    assert f"It waits for approval {approval}" in asked_of(first.body)  # type: ignore[union-attr]
    say(held, "approve")
    assert drive(held, ask(), wanted, run=run).body == wanted  # type: ignore[union-attr]
    assert "approval_pending" in asked_of(drive(held, ask(), wanted, run=run).body)  # type: ignore[union-attr]


def test_a_tool_call_of_a_model_is_handed_on_as_it_was_edited_and_is_asked_for_no_more(held: TestDesk) -> None:
    run = RunState("r" * 32, "r" * 32, Boundary())
    wanted = reply(None, [("c1", "issue_refund", BIG)])
    drive(held, ask(), wanted, run=run)
    say(held, "approve", edit={"order": "1", "amount": 150.0})
    told = json.loads(drive(held, ask(), wanted, run=run).body)  # type: ignore[union-attr]
    args = json.loads(told["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"])
    assert args == {"order": "1", "amount": 150.0}
    [waiting] = run.boundary.drain()
    from comptroller.wrapper.toolgate import digest_of

    assert waiting.digest == digest_of(held, "issue_refund", args)  # what `@ct.tool` will look for


def test_a_streamed_tool_call_waits_and_is_edited_too() -> None:
    policy = POLICY.replace(ASKING, "ask: {of: [finance], wait: 1m}")
    wanted = {
        "tool_calls": [
            {
                "index": 0,
                "id": "c1",
                "type": "function",
                "function": {"name": "issue_refund", "arguments": json.dumps(BIG)},
            }
        ]
    }
    with desk(policy) as held:
        out = drive(held, ask(stream=True), event(wanted), event({}, "tool_calls") + DONE, head=STREAM)
        assert b"approval_pending" in out  # type: ignore[operator]
        say(held, "approve", edit={"order": "9", "amount": 150.0})
        out = drive(held, ask(stream=True), event(wanted), event({}, "tool_calls") + DONE, head=STREAM)
        assert b'\\"order\\":\\"9\\"' in out  # type: ignore[operator]


def test_a_result_is_asked_about_once_in_a_run_though_history_repeats_it(held: TestDesk) -> None:
    run = RunState("r" * 32, "r" * 32, Boundary())
    call = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
    said = [
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "bad"},
    ]
    body = json.dumps({"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hi"}, *said]}).encode()
    assert drive(held, body, reply(), run=run).status == 409  # type: ignore[union-attr]
    say(held, "approve")
    assert [drive(held, body, reply(), run=run).status for _ in range(2)] == [200, 200]  # type: ignore[union-attr]


def test_agents_and_claims_pass_once_approved(held: TestDesk) -> None:
    with Run("support") as run:
        with pytest.raises(NotApproved), run.agent("spy"):
            raise AssertionError("it did not open")
        say(held, "approve")
        with run.agent("spy"):
            pass
        with pytest.raises(NotApproved):
            run.claim("bribe", subject="1")
        say(held, "approve")
        run.claim("bribe", subject="1")
    assert [data.get("action") for data in held.facts("claim")] == ["ask", "note"]


def test_a_rule_in_shadow_asks_nobody_and_is_counted(refund: Any, done: list[Any]) -> None:
    with desk(POLICY.replace(ASKING, ASKING + ", mode: shadow")) as held, Run("support"):
        refund(**BIG)
        [row] = held.facts(CALL_CLOSED)[-1]["decisions"]  # type: ignore[misc]
        assert (row["rule"], row["action"], row["shadow"]) == ("big", "ask", True)
        assert not held.facts(ASK)
    assert done


WAITING = """
policy: p
tools: {issue_refund: {effect: write, args: {order: string, amount: double, to: string?}}}
rules: [{id: big, on: tool, tool: issue_refund, when: args.amount > 100.0, then: ask, ask: {of: [finance], wait: 1m}}]
"""


def approve_soon(held: TestDesk) -> threading.Thread:
    """Somebody who answers as soon as something is asked."""

    def watch() -> None:
        while not held.ledger.of(ASK):
            pass
        say(held, "approve", edit={"order": "2", "amount": 101.0})

    made = threading.Thread(target=watch)
    made.start()
    return made


def test_a_tool_waits_in_its_thread_and_is_called_as_it_was_edited(refund: Any, done: list[Any]) -> None:
    with desk(WAITING, clock=SYSTEM) as held, Run("support"):
        someone = approve_soon(held)
        refund(**BIG)
        someone.join()
    assert done == [("2", 101.0, None)]


async def _awaited(held: TestDesk, done: list[Any]) -> list[Any]:
    @tool(effect="write")
    async def issue_refund(order: str, amount: float) -> None:
        done.append((order, amount))

    async def beside() -> None:
        done.append("beside")

    someone = approve_soon(held)
    await asyncio.gather(issue_refund(**BIG), beside())  # type: ignore[arg-type]
    someone.join()
    return done


def test_an_async_tool_waits_without_keeping_its_loop_from_anything() -> None:
    with desk(WAITING, clock=SYSTEM) as held, Run("support"):
        assert asyncio.run(_awaited(held, [])) == ["beside", ("2", 101.0)]


def test_the_sdks_own_error_is_ours_too_and_names_the_approval(held: TestDesk) -> None:
    openai = pytest.importorskip("openai")
    from comptroller.wrapper.wrap import wrap

    with Run("support"):
        held.book = load_policies([("p.yaml", POLICY.replace("wait: 30s", "wait: 0s"))])
        client = wrap(openai.OpenAI(api_key="sk-none", base_url="http://127.0.0.1:9/v1"))
        with pytest.raises(NotApproved) as refused:
            client.chat.completions.create(model="gpt-4", messages=[{"role": "user", "content": "Hi"}])
    assert isinstance(refused.value, openai.APIStatusError)
    assert refused.value.details["approval"] == held.ledger.of(ASK)[0].id
    assert len(held.ledger.of(ASK)) == 1


def test_a_call_of_a_run_that_was_stopped_waits_no_longer_and_asks_nobody(held: TestDesk) -> None:
    run = RunState("r" * 32, "r" * 32, Boundary())
    job = Job(held, Identity(run=run.id), run, CHAT, ask(model="gpt-4"))  # type: ignore[arg-type]
    play = Playbook(model_call(job))
    play.answer(at_desk(held, play.expect(Ask)))
    play.expect(Pause)
    kill(held.ledger, held.clock, Target("run", run.id, "default"), "jane", "It runs wild.")
    assert play.answer().done().status == 403
    assert drive(held, ask(model="gpt-4", max_tokens=7), run=run).status == 403  # type: ignore[union-attr]
    assert len(held.ledger.of(ASK)) == 1


def test_half_a_character_in_an_agents_name_or_a_claim_breaks_nothing() -> None:
    half = "half \ud83d"
    with desk() as at, Run("support", customer=half, desk=at) as run, run.agent(half):
        assert run.claim("refund.resolved", subject=half)


@pytest.mark.parametrize("order", ["\ud800", "\0", "\u202e", "x" * 100_000])
def test_what_an_agent_writes_is_asked_about_exactly_whatever_it_is(held: TestDesk, order: str) -> None:
    run = RunState("r" * 32, "r" * 32, Boundary())
    for _ in range(2):
        drive(held, ask(), reply(None, [("c1", "issue_refund", {"order": order, "amount": 250.0})]), run=run)
    drive(held, ask(), reply(None, [("c1", "issue_refund", {"order": order + "?", "amount": 250.0})]), run=run)
    drive(held, ask(), reply(None, [("c1", "issue_refund", {"order": "?", "amount": 250.0})]), run=run)
    assert len(held.ledger.of(ASK)) == 3
    assert ApprovalDesk(held).catch_up().shown(ApprovalDesk(held).catch_up().all()[0])


def test_a_test_answers_for_a_person(held: TestDesk, refund: Any, done: list[Any]) -> None:
    with pytest.raises(ComptrollerError, match="Nothing waits"):
        held.answer()
    with Run("support"):
        for word, error in (("deny", Denied), ("approve", None)):
            with pytest.raises(NotApproved):
                refund(word, 250.0)
            held.answer(word)  # type: ignore[arg-type]
            if error is not None:
                with pytest.raises(error):
                    refund(word, 250.0)
            else:
                refund(word, 250.0)
    assert [order for order, *_ in done] == ["approve"]
