"""Limits on the path of a call: what is held, what is refused and how, what is on record."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest

from comptroller.core.call import Identity
from comptroller.core.clock import FrozenClock
from comptroller.core.errors import RateLimited
from comptroller.core.facts import CALL_CLOSED, CALL_OPENED, Line, Shortfall
from comptroller.core.verdict import Limit
from comptroller.dialects.routes import dialect_for
from comptroller.testing import Playbook, TestDesk, desk
from comptroller.wrapper.boundary import Boundary
from comptroller.wrapper.context import RunState
from comptroller.wrapper.effects import Answer, Head, Read, Reserve, Send
from comptroller.wrapper.external import ExternalJob, external_call, unread_model_call
from comptroller.wrapper.flow import Flow, model_call
from comptroller.wrapper.limits import limit_details, limit_reason, patience_of, retry_headers
from comptroller.wrapper.shared import Job
from tests.wrapper.bodies import ask, reply

OK = Head(200, {"content-type": "application/json"})
CHAT = dialect_for("POST", "/v1/chat/completions")
NOW = FrozenClock().now_ns()
SECOND = 1_000_000_000


class Office:
    """A desk with limits, and calls that are driven as far as they get."""

    def __init__(self, made: TestDesk, clock: FrozenClock) -> None:
        self.desk, self.clock = made, clock
        self.run = RunState("r" * 32, "r" * 32, Boundary())

    def call(self, body: bytes = ask(max_tokens=20), agent: str = "clerk", attempt: int = 0) -> Playbook:
        identity = Identity(run=self.run.id, agent=agent)
        assert CHAT is not None
        return self.go(model_call(Job(self.desk, identity, self.run, CHAT, body, attempt)))

    def go(self, flow: Flow) -> Playbook:
        return self.on(Playbook(flow))

    def on(self, play: Playbook) -> Playbook:
        while isinstance(play.now, Reserve):
            play.answer(self.desk.ledger.reserve(play.now.opened))
        return play

    def whole(self, body: bytes = ask(max_tokens=20), answer: bytes = reply(), agent: str = "clerk") -> Answer:
        play = self.call(body, agent)
        if not isinstance(play.now, Answer):
            self.on(play.answer(OK).answer(answer))
        return play.done()

    @property
    def last(self) -> dict[str, object]:
        return dict(self.desk.facts(CALL_CLOSED)[-1])

    def used(self, key: str, unit: str) -> int:
        return sum(self.desk.ledger.purse.counter(key, unit))


@contextmanager
def office(*limits: str, **settings: object) -> Iterator[Office]:
    clock = FrozenClock()
    lines = "".join(f"  - {limit}\n" for limit in limits)
    with desk(f"policy: p\nlimits:\n{lines}", clock=clock, **settings) as made:
        yield Office(made, clock)


def test_requests_beyond_the_rate_are_refused_until_the_window_has_passed_over_them() -> None:
    with office("{per: agent, requests: 2/min}") as at:
        assert [at.whole().status for _ in range(3)] == [200, 200, 429]
        at.clock.tick(59.99)
        assert at.whole().status == 429
        at.clock.tick(0.01)
        assert [at.whole().status for _ in range(3)] == [200, 200, 429]


def test_each_owner_of_a_scope_has_a_limit_of_its_own_and_who_is_not_named_has_none() -> None:
    with office("{per: agent, requests: 1/min}") as at:
        assert [at.whole(agent=agent).status for agent in ("a", "b", "a", "", "")] == [200, 200, 429, 200, 200]


def test_a_refusal_says_who_by_which_limit_and_when_to_come_back() -> None:
    with office("{per: agent, requests: 1/min}") as at:
        at.whole()
        at.clock.tick(20.5)
        answer = at.whole()
        error = json.loads(answer.body)["error"]
        assert error["code"] == "rate_limited"
        assert error["message"] == (
            "agent 'clerk' would pass its limit of 1 request/min (1 in the last minute, this call may take 1). "
            "Try again in 40 s, or raise it in policy.yaml:3."
        )
        names = ("scope", "limit", "used", "asked", "resets_at", "retry_after_ms", "rule")
        assert {name: error[name] for name in names} == {
            "scope": "agent:clerk",
            "limit": "1 request/min",
            "used": 1,
            "asked": 1,
            "resets_at": "2026-01-01T00:01:00.000Z",
            "retry_after_ms": 39_500,
            "rule": "limit.agent",
        }
        told = {name: answer.headers[name] for name in ("retry-after", "retry-after-ms", "x-should-retry")}
        assert told == {"retry-after": "40", "retry-after-ms": "39500", "x-should-retry": "true"}
        assert isinstance(answer.refused, RateLimited)


def test_the_limit_is_on_record_with_the_refused_call() -> None:
    with office("{per: agent, requests: 1/min}") as at:
        at.whole()
        at.whole()
        assert (at.last["status"], at.last["rule"], at.last["cost"]) == ("rate_limited", "limit.agent", 0)
        decision = at.last["decisions"][0]  # type: ignore[index]
        assert (decision["stage"], decision["place"]) == ("limit", "policy.yaml:3")
        assert decision["limit"] == {
            "scope": "agent:clerk",
            "limit": "1 request/min",
            "used": 1,
            "resets_at": "2026-01-01T00:01:00.000Z",
        }


def test_tokens_are_held_at_their_worst_and_trued_up_when_the_call_ends() -> None:
    with office("{per: agent, tokens: 1000/min}") as at:
        first = at.call(ask(max_tokens=500))
        first.expect(Send)
        assert at.call(ask(max_tokens=500)).done().status == 429  # two worst cases are too much at once
        first.answer(OK).answer(reply())  # which used 15
        assert at.whole(ask(max_tokens=500)).status == 200


def test_a_call_that_can_never_fit_is_told_so_and_not_to_come_back() -> None:
    with office("{per: agent, tokens: 1000/min, queue: 2s}") as at:
        answer = at.whole(ask(max_tokens=5000))
        error = json.loads(answer.body)["error"]
        assert (
            "may never have more than 1000 tokens/min. Ask for less, or raise it in policy.yaml:3." in error["message"]
        )
        assert "retry-after" not in answer.headers
        assert answer.headers["x-should-retry"] == "false"
        assert "waited_ms" not in at.last


def test_no_more_calls_are_under_way_than_allowed_and_an_end_makes_room() -> None:
    with office("{per: agent, concurrent: 2}") as at:
        one, two = at.call(), at.call()
        refused = at.call().done()
        assert (refused.status, refused.headers["retry-after-ms"]) == (429, "1000")
        assert "has 2 calls under way, as many as its limit. Try again when one has ended" in str(refused.refused)
        one.expect(Send)
        two.answer(OK).answer(reply())
        assert isinstance(at.call().now, Send)


@pytest.mark.parametrize("how", ["hang up", "upstream fails", "never connects", "upstream refuses", "is cut short"])
def test_a_place_comes_back_whatever_becomes_of_the_call(how: str) -> None:
    with office("{per: agent, concurrent: 1, requests: 100/min, tokens: 100000/min}") as at:
        play = at.call()
        if how == "hang up":
            play.hang_up()
        elif how == "upstream refuses":
            play.answer(Head(500, {})).answer(b"{}")
        elif how == "is cut short":
            play.answer(OK).answer(b"not json")
        else:
            kind = type("ConnectError" if how == "never connects" else "ReadError", (Exception,), {})
            with pytest.raises(kind):
                play.fail(kind("gone"))
        assert at.used("agent:clerk|live:", "live") == 0
        assert not at.desk.ledger.purse.throttle.taken
        assert isinstance(at.call().now, Send)


def test_a_request_that_never_went_out_does_not_count() -> None:
    with office("{per: agent, requests: 1/min}") as at:
        kind = type("ConnectError", (Exception,), {})
        with pytest.raises(kind):
            at.call().fail(kind("gone"))
        assert at.whole().status == 200
        assert at.whole().status == 429


def test_limits_and_budgets_are_admitted_together_or_not_at_all() -> None:
    with office("{per: agent, requests: 100/min, concurrent: 1}") as at:
        one = at.call()
        key = f"run:{at.run.id}|:"
        before = at.desk.ledger.counter(key, "calls"), len(at.desk.facts(CALL_OPENED))
        assert at.call().done().status == 429
        assert (at.desk.ledger.counter(key, "calls"), len(at.desk.facts(CALL_OPENED))) == before
        window = at.desk.ledger.purse.throttle._windows["agent:clerk|min:", "requests"]
        assert window.total == 1
        one.expect(Send)


def test_a_logical_call_that_is_tried_again_after_a_refusal_is_counted_all_the_same() -> None:
    with office("{per: agent, requests: 1/min}") as at:
        at.whole()
        body = ask("Again", max_tokens=20)
        assert at.run.retries.attempt(body, 0) == 0
        assert at.whole(body).status == 429
        assert at.run.retries.attempt(body, 1) == 0  # the client's word for it is "retry 1"


def test_a_tool_is_limited_by_its_own_and_the_model_is_told() -> None:
    with office("{per: tool, requests: 1/min}", "{per: agent, requests: 100/min}") as at:
        answer = at.whole(answer=reply(None, calls=[("c1", "pull", {}), ("c2", "pull", {}), ("c3", "push", {})]))
        said = answer.body.decode()
        assert said.count("rate_limited: the call of pull was refused") == 1
        assert "push was refused" not in said


def test_what_nobody_can_read_is_counted_and_refused_where_tokens_are_limited() -> None:
    def unread(at: Office) -> Answer:
        identity = Identity(run=at.run.id, agent="clerk")
        job = ExternalJob(at.desk, identity, at.run, "POST", "api.openai.com", "/v1/images/generations", b"")
        play = at.go(unread_model_call(job))
        return play.answer(OK).done() if isinstance(play.now, Send) else play.done()

    with office("{per: agent, requests: 1/min, concurrent: 1}") as at:
        assert [unread(at).status for _ in range(2)] == [200, 429]
        assert at.used("agent:clerk|live:", "live") == 0
    with office("{per: agent, tokens: 1000/min}") as at:
        assert unread(at).status == 403
        assert at.last["rule"] == "opaque"


def test_other_http_is_not_limited() -> None:
    with office("{per: agent, requests: 1/min}") as at:
        job = ExternalJob(at.desk, Identity(run=at.run.id, agent="clerk"), at.run, "GET", "example.com", "/", b"")
        for _ in range(3):
            at.go(external_call(job)).expect(Send)


def test_a_reply_read_whole_and_a_limit_leave_rates_in_the_facts_only_where_they_differ() -> None:
    with office("{per: agent, requests: 9/min, tokens: 9000/min}") as at:
        play = at.call()
        play.answer(OK).expect(Read)
        held = at.desk.facts(CALL_OPENED)[-1]["hold"]
        assert [row[1] for row in held["rates"]] == ["requests", "tokens"]  # type: ignore[index]
        play.answer(reply())
        assert at.last["hold"]["rates"] == [["agent:clerk|min:", "tokens", 15]]  # type: ignore[index]


def test_patience_is_not_spent_where_time_cannot_make_room() -> None:
    limit = Limit("key", "k", "requests", 1, "min", 2.0, "p:1", Line("key:k|min:", "requests", 1, 1))
    line = Line(limit.key, limit.unit, 1, 1)
    assert patience_of(limit, Shortfall(line, 1, 0, 3 * SECOND), 0.0) == 0.0
    assert patience_of(limit, Shortfall(line, 1, 0, 1 * SECOND), 0.0) == 2.0
    assert patience_of(limit, Shortfall(line, 1, 0, 1 * SECOND), 1.5) == 0.0


def test_a_client_is_told_to_try_again_only_where_sdks_wait_that_long() -> None:
    limit = Limit("key", "k", "requests", 1, "hour", 0.0, "p:1", Line("key:k|hour:", "requests", 1, 1))
    short = Shortfall(Line(limit.key, limit.unit, 1, 1), 1, 0, 61 * SECOND)
    headers = retry_headers(RateLimited("x", limit_details(limit, short, NOW)))
    assert headers == {"retry-after": "61", "retry-after-ms": "61000", "x-should-retry": "false"}


def test_the_moment_of_room_is_told_in_universal_time() -> None:
    limit = Limit("key", "k", "tokens", 10, "s", 0.0, "p:1", Line("key:k|s:", "tokens", 1, 10))
    short = Shortfall(Line(limit.key, limit.unit, 7, 10), 9, 0, 5_000_001)
    told = limit_details(limit, short, NOW)
    assert told["resets_at"] == f"{datetime.fromtimestamp(NOW // SECOND, UTC):%Y-%m-%dT%H:%M:%S}.005Z"
    assert "limit of 10 tokens/s (9 in the last second, this call may take 7). Try again in 1 s" in limit_reason(
        limit, short
    )
