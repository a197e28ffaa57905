"""Ways round the governance that somebody tried once, each shut."""

import json
from collections.abc import Iterator
from typing import Any

import openai
import pytest

import comptroller as ct
from comptroller.core.facts import CALL_CLOSED
from comptroller.dialects.routes import dialect_for, is_model_route, plain_path
from comptroller.testing import TestDesk, Upstream, desk
from tests.wrapper.bodies import DONE, event, http_library, reply

HTTP = http_library()
POLICY = """
policy: p
guards: {secrets: {in: redact, out: deny}, privacy: {in: redact, out: redact}}
tools: {issue_refund: {effect: write, args: {amount: double}}}
rules: [{id: no-refunds, on: tool, tool: issue_refund, then: deny, because: No refunds.}]
"""
MAIL = "jane.doe@example.org"
REFUND = [("c1", "issue_refund", {"amount": 5000.0})]
STREAM = event({"content": f"mail {MAIL} "}) + event(
    {
        "tool_calls": [
            {
                "index": 0,
                "id": "c1",
                "type": "function",
                "function": {"name": "issue_refund", "arguments": '{"amount": 5}'},
            }
        ]
    }
)
STREAM += event({}, "tool_calls") + DONE
HI: list[Any] = [{"role": "user", "content": f"I am {MAIL}"}]


@pytest.fixture
def office() -> Iterator[TestDesk]:
    with desk(POLICY) as made:
        yield made


def client(answer: Any, seen: list[bytes] | None = None, **more: Any) -> openai.OpenAI:
    def handle(request: Any) -> Any:
        if seen is not None:
            seen.append(request.content)  # a transport of the user's own may read what it sends
        return answer(request) if callable(answer) else answer

    http = HTTP.Client(transport=HTTP.MockTransport(handle), follow_redirects=True)
    return ct.wrap(openai.OpenAI(api_key="k", base_url="http://up/v1", max_retries=0, http_client=http, **more))


def test_a_transport_that_has_read_the_reply_already_does_not_undo_what_was_decided(office: TestDesk) -> None:
    read = HTTP.Response(200, content=reply(f"mail {MAIL}", REFUND), headers={"content-type": "application/json"})
    with ct.run("w"), client(read) as c:
        message = c.chat.completions.create(model="gpt-4o-mini", messages=HI, max_tokens=9).choices[0].message
    assert not message.tool_calls
    assert MAIL not in (message.content or "")


def test_nor_where_the_reply_is_a_stream(office: TestDesk) -> None:
    read = HTTP.Response(200, content=STREAM, headers={"content-type": "text/event-stream"})
    with ct.run("w"), client(read) as c:
        chunks = list(c.chat.completions.create(model="gpt-4o-mini", messages=HI, max_tokens=9, stream=True))
    assert not any(choice.delta.tool_calls for chunk in chunks for choice in chunk.choices)
    assert MAIL not in "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)
    assert office.facts(CALL_CLOSED)[-1]["kind"] == "model"


def test_a_transport_that_reads_the_request_reads_what_was_decided(office: TestDesk) -> None:
    seen: list[bytes] = []
    with ct.run("w"), client(HTTP.Response(200, content=reply()), seen) as c:
        c.chat.completions.create(model="gpt-4o-mini", messages=HI, max_tokens=9)
    assert MAIL.encode() not in seen[0]


@pytest.mark.parametrize("kind", ["Text/Event-Stream", "text/plain", "application/json", ""])
def test_a_stream_is_governed_whatever_it_calls_itself(office: TestDesk, kind: str) -> None:
    with ct.run("w"), client(HTTP.Response(200, content=STREAM, headers={"content-type": kind})) as c:
        try:
            chunks = list(c.chat.completions.create(model="gpt-4o-mini", messages=HI, max_tokens=9, stream=True))
        except ct.Denied:
            chunks = []
    assert not any(choice.delta.tool_calls for chunk in chunks for choice in chunk.choices)


@pytest.mark.parametrize("odd", ["nan", "bom", "utf-16"])
def test_json_that_only_a_lenient_reader_reads_is_judged_all_the_same(office: TestDesk, odd: str) -> None:
    body = json.loads(reply("", REFUND))
    body["choices"][0]["logprobs"] = {"content": [], "top": float("-inf")} if odd == "nan" else None
    data = json.dumps(body).encode("utf-16" if odd == "utf-16" else "utf-8")
    data = b"\xef\xbb\xbf" + data if odd == "bom" else data
    with ct.run("w"), client(HTTP.Response(200, content=data, headers={"content-type": "application/json"})) as c:
        message = c.chat.completions.create(model="gpt-4o-mini", messages=HI, max_tokens=9).choices[0].message
    assert not message.tool_calls


def test_a_reply_nobody_can_read_is_refused_under_a_policy_and_passes_without_one() -> None:
    broken = HTTP.Response(200, content=b"\xff\xfe{", headers={"content-type": "application/json"})
    with desk(POLICY), ct.run("w"), client(broken) as c, pytest.raises(ct.Denied, match="cannot be governed"):
        c.chat.completions.create(model="gpt-4o-mini", messages=HI, max_tokens=9)


