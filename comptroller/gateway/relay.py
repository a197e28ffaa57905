"""A model call on its way through: read, placed in its run, governed by the flow, sent, answered."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import count
from urllib.parse import parse_qsl

from comptroller.core.call import Request
from comptroller.core.errors import Denied, UpstreamError
from comptroller.dialects.dialect import Dialect, Unreadable
from comptroller.gateway.asked import Asked, Receive, Send
from comptroller.gateway.attempts import Attempts
from comptroller.gateway.caller import CREDENTIALS, Caller, caller_of, credential, run_of
from comptroller.gateway.gate import Gate
from comptroller.gateway.hands import Hands, passed_on
from comptroller.gateway.hedge import Try, race
from comptroller.gateway.leaving import Leaving
from comptroller.gateway.repeats import Told
from comptroller.gateway.reply import Listening, tell, tell_answer, tell_stream
from comptroller.gateway.runs import Place
from comptroller.gateway.stitch import agent_of, trace_of
from comptroller.gateway.stop import Stop, format_of
from comptroller.gateway.upstream import ConnectError, ConnectTimeout, ReadTimeout, Target
from comptroller.wrapper.asking import Binding
from comptroller.wrapper.drive import Awaiting
from comptroller.wrapper.flow import model_call
from comptroller.wrapper.kept import NAMED
from comptroller.wrapper.shared import ACCOUNT, Envelope, Job

LEFT = 499  # in our own counts only: the client left before its reply was complete


@dataclass(slots=True)  # one for each call: frozen would cost four times as much
class Call:
    """One model call at the gateway, over all its attempts."""

    gate: Gate
    asked: Asked
    dialect: Dialect
    request: Request | None
    place: Place
    tried: int  # attempts the client itself has behind it
    used: set[Binding] = field(default_factory=set)  # approvals it passed on, whichever attempt did

    @property
    def once(self) -> bool:
        """Asked twice at a time it would say the same twice, in a conversation that the provider keeps."""
        return self.request is None or "conversation" in self.request.unbounded


async def relay(gate: Gate, asked: Asked, dialect: Dialect, receive: Receive, send: Send) -> int:
    """Answer one model call; returns the status."""
    caller = caller_of(asked, gate.keys, gate.desk.settings.tenant)
    repeat = asked.header(b"idempotency-key")
    if not repeat or not gate.desk.settings.gateway.repeats:
        return await _answer(gate, asked, dialect, caller, receive, send)
    key = (caller.identity.tenant, caller.identity.key or credential(asked), asked.path, repeat)
    found = await gate.repeats.claim(key, asked.body)
    if isinstance(found, Told):
        await tell(send, found.status, [*found.headers, (b"comptroller-replayed", b"true")], found.body)
        return found.status
    listening = Listening(send)
    try:
        return await _answer(gate, asked, dialect, caller, receive, listening.send)
    finally:
        gate.repeats.keep(key, listening.told())


async def _answer(gate: Gate, asked: Asked, dialect: Dialect, caller: Caller, receive: Receive, send: Send) -> int:
    try:
        request = dialect.read(asked.body, asked.path)
    except Unreadable:
        request = None  # the flow says what follows from that
    if asked.query and dialect.name == "gemini":
        _must_be_whole(asked.query)
    line = gate.upstreams.line(format_of(asked.path), request.model if request else "")
    if request is not None and "background" in request.unbounded:
        raise Stop(
            400,
            "unsupported_value",
            "A response in the background would be fetched past all rules and guards. Leave `background` out; a reply "
            "that streams may take as long as it likes.",
            {"param": "background"},
        )
    place = await enter(gate, asked, caller, request)
    if request is not None and NAMED in request.hints:
        before = request.hints[NAMED]
        await gate.kept.recall(place.identity, place.state, before, gate.crew is not None)
        if gate.kept.is_others(place.identity, before):
            why = f"The response {before[:64]!r} was made for somebody else. Go on with one of your own."
            place = replace(place, conflict=place.conflict or Denied(why, {"rule": "identity"}))
    again = asked.header(b"x-stainless-retry-count")
    tried = place.state.retries.attempt(asked.body, int(again) if again.isdecimal() and len(again) < 4 else 0)
    call = Call(gate, asked, dialect, request, place, tried)
    # Whole replies are waited for even when nobody does: they cost the same, and then their usage is known.
    grace_s = gate.desk.settings.gateway.drain_s if request is not None and request.stream else None
    leaving = Leaving(receive, grace_s)
    place.run.busy += 1
    try:
        status = await _attempts(call, Attempts(gate.desk.settings.gateway, line), leaving, send)
        if status < 300:
            place.state.retries.forget(asked.body)  # who asks again after a whole answer asks for another one
        return status
    except asyncio.CancelledError:
        if not leaving.left:
            raise
        leaving.forgive()
        return LEFT
    finally:
        place.run.busy -= 1
        leaving.stop()


def _must_be_whole(query: str) -> None:
    """Google leaves out of a reply what a field mask does not name, its usage above all."""
    if any(name.lstrip("$") == "fields" for name, _ in parse_qsl(query, keep_blank_values=True)):
        raise Stop(
            400,
            "unsupported_value",
            "With `fields` a reply comes without its usage, so nobody could say what it cost. Leave it out.",
        )


async def enter(gate: Gate, asked: Asked, caller: Caller, request: Request | None) -> Place:
    """The run a request belongs to: the one it names, else the one it goes on with, else a new one."""
    named = caller.said.get("run", "")
    agent, trace = caller.identity.agent or agent_of(request), trace_of(asked)
    thread = None if named else gate.stitches.find(asked, caller.identity, request)
    desk = gate.desk
    run_id = named or (thread.run if thread else "")
    run_id = run_id or run_of(caller.identity.tenant, desk.settings.tenant, desk.clock.new_id())
    run_id = await gate.runs.prepare(caller, run_id, thread, trace, agent, request)
    if thread is not None:
        gate.stitches.keep(thread, run_id)
    return gate.runs.enter(caller, run_id, trace, agent)


async def _attempts(call: Call, attempts: Attempts, leaving: Leaving, send: Send) -> int:
    """One flow, with a hold of its own, for each attempt; the first that is worth telling is told."""
    gate, numbers = call.gate, count()
    hedge_s = 0.0 if call.once else gate.desk.settings.gateway.hedge_ms / 1000
    over_budget = gate.desk.settings.gateway.over_budget_status
    for target in attempts:
        one = _try(call, target, next(numbers), leaving)
        try:
            if hedge_s:
                another = partial(_another, call, attempts, numbers, leaving)
                one, outcome = await race(one, another, hedge_s, gate.meters.failed)
                _sent_to(gate, one.target)
                answer = outcome()
            else:
                answer = await one.drive.start()
        except UpstreamError as error:
            gate.meters.failed(one.target.name, type(error).__name__)
            if not attempts.broke(error):
                raise _gateway_error(error, call.place) from None
        else:
            hands = one.hands
            if answer is None:
                if hands.response is not None:
                    attempts.answered(200, {}, one.target)
                return await tell_stream(send, hands, one.drive)
            if answer.refused is not None:
                gate.meters.refused(answer.refused.code)
            elif answer.status >= 400:
                gate.meters.failed(one.target.name, str(answer.status))
                one.target.refused(answer.status)
            ours = hands.response is None or answer.refused is not None
            if ours or not attempts.answered(answer.status, hands.headers, one.target):
                return await tell_answer(send, hands, answer, over_budget)
        finally:
            await one.end()
        await attempts.wait()
    raise AssertionError("the last attempt answers or raises")


def _another(call: Call, attempts: Attempts, numbers: Iterator[int], leaving: Leaving) -> Try:
    return _try(call, attempts.beside(), next(numbers), leaving)


def _try(call: Call, target: Target, number: int, leaving: Leaving) -> Try:
    gate = call.gate
    hands = Hands(gate.client, gate.upstreams, target, call.asked, call.request.model if call.request else "")
    _sent_to(gate, target)
    return Try(target, hands, Awaiting(gate.desk, model_call(_job(call, target, number)), hands, leaving.attend))


def _sent_to(gate: Gate, target: Target) -> None:
    if gate.access is not None:
        gate.access.sent_to(target.name)


def _job(call: Call, target: Target, number: int) -> Job:
    place, asked = call.place, call.asked
    return Job(
        call.gate.desk,
        place.identity,
        place.state,
        call.dialect,
        asked.body,
        call.tried + number,
        asked.path,
        call.request,
        target.provider.provider,
        partial(_envelope, asked, target),
        place.refusal(),
        call.used,
    )


def _envelope(asked: Asked, target: Target) -> Envelope:
    """What tells a request apart for the cache; the client's own account only where it is the one that pays."""
    account = [asked.header(name.encode()) for name in ACCOUNT if name.encode() not in CREDENTIALS]
    if target.auth is None:
        account += [value.decode("latin-1") for _, value in passed_on(asked)]
    return Envelope(f"{asked.target}?{asked.query}", "\n".join(account), asked.header(b"cache-control").lower())


def _gateway_error(error: UpstreamError, place: Place) -> Stop:
    late = isinstance(error, (ConnectTimeout, ReadTimeout))
    run = ((b"comptroller-run", place.state.id.encode()),)
    said = f"{error} {_remedy(error)}"
    return Stop(504 if late else 502, "upstream_timeout" if late else "upstream_error", said, headers=run)


def _remedy(error: UpstreamError) -> str:
    """What whoever asked, or whoever runs the gateway, can do about it."""
    if isinstance(error, ConnectError | ConnectTimeout):
        return "Check its `url` under `upstreams` in comptroller.yaml, or give it a `fallback` there."
    if isinstance(error, ReadTimeout):
        return "Ask again, or allow it a longer silence with `gateway.read_s`."
    return "Ask again; where it goes on, look at what its address answers."
