"""The path of a model call, as playbooks: what goes in, what it asks for, what is on record."""

import json
from collections.abc import Iterator

import pytest

from comptroller.core.call import Identity
from comptroller.core.errors import StoreError
from comptroller.core.facts import CALL_CLOSED, CALL_OPENED, Shortfall
from comptroller.dialects.routes import dialect_for
from comptroller.testing import FrozenClock, Playbook, TestDesk, desk
from comptroller.wrapper.boundary import Boundary
from comptroller.wrapper.context import RunState
from comptroller.wrapper.effects import Ask, Emit, Head, Read, Reserve, Send
from comptroller.wrapper.flow import model_call
from comptroller.wrapper.shared import Job
from tests.wrapper.bodies import DONE, ask, event, reply

OK = Head(200, {"content-type": "application/json"})
STREAM = Head(200, {"content-type": "text/event-stream"})
CHAT = dialect_for("POST", "/v1/chat/completions")
POLICY = """
policy: refunds
guards: {secrets: {in: redact, out: deny}, privacy: {in: redact, out: redact}}
tools:
  issue_refund: {effect: write, args: {order: string, amount: double}}
rules:
  - {id: big-refund, on: tool, tool: issue_refund, when: args.amount > 100.0, then: deny, because: Too big.}
  - {id: held-refund, on: tool, tool: issue_refund, when: args.amount > 50.0 && args.amount <= 100.0, then: ask}
  - {id: old-model, on: model, when: 'model.name == "gpt-4"', then: deny, because: Use a newer model.}
"""
KEY = "AKIA" + "QYLPMN5HFIQR7BBB"  # has the form of a key and opens nothing


@pytest.fixture
def office() -> Iterator[TestDesk]:
    with desk(POLICY) as made:
        yield made


def call(office: TestDesk, body: bytes, run: RunState | None = None, attempt: int = 0) -> Playbook:
    run = run or RunState("r" * 32, "r" * 32, Boundary())
    identity = Identity(run=run.id, agent="clerk", customer="acme")
    assert CHAT is not None
    return Playbook(model_call(Job(office, identity, run, CHAT, body, attempt)))


def through(play: Playbook, body: bytes) -> bytes:
    play.expect(Reserve)
    play.answer(play_reserve(play))
    play.expect(Send)
    play.answer(OK)
    play.expect(Read)
    play.answer(body)
    return play.done().body


def play_reserve(play: Playbook) -> Shortfall | None:
    from comptroller.wrapper.desk import open_or_none

    office = open_or_none()
    assert office is not None
    return office.ledger.reserve(play.expect(Reserve).opened)


def closed(office: TestDesk) -> dict[str, object]:
    return dict(office.facts(CALL_CLOSED)[-1])


def test_a_plain_call_goes_through_untouched_and_is_on_record(office: TestDesk) -> None:
    play = call(office, ask(max_tokens=20))
    play.answer(play_reserve(play))
    assert play.expect(Send).body is None
    play.answer(OK).answer(reply())
    assert play.done().body == reply()
    assert closed(office)["status"] == "ok"
    assert closed(office)["usage"] == {"input": 10, "output": 5}


def test_the_call_is_on_record_before_it_leaves(office: TestDesk) -> None:
    play = call(office, ask())
    assert play.expect(Reserve).opened.kind == CALL_OPENED


def test_a_denied_call_costs_nothing_and_is_on_record(office: TestDesk) -> None:
    answer = call(office, ask(model="gpt-4")).done()
    assert answer.status == 403
    assert answer.headers["x-should-retry"] == "false"
    assert json.loads(answer.body)["error"]["code"] == "denied"
    assert closed(office)["status"] == "denied"
    assert closed(office)["cost"] == 0
    assert closed(office)["rule"] == "old-model"


def test_a_secret_in_the_request_does_not_leave(office: TestDesk) -> None:
    play = call(office, ask(f"my key is {KEY} ok?"))
    play.answer(play_reserve(play))
    sent = play.expect(Send).body
    assert sent is not None
    assert KEY.encode() not in sent


def test_a_secret_is_kept_nowhere(office: TestDesk) -> None:
    through(call(office, ask(f"my key is {KEY} ok?")), reply())
    assert not any(KEY.encode() in body for body in office.ledger.bodies.values())
    assert KEY not in repr(office.ledger.facts)


def test_a_reply_with_a_secret_is_refused_and_still_paid_for(office: TestDesk) -> None:
    play = call(office, ask())
    play.answer(play_reserve(play)).answer(OK).answer(reply(f"the key: {KEY}"))
    assert play.done().status == 403
    assert closed(office)["status"] == "denied"
    assert closed(office)["cost"] > 0  # type: ignore[operator]