def test_the_scope_of_a_function_counts_also_when_a_model_asked_for_it() -> None:
    @ct.tool(scope="credit:read")
    def pull_credit(customer: str) -> str:
        return "712"

    asked = HTTP.Response(200, content=reply("", [("c1", "pull_credit", {"customer": "1"})]))
    with desk(), ct.run("w") as run, run.agent("clerk", scopes=["mail:read"]), client(asked) as c:
        c.chat.completions.create(model="gpt-4o-mini", messages=HI, max_tokens=9)
        with pytest.raises(ct.Denied, match="credit:read"):
            pull_credit(customer="1")


def test_one_agents_decision_is_not_anothers() -> None:
    policy = "policy: p\nrules: [{id: not-b, on: tool, tool: pay, when: agent == 'b', then: deny}]\n"

    @ct.tool(effect="write")
    def pay(amount: float) -> str:
        return "paid"

    asked = HTTP.Response(200, content=reply("", [("c1", "pay", {"amount": 1.0})]))
    with desk(policy), ct.run("w") as run, client(asked) as c:
        with run.agent("a"):
            c.chat.completions.create(model="gpt-4o-mini", messages=HI, max_tokens=9)
        with run.agent("b"), pytest.raises(ct.Denied):
            pay(amount=1.0)


def test_a_redirect_costs_nothing_and_is_no_call() -> None:
    def up(request: Any) -> Any:
        if request.url.path.endswith("/"):
            return HTTP.Response(200, content=reply())
        return HTTP.Response(307, headers={"location": f"{request.url}/"})

    with desk("policy: p\nbudgets: [{per: run, cap: 1 USD, over: deny}]\n") as office, ct.run("w"), client(up) as c:
        c.chat.completions.create(model="gpt-4o-mini", messages=HI, max_tokens=9)
        assert office.facts(CALL_CLOSED)[0]["cost"] == 0


def test_a_retry_is_believed_only_where_it_can_be_one() -> None:
    with desk("policy: p\nbudgets: [{per: run, cap: 2 calls, over: deny}]\n"), ct.run("w"):
        c = client(lambda request: HTTP.Response(200, content=reply()))

        def say(text: str) -> None:
            said = {"x-stainless-retry-count": "1"}
            messages: list[Any] = [{"role": "user", "content": text}]
            c.chat.completions.create(model="gpt-4o-mini", messages=messages, max_tokens=9, extra_headers=said)

        say("one")
        say("two")
        with pytest.raises(ct.OverBudget):
            say("three")
        c.close()


def test_usage_beyond_any_model_is_not_believed(office: TestDesk) -> None:
    lie = HTTP.Response(200, content=reply(prompt_tokens=2**53, completion_tokens=2**53))
    with ct.run("w"), client(lie) as c:
        c.chat.completions.create(model="gpt-4o-mini", messages=HI, max_tokens=9)
    closed = office.facts(CALL_CLOSED)[-1]
    assert closed["estimated"] is True
    assert closed["cost"] < 10**9  # type: ignore[operator]


def test_one_http_client_cannot_be_for_two_customers() -> None:
    http = HTTP.Client()
    ct.wrap(openai.OpenAI(api_key="k", http_client=http), customer="acme")
    with pytest.raises(ct.SettingsError, match="of its own"):
        ct.wrap(openai.OpenAI(api_key="k", http_client=http), customer="globex")
    http.close()


def test_a_copy_with_another_http_client_is_governed_too(office: TestDesk) -> None:
    other = HTTP.Client(transport=HTTP.MockTransport(lambda request: HTTP.Response(200, content=reply())))
    with ct.run("w"), client(HTTP.Response(500)) as c:
        c.with_options(http_client=other).chat.completions.create(model="gpt-4o-mini", messages=HI, max_tokens=9)
    assert office.facts(CALL_CLOSED)[-1]["status"] == "ok"


@pytest.mark.parametrize(
    "path",
    [
        "/v1/chat//completions",
        "/v1/Chat/Completions",
        "/v1/chat/completions;a=1",
        "/v1/chat%252Fcompletions",
        "//v1/messages",
    ],
)
def test_a_path_written_oddly_is_the_same_route(path: str) -> None:
    assert is_model_route("POST", plain_path(path))
    assert dialect_for("POST", plain_path(path)) is not None


def test_what_an_sdk_makes_its_provider_do_is_refused_under_a_hard_cap() -> None:
    policy = "policy: p\nbudgets: [{per: run, cap: 0 USD, over: deny}]\n"
    with desk(policy) as office, ct.run("w"), client(HTTP.Response(200, json={"id": "x"})) as c:
        with pytest.raises(ct.Denied):
            c.post("/threads/runs", body={"assistant_id": "a"}, cast_to=object)
        assert office.facts(CALL_CLOSED)[-1]["opaque"] is True


def test_a_transport_that_reads_replies_over_a_real_connection_hangs_nobody(office: TestDesk) -> None:
    class Reads(HTTP.HTTPTransport):
        def handle_request(self, request: Any) -> Any:
            response = super().handle_request(request)
            response.read()
            return response

    with Upstream("Hello there.") as up, ct.run("w"), HTTP.Client(transport=Reads()) as http:
        sdk = ct.wrap(openai.OpenAI(api_key="k", base_url=up.url + "/v1", max_retries=0, timeout=5, http_client=http))
        whole = sdk.chat.completions.create(model="gpt-4o-mini", messages=HI, max_tokens=9)
        assert whole.choices[0].message.content == "Hello there."
        chunks = list(sdk.chat.completions.create(model="gpt-4o-mini", messages=HI, max_tokens=9, stream=True))
        assert "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices) == "Hello there."
