"""The path of a request to a memory: read as a tool call, decided on like one, its entries stamped and judged.

A store that no policy speaks of is other HTTP, as before. What a policy speaks of and nobody here can read is refused.
"""

import logging
import re
from collections.abc import Generator
from dataclasses import dataclass
from functools import lru_cache
from posixpath import normpath
from typing import Any
from urllib.parse import unquote, urlsplit
from weakref import WeakKeyDictionary

import msgspec

from comptroller.core.errors import Denied, Refused
from comptroller.core.memory import STAMP, Terms
from comptroller.core.verdict import Decision, Verdict
from comptroller.dialects.dialect import Unreadable
from comptroller.dialects.memory import chroma
from comptroller.dialects.memory.exchange import Asked, Exchange, Names, parsed
from comptroller.dialects.memory.routes import Store, read, store_at
from comptroller.policies.memories import Memories, memories_for
from comptroller.wrapper import toolgate
from comptroller.wrapper.asking import settle, use
from comptroller.wrapper.desk import Desk
from comptroller.wrapper.effects import Answer, Effect, Head, Read, Send, UpstreamFault
from comptroller.wrapper.entries import keep_others, look_through, write_down
from comptroller.wrapper.entry import Entry
from comptroller.wrapper.external import ExternalJob, Flow, external_call, refusal
from comptroller.wrapper.shared import enforce, plan_for

log = logging.getLogger("comptroller")
MOST_TEXT = 2_000_000  # characters that one request writes
MOST_IDS = 100  # told to rules and approvers
# Letters and digits need no escape: some servers read `/%63ollections` as the route it is, others do not.
_LETTER = "%2d|%2e|%3[0-9]|%[46][1-9a-f]|%5[0-9af]|%7[0-9a]"
_ODD = re.compile(rf"//|;|\\|(?:^|/)\.{{1,2}}(?:/|$)|%2f|%5c|{_LETTER}", re.IGNORECASE)
_PORTS = {"http": 80, "https": 443}
UNLED = "it writes to a memory before any call to a model passed here, so nothing says what led to that"
KNOWN = 4_096  # collections whose names are remembered
_NAMED: "WeakKeyDictionary[Desk, dict[str, str]]" = WeakKeyDictionary()


@dataclass(frozen=True, slots=True)
class Place:
    """A memory, and what of an address is beneath it."""

    store: Store
    path: str
    query: str = ""


def place_of(desk: Desk, job: ExternalJob, base: str, target: str) -> Place | None:
    """The memory that a request goes to; None where no policy speaks of any, or it goes elsewhere.

    `base` is scheme, host and port, `target` the path as it was written with its query. Settings name memories by
    their addresses; vendors' own hosts need no telling.
    """
    if "memories" not in desk.book.says:
        return None
    base = _origin(base)
    path, _, query = target.partition("?")
    meant = normpath(job.path)  # as a server may read it; the reader then refuses a path that was written otherwise
    for one in desk.settings.memories:
        root = _origin(one.url) + urlsplit(one.url).path
        if _is_beneath(base + path, root) or _is_beneath(base + meant, root):
            return Place(Store(one.name, one.format), (base + path).removeprefix(root) or "/", query)
    store = store_at(job.host, meant)
    return None if store is None else Place(store, path, query)


@lru_cache(1_024)
def _origin(url: str) -> str:
    """Scheme, host and port in one spelling: people write capitals, the usual port, a dot at the end."""
    parts = urlsplit(url)
    host = (parts.hostname or "").removesuffix(".")
    host = f"[{host}]" if ":" in host else host if host.isascii() else host.encode("idna").decode()
    usual = parts.port in (None, _PORTS.get(parts.scheme))
    return f"{parts.scheme}://{host}" + ("" if usual else f":{parts.port}")


def _is_beneath(address: str, url: str) -> bool:
    return address == url or address.startswith(f"{url}/")


