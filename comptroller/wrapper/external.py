"""Other HTTP through a governed client: recorded and scanned, never refused for money; and model calls unread."""

import re
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote
from weakref import WeakKeyDictionary

import msgspec

from comptroller.core.call import Identity
from comptroller.core.errors import Denied, Refused
from comptroller.core.verdict import Verdict
from comptroller.wrapper.admission import hold_unread
from comptroller.wrapper.asking import settle, text_matter, use
from comptroller.wrapper.context import RunState
from comptroller.wrapper.desk import Desk
from comptroller.wrapper.effects import Answer, Effect, Head, Send, UpstreamFault
from comptroller.wrapper.entry import Entry
from comptroller.wrapper.shared import enforce_guard, plan_for, refusal_headers
from comptroller.wrapper.tokens import covering

Flow = Generator[Effect, Any, Answer]
PLACES = 1_024  # addresses of a desk whose names are kept; an agent's paths may hold an id each
NAMED = 2_048  # characters of a path that are told
_PLACES: "WeakKeyDictionary[Desk, dict[str, str]]" = WeakKeyDictionary()
_LONG = re.compile(r"[A-Za-z0-9_=+~-]{20,}")
_WORDS = re.compile(r"[A-Z]?[a-z]+(?:[_=+~-]+[A-Z]?[a-z]+|[A-Z][a-z]+)*[_=+~-]*")
# What answers may call tools, which nobody would decide on.
_CHAT = re.compile(r":(?:rawPredict|streamRawPredict)/?$")
TEXTUAL = ("json", "text/", "xml", "x-www-form-urlencoded", "javascript", "multipart/form-data")


@dataclass(slots=True)
class ExternalJob:
    """A request to anything that is not a model we can read."""

    desk: Desk
    identity: Identity
    run: RunState
    method: str
    host: str
    path: str
    body: bytes | None
    conflict: Denied | None = None  # a reason to refuse that was found before the flow began
    kind_of_body: str = ""
    unled: bool = False  # no call to a model was seen in this run so far: nothing says what led to this one
    to_model: bool = False  # whoever gets it runs models, though this asks none: tokens are counted, files are kept


def external_call(job: ExternalJob) -> Flow:
    """Any other HTTP: guards look at what leaves; the reply passes as it comes."""
    entry = Entry(job.desk, job.identity, job.run, "external", name=_name(job))
    return (yield from _passed(job, entry, _look(job, entry)))


def unread_model_call(job: ExternalJob) -> Flow:
    """A model route we have no reader for: on record as opaque, refused under a hard cap."""
    entry = Entry(job.desk, job.identity, job.run, "model", name=_name(job))
    entry.opaque = True
    return (yield from _passed(job, entry, _unmetered(job, entry)))


def _name(job: ExternalJob) -> str:
    """Where the request goes, as the journal may say it in clear: hooks and bots carry their key in the path."""
    known = _PLACES.get(job.desk)
    if known is None:
        known = _PLACES[job.desk] = {}
    place = job.host + job.path
    told = known.get(place)
    if told is None:
        if len(known) >= PLACES:
            known.clear()
        told = known[place] = _without_keys(job.desk, job.host, job.path)
    return f"{job.method} {told}"


def _without_keys(desk: Desk, host: str, path: str) -> str:
    path = unquote(path)[:NAMED]  # an address may be written `jane%40acme.com`
    found = desk.chain.inspect(path, {"secrets": "redact", "privacy": "redact"})
    # What the guards would not look at is not told at all.
    return host + ("/[...]" if found.failed else _LONG.sub(_masked, found.text))


def _masked(segment: re.Match[str]) -> str:
    """A long piece of a path: `list-of-all-open-orders` and a number stay, what looks drawn goes."""
    return segment[0] if segment[0].isdigit() or _WORDS.fullmatch(segment[0]) else "[...]"


def _passed(
    job: ExternalJob, entry: Entry, check: Generator[Effect, Any, bytes | None]
) -> Generator[Effect, Any, Answer]:
    try:
        if job.conflict is not None:
            yield from settle(entry, job.conflict)
        body = yield from check
        yield from hold_unread(entry)
        if entry.passes:
            yield from use(entry)
        entry.sent = True
        head: Head = yield Send(body)
        entry.upstream = {"status": head.status}
        if head.status >= 400:
            entry.status = "error"
            entry.error = {"type": "upstream", "status": head.status}
        entry.close()
        return Answer(head.status, head.headers, passed=True)
    except Refused as refused:
        entry.refuse(refused)
        return refusal(entry, refused)
    except UpstreamFault as fault:
        entry.fail(fault.error, "upstream")
        raise
    except BaseException as error:
        entry.status = "cancelled"
        entry.error = {"type": type(error).__name__}
        raise
    finally:
        entry.close()


def _look(job: ExternalJob, entry: Entry) -> Generator[Effect, Any, bytes | None]:
    return (yield from look_at_bytes(entry, job.body, job.kind_of_body, job.to_model))


def look_at_bytes(
    entry: Entry, body: bytes | None, kind: str, to_model: bool = True
) -> Generator[Effect, Any, bytes | None]:
    """Guards on a body that no dialect reads; returns it redacted where they say so.

    Pictures, sound and uploads that are streamed are not looked at, and the record says so; neither are headers and
    URLs, where credentials belong.
    """
    plan = plan_for(entry, "in")
    if to_model:  # nothing can be put back where nothing is read, but nothing is told either
        plan = covering(entry, plan)
    if not plan or body == b"":
        return None
    if body is None or not any(mark in kind for mark in TEXTUAL):
        why = "it is streamed" if body is None else f"it is {kind.partition(';')[0] or 'of no stated kind'}"
        entry.say(entry.kind, Verdict("note", "guards.unread", "", f"The guards did not look at the body: {why}."))
        return None
    text, whole = _decoded(body)
    found = entry.desk.inspect(text, plan, as_json="json" in kind)
    if found is None:
        return None
    entry.found(entry.kind, found)
    yield from enforce_guard(entry, found, text_matter(entry.kind, entry.name, text))
    if found.text != text and not whole:
        raise Denied(f"{found.because}, and a body that is not all text cannot be redacted.", {"rule": "guards.redact"})
    return found.text.encode() if found.text != text else None


def _decoded(body: bytes) -> tuple[str, bool]:
    try:
        return body.decode("utf-8"), True
    except UnicodeDecodeError:
        return body.decode("utf-8", "replace"), False


def _unmetered(job: ExternalJob, entry: Entry) -> Generator[Effect, Any, bytes | None]:
    if job.desk.book.files and _CHAT.search(job.path):
        because = "The conversations of this route are in a form not read here, and policies are in force. Use another."
        entry.say("model", Verdict("deny", "opaque", "", because))
        raise Denied(because, {"rule": "opaque"})
    if entry.standing.hard:
        because = "This model route cannot be metered by this version, and a hard cap applies. Use a chat route."
        entry.say("model", Verdict("deny", "opaque", "", because))
        raise Denied(because, {"rule": "opaque"})
    entry.say("model", Verdict("note", "opaque", "", "This model route cannot be metered by this version."))
    return (yield from look_at_bytes(entry, job.body, job.kind_of_body))


def refusal(entry: Entry, refused: Refused) -> Answer:
    """A refusal as JSON, to whoever is no provider's client."""
    refused.details = {"call": entry.id, "run": entry.run.id, **refused.details}
    error: Mapping[str, object] = {"code": refused.code, "message": str(refused), **refused.details}
    body = msgspec.json.encode({"error": {"type": refused.code, **error}})
    return Answer(refused.status, refusal_headers(entry, refused), body, refused=refused)