def test_an_address_in_a_reply_is_redacted(office: TestDesk) -> None:
    body = json.loads(through(call(office, ask()), reply("write to jane.doe@acme.com")))
    assert "jane.doe" not in body["choices"][0]["message"]["content"]


def test_a_denied_tool_call_becomes_a_text_the_model_can_read(office: TestDesk) -> None:
    got = through(call(office, ask()), reply(None, [("c1", "issue_refund", {"order": "1", "amount": 500})]))
    choice = json.loads(got)["choices"][0]
    assert choice["finish_reason"] == "stop"
    assert not choice["message"].get("tool_calls")
    assert "Too big." in choice["message"]["content"]


def test_a_denied_tool_call_is_a_call_of_its_own_on_record(office: TestDesk) -> None:
    through(call(office, ask()), reply(None, [("c1", "issue_refund", {"order": "1", "amount": 500})]))
    tool = next(data for data in office.facts(CALL_CLOSED) if data["kind"] == "tool")
    assert (tool["name"], tool["status"], tool["rule"]) == ("issue_refund", "denied", "big-refund")


def test_an_allowed_tool_call_passes_and_is_recorded_when_its_result_comes(office: TestDesk) -> None:
    run = RunState("a" * 32, "a" * 32, Boundary())
    calls = [("c1", "issue_refund", {"order": "1", "amount": 5})]
    assert through(call(office, ask(), run), reply(None, calls)) == reply(None, calls)
    made = json.loads(reply(None, calls))["choices"][0]["message"]
    again = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hi"}, made]}
    again["messages"].append({"role": "tool", "tool_call_id": "c1", "content": "refunded"})
    through(call(office, json.dumps(again).encode(), run), reply())
    tools = [data for data in office.facts(CALL_CLOSED) if data["kind"] == "tool"]
    assert [(data["name"], data["status"]) for data in tools] == [("issue_refund", "ok")]


def test_a_tool_call_that_needs_a_person_is_a_synced_fact_and_a_refusal(office: TestDesk) -> None:
    play = call(office, ask())
    play.answer(play_reserve(play)).answer(OK).answer(
        reply(None, [("c1", "issue_refund", {"order": "1", "amount": 70})])
    )
    assert play.expect(Ask).verdict.rule == "held-refund"
    play.answer(office.ledger.ask(play.expect(Ask).fact))
    assert b"approval_pending" in play.done().body


