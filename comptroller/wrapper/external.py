"""Other HTTP through a governed client: recorded and scanned, never refused for money; and model calls unread."""

from collections.abc import Generator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from comptroller.core.call import Identity
from comptroller.core.errors import Denied, Refused
from comptroller.core.verdict import Verdict
from comptroller.wrapper.admission import caps_for, is_hard, reserve
from comptroller.wrapper.context import RunState
from comptroller.wrapper.desk import Desk
from comptroller.wrapper.effects import Answer, Effect, Head, Send, UpstreamFault
from comptroller.wrapper.entry import Entry
from comptroller.wrapper.shared import REFUSING, enforce_guard, plan_for, reply_headers

Flow = Generator[Effect, Any, Answer]
TEXTUAL = ("json", "text/", "xml", "x-www-form-urlencoded", "javascript")


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


def external_call(job: ExternalJob) -> Flow:
    """Any other HTTP: guards look at what leaves; the reply passes as it comes."""
    entry = Entry(job.desk, job.identity, job.run, "external", name=f"{job.method} {job.host}{job.path}")
    return (yield from _passed(job, entry, _look(job, entry)))


def unread_model_call(job: ExternalJob) -> Flow:
    """A model route we have no reader for: on record as opaque, refused under a hard cap."""
    entry = Entry(job.desk, job.identity, job.run, "model", name=f"{job.method} {job.host}{job.path}")
    entry.opaque = True
    return (yield from _passed(job, entry, _unbounded(entry)))


def _passed(
    job: ExternalJob, entry: Entry, check: Generator[Effect, Any, bytes | None]
) -> Generator[Effect, Any, Answer]:
    try:
        if job.conflict is not None:
            entry.say("model", Verdict("deny", str(job.conflict.details.get("rule", "")), "", str(job.conflict)))
            raise job.conflict
        body = yield from check
        yield from reserve(entry)
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
        return _refusal(entry, refused)
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
    """Guards on a textual body; binary ones and streamed uploads pass unread, and the record says so."""
    plan = plan_for(entry, "in")
    if not plan or not job.body:
        return None
    if not any(mark in job.kind_of_body for mark in TEXTUAL):
        return None
    found = job.desk.inspect(job.body.decode("utf-8", "replace"), plan, as_json="json" in job.kind_of_body)
    if found is None:
        return None
    entry.found("external", found)
    yield from enforce_guard(entry, found)
    return found.text.encode() if found.action == "redact" else None


def _unbounded(entry: Entry) -> Generator[Effect, Any, bytes | None]:
    if is_hard(caps_for(entry)):
        because = "This model route cannot be metered by this version, and a hard cap applies. Use a chat route."
        entry.say("model", Verdict("deny", "opaque", "", because))
        raise Denied(because, {"rule": "opaque"})
    entry.say("model", Verdict("note", "opaque", "", "This model route cannot be metered by this version."))
    return None
    yield  # a generator, like its sibling


def _refusal(entry: Entry, refused: Refused) -> Answer:
    refused.details = {"call": entry.id, "run": entry.run.id, **refused.details}
    error: Mapping[str, object] = {"code": refused.code, "message": str(refused), **refused.details}
    body = msgspec.json.encode({"error": {"type": refused.code, **error}})
    return Answer(refused.status, {**REFUSING, **reply_headers(entry, whole=False)}, body, refused=refused)
