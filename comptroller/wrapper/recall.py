"""Recalling: a call whose reply is in the cache is answered from there, at no cost; others may leave theirs behind."""

from collections.abc import Generator
from dataclasses import replace
from hashlib import blake2b
from typing import Any, Protocol

from comptroller.core.call import Request
from comptroller.policies.keeping import keeping_for
from comptroller.wrapper.admission import Admission
from comptroller.wrapper.asking import use
from comptroller.wrapper.cache import Kept
from comptroller.wrapper.effects import Answer, Effect, Emit, Head, Next, Quick, Read
from comptroller.wrapper.entry import Entry
from comptroller.wrapper.reply import Call
from comptroller.wrapper.shared import Job

Flow = Generator[Effect, Any, Answer]
# Reasons to end that leave a reply whole, as the providers say them. One that was filtered, refused, paused or failed
# is asked for again.
WHOLE = frozenset(
    {"stop", "length", "tool_calls", "function_call", "end_turn", "max_tokens", "stop_sequence", "tool_use"}
    | {"completed", "max_output_tokens"}
)
HARMLESS = ("allow", "note")


class Copy:
    """What the cache has, or may get, for one request."""

    def __init__(self, job: Job, entry: Entry, key: bytes, erasures: int, found: Kept | None) -> None:
        self.job, self.entry, self.key, self.erasures, self.found = job, entry, key, erasures, found

    def keep(self, headers: dict[str, str], data: bytes, said: int) -> None:
        """Keep a reply that ended well and of which nothing had to be changed or refused."""
        entry = self.entry
        whole = entry.closed and entry.status == "ok" and not entry.opaque and entry.finish.lower() in WHOLE
        if whole and all(row["action"] in HARMLESS or row.get("shadow") for row in entry.decisions[said:]):
            kept = Kept(entry.id, headers, data, entry.desk.clock.monotonic_ns())
            entry.desk.cache.keep(self.key, kept, self.erasures)


def copy_of(job: Job, entry: Entry, request: Request, admission: Admission, body: bytes | None) -> Copy | None:
    """The copy of a request that may have one: where a policy says so, and all that matters stands in its body."""
    desk = job.desk
    keeping = keeping_for(desk.book, entry.identity)
    if keeping is None or request.unbounded or request.searches:
        return None  # what refers to pages, files or conversations elsewhere may be answered otherwise next time
    envelope = job.envelope()
    if "no-store" in envelope.control:
        return None
    who = entry.identity
    whose = (who.tenant,) if keeping.per == "tenant" else (who.tenant, who.customer, "" if who.customer else who.user)
    place = (job.dialect.name, job.path, envelope.address, envelope.account, admission.model)
    key = _digest(keeping.per, *whose, *place, body=request.raw if body is None else body)
    erasures = desk.ledger.erasures()
    fresh = "no-cache" in envelope.control
    found = None if fresh else desk.cache.find(key, keeping.for_ns, erasures)
    return Copy(job, entry, key, erasures, found)


def again(copy: Copy, request: Request, admission: Admission) -> Flow:
    """Answer from the cache: nothing is sent and nothing is owed, all else is as for a fresh reply."""
    assert copy.found is not None
    entry, kept = copy.entry, copy.found
    yield from admission.count()
    if entry.passes:
        yield from use(entry)
    entry.cached, entry.sent, entry.free = kept.call, True, True
    entry.name = admission.model
    entry.touched()
    call = Recalled(copy.job, entry, request, admission, hard=False)
    return (yield from through(call.reply_to(Head(200, kept.headers)), Replaying(kept)))


class Recalled(Call):
    """A call answered from the cache: what it would have cost is what it saved."""

    def meter(self) -> None:
        super().meter()
        self._save()

    def estimate_so_far(self) -> None:
        super().estimate_so_far()
        self._save()

    def _save(self) -> None:
        entry = self.entry
        if entry.price is not None and entry.usage is not None:
            entry.saved = entry.price.cost(entry.usage)
        entry.usage, entry.estimated = None, False  # the provider was asked for nothing


class Tap(Protocol):
    """Stands between a reply and its hands."""

    def take(self, effect: Effect) -> Generator[Effect, Any, Any]:
        """What the reply is given for its effect."""
        ...

    def done(self, answer: Answer) -> Answer:
        """What becomes of the flow's answer."""
        ...


def through(reply: Flow, tap: Tap) -> Flow:
    """Drive a reply with a tap in between."""
    step, given = reply.send, None
    while True:
        try:
            effect = step(given)
        except StopIteration as over:
            return tap.done(over.value)
        step = reply.send
        try:
            given = yield from tap.take(effect)
        except BaseException as error:  # noqa: BLE001 - the reply deals with it, or lets it go on its way
            step, given = reply.throw, error


class Replaying:
    """Gives the kept bytes to a reply that asks for those of an upstream; the hands are asked for none."""

    def __init__(self, kept: Kept) -> None:
        self.kept = kept
        self.left = [kept.data]

    def take(self, effect: Effect) -> Generator[Effect, Any, Any]:
        if isinstance(effect, Read):
            return self.kept.data
        if isinstance(effect, Next):
            return self.left.pop() if self.left else None
        if not isinstance(effect, Emit):
            return (yield effect)
        headers = effect.headers if effect.headers is None else {**self.kept.headers, **effect.headers}
        yield Emit(effect.data, last=True, headers=headers)
        return self.left.pop() if self.left and not effect.last else None

    def done(self, answer: Answer) -> Answer:
        return replace(answer, headers={**self.kept.headers, **answer.headers}) if answer.body else answer


class Listening:
    """Hands everything on, and keeps the upstream's bytes once the reply turned out well."""

    def __init__(self, copy: Copy, head: Head) -> None:
        self.copy, self.entry = copy, copy.entry
        self.headers = {name: head.headers[name] for name in ("content-type",) if name in head.headers}
        self.said = len(copy.entry.decisions)
        self.room = copy.entry.desk.cache.room
        self.pieces: list[bytes] | None = []
        self.quick: Quick | None = None

    def take(self, effect: Effect) -> Generator[Effect, Any, Any]:
        if isinstance(effect, Emit) and effect.quick is not None:
            self.quick = effect.quick
            effect = replace(effect, quick=self.overhear)
        try:
            given = yield effect
        except GeneratorExit:
            self.keep()  # many clients leave with the last event, and do not wait for the end behind it
            raise
        if given and isinstance(effect, (Read, Next, Emit)):
            self.add(given)
        return given

    def overhear(self, data: bytes) -> bytes | None:
        """The short way of a stream, with an ear to it."""
        assert self.quick is not None
        ready = self.quick(data)
        if ready is not None:
            self.add(data)
        return ready

    def add(self, data: bytes) -> None:
        self.room -= len(data)
        if self.room < 0:
            self.pieces = None
        elif self.pieces is not None:
            self.pieces.append(data)

    def keep(self) -> None:
        if self.pieces:
            self.copy.keep(self.headers, b"".join(self.pieces), self.said)

    def done(self, answer: Answer) -> Answer:
        self.keep()
        return answer


def _digest(*words: str, body: bytes) -> bytes:
    digest = blake2b(digest_size=32)
    for word in words:
        data = word.encode("utf-8", "surrogatepass")
        digest.update(len(data).to_bytes(8, "big") + data)
    digest.update(body)
    return digest.digest()
