"""The path of one model call: a generator without I/O that decides, and yields what it needs done.

Everything a call can meet is in here, top to bottom; hands (`drive`) do the waiting. Each way out goes through
`finally`, where the entry settles its hold and is put on record before anybody is handed the last byte.
"""

import logging
from collections.abc import Generator, Hashable, Mapping
from contextlib import suppress
from typing import Any

from comptroller.core.call import Change, Request
from comptroller.core.errors import Denied, Refused
from comptroller.core.verdict import Verdict
from comptroller.dialects.dialect import Demanded, Unreadable
from comptroller.wrapper import fallback, healing, loops, tokens, toolgate
from comptroller.wrapper.admission import Admission, hold_unread
from comptroller.wrapper.asking import settle, use
from comptroller.wrapper.capture import keep_request
from comptroller.wrapper.dataflow import take_in
from comptroller.wrapper.effects import Answer, Effect, Head, Send, UpstreamFault
from comptroller.wrapper.entry import Entry
from comptroller.wrapper.external import look_at_bytes
from comptroller.wrapper.judging import listen
from comptroller.wrapper.offer import not_on_offer, withheld
from comptroller.wrapper.recall import Listening, again, copy_of, through
from comptroller.wrapper.reply import Call
from comptroller.wrapper.shared import (
    STOPPING,
    Job,
    case_for,
    decide,
    enforce,
    enforce_guard,
    redacting,
    refusal,
)

log = logging.getLogger("comptroller")
Flow = Generator[Effect, Any, Answer]
NEVER_SENT = ("ConnectError", "ConnectTimeout", "PoolTimeout", "UnsupportedProtocol")


def model_call(job: Job) -> Flow:
    """Govern one model call from the bytes of its request to the bytes of its reply, further tries of it included."""
    return healing.tried(job, one_try) if job.desk.book.heals else one_try(job)


def one_try(job: Job) -> Flow:
    """One try, with a record and a hold of its own."""
    dialect = job.dialect
    entry = Entry(job.desk, job.identity, job.run, "model")
    entry.dialect, entry.provider, entry.attempt = dialect.name, job.provider or dialect.provider, job.attempt
    try:
        if job.conflict is not None:
            yield from settle(entry, job.conflict)
        try:
            request = job.request or dialect.read(job.body, job.path)
        except Unreadable as error:
            return (yield from opaque_call(job, entry, str(error)))
        return (yield from _governed(job, entry, request))
    except Refused as refused:
        job.run.retries.forget(job.body)  # it did not count, so the next try of it is no retry that need not
        entry.refuse(refused)
        if job.tries is not None and not healing.again(entry, job, job.request, refused):
            refused = healing.both_reasons(entry, job, refused)
        return refusal(dialect, entry, refused)
    except UpstreamFault as fault:
        _lost(entry, fault.error)
        raise
    except GeneratorExit:
        entry.status = "cancelled"
        raise
    except Exception as error:
        # A mistake of our own fails closed, with a fact, and never as an SDK's "connection error" that is retried.
        log.exception("Comptroller failed while governing a call; the call is refused")
        entry.fail(error, "comptroller")
        return refusal(dialect, entry, _broken(error))
    except BaseException as error:
        entry.status = "cancelled"
        entry.error = {"type": type(error).__name__, **({"message": str(error)} if str(error) else {})}
        raise
    finally:
        entry.close()
        healing.settled(entry, job)


def _governed(job: Job, entry: Entry, request: Request) -> Flow:
    entry.name, entry.stream = request.model, request.stream
    entry.matter = lambda: job.matter(request)
    job.request = request
    if job.tries is not None:
        job.tries.request = job.tries.request or request
        yield from healing.begins(entry, job)
    if job.used is not None:
        entry.used = job.used
    standing = entry.standing
    entry.hard = standing.hard
    request.earlier = job.desk.kept.earlier(entry.identity.tenant, request)
    admission = Admission(entry, request, standing.caps)
    try:
        if entry.run.tallies:
            fallback.apply(entry, admission)
        texts = yield from _inbound(job, entry, request, admission)
    except BaseException:
        with suppress(Denied):  # a refused call is kept too if that can be: it is what the refusal is about
            keep_request(entry, job.dialect, request, job.path)
        raise
    keep_request(entry, job.dialect, request, job.path)
    hidden = withheld(entry, request)
    body = _rewritten(job, request, admission, texts, hidden)
    copy = copy_of(job, entry, request, admission, body)
    if copy is not None and copy.found is not None:
        return (yield from again(copy, request, admission))
    asked = admission.model
    yield from admission.hold()
    if admission.max_tokens is not None or admission.model != asked:
        body, copy = _rewritten(job, request, admission, texts, hidden), None  # what comes back answers another request
    entry.name = admission.model
    if entry.passes:
        yield from use(entry)
    call = Call(job, entry, request, admission, entry.hard)
    head = yield from call.send(body)
    if head.status >= 300:
        return (yield from call.turned_down(head))
    reply = call.reply_to(head)
    return (yield from (reply if copy is None else through(reply, Listening(copy, head))))


