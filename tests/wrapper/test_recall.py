"""Replies out of the cache on the path of a call: judged anew, kept apart, kept within bounds."""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from comptroller.core.call import Identity
from comptroller.core.clock import SYSTEM, FrozenClock
from comptroller.core.facts import CALL_CLOSED
from comptroller.core.settings import Settings
from comptroller.dialects.routes import dialect_for
from comptroller.policies.load import load_policies
from comptroller.store.ledger import Ledger
from comptroller.testing import TestDesk, desk
from comptroller.wrapper.boundary import Boundary
from comptroller.wrapper.cache import Cache, Kept
from comptroller.wrapper.context import RunState
from comptroller.wrapper.drive import Awaiting, Blocking
from comptroller.wrapper.effects import Answer, Head, Send
from comptroller.wrapper.flow import model_call
from comptroller.wrapper.shared import Envelope, Job
from comptroller.wrapper.wrap import wrap
from tests.wrapper.bodies import DONE, ask, event, reply

POLICY = """
policy: cached
cache: exact
guards: {secrets: {out: redact}}
tools: {look: {effect: read, args: {at: string}}}
unlisted: deny
"""
KEY = "AKIA" + "QYLPMN5HFIQR7BBB"  # has the form of a key and opens nothing
CHAT = dialect_for("POST", "/v1/chat/completions")
PIECES = (event({"role": "assistant", "content": ""}), event({"content": "Hello"}), event({}, "stop"), DONE)


class Provider:
    """Answers each call with the same bytes, and counts."""

    def __init__(self, *pieces: bytes, kind: str = "application/json", status: int = 200) -> None:
        self.pieces, self.kind, self.status, self.calls = pieces, kind, status, 0
        self._left: Iterator[bytes] = iter(())

    def send(self, effect: Send) -> Head:
        self.calls += 1
        self._left = iter(self.pieces)
        return Head(self.status, {"content-type": self.kind})

    def read(self, limit: int) -> bytes | None:
        return b"".join(self.pieces)

    def next(self) -> bytes | None:
        return next(self._left, None)

    def close(self) -> None:
        return None


@pytest.fixture
def office() -> Iterator[TestDesk]:
    with desk(POLICY) as made:
        yield made


def call(
    office: TestDesk, provider: Provider, body: bytes | None = None, envelope: Envelope | None = None, **who: Any
) -> tuple[Answer, bytes]:
    run = RunState("r" * 32, "r" * 32, Boundary())
    identity = replace(Identity(run=run.id, customer="acme"), **who)
    assert CHAT is not None
    job = Job(office, identity, run, CHAT, body or ask(), envelope=lambda: envelope or Envelope())
    drive = Blocking(office, model_call(job), provider)
    answer = drive.start()
    if answer is not None:
        return answer, answer.body
    return Answer(headers=drive.headers), b"".join(drive.stream())


def is_hit(answer: Answer) -> bool:
    return answer.headers.get("comptroller-cache") == "hit"


def last(office: TestDesk) -> dict[str, object]:
    return dict([fact for fact in office.facts(CALL_CLOSED) if fact["kind"] == "model"][-1])


def test_a_hit_names_the_call_whose_reply_it_is(office: TestDesk) -> None:
    provider = Provider(reply())
    call(office, provider)
    first = office.ledger.of(CALL_CLOSED)[-1].call
    answer, _ = call(office, provider)
    assert is_hit(answer)
    assert last(office)["cached"] == first
    assert answer.headers["comptroller-cost"] == "0.00 USD"


def test_a_tool_call_in_a_kept_reply_is_decided_on_again(office: TestDesk) -> None:
    provider = Provider(reply(None, [("c1", "look", {"at": "Bonn"})]))
    call(office, provider)
    office.book = load_policies([("p.yaml", POLICY.replace("tools: {look", "tools: {other"))])
    answer, body = call(office, provider)
    assert (is_hit(answer), provider.calls) == (True, 1)
    message = json.loads(body)["choices"][0]["message"]
    assert "tool_calls" not in message
    assert "look was refused" in message["content"]


