"""Loops on the path of a call: what is done about a run that repeats itself, and what is on record of it."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import comptroller as ct
from comptroller.core.call import Identity
from comptroller.core.errors import Denied, NotApproved, StoreError
from comptroller.core.facts import AGENT_OPENED, CALL_CLOSED, KILLED
from comptroller.dialects.routes import dialect_for
from comptroller.metering.orders import Orders
from comptroller.office import orders
from comptroller.testing import Playbook, TestDesk, desk
from comptroller.wrapper.boundary import Boundary
from comptroller.wrapper.context import RunState, within
from comptroller.wrapper.effects import Answer, Ask, Emit, Head, Order, Pause, Read, Reserve, Send, Use
from comptroller.wrapper.flow import model_call
from comptroller.wrapper.shared import Job
from tests.wrapper.bodies import DONE, ask, event, reply

OK = Head(200, {"content-type": "application/json"})
STREAM = Head(200, {"content-type": "text/event-stream"})
CHAT = dialect_for("POST", "/v1/chat/completions")
Calls = list[tuple[str, str, dict[str, Any]]]


class Run:
    """One run of an agent against a model whose answers the test makes up."""

    def __init__(self, made: TestDesk) -> None:
        self.desk, self.state, self.number = made, RunState("r" * 32, "r" * 32, Boundary()), 0
        self.seen: list[object] = []  # effects besides the usual ones

    def turn(self, body: bytes | None = None, answer: bytes = reply(), agent: str = "clerk", status: int = 200) -> Any:
        """A model call, the answer its agent gets."""
        self.number += 1
        body = body or ask(f"turn {self.number}", max_tokens=20)
        assert CHAT is not None
        play = Playbook(model_call(Job(self.desk, Identity(run=self.state.id, agent=agent), self.state, CHAT, body)))
        while not isinstance(play.now, Answer):
            play.answer(self.do(play.now, answer, status))
        return play.done()

    def do(self, effect: object, answer: bytes, status: int) -> Any:
        ledger = self.desk.ledger
        if isinstance(effect, Reserve):
            return ledger.reserve(effect.opened)
        if isinstance(effect, Send):
            return Head(status, OK.headers)
        if isinstance(effect, Read):
            return answer
        self.seen.append(effect)
        if isinstance(effect, Order):
            return ledger.sync(effect.fact)
        if isinstance(effect, Ask):
            return ledger.ask(effect.fact)
        if isinstance(effect, Use):
            return ledger.use(effect.fact)
        assert isinstance(effect, Pause)
        return None

    def tool(self, name: str = "search", agent: str = "clerk", **args: object) -> str:
        """The model asks for one tool call; what its agent gets to read instead, or nothing."""
        self.number += 1
        told = self.turn(answer=reply(None, [(f"c{self.number}", name, args)]), agent=agent)
        if told.refused is not None:
            return str(told.refused)
        message = json.loads(told.body)["choices"][0]["message"]
        return "" if message.get("tool_calls") else message["content"]

    @property
    def last(self) -> dict[str, Any]:
        return dict(self.desk.facts(CALL_CLOSED)[-1])

    def said(self, rule: str) -> list[dict[str, Any]]:
        found: Any = [row for call in self.desk.facts(CALL_CLOSED) for row in call.get("decisions", ())]  # type: ignore[attr-defined]
        return [row for row in found if row["rule"] == rule]


@contextmanager
def run(loops: str, more: str = "") -> Iterator[Run]:
    with desk(f"policy: p\nloops: {{{loops}}}\n{more}") as made:
        yield Run(made)


def test_the_same_call_again_and_again_ends_the_run_for_good() -> None:
    with run("repeat: {times: 3, then: stop}") as it:
        assert [it.tool(query="x") for _ in range(2)] == ["", ""]
        told = it.tool(query="x")
        assert "Agent `clerk` called `search` 3 times with the same arguments" in told
        assert f"`comptroller kill --run {it.state.id} --revive`" in told
        refused = it.turn().refused
        assert refused.details["rule"] == "loops.repeat"
        assert "was stopped by policy p: Agent `clerk` called `search` 3 times" in str(refused)
        assert (it.last["status"], it.last["rule"], it.last["cost"]) == ("denied", "loops.repeat", 0)


def test_the_stop_is_a_fact_that_names_its_rule_and_place_and_no_text() -> None:
    with run("repeat: {times: 2, then: stop}") as it:
        for _ in range(2):
            it.tool(query="zebra")
        fact = it.desk.facts(KILLED)[0]
        assert (fact["scope"], fact["who"], fact["rule"]) == ("run", it.state.id, "loops.repeat")
        assert (fact["by"], "(policy.yaml:2)" in str(fact["because"])) == ("policy p", True)
        assert "zebra" not in str(fact)
        assert it.desk.ledger.synced[-1].kind == KILLED or KILLED in [one.kind for one in it.desk.ledger.synced]


def test_a_run_is_stopped_once_however_much_in_it_repeats() -> None:
    with run("repeat: {times: 2, then: stop}") as it:
        calls = [("c1", "read", {"of": 1}), ("c2", "write", {"of": 1})] * 2
        told = it.turn(answer=reply(None, calls)).body.decode()
        assert "called `read` 2 times" in told
        assert "was stopped by policy p" in told
        assert len(it.desk.facts(KILLED)) == 1


def test_orders_go_by_the_policys_rule_also_after_a_snapshot() -> None:
    with run("repeat: {times: 2, then: stop}") as it:
        for _ in range(2):
            it.tool(query="x")
        orders = Orders()
        orders.apply(it.desk.ledger.of(KILLED)[0])
        again = Orders.restore(json.loads(json.dumps(orders.snapshot())))
        assert [stop.shortfall.line.key for stop in again.stops.values()] == ["loops.repeat"]
        assert again.stops == orders.stops


def test_orders_of_before_are_still_read() -> None:
    stop = Orders.restore({"stops": [["run", "r1", "default", "Ann", "", 5]]}).stops["run:r1"]
    assert stop.shortfall.line.key == "kill.run"


def test_other_arguments_another_tool_and_another_agent_are_not_the_same_call() -> None:
    with run("repeat: {times: 2, then: stop}") as it:
        assert it.tool(query="x") == it.tool(query="y") == it.tool("find", query="x") == ""
        assert it.tool(query="x", agent="other") == ""


def test_denied_the_run_goes_on_with_something_else() -> None:
    with run("repeat: {times: 2, then: deny}") as it:
        it.tool(query="x")
        assert "denied" in it.tool(query="x")
        assert it.tool(query="y") == ""
        assert it.desk.facts(KILLED) == []


def test_a_note_lets_it_pass_and_is_on_record_as_others_are() -> None:
    with run("repeat: {times: 2, then: note}") as it:
        assert [it.tool(query="x") for _ in range(3)] == ["", "", ""]
        row = it.said("loops.repeat")[0]
        assert (row["stage"], row["action"], row["tool"], row["place"]) == ("loops", "note", "search", "policy.yaml:2")
        assert len(it.said("loops.repeat")) == 2


def test_in_shadow_nothing_happens_and_what_would_have_is_on_record() -> None:
    with run("repeat: {times: 2, then: stop, mode: shadow}") as it:
        assert [it.tool(query="x") for _ in range(3)] == ["", "", ""]
        assert {(row["action"], row["shadow"]) for row in it.said("loops.repeat")} == {("deny", True)}
        assert it.desk.facts(KILLED) == []


def test_ignored_tools_may_be_asked_over_and_over() -> None:
    with run("ignore: ['get_*'], repeat: {times: 2, then: stop}, rounds: {times: 2, then: stop}") as it:
        assert [it.tool("get_status", job=1) for _ in range(9)] == [""] * 9


def test_a_round_of_calls_that_comes_again_and_again_is_stopped() -> None:
    with run("rounds: {times: 3, then: stop}") as it:
        told = [it.tool(name, of=1) for _ in range(3) for name in ("read", "write")]
        assert told[:5] == [""] * 5
        assert "same 4 calls 3 times on end" in told[5]


def test_a_conversation_is_no_loop() -> None:
    with run("rounds: {times: 2, then: stop}, repeat: {times: 2, then: stop}") as it:
        assert {it.turn().status for _ in range(20)} == {200}


def test_slowed_down_a_call_waits_longer_each_time() -> None:
    with run("repeat: {times: 2, then: slow, delay: 2s}") as it:
        assert [it.tool(query="x") for _ in range(9)] == [""] * 9
        waits = [effect.seconds for effect in it.seen if isinstance(effect, Pause)]
        assert waits == [2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0, 60.0]


def test_asked_about_it_waits_for_a_person_and_then_counts_anew() -> None:
    with run("repeat: {times: 2, then: ask, ask: {of: [finance]}}") as it:
        it.tool(query="x")
        assert "approval_pending" in it.tool(query="x")
        assert "approval_pending" in it.tool(query="x")  # making it again is what it was told, and no repetition
        it.desk.answer("approve")
        assert it.tool(query="x") == ""
        assert it.tool(query="x") == ""
        assert "approval_pending" in it.tool(query="x")


def test_a_call_that_waits_for_a_person_may_be_made_again() -> None:
    rules = "rules: [{id: r, on: tool, tool: pay, then: ask}]"
    with run(
        "repeat: {times: 3, then: stop}, rounds: {times: 3, then: stop}, retries: {times: 3, then: stop}", rules
    ) as it:
        assert all("approval_pending" in it.tool("pay", to="x") for _ in range(9))


def test_a_request_that_fails_again_and_again_is_refused() -> None:
    with run("retries: {times: 3, then: deny}") as it:
        body = ask("same", max_tokens=20)
        assert [it.turn(body, b"{}", status=500).status for _ in range(3)] == [500, 500, 500]
        assert it.turn(body).refused.details["rule"] == "loops.retries"
        assert it.turn(ask("another", max_tokens=20)).status == 200


def test_a_request_that_works_in_between_is_no_storm() -> None:
    with run("retries: {times: 3, then: stop}") as it:
        body = ask("same", max_tokens=20)
        assert [it.turn(body, reply(), status=500 if n % 3 else 200).status for n in range(9)].count(403) == 0


def test_a_tool_that_is_denied_over_and_over_is_a_storm_too() -> None:
    with run("retries: {times: 3, then: stop}", "rules: [{id: no, on: tool, tool: rm, then: deny}]") as it:
        for _ in range(3):
            it.tool("rm", path="/")
        assert "failed 3 times on end" in it.tool("rm", path="/")
        assert it.turn().refused.details["rule"] == "loops.retries"


def test_a_growing_prompt_for_the_same_words_is_stopped() -> None:
    with run("growth: {times: 3, then: stop}") as it:
        told = [it.turn(ask("x" * size, max_tokens=20), reply("I will try again.")).status for size in range(1, 7)]
        assert told == [200] * 4 + [403] * 2
        assert it.last["rule"] == "loops.growth"


def test_a_growing_prompt_with_new_words_goes_on() -> None:
    with run("growth: {times: 2, then: stop}") as it:
        assert {it.turn(ask("x" * n, max_tokens=20), reply(f"Step {n}.")).status for n in range(1, 20)} == {200}


def test_denied_for_growth_an_agent_may_begin_anew() -> None:
    with run("growth: {times: 2, then: deny}") as it:
        told = [it.turn(ask("x" * size, max_tokens=20), reply("Again.")).status for size in range(1, 5)]
        assert told == [200, 200, 200, 403]
        assert it.turn(ask("x", max_tokens=20)).status == 200


def test_streamed_words_count_as_well() -> None:
    with run("growth: {times: 2, then: stop}") as it:
        assert CHAT is not None
        for size in range(1, 5):
            body = ask("x" * size, max_tokens=20, stream=True)
            play = Playbook(model_call(Job(it.desk, Identity(run=it.state.id), it.state, CHAT, body)))
            while not isinstance(play.now, (Answer, Emit, Send)):
                play.answer(it.do(play.now, b"", 200))
            if isinstance(play.now, Send):
                play.answer(STREAM).answer(event({"content": "Same."}) + event({}, "stop") + DONE)
                while isinstance(play.now, Emit):
                    play.answer(None)
        assert play.done().refused is not None
        assert it.last["rule"] == "loops.growth"


def test_agents_that_only_send_each_other_the_same_words_are_stopped() -> None:
    with run("ping_pong: {times: 3, then: stop}") as it:
        told = [it.turn(answer=reply(f"Ask the {to}."), agent=who).status for who, to in [("a", "b"), ("b", "a")] * 5]
        assert told.index(403) == 6
        assert "2 turns, 3 times on end" in it.desk.facts(KILLED)[0]["because"]


def test_agents_that_work_together_are_not() -> None:
    with run("ping_pong: {times: 2, then: stop}") as it:
        told = [it.turn(answer=reply(f"{who} {n}"), agent=who).status for n in range(9) for who in "ab"]
        assert set(told) == {200}


def test_money_spent_in_vain_is_bounded() -> None:
    rules = "rules: [{id: no, on: reply, when: 'reply.text == \"bad\"', then: deny}]"
    with run("waste: {most: 0.00001 USD, then: stop}", rules) as it:
        told = [it.turn(answer=reply("bad")).refused.details["rule"] for _ in range(5)]
        assert told[0] == "no"
        assert told[-1] == "loops.waste"
        assert "on calls that came to nothing" in it.desk.facts(KILLED)[0]["because"]


def test_a_share_says_nothing_before_enough_was_spent() -> None:
    rules = "rules: [{id: no, on: reply, when: 'reply.text == \"bad\"', then: deny}]"
    with run("waste: {share: 50%, after: 1 USD, then: stop}", rules) as it:
        assert {it.turn(answer=reply("bad")).refused.details["rule"] for _ in range(5)} == {"no"}
    with run("waste: {share: 50%, after: 0.00001 USD, then: deny}", rules) as it:
        good = [it.turn().status for _ in range(5)]
        bad = [it.turn(answer=reply("bad")).refused.details["rule"] for _ in range(8)]
        assert good == [200] * 5
        assert bad == ["no"] * 5 + ["loops.waste"] * 3


def test_an_agent_too_deep_does_not_open() -> None:
    with desk("policy: p\nloops: {depth: {most: 2, then: deny}}") as made, ct.run("w") as run:
        with run.agent("a"), run.agent("b"), pytest.raises(Denied, match="`c` would be 3 levels deep"):
            run.agent("c").__enter__()
        assert made.facts(AGENT_OPENED)[-1]["rule"] == "loops.depth"


def test_too_many_agents_at_a_time_beneath_one_do_not_open() -> None:
    with desk("policy: p\nloops: {width: {most: 1, then: deny}}"), ct.run("w") as run, run.agent("a"):
        with within(run.scope), pytest.raises(Denied, match="`b` would be agent number 2"):
            run.agent("b").__enter__()
        with run.agent("c"):  # beneath another
            pass


def test_agents_one_after_another_are_not_too_many() -> None:
    with desk("policy: p\nloops: {width: {most: 1, then: stop}}") as made, ct.run("w") as run:
        for _ in range(5):
            with run.agent("a"):
                pass
        assert made.facts(KILLED) == []


def test_an_agent_too_deep_may_end_the_run() -> None:
    with desk("policy: p\nloops: {depth: {most: 1, then: stop}}") as made, ct.run("w") as run:
        with run.agent("a"), pytest.raises(Denied):
            run.agent("b").__enter__()
        assert made.facts(KILLED)[0]["rule"] == "loops.depth"


def test_an_agent_may_wait_for_a_person() -> None:
    with desk("policy: p\nloops: {depth: {most: 1, then: ask}}") as made, ct.run("w") as run, run.agent("a"):
        with pytest.raises(NotApproved):
            run.agent("b").__enter__()
        made.answer("approve")
        with run.agent("b"):
            pass


def test_governed_functions_count_as_tool_calls() -> None:
    @ct.tool
    def look(query: str) -> str:
        return "nothing"

    with desk("policy: p\nloops: {repeat: {times: 3, then: stop}}"), ct.run("w"):
        look("x")
        look("x")
        with pytest.raises(Denied, match="called `look` 3 times"):
            look("x")
        with pytest.raises(Denied, match="was stopped by policy p"):
            look("y")


def test_a_tool_call_decided_at_the_boundary_is_counted_once() -> None:
    with run("repeat: {times: 2, then: note}") as it:
        it.tool(query="x")
        assert it.state.watch._agents["clerk"].counts != {}
        assert set(it.state.watch._agents["clerk"].counts.values()) == {1}
        assert it.said("loops.repeat") == []


def test_a_run_is_revived_with_a_clean_slate() -> None:
    with run("repeat: {times: 2, then: stop}") as it:
        it.tool(query="x")
        it.tool(query="x")
        assert it.turn().refused is not None
        orders.revive(it.desk.ledger, it.desk.clock, orders.Target("run", it.state.id, "default"), "Ann", "")
        assert it.tool(query="x") == ""


def test_a_stop_that_cannot_be_put_on_record_refuses_all_the_same() -> None:
    with run("growth: {times: 2, then: stop}") as it:
        assert CHAT is not None
        for size in range(1, 4):
            it.turn(ask("x" * size, max_tokens=20))
        body = ask("x" * 9, max_tokens=20)
        play = Playbook(model_call(Job(it.desk, Identity(run=it.state.id, agent="clerk"), it.state, CHAT, body)))
        play.expect(Order)
        play.now = _thrown(play, StoreError("disk full"))
        assert isinstance(play.done().refused, Denied)
        assert it.turn(ask("x" * 20, max_tokens=20)).refused is not None


def _thrown(play: Playbook, error: Exception) -> Any:
    try:
        return play.flow.throw(error)
    except StopIteration as done:
        return done.value


def test_without_a_policy_nothing_is_counted() -> None:
    with desk("policy: p") as made:
        it = Run(made)
        for _ in range(9):
            it.tool(query="x")
        assert it.state.watch._agents == {}


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["a", "b"]), st.booleans()), max_size=25))
def test_a_run_without_repetition_is_never_blocked(steps: list[tuple[str, bool]]) -> None:
    strictest = ", ".join(
        f"{way}: {{times: 2, then: stop}}" for way in ("repeat", "rounds", "ping_pong", "retries", "growth")
    )
    with run(strictest + ", waste: {most: 0.00001 USD, then: stop}") as it:
        for number, (agent, acts) in enumerate(steps):
            if acts:
                assert it.tool(query=str(number), agent=agent) == ""
            else:
                assert it.turn(answer=reply(f"Word {number}."), agent=agent).status == 200
        assert it.desk.facts(KILLED) == []


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.text(max_size=5), st.text(max_size=5)), max_size=15))
def test_hostile_names_and_arguments_are_only_hashes(steps: list[tuple[str, str]]) -> None:
    with run("repeat: {times: 2, then: note}, rounds: {times: 2, then: note}, growth: {times: 2, then: note}") as it:
        for name, value in steps:
            it.tool(name or "t", query=value)
        for known in it.state.watch._agents.values():
            assert all(isinstance(mark, int) for mark in (*known.calls, *known.said, *known.failed))