# -- what goes in


def _inbound(job: Job, entry: Entry, request: Request, admission: Admission) -> Generator[Effect, Any, dict[Any, str]]:
    """Rules and guards on the request; returns the texts to be replaced, by their path."""
    desk, book = job.desk, job.desk.book
    toolgate.answers(entry, request)
    read = request if job.tries is None else job.tries.request or request  # our own words are nobody's
    take_in(entry, (yield from tokens.spelled_out(entry, read)))
    if book.judged:
        listen(entry, read)
    if found_again := loops.asks(entry, request):
        yield from loops.act(entry, found_again)
    plan, clean = entry.standing.guards_in, entry.standing.covers_in
    if book.watches("model", entry.identity):
        case = case_for(entry, "model", request=request, admission=admission)
        decision = yield from decide(entry, case)
        entry.note("model", decision)
        action = decision.action
        if action in STOPPING:
            action = yield from enforce(entry, decision)
        if action == "downgrade":
            admission.downgrade()
        plan = redacting(plan) if action == "redact" else plan
    texts: dict[Hashable, str] = {}
    swap = tokens.swap_for(entry)
    for part in request.parts:
        if part.kind == "media":
            continue
        clear = part.kind == "tool_result" and (yield from toolgate.result(entry, part))
        look = redacting(plan) if clear else plan
        as_json = part.kind == "tool_call"
        found = desk.inspect(part.text, look, as_json) if swap is None else swap.inspect(part, look)
        if found is not None:
            clean = False
            entry.found("model", found, part.tool)
            yield from enforce_guard(entry, found)
            if found.text != part.text:  # also beside what a person has approved: that lifts nothing else
                texts[part.path] = found.text
    if swap is not None:
        swap.catch_up(texts)
    entry.clean_request = clean
    return texts


def _rewritten(
    job: Job, request: Request, admission: Admission, texts: Mapping[Hashable, str], hidden: frozenset[str]
) -> bytes | None:
    """The body to send, or None where it may go as it came."""
    ask_usage = request.stream and not request.wants_usage
    model = admission.model if admission.model != request.model else None
    if not (texts or hidden or ask_usage) and model is None and admission.max_tokens is None:
        return None if job.tries is None or job.tries.before is None else request.raw
    change = Change(texts, model=model, max_tokens=admission.max_tokens, ask_usage=ask_usage, hidden=hidden)
    try:
        body = job.dialect.rewrite(request, change)
    except Demanded as demanded:
        raise not_on_offer(str(demanded)) from None
    if model is not None and request.model in job.path and job.dialect.path_for(job.path, model) == job.path:
        raise Denied(
            f"The call would be made with {model} instead, but its URL names the model. Ask for {model} yourself.",
            {"rule": "downgrade"},
        )
    return body


def opaque_call(job: Job, entry: Entry, why: str) -> Flow:
    """A body on a model route that we do not understand: on record and seen by the guards.

    Refused under a hard cap, and under policies: providers read more than JSON allows (a byte order mark, UTF-16, NaN),
    so an agent could have any call it writes oddly answered past all rules, with tool calls nobody decided on.
    """
    entry.opaque = True
    capped = entry.standing.hard
    if capped or entry.desk.book.files:
        forbids = "a hard cap applies" if capped else "policies are in force"
        because = f"The request was not understood, and {forbids}. {why} Send a body the route documents."
        entry.say("model", Verdict("deny", "opaque", "", because))
        raise Denied(because, {"rule": "opaque"})
    entry.say("model", Verdict("note", "opaque", "", f"The request was not understood: {why}"))
    body = yield from look_at_bytes(entry, job.body, "json")
    yield from hold_unread(entry)
    if entry.passes:
        yield from use(entry)
    entry.sent = True
    head: Head = yield Send(body)
    entry.upstream = {"status": head.status}
    if head.status >= 300:
        entry.status = "error"
        entry.error = {"type": "upstream", "status": head.status}
    entry.close()
    return Answer(head.status, head.headers, passed=True)


def _broken(error: Exception) -> Refused:
    because = f"Comptroller failed ({type(error).__name__}) and refuses what it cannot govern; the log says where."
    return Denied(because, {"rule": "comptroller"})


def _lost(entry: Entry, error: BaseException) -> None:
    """The upstream failed: a connection that never stood costs nothing, a lost reply costs its estimate."""
    entry.fail(error, "upstream")
    if type(error).__name__ in NEVER_SENT:
        entry.free, entry.sent, entry.if_lost = True, False, None