@pytest.mark.parametrize("stream", [False, True])
def test_a_new_policy_judges_what_was_kept_under_the_old_one(office: TestDesk, stream: bool) -> None:
    provider = Provider(*PIECES, kind="text/event-stream") if stream else Provider(reply("Hello"))
    call(office, provider, ask(stream=stream))
    rule = '{id: r, on: reply, when: reply.text.contains("Hello"), then: deny, because: No greetings.}'
    office.book = load_policies([("p.yaml", f"{POLICY}rules: [{rule}]\n")])
    _, body = call(office, provider, ask(stream=stream))
    assert b"No greetings." in body
    assert b"Hello" not in body
    assert (provider.calls, last(office)["status"], last(office)["cost"]) == (1, "denied", 0)


def test_rules_on_requests_hold_for_those_the_cache_could_answer(office: TestDesk) -> None:
    provider = Provider(reply())
    call(office, provider)
    office.book = load_policies([("p.yaml", f"{POLICY}rules: [{{id: r, on: model, then: deny}}]\n")])
    assert call(office, provider)[0].status == 403


@pytest.mark.parametrize(
    "body",
    [
        reply(f"the key is {KEY}"),  # redacted
        reply(None, [("c1", "wipe", {})]),  # its tool call refused
        b'{"error": {"message": "overloaded"}}',  # with status 200, as some do
    ],
)
def test_a_reply_that_was_not_handed_on_as_it_came_is_not_kept(office: TestDesk, body: bytes) -> None:
    call(office, Provider(body))
    assert len(office.cache) == 0


def test_a_client_that_leaves_with_the_last_event_leaves_the_reply_behind(office: TestDesk) -> None:
    provider = Provider(*PIECES, kind="text/event-stream")
    run = RunState("r" * 32, "r" * 32, Boundary())
    assert CHAT is not None
    for leaves_after, kept in ((2, 0), (3, 1)):
        job = Job(office, Identity(run=run.id, customer="acme"), run, CHAT, ask(stream=True))
        drive = Blocking(office, model_call(job), provider)
        drive.start()
        stream = drive.stream()
        for _ in range(leaves_after):
            next(stream)
        stream.close()
        assert len(office.cache) == kept
    answer, body = call(office, provider, ask(stream=True))
    assert (is_hit(answer), body.endswith(DONE)) == (True, True)


def test_a_cached_stream_that_nobody_reads_to_its_end_still_costs_nothing(office: TestDesk) -> None:
    provider = Provider(*PIECES, kind="text/event-stream")
    call(office, provider, ask(stream=True))
    run = RunState("r" * 32, "r" * 32, Boundary())
    assert CHAT is not None
    job = Job(office, Identity(run=run.id, customer="acme"), run, CHAT, ask(stream=True))
    drive = Blocking(office, model_call(job), provider)
    drive.start()
    drive.stream().close()
    drive.flow.close()
    assert (last(office)["status"], last(office)["cost"], provider.calls) == ("cancelled", 0, 1)


def test_what_refers_to_something_elsewhere_is_asked_anew(office: TestDesk) -> None:
    picture = {"type": "image_url", "image_url": {"url": "https://example.com/now.png"}}
    body = json.dumps({"model": "gpt-4o-mini", "messages": [{"role": "user", "content": [picture]}]}).encode()
    provider = Provider(reply())
    call(office, provider, body)
    call(office, provider, body)
    assert provider.calls == 2


def test_a_call_that_was_clamped_leaves_nothing_behind() -> None:
    cap = 'budgets: [{per: customer, cap: "3000 tokens", over: clamp}]\n'
    with desk(POLICY + cap) as office:
        call(office, Provider(reply()))
        assert "limited to" in str(last(office)["decisions"])
        assert len(office.cache) == 0


WHO = st.fixed_dictionaries(
    {
        "tenant": st.sampled_from("tu"),
        "customer": st.sampled_from(["", "c", "d"]),
        "user": st.sampled_from(["", "c", "v"]),
    }
)