def test_a_stream_without_a_usage_request_asks_for_it_and_hides_it(office: TestDesk) -> None:
    play = call(office, ask(stream=True))
    play.answer(play_reserve(play))
    assert json.loads(play.expect(Send).body or b"")["stream_options"] == {"include_usage": True}
    play.answer(STREAM)
    usage = event(usage={"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10})
    text, end = event({"content": "Hello "}), event({}, "stop")
    out = b""
    for data in (text, end, usage, DONE, None):
        play.answer(data)
        if isinstance(play.now, Emit):
            out += play.now.data
    assert out.endswith(end + DONE)
    assert b"usage" not in out
    assert closed(office)["usage"] == {"input": 7, "output": 3}


def test_a_stream_is_on_record_before_its_last_bytes_are_handed_out(office: TestDesk) -> None:
    play = call(office, ask(stream=True))
    play.answer(play_reserve(play)).answer(STREAM).answer(event({"content": "Hello"}))
    assert not office.facts(CALL_CLOSED)
    play.answer(event({}, "stop") + DONE)
    play.expect(Emit)
    assert closed(office)["status"] == "ok"


def test_a_caller_who_hangs_up_pays_for_what_was_streamed(office: TestDesk) -> None:
    play = call(office, ask(stream=True))
    play.answer(play_reserve(play)).answer(STREAM).answer(event({"content": "Hello there, you"}))
    play.hang_up()
    assert closed(office)["status"] == "cancelled"
    assert closed(office)["estimated"] is True
    assert closed(office)["cost"] > 0  # type: ignore[operator]
    assert not office.ledger.purse.live()


def test_a_stream_that_breaks_is_charged_and_its_error_reaches_the_caller(office: TestDesk) -> None:
    play = call(office, ask(stream=True))
    play.answer(play_reserve(play)).answer(STREAM).answer(event({"content": "Hello there"}))
    with pytest.raises(ConnectionResetError):
        play.fail(ConnectionResetError("gone"))
    assert closed(office)["status"] == "error"
    assert closed(office)["cost"] > 0  # type: ignore[operator]


def test_a_stream_that_ends_too_early_is_cut_on_record(office: TestDesk) -> None:
    play = call(office, ask(stream=True))
    play.answer(play_reserve(play)).answer(STREAM).answer(event({"content": "Hel"})).answer(None)
    assert closed(office)["status"] == "cut"
    assert closed(office)["estimated"] is True


def test_a_refused_tool_call_in_a_stream_never_reaches_the_agent(office: TestDesk) -> None:
    play = call(office, ask(stream=True))
    play.answer(play_reserve(play)).answer(STREAM)
    args = json.dumps({"order": "1", "amount": 500})
    head = {"index": 0, "id": "c1", "type": "function", "function": {"name": "issue_refund", "arguments": ""}}
    pieces = [event({"tool_calls": [head]})]
    pieces += [event({"tool_calls": [{"index": 0, "function": {"arguments": part}}]}) for part in (args[:9], args[9:])]
    out = b""
    for data in (*pieces, event({}, "tool_calls"), DONE, None):
        play.answer(data)
        if isinstance(play.now, Emit):
            out += play.now.data
    assert b"arguments" not in out
    assert b"Too big." in out
    assert b'"stop"' in out


def test_a_provider_error_passes_as_it_came_and_costs_nothing(office: TestDesk) -> None:
    play = call(office, ask())
    play.answer(play_reserve(play)).answer(Head(429, {"retry-after": "1"})).answer(b'{"error":{"message":"slow down"}}')
    assert play.done().status == 429
    assert play.done().body == b'{"error":{"message":"slow down"}}'
    assert (closed(office)["status"], closed(office)["cost"]) == ("error", 0)


def test_a_time_out_after_sending_is_charged_at_its_worst(office: TestDesk) -> None:
    play = call(office, ask(max_tokens=100))
    play.answer(play_reserve(play))
    with pytest.raises(TimeoutError):
        play.fail(TimeoutError("read"))
    assert closed(office)["estimated"] is True
    assert closed(office)["usage"]["output"] == 100  # type: ignore[index]


def test_a_body_we_cannot_read_passes_and_is_opaque() -> None:
    with desk() as office:
        play = call(office, b"not json")
        play.answer(play_reserve(play))
        assert play.expect(Send).body is None
        assert play.answer(OK).done().passed
        assert closed(office)["opaque"] is True


@pytest.mark.parametrize("written", ["utf-8-sig", "utf-16", "utf-7"])
def test_a_body_that_only_some_providers_read_is_no_way_past_the_rules(office: TestDesk, written: str) -> None:
    body = b'+AHs-"' if written == "utf-7" else ask("Hi").decode().encode(written)
    assert call(office, body).done().status == 403
    assert (closed(office)["opaque"], closed(office)["rule"]) == (True, "opaque")


def test_a_body_we_cannot_read_is_refused_under_a_hard_cap() -> None:
    with desk("policy: p\nbudgets:\n  - {per: run, cap: 1 USD, over: deny}\n") as office:
        assert call(office, b"not json").done().status == 403
        assert closed(office)["rule"] == "opaque"


def test_a_mistake_of_our_own_fails_closed_and_leaves_a_fact(office: TestDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(case: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(office.book, "decide", broken)
    answer = call(office, ask()).done()
    assert answer.status == 403
    assert closed(office)["error"]["type"] == "ZeroDivisionError"  # type: ignore[index]


def test_a_ledger_that_cannot_be_written_refuses_under_a_hard_cap() -> None:
    with desk("policy: p\nbudgets:\n  - {per: run, cap: 1 USD, over: deny}\n") as office:
        play = call(office, ask(max_tokens=5))
        office.ledger.broken = StoreError("The disk is full. Make room.")
        try:
            play.now = play.flow.throw(office.ledger.broken)
        except StopIteration as done:
            play.now = done.value
        assert play.done().status == 403
        assert b"disk is full" in play.done().body
        office.ledger.broken = None


def test_a_conversation_keeps_each_text_once(office: TestDesk) -> None:
    messages: list[dict[str, str]] = []
    for turn in range(20):
        messages.append({"role": "user", "content": f"question {turn} " + "x" * 200})
        through(
            call(office, json.dumps({"model": "gpt-4o-mini", "messages": messages}).encode()), reply(f"answer {turn}")
        )
        messages.append({"role": "assistant", "content": f"answer {turn}"})
    kept = sum(len(body) for body in office.ledger.bodies.values())
    assert kept < 3 * sum(len(message["content"]) for message in messages)


def test_a_long_stream_renews_its_lease() -> None:
    clock = FrozenClock()
    with desk(
        "policy: p\nbudgets:\n  - {per: run, cap: 1 USD, over: deny}\n", clock=clock, limits={"lease_s": 100}
    ) as office:
        play = call(office, ask(stream=True, max_tokens=50))
        play.answer(play_reserve(play)).answer(STREAM)
        clock.tick(60)
        play.answer(event({"content": "Hello"}))
        assert not office.ledger.purse.overdue(clock.now_ns() + 90 * 1_000_000_000)
        play.hang_up()


def test_a_stream_without_an_end_is_cut_where_its_cap_has_no_more_room() -> None:
    policy = "policy: p\nbudgets:\n  - {per: run, cap: 0.0101 USD, over: deny}\n"
    with desk(policy) as office:
        play = call(office, ask(stream=True))  # states no max_tokens: 16,384 tokens are held
        play.answer(play_reserve(play)).answer(STREAM)
        out = b""
        for _ in range(200):
            play.answer(event({"content": "x" * 1000}))
            while isinstance(play.now, Reserve):
                play.answer(office.ledger.reserve(play.now.opened))
            out += play.expect(Emit).data
            if play.expect(Emit).last:
                break
        play.answer(None)
        play.done()
        assert b"over_budget" in out
        assert (closed(office)["status"], closed(office)["estimated"]) == ("cut", True)
        settled, held = office.ledger.counter("run:" + "r" * 32 + "|:", "USD")
        assert held == 0
        assert settled < 10_100_000 * 1.2


def test_a_stream_without_an_end_goes_on_while_there_is_room() -> None:
    with desk("policy: p\nbudgets:\n  - {per: run, cap: 5 USD, over: deny}\n") as office:
        play = call(office, ask(stream=True))
        play.answer(play_reserve(play)).answer(STREAM)
        for _ in range(100):
            play.answer(event({"content": "x" * 1000}))
            while isinstance(play.now, Reserve):
                play.answer(office.ledger.reserve(play.now.opened))
            assert not play.expect(Emit).last
        assert office.facts("hold.extended")
        play.answer(event({}, "stop") + DONE)
        office.ledger.purse.check()


def test_a_clamp_makes_the_reply_as_long_as_the_cap_pays_for() -> None:
    with desk("policy: p\nbudgets:\n  - {per: run, cap: 0.001 USD, over: clamp}\n") as office:
        play = call(office, ask(max_tokens=16_000))
        play.answer(play_reserve(play)).answer(play_reserve(play))
        sent = json.loads(play.expect(Send).body or b"")
        assert 1 <= sent["max_tokens"] < 2_000
        play.answer(OK).answer(reply())
        office.ledger.purse.check()


def test_a_downgrade_asks_the_cheaper_model() -> None:
    policy = "policy: p\nbudgets:\n  - {per: run, cap: 0.02 USD, over: downgrade}\ndowngrade: {to: gpt-4o-mini}\n"
    with desk(policy) as office:
        play = call(office, ask(model="gpt-4o", max_tokens=16_000))
        play.answer(play_reserve(play)).answer(play_reserve(play))
        assert json.loads(play.expect(Send).body or b"")["model"] == "gpt-4o-mini"
        play.answer(OK).answer(reply())
        assert closed(office)["name"] == "gpt-4o-mini"


def test_customers_of_two_tenants_with_one_name_have_two_counters() -> None:
    with desk("policy: p\nbudgets:\n  - {per: customer, cap: 1 USD, every: day, over: deny}\n") as office:
        ours, theirs = (
            office.book.caps(Identity(tenant=tenant, customer="acme"))[0].who for tenant in ("default", "b")
        )
        assert ours != theirs


def test_a_model_without_a_price_is_refused_under_a_hard_cap_and_flagged_elsewhere(office: TestDesk) -> None:
    through(call(office, ask(model="nobodys-model", max_tokens=5)), reply())
    assert closed(office)["unpriced"] is True
    with desk("policy: p\nbudgets:\n  - {per: run, cap: 1 USD, over: deny}\n") as capped:
        assert call(capped, ask(model="nobodys-model", max_tokens=5)).done().status == 403
        assert closed(capped)["rule"] == "unpriced"


def test_a_rule_may_say_that_a_result_is_to_be_cleared_of_what_guards_find() -> None:
    policy = "policy: p\nrules:\n  - {id: clear, on: result, tool: read_inbox, then: redact}\n"
    made = json.loads(reply(None, [("c1", "read_inbox", {})]))["choices"][0]["message"]
    told = {"role": "tool", "tool_call_id": "c1", "content": "from jane.doe@acme.com"}
    body = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hi"}, made, told]}
    with desk(policy) as office:
        play = call(office, json.dumps(body).encode())
        play.answer(play_reserve(play))
        assert b"jane.doe" not in (play.expect(Send).body or b"jane.doe")


def test_a_stream_nobody_can_read_is_cut_and_charged(office: TestDesk) -> None:
    play = call(office, ask(stream=True))
    play.answer(play_reserve(play)).answer(STREAM).answer(event({"content": "Hello there, "}))
    play.answer(b"data: {not json}\n\n")
    assert play.expect(Emit).last
    assert b"denied" in play.expect(Emit).data
    play.answer(None)
    assert (closed(office)["status"], closed(office)["rule"]) == ("denied", "unreadable")
    assert closed(office)["cost"] > 0  # type: ignore[operator]


def test_what_was_streamed_before_a_caller_left_is_kept(office: TestDesk) -> None:
    play = call(office, ask(stream=True))
    play.answer(play_reserve(play)).answer(STREAM).answer(event({"content": "Hello there, you "}))
    play.hang_up()
    digest = closed(office)["reply"][0]  # type: ignore[index]
    assert b"Hello there" in office.ledger.bodies[digest]


def test_a_downgrade_that_the_url_forbids_is_a_refusal_and_not_a_wrong_bill() -> None:
    policy = "policy: p\nbudgets:\n  - {per: run, cap: 0.02 USD, over: downgrade}\ndowngrade: {to: gpt-4o-mini}\n"
    path = "/openai/deployments/gpt-4o/chat/completions"
    body = json.dumps({"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 16_000}).encode()
    with desk(policy) as office:
        run = RunState("r" * 32, "r" * 32, Boundary())
        assert CHAT is not None
        play = Playbook(model_call(Job(office, Identity(run=run.id), run, CHAT, body, 0, path)))
        play.answer(play_reserve(play)).answer(play_reserve(play))
        assert play.done().status == 403
        assert closed(office)["cost"] == 0
        assert not office.ledger.purse.live()


def test_a_body_we_cannot_read_does_not_carry_a_secret_past_the_guards(office: TestDesk) -> None:
    play = call(office, b'{"model": 5, "messages": "my key is ' + KEY.encode() + b'"}')
    assert play.done().status == 403
    assert KEY not in str(closed(office))


def test_a_clamp_says_on_record_what_it_lowered() -> None:
    with desk("policy: p\nbudgets:\n  - {per: run, cap: 0.001 USD, over: clamp}\n") as office:
        play = call(office, ask(max_tokens=16_000))
        play.answer(play_reserve(play)).answer(play_reserve(play)).answer(OK).answer(reply())
        assert "The reply was limited to" in str(closed(office)["because"])


def test_a_guards_refusal_says_what_to_do(office: TestDesk) -> None:
    play = call(office, ask())
    play.answer(play_reserve(play)).answer(OK).answer(reply(f"the key: {KEY}"))
    assert b"Take it out, or change `guards`" in play.done().body


REPLY_RULE = (
    "policy: p\nrules: [{id: no-bad, on: reply, when: 'reply.text.contains(\"bad\")', then: deny, because: Bad.}]\n"
)


@pytest.mark.parametrize("ending", [event({}, "stop") + DONE, b""], ids=["complete", "broken off"])
def test_a_streamed_reply_that_a_rule_on_its_text_refuses_is_not_handed_out(ending: bytes) -> None:
    with desk(REPLY_RULE) as office:
        play = call(office, ask(stream=True))
        play.answer(play_reserve(play)).answer(STREAM)
        out = b""
        for data in (event({"content": "this is "}), event({"content": "bad "}), *([ending] if ending else []), None):
            play.answer(data)
            if not isinstance(play.now, Emit):
                break
            out += play.now.data
        assert b"this is" not in out
        assert b"denied" in out
        assert closed(office)["rule"] == "no-bad"
        assert closed(office)["cost"] > 0  # type: ignore[operator]


def test_a_streamed_reply_that_such_a_rule_lets_pass_arrives_whole() -> None:
    with desk(REPLY_RULE) as office:
        play = call(office, ask(stream=True))
        play.answer(play_reserve(play)).answer(STREAM)
        out = b""
        for data in (event({"content": "this is "}), event({"content": "good"}), event({}, "stop") + DONE, None):
            play.answer(data)
            if isinstance(play.now, Emit):
                out += play.now.data
        assert b"this is " in out
        assert out.endswith(DONE)
        assert closed(office)["status"] == "ok"
