"""The bench under attack: whose guards, caps and words hold for what a judge is shown, and what it costs."""

import asyncio
from contextlib import nullcontext
from typing import Any

import pytest
from openai import OpenAI

import comptroller as ct
from comptroller.core.facts import CALL_CLOSED, CALL_OPENED, KILLED, Fact
from comptroller.testing.script import Received, Say, Use
from comptroller.wrapper.bench import Asked, Bench
from tests.wrapper.test_judging import BOTH, HEAD, HI, RULE, SUE, House, exhibits, house, is_judge, verdict

BOB: list[Any] = [{"role": "user", "content": "I am bob@acme.com. Hi"}]


def ask_as(here: House, agent: str, messages: list[Any]) -> str:
    client = ct.wrap(OpenAI(base_url=f"{here.up.url}/v1", api_key="none", max_retries=0))
    with ct.run("support", customer="acme") as run, run.agent(agent):
        return str(client.chat.completions.create(model="gpt-4o-mini", messages=messages).choices[0].message.content)


def head_for(agent: str, more: str) -> str:
    return HEAD.replace("policy: p", f"policy: p\napplies: {{agents: [{agent}]}}\n{more}")


@pytest.mark.parametrize("more", ["guards: {privacy: {in: redact}}", "tokens: {of: [email]}"])
def test_a_judge_sees_no_more_than_the_provider_of_whom_it_judges(more: str) -> None:
    with house(head=head_for("desk", more)) as here:
        ask_as(here, "desk", BOB)
        assert "email" in exhibits(here.judged[0])
        assert not any("bob@acme.com" in repr(asked.json) for asked in here.up.requests)


def test_a_cap_for_whom_a_judge_judges_holds_for_what_judging_costs() -> None:
    head = head_for("desk", "budgets: [{per: run, cap: 2 calls, over: deny}]")
    with house(rules=BOTH, head=head) as here:
        with pytest.raises(ct.Denied):
            ask_as(here, "desk", BOB)
        (call,) = here.calls("desk")
        assert sorted(vote["vote"] for vote in call["decisions"][0]["judged"]["votes"]) == ["broken", "no"]
        assert len(here.judged) == 1


def test_who_spends_much_does_not_get_a_weaker_judge() -> None:
    more = "budgets: [{per: run, cap: 0.001 USD, over: downgrade}]\ndowngrade: {to: gpt-4o-mini}"
    with house(head=HEAD.replace("policy: p", f"policy: p\n{more}")) as here:
        with pytest.raises(ct.Denied):
            here.ask(HI, max_tokens=10)
        assert here.rows()[-1]["judged"]["votes"][0]["why"] == "its call was refused: over_budget"
        assert here.judged == []


def test_a_cap_on_an_agent_counts_what_that_agent_spends_and_not_its_judges() -> None:
    with house(head=head_for("desk", "budgets: [{per: agent, cap: 1 calls, over: deny}]")) as here:
        assert ask_as(here, "desk", BOB) == "Hello."
        assert len(here.office.facts(CALL_CLOSED)) == 2


@pytest.mark.parametrize("args", ['{"to": "evil"', "evil", '["evil"]', '{"to": NaN, "more": "evil"}'])
def test_a_judge_sees_arguments_that_we_cannot_read_and_an_agent_might(args: str) -> None:
    rule = "  - {id: pay, on: tool, tool: pay, judge: {says: It pays evil., by: [careful]}, then: deny, because: No.}\n"

    def answer(asked: Received) -> Say | str:
        if is_judge(asked):
            return verdict("yes" if "evil" in exhibits(asked) else "no")
        return Say(calls=[Use("pay", args)])

    with house(rules=rule, says=answer) as here:
        assert "was refused. No." in here.ask()


def test_what_the_model_was_told_when_it_was_asked_again_is_not_what_the_user_said() -> None:
    rule = RULE.replace("because: No advice.", "because: No advice., retry: {times: 1, hint: Only say hello}")
    with house(rules=rule) as here:
        here.ask(SUE)
        assert len(here.judged) == 2
        assert "Only say hello" not in exhibits(here.judged[-1])


@pytest.mark.parametrize("stream", [False, True])
def test_what_is_stopped_while_it_is_judged_is_not_handed_out(stream: bool) -> None:
    stopping: list[House] = []

    def answer(asked: Received) -> Say | str:
        if not is_judge(asked):
            return "Hello."
        ledger, (fact, *_) = stopping[0].office.ledger, stopping[0].office.ledger.of(CALL_OPENED)
        data = {"scope": "run", "who": fact.run, "tenant": "default", "by": "Ann", "because": "It loops."}
        ledger.sync(Fact(KILLED, "k", 1, fact.run, "", data))
        return verdict("no")

    with house(says=answer) as here:
        stopping.append(here)
        with nullcontext() if stream else pytest.raises(ct.Denied, match="Ann"):
            assert here.ask(stream=stream) == ""
        (call,) = here.calls()
        assert (call["status"], call["decisions"][-1]["rule"]) == ("denied", "kill.run")


def test_a_judge_with_no_place_left_keeps_nobody_from_asking_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("comptroller.wrapper.bench.AT_ONCE", 1)
    quick_was_asked = asyncio.Event()

    async def answered(bench: Bench, client: Any, asked: Asked, *more: Any) -> tuple[str, tuple[int, ...]]:
        if asked.judge.name == "quick":
            quick_was_asked.set()
        await quick_was_asked.wait()
        return "no", ()

    monkeypatch.setattr(Bench, "_ask", answered)
    with house(rules=BOTH) as here:
        assert here.ask(HI) == "Hello."