def memory_call(job: ExternalJob, place: Place) -> Flow:
    """Govern one request to a memory."""
    memories = memories_for(job.desk.book, job.identity)
    if memories is None:
        return (yield from external_call(job))
    try:
        exchange = read(place.store, _asked(job, place))
    except Unreadable as error:
        return (yield from _unread(job, memories, place, str(error)))
    if exchange is None:
        return (yield from _beside(job, place))
    terms = memories.of(job.identity.agent, _names(job.desk, place.store, exchange))
    if terms is None:
        return (yield from external_call(job))
    return (yield from governed_call(job, place.store, exchange, terms))


def _asked(job: ExternalJob, place: Place) -> Asked:
    if job.body is None and job.method not in ("GET", "HEAD", "DELETE", "OPTIONS"):
        raise Unreadable("its body is streamed, or larger than limits.body_mb")
    if _ODD.search(place.path):
        raise Unreadable("its path is written in a way that servers read differently")
    return Asked(job.method, place.path, place.query, job.body or b"", job.host.removesuffix("."))


def _unread(job: ExternalJob, memories: Memories, place: Place, why: str) -> Flow:
    """What cannot be read is refused, where a policy speaks of the store or may do."""
    if memories.of(job.identity.agent, None) is not None:
        why = _clean(job.desk, unquote(why))
        because = f"This request to the memory {place.store.name} cannot be governed: {why}."
        job.conflict = job.conflict or Denied(because, {"rule": "memories.unread"})
    return (yield from external_call(job))


def _beside(job: ExternalJob, place: Place) -> Flow:
    """A request that touches no entry. Chroma's replies to these say which id is which collection."""
    answer = yield from external_call(job)
    if place.store.format != "chroma" or not answer.passed or not 200 <= answer.status < 300:
        return answer
    body: bytes | None = yield Read(job.desk.settings.limits.body_mb << 20)
    if body is None:
        raise Denied("The reply of the memory is larger than limits.body_mb allows.", {"rule": "size"})
    try:
        told = chroma.named(_asked(job, place), parsed(body))
    except Unreadable:
        told = {}
    known = _NAMED.setdefault(job.desk, {})
    if len(known) + len(told) > KNOWN:
        known.clear()
    known.update(list(told.items())[:KNOWN])
    return Answer(answer.status, {}, body)


def _names(desk: Desk, store: Store, exchange: Exchange) -> Names | None:
    """All that policies may call what a request is about; None where that cannot be told."""
    found: list[str] = [store.name]
    for names in (exchange.names, *exchange.others):
        if names is not None and store.format == "chroma":
            known = _NAMED.get(desk, {}).get(names[0])
            names = None if known is None else (known,)
        if names is None:
            return None
        for length in range(1, len(names) + 1):
            beneath = "/".join(names[:length])
            found += [beneath, f"{store.name}/{beneath}"]
    return tuple(dict.fromkeys(found))


def governed_call(job: ExternalJob, store: Store, exchange: Exchange, terms: Terms) -> Flow:
    """The path of one call of a memory, whoever does what is decided."""
    entry = Entry(job.desk, job.identity, job.run, "tool", name=f"memory.{exchange.does}")
    try:
        if job.conflict is not None:
            yield from settle(entry, job.conflict)
        if job.unled and exchange.does == "write":
            job.run.flow.lose(UNLED)
        body = yield from _decided(entry, store, exchange, terms)
        yield from toolgate.hold_tool(entry)
        if entry.passes:
            yield from use(entry)
        entry.sent = True
        head: Head = yield Send(body)
        return (yield from _answered(entry, exchange, terms, head))
    except Refused as refused:
        entry.refuse(refused)
        return refusal(entry, refused)
    except UpstreamFault as fault:
        entry.fail(fault.error, "upstream")
        raise
    except GeneratorExit:
        entry.status = "cancelled"
        raise
    except Exception as error:
        log.exception("Comptroller failed while governing a memory; the call is refused")
        entry.fail(error, "comptroller")
        because = f"Comptroller failed ({type(error).__name__}) and refuses what it cannot govern; the log says where."
        return refusal(entry, Denied(because, {"rule": "comptroller"}))
    except BaseException as error:
        entry.status, entry.error = "cancelled", {"type": type(error).__name__}
        raise
    finally:
        entry.close()