@settings(max_examples=60, deadline=None)
@given(calls=st.lists(st.tuples(WHO, st.sampled_from("xy"), st.sampled_from(["", "k"])), max_size=12))
def test_nobody_ever_gets_a_reply_made_for_somebody_else(calls: list[tuple[dict[str, str], str, str]]) -> None:
    with desk(POLICY) as office:
        for number, (who, text, account) in enumerate(calls):
            whose = (who["tenant"], who["customer"], who["customer"] or who["user"], text, account)
            _, body = call(office, Provider(reply(f"{number} {whose}")), ask(text), Envelope(account=account), **who)
            assert json.loads(body)["choices"][0]["message"]["content"].partition(" ")[2] == str(whose)


def test_an_erased_subject_leaves_no_reply_in_the_cache(tmp_path: Any) -> None:
    with desk(POLICY) as office:
        ledger = Ledger.open(tmp_path / "ledger", Settings(), SYSTEM)
        office.ledger = ledger  # type: ignore[assignment]
        provider = Provider(reply())
        call(office, provider)
        assert is_hit(call(office, provider)[0])
        ledger.forget("default", "acme")
        assert not is_hit(call(office, provider)[0])
        ledger.close()


class Nobody:
    """An upstream that has nothing to bring: to ask it for anything fails."""

    async def close(self) -> None:
        return None

    async def next(self) -> bytes | None:
        raise AssertionError("the upstream was asked")


def test_the_cache_answers_async_callers_as_well(office: TestDesk) -> None:
    _, fresh = call(office, Provider(*PIECES, kind="text/event-stream"), ask(stream=True))
    run = RunState("r" * 32, "r" * 32, Boundary())
    assert CHAT is not None
    job = Job(office, Identity(run=run.id, customer="acme"), run, CHAT, ask(stream=True))

    async def stream() -> bytes:
        drive = Awaiting(office, model_call(job), Nobody())  # type: ignore[arg-type]
        assert await drive.start() is None
        return b"".join([data async for data in drive.stream()])

    assert asyncio.run(stream()) == fresh


@pytest.mark.parametrize("stream", [False, True])
def test_a_wrapped_client_is_answered_out_of_the_cache(stream: bool) -> None:
    sent = []

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        if stream:
            return httpx.Response(200, headers={"content-type": "text/event-stream"}, content=b"".join(PIECES))
        return httpx.Response(200, headers={"content-type": "application/json"}, content=reply())

    with desk(POLICY), wrap(httpx.Client(transport=httpx.MockTransport(answer))) as client:
        url = "https://api.openai.com/v1/chat/completions"
        first, again = (client.post(url, content=ask(stream=stream)) for _ in range(2))
        assert again.content == first.content
        assert again.headers["content-type"] == first.headers["content-type"]
        assert again.headers["comptroller-cache"] == "hit"
        other = client.post(url.replace("api.openai", "api.example"), content=ask(stream=stream))
        bypass = client.post(url, content=ask(stream=stream), headers={"cache-control": "no-cache"})
        assert "comptroller-cache" not in {*other.headers, *bypass.headers}
        assert len(sent) == 3


def test_the_reply_not_asked_for_longest_goes_first_when_there_is_no_room() -> None:
    clock = FrozenClock()
    cache = Cache(8 << 10, clock)
    for name in (b"a", b"b", b"c", b"d", b"e", b"f", b"g", b"h"):
        cache.keep(name, Kept("", {}, b"x" * 512, 0), 0)
    cache.find(b"a", 1 << 62, 0)
    cache.keep(b"i", Kept("", {}, b"x" * 512, 0), 0)
    assert cache.find(b"a", 1 << 62, 0) is not None
    assert cache.find(b"b", 1 << 62, 0) is None


def test_a_reply_that_would_push_out_most_others_is_not_kept() -> None:
    cache = Cache(8 << 10, FrozenClock())
    cache.keep(b"a", Kept("", {}, b"x" * 1_000, 0), 0)
    assert len(cache) == 0


def test_a_reply_asked_for_before_an_erasure_is_not_kept_after_it() -> None:
    cache = Cache(1 << 20, FrozenClock())
    cache.find(b"b", 1, erasures=1)
    cache.keep(b"a", Kept("", {}, b"x", 0), erasures=0)
    assert len(cache) == 0
