"""A model call from sending to its last byte: whole replies here, streams in `streaming`."""

import json
from collections.abc import Generator, Hashable, Mapping
from dataclasses import replace
from typing import Any

import msgspec

from comptroller.core.call import Change, Reply, Request, ToolCall, Usage
from comptroller.core.errors import Denied
from comptroller.core.verdict import Action, Verdict
from comptroller.dialects.dialect import Dialect, Unreadable
from comptroller.wrapper import healing, structured, toolgate
from comptroller.wrapper.admission import Admission
from comptroller.wrapper.asking import Matter, text_matter, use
from comptroller.wrapper.capture import keep_reply
from comptroller.wrapper.effects import Answer, Effect, Head, Read, Send
from comptroller.wrapper.entry import Entry
from comptroller.wrapper.estimate import UNSTATED_OUTPUT, estimated_usage, is_absurd, tokens_in
from comptroller.wrapper.shared import (
    Job,
    case_for,
    decide,
    enforce,
    enforce_guard,
    redacting,
    reply_headers,
)
from comptroller.wrapper.streaming import TOO_LARGE, StreamedReply


def readable(dialect: Dialect, data: bytes) -> tuple[bytes, Reply]:
    """The reply, and the bytes it was read from.

    Clients read more than JSON allows: NaN, a byte order mark, UTF-16. Such a reply is written anew, so that what was
    judged is what the agent gets.
    """
    try:
        return data, dialect.read_reply(data)
    except Unreadable:
        try:
            anew = msgspec.json.encode(json.loads(data))
        except (ValueError, RecursionError):
            raise Unreadable("it is not JSON") from None
        return anew, dialect.read_reply(anew)