def _decided(entry: Entry, store: Store, exchange: Exchange, terms: Terms) -> Generator[Effect, Any, bytes | None]:
    """Whether the call may be made, by all that is said of tools and of this memory; returns its body as it goes on."""
    args = _args(store, exchange)
    text = msgspec.json.encode(args).decode()
    entry.tool.update(
        effect="read" if exchange.does == "read" else "write",
        args=toolgate.digest_of(entry.desk, entry.name, args, text),
        memory={"store": store.name, "collection": _for_record(entry.desk, exchange), "count": args["count"]},
    )
    allowed = terms.may_read if exchange.does == "read" else terms.may_write
    if allowed is not None:
        entry.note("tool", Decision(allowed.action, allowed), entry.name)
        yield from enforce(entry, Decision(allowed.action, allowed))
    keep_others(entry, exchange, terms)
    # What is found in entries that are written is taken out of just these, further down.
    plan = {} if exchange.items else plan_for(entry, "out")
    ruling = yield from toolgate.judge(entry, entry.name, args, text, plan)
    if ruling.edited is not None:
        because = f"A call of {entry.name} cannot be edited by who approves it. Deny it, and have it made anew."
        raise Denied(because, {"rule": "approval"})
    if ruling.text is not None and not exchange.items:
        raise Denied("What was found in this search cannot be taken out of it.", {"rule": "guards.redact"})
    if exchange.does == "write":
        yield from write_down(entry, exchange, terms, redact=ruling.text is not None)
    return exchange.packed()


def _args(store: Store, exchange: Exchange) -> dict[str, object]:
    """The call as rules see it."""
    texts = [item.text() for item in exchange.items]
    if sum(map(len, texts)) > MOST_TEXT:
        because = f"A write of more than {MOST_TEXT:,} characters is not looked at. Write fewer entries at a time."
        raise Denied(because, {"rule": "size"})
    said = exchange.names or ()
    return {
        "store": store.name,
        "collection": "/".join(said),
        "ids": exchange.ids[:MOST_IDS],
        "count": len(exchange.items) or len(exchange.ids),
        "text": "\n".join(texts) if exchange.items else exchange.asks,
    }


def _for_record(desk: Desk, exchange: Exchange) -> str:
    return _clean(desk, "/".join(exchange.names or ()))


def _clean(desk: Desk, text: str) -> str:
    """A text as the journal may hold it, from which nothing is erased: whose memory it is may be told by an address."""
    found = desk.chain.inspect(text, {"secrets": "redact", "privacy": "redact"})
    return "[...]" if found.failed else found.text


def _answered(entry: Entry, exchange: Exchange, terms: Terms, head: Head) -> Flow:
    """The reply: as it comes where it holds no entries, else without those that this agent is not to see."""
    entry.upstream = {"status": head.status}
    if exchange.found is None or (head.status >= 400 and exchange.plain is None) or head.status == 204:
        return _passed(entry, head)
    body: bytes | None = yield Read(entry.desk.settings.limits.body_mb << 20)
    if exchange.plain is not None and _knows_no_stamp(body):
        head = yield Send(exchange.plain)
        body = yield Read(entry.desk.settings.limits.body_mb << 20)
    if body is None:
        because = "The reply of the memory is larger than limits.body_mb allows. Ask for fewer entries."
        raise Denied(because, {"rule": "size"})
    if head.status >= 400:
        _passed(entry, head)
        return Answer(head.status, {}, body)
    try:
        reply = parsed(body)
        yield from look_through(entry, list(exchange.found(reply)), terms, exchange.bare)
    except Unreadable as error:
        because = f"The reply of the memory cannot be governed: {error}."
        entry.say("result", Verdict("deny", "memories.unread", terms.policy, because, terms.place), entry.name)
        raise Denied(because, {"rule": "memories.unread"}) from None
    entry.close()
    return Answer(head.status, {}, msgspec.json.encode(reply))


def _passed(entry: Entry, head: Head) -> Answer:
    if head.status >= 400:
        entry.status = "error"
        entry.error = {"type": "upstream", "status": head.status}
    entry.close()
    return Answer(head.status, head.headers, passed=True)


def _knows_no_stamp(body: bytes | None) -> bool:
    """Whether a store turned a query down because nothing in it was ever stamped."""
    return body is not None and b'"errors"' in body and STAMP.encode() in body
