"""Runs without headers: sessions and conversations are told apart, and put together again."""

import json

from hypothesis import given
from hypothesis import strategies as st

from comptroller.core.call import Identity, Part, Request
from comptroller.gateway.asked import Asked
from comptroller.gateway.stitch import Stitches, agent_of
from tests.gateway.house import house

ME = Identity()
TOOL = {"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}


def asked(**headers: str) -> Asked:
    raw = [(name.replace("_", "-").encode(), text.encode()) for name, text in headers.items()]
    return Asked("POST", "/v1/messages", "/v1/messages", "", raw, dict(raw))


def request(*messages: str, hints: dict[str, str] | None = None, system: str = "") -> Request:
    parts = [Part("text", system, ("system",), "system")] if system else []
    parts += [Part("text", text, (number,), "user") for number, text in enumerate(messages)]
    return Request("m", False, 9, parts, [text.encode() for text in messages], b"", hints=hints or {})


def take(stitches: Stitches, run: str, asks: Request, head: Asked | None = None, who: Identity = ME) -> str:
    """The run the request goes on with, else this one, which is remembered."""
    thread = stitches.find(head or asked(), who, asks)
    stitches.keep(thread, thread.run or run)
    return thread.run or run


@given(st.lists(st.text(max_size=5), min_size=2, max_size=12), st.data())
def test_a_conversation_that_grows_stays_one_run(messages: list[str], data: st.DataObject) -> None:
    stitches = Stitches()
    cuts = sorted(data.draw(st.sets(st.integers(1, len(messages)), min_size=1)))
    found = {take(stitches, f"r{cut}", request(*messages[:cut])) for cut in cuts}
    assert found == {f"r{cuts[0]}"}


def test_a_conversation_whose_tools_change_on_the_way_stays_one_run() -> None:
    asks = [
        {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hi"}], "tools": [TOOL]},
        {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hi"}, {"role": "user", "content": "more"}]},
    ]
    with house() as at:
        runs = [at.post(body=ask).headers["comptroller-run"] for ask in asks]
    assert runs[0] == runs[1]


def test_two_conversations_that_begin_with_the_same_words_are_two_runs() -> None:
    stitches = Stitches()
    assert take(stitches, "a", request("Hi")) == "a"
    assert take(stitches, "b", request("Hi")) == "b"


def test_a_retry_of_the_same_words_is_the_same_run() -> None:
    stitches = Stitches()
    take(stitches, "a", request("Hi"))
    assert take(stitches, "b", request("Hi"), asked(x_stainless_retry_count="1")) == "a"


def test_the_same_words_of_another_customer_or_key_are_another_run() -> None:
    stitches = Stitches()
    take(stitches, "a", request("Hi"), who=Identity(customer="acme"))
    assert take(stitches, "b", request("Hi", "more"), who=Identity(customer="globex")) == "b"
    assert take(stitches, "c", request("Hi", "more"), who=Identity(customer="acme", key="k")) == "c"
    assert take(stitches, "d", request("Hi", "more"), who=Identity(customer="acme")) == "a"


def test_session_hints_go_before_words() -> None:
    stitches = Stitches()
    first = take(stitches, "a", request("Hi", hints={"session_id": "s1"}))
    assert take(stitches, "b", request("Other", hints={"session_id": "s1"})) == first == "a"
    assert take(stitches, "c", request("Other"), asked(x_claude_code_session_id="s1")) == "a"
    assert take(stitches, "d", request("Hi", "more", hints={"session_id": "s2"})) == "d"
    assert take(stitches, "e", request("x", hints={"prompt_cache_key": "s1"})) == "e"


def test_a_trace_is_a_session() -> None:
    stitches = Stitches()
    trace = f"00-{'ab' * 16}-{'cd' * 8}-01"
    take(stitches, "a", request("x"), asked(traceparent=trace))
    assert take(stitches, "b", request("y"), asked(traceparent=trace)) == "a"
    assert take(stitches, "c", request("z"), asked(traceparent="rubbish")) == "c"


def test_what_was_seen_long_ago_is_forgotten() -> None:
    stitches = Stitches(most=2)
    for name in ("a", "b", "c"):
        take(stitches, name, request(name))
    assert [take(stitches, "new", request(name, "more")) for name in ("a", "c")] == ["new", "c"]


def test_agents_are_told_apart_by_their_system_prompts_but_not_by_dates_in_them() -> None:
    names = [agent_of(request("Hi", system=f"You plan trips. Today is {day}.")) for day in ("2026-01-02", "2027-11-30")]
    assert names[0] == names[1] != agent_of(request("Hi", system="You write letters."))
    assert names[0].startswith("agent-")
    assert len(names[0]) == 12
    assert agent_of(request("Hi")) == agent_of(None) == ""


def test_a_request_that_names_the_reply_before_it_goes_on_with_its_run() -> None:
    with house() as at:
        first = at.post("/v1/responses", {"model": "gpt-4o-mini", "input": "Hi"})
        body = {"model": "gpt-4o-mini", "input": "More", "previous_response_id": first.json()["id"]}
        second, third = at.post("/v1/responses", body), at.post("/v1/responses", {"model": "gpt-4o-mini", "input": "x"})
    runs = [reply.headers["comptroller-run"] for reply in (first, second, third)]
    assert runs[0] == runs[1] != runs[2]


def test_a_session_of_claude_code_is_one_run_with_its_agents_apart() -> None:
    user = json.dumps({"device_id": "d", "account_uuid": "", "session_id": "s-42"})
    with house() as at:
        for system in ("You are the main one.", "You make titles."):
            body = {"model": "claude-sonnet-5", "max_tokens": 9, "system": system, "metadata": {"user_id": user}}
            assert at.post("/v1/messages", {**body, "messages": [{"role": "user", "content": system}]}).is_success
        facts = at.desk.ledger.of("call.closed")
        assert facts[0].run == facts[1].run
        assert facts[0].data["agent"] != facts[1].data["agent"]