class Call:
    """From sending to the last byte: what stays the same for whole and streamed replies."""

    def __init__(self, job: Job, entry: Entry, request: Request, admission: Admission, hard: bool) -> None:
        self.job, self.entry, self.request, self.admission, self.hard = job, entry, request, admission, hard
        self.reply = Reply()
        self.exhausted = False
        self.plan: Mapping[str, Action] = entry.standing.guards_out

    def send(self, body: bytes | None) -> Generator[Effect, Any, Head]:
        entry = self.entry
        entry.sent = True  # from here on it may have cost something, even if nothing ever comes back
        headers = {"comptroller-call": entry.id}
        entry.if_lost = self.expect_loss
        path = self.job.dialect.path_for(self.job.path, entry.name) if entry.name != self.request.model else ""
        head: Head = yield Send(body, headers, entry.name, path if path != self.job.path else "")
        entry.touched()
        entry.upstream = {"status": head.status}
        request_id = head.headers.get("x-request-id") or head.headers.get("request-id")
        if request_id:
            entry.upstream["id"] = request_id
        return head

    def expect_loss(self) -> None:
        """Should nothing come back, the call is charged at what it could have cost: it may have run to its end."""
        output = self.admission.output
        self.entry.usage = Usage(input=estimated_usage(self.request, None).input, output=output, tier=self.request.tier)
        self.entry.estimated = True

    def reply_to(self, head: Head) -> Generator[Effect, Any, Answer]:
        """The reply behind a head. Clients read what they asked for as a stream whatever it calls itself; JSON is read
        whole, and must be JSON.
        """
        if self.request.stream and "json" not in head.headers.get("content-type", "").lower():
            return self.stream()
        return self.whole(head)

    def turned_down(self, head: Head) -> Generator[Effect, Any, Answer]:
        """The provider refused: its own words go through; it bills nothing for them."""
        body = yield Read(self.job.desk.settings.limits.body_mb << 20)
        entry = self.entry
        entry.free, entry.if_lost = True, None
        entry.status = "error"
        entry.error = {"type": "upstream", "status": head.status, "message": entry.harmless_bytes(body or b"")}
        entry.close()
        return Answer(head.status, self.headers(), body or b"")

    def whole(self, head: Head) -> Generator[Effect, Any, Answer]:
        """A reply that came in one piece: read, decide, rewrite, settle."""
        data = yield Read(self.job.desk.settings.limits.body_mb << 20)
        if data is None:
            raise Denied(TOO_LARGE, {"rule": "size"})
        dialect, entry = self.job.dialect, self.entry
        try:
            data, self.reply = readable(dialect, data)
        except Unreadable as error:
            return self.opaque_reply(head, data, str(error))
        self.meter()
        entry.if_lost = None
        change = yield from self.outbound()
        if change.texts or change.refused:
            data = dialect.rewrite_reply(self.reply, change)
        keep_reply(entry, self.reply, change)
        entry.close()
        return Answer(head.status, self.headers(whole=True), data)

    def opaque_reply(self, head: Head, data: bytes, why: str) -> Answer:
        """A reply we do not understand is charged at its estimate. Under a policy it is refused: a tool call may be
        in it, for the client may read what we cannot.
        """
        entry, desk = self.entry, self.job.desk
        entry.opaque, entry.if_lost = True, None
        entry.say("reply", Verdict("note", "opaque", "", f"The reply was not understood: {why}"))
        self.reply.emitted = len(data)
        self.estimate()
        if desk.book.files:
            because = (
                f"The reply could not be read, so it cannot be governed: {why.rstrip('.')}. Check that the provider's "
                "address and its format fit together."
            )
            entry.say("reply", Verdict("deny", "unreadable", "", because))
            raise Denied(because, {"rule": "unreadable"})
        found = desk.inspect(data.decode("utf-8", "replace"), self.plan, as_json=True)
        if found is not None:
            entry.found("reply", found)
            if found.action in ("deny", "ask"):
                raise Denied(found.because, {"rule": entry.rule})
            if found.action == "redact":
                data = found.text.encode()
        entry.close()
        return Answer(head.status, self.headers(whole=True), data)

    def outbound(self) -> Generator[Effect, Any, Change]:
        """Rules and guards on a whole reply, and on every tool call in it."""
        entry, desk, reply = self.entry, self.job.desk, self.reply
        plan, clean = self.plan, entry.standing.covers_out
        shape = structured.shape_for(self.job, self.request)
        look = shape.look(reply) if shape is not None else structured.Look()
        if shape is not None:
            structured.tell(entry, shape, look)
        if desk.book.watches("reply", entry.identity):
            case = case_for(entry, "reply", request=self.request, admission=self.admission, reply=reply)
            decision = yield from decide(entry, case)
            entry.note("reply", decision)
            action = yield from enforce(entry, decision, self.matter())
            plan = redacting(plan) if action == "redact" else plan
        texts: dict[Hashable, str] = look.texts
        for part in reply.parts:
            found = None if part.kind in ("media", "tool_call") else desk.inspect(part.text, plan)
            if found is not None:
                clean = False
                entry.found("reply", found)
                yield from enforce_guard(entry, found, self.matter())
                if found.action == "redact":
                    texts[part.path] = found.text
        entry.clean_reply = clean
        if shape is not None:
            structured.insist(entry, self.job, shape, look)
        if entry.passes:
            yield from use(entry)
            entry.reply_approved = True
        refused: dict[Hashable, str] = {}
        gates: list[tuple[ToolCall, toolgate.Gate]] = []
        for call in reply.calls:
            gate = yield from toolgate.decide(entry, call, plan)
            gates.append((call, gate))
            if gate.refusal:
                refused[call.path] = gate.refusal
            elif gate.args is not None:
                texts[call.path] = gate.args
        if refused:
            healing.refuse_calls(entry, self.job, gates)
        return Change(texts=texts, refused=refused)

    def matter(self) -> Matter:
        """What a person would be asked about: just this reply."""
        text = "\n".join(part.text for part in self.reply.parts if part.kind != "media")
        return text_matter("reply", self.request.model, text)

    # -- streamed

    def stream(self) -> Generator[Effect, Any, Answer]:
        """A reply that comes in pieces: text is held back just enough, tool calls until they are whole."""
        return (yield from StreamedReply(self).run())

    # -- settling

    def meter(self) -> None:
        """Take over the usage the provider reported, or estimate it."""
        reply, entry = self.reply, self.entry
        entry.model, entry.finish = reply.model, reply.finish
        if reply.usage is None or is_absurd(reply.usage):
            if reply.usage is not None:
                entry.say(
                    "reply", Verdict("note", "usage", "", "The usage reported is beyond any model; estimated instead.")
                )
            self.estimate()
            return
        entry.usage, entry.estimated = reply.usage, False
        if reply.id:
            entry.upstream["reply"] = reply.id

    def estimate(self) -> None:
        usage = estimated_usage(self.request, self.reply)
        if self.request.max_tokens is not None or self.admission.max_tokens is not None:
            # A bound the provider keeps: whatever the characters look like, more tokens than that were not billed.
            usage = replace(usage, output=min(usage.output, self.admission.output))
        self.entry.usage, self.entry.estimated = usage, True

    def estimate_so_far(self) -> None:
        """The caller left or the stream broke: the call is charged for what was streamed."""
        if self.reply.usage is None:
            self.estimate()
        else:
            self.entry.usage, self.entry.estimated = self.reply.usage, True

    def headers(self, whole: bool = False) -> dict[str, str]:
        return reply_headers(self.entry, whole)

    # -- streams without a stated end, under a hard cap

    def is_unbounded(self) -> bool:
        """A stated max_tokens is a bound the provider keeps: only streams without one can outlive their hold."""
        return self.hard and self.request.max_tokens is None and self.admission.max_tokens is None

    def room_left(self) -> Generator[Effect, Any, bool]:
        """Extend the hold of a stream that has nearly used it up; False when it has and no cap has room for more."""
        admission = self.admission
        if self.has_room(0):
            return True
        if not self.exhausted:
            self.exhausted = not (yield from admission.extension(UNSTATED_OUTPUT))
        return tokens_in(self.reply.emitted) < admission.output

    def has_room(self, more: int) -> bool:
        """Whether with so many more characters most of the held output would still be there."""
        return tokens_in(self.reply.emitted + more) * 5 < self.admission.output * 4
