"""The record itself over HTTP: what was written, the newest first, each with its place in the chain and its proof."""

from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Annotated

import msgspec
from pydantic import Field, JsonValue

from comptroller.core.facts import SNAPSHOT
from comptroller.gateway.api.bureau import Bureau
from comptroller.gateway.api.frame import Ask, Route
from comptroller.gateway.api.problem import Problem
from comptroller.gateway.api.rights import READ
from comptroller.gateway.api.shapes import Moment, Name, Said, Told
from comptroller.store import folder, segment
from comptroller.store.backward import backward, number_of
from comptroller.store.segment import Record

SEEN = 200_000  # records looked at for one page: a filter that fits none goes on with the next
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_BY = ("by", "actor", "attestor", "key", "agent")
_ABOUT = ("status", "action", "rule", "because", "name", "type", "event", "scope", "who", "subject", "number", "reason")


class RecordRow(Told):
    """A record. `by` is whoever its fact names as having done it; `about` are its words that say most."""

    sequence: int
    kind: str
    id: str
    at: Moment
    run: str
    call: str
    by: str
    about: dict[str, str]
    hash: str
    segment: int


class RecordPage(Told):
    """Records, the newest first; `next` is the number to go on before."""

    records: list[RecordRow]
    next: int | None


class Inclusion(Told):
    """That the record is one of so many: the hashes beside its way to the root of the tree over all of them."""

    records: int
    root: str
    leaf: str
    path: list[str]
    holds: bool


class RecordProof(RecordRow):
    """A record as it was written, and how its hash follows from the one before. Without `inclusion` so many
    records are new that the tree over them is still being made: ask again.
    """

    line: str
    data: dict[str, JsonValue]
    previous: str
    follows: bool
    inclusion: Inclusion | None


class RecordsAsked(Said):
    """Which: kinds begin so (`call`, `books.`)."""

    kind: Name = ""
    run: Name | None = None
    by: Name | None = None
    before: Annotated[int, Field(ge=1, le=10**15)] | None = None
    limit: Annotated[int, Field(ge=1, le=500)] = 50


def list_records(ask: Ask) -> RecordPage:
    """A page of the tenant's records."""
    _whole_tenant(ask)
    said, rows, last = ask.query, list[RecordRow](), 0
    lines = backward(ask.bureau.ledger, said.before or 0)
    for number, stored in islice(lines, SEEN):
        last = number_of(stored)
        row = _fitting(ask, number, stored)
        if row is not None:
            rows.append(row)
        if len(rows) == said.limit:
            break
    return RecordPage(records=rows, next=last if last > 1 else None)


def show_record(ask: Ask) -> RecordProof:
    """One with its proof."""
    _whole_tenant(ask)
    text, ledger = ask.path["sequence"], ask.bureau.ledger
    wanted = int(text) if text.isascii() and text.isdigit() and len(text) < 16 else 0
    found = next(backward(ledger, wanted + 1), None) if wanted else None
    record = segment.parse(found[1]) if found is not None and number_of(found[1]) == wanted else None
    if found is None or record is None or not _is_theirs(ask, record):
        raise Problem(404, "not_found", f"There is no record {text[:32]!r}.", "List them with GET /api/audit/records.")
    number, stored = found
    previous = _previous(ledger, wanted)
    return RecordProof(
        **dict(_row(number, record)),
        line=stored.decode("utf-8", "replace"),
        data=record.d,  # type: ignore[arg-type]
        previous=previous,
        follows=segment.link(previous, stored) == record.h,
        inclusion=_inclusion(ask.bureau, stored, wanted),
    )


def _whole_tenant(ask: Ask) -> None:
    who = ask.who
    if who.customer or who.user or who.workflow:
        raise Problem(
            403,
            "not_allowed",
            "The record is the tenant's, and this key is for a part of it.",
            "Use a key for the tenant.",
        )


def _fitting(ask: Ask, number: int, stored: bytes) -> RecordRow | None:
    said = ask.query
    if said.kind and not stored[: len(said.kind) + 40].partition(b'"k":"')[2].startswith(said.kind.encode()):
        return None
    if said.run is not None and said.run.encode() not in stored:
        return None
    try:
        record = segment.parse(stored)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None  # what cannot be read is told by the check
    if said.run not in (None, record.r) or not _is_theirs(ask, record):
        return None
    row = _row(number, record)
    return row if said.by in (None, row.by) else None


def _is_theirs(ask: Ask, record: Record) -> bool:
    """What names no tenant is of the ledger, and of whoever its settings are for."""
    said = record.d.get("tenant")
    return record.k != SNAPSHOT and (said or ask.bureau.settings.tenant) == ask.who.tenant


def _row(number: int, record: Record) -> RecordRow:
    said = record.d
    return RecordRow(
        sequence=record.n,
        kind=record.k,
        id=record.i,
        at=(_EPOCH + timedelta(microseconds=record.t // 1_000)).isoformat().replace("+00:00", "Z"),
        run=record.r,
        call=record.c,
        by=next((str(said[name]) for name in _BY if said.get(name)), ""),
        about={name: str(said[name])[:200] for name in _ABOUT if isinstance(said.get(name), str | int) and said[name]},
        hash=record.h,
        segment=number,
    )


def _previous(ledger: Path, sequence: int) -> str:
    if sequence == 1:
        label = folder.label(ledger)
        return segment.genesis(label.id) if label else ""
    found = next(backward(ledger, sequence), None)
    return segment.hash_of(found[1]) if found else ""


def _inclusion(bureau: Bureau, stored: bytes, sequence: int) -> Inclusion | None:
    proof = bureau.prover.prove(sequence, stored)
    if proof is None:
        return None
    path = [one.hex() for one in proof.path]
    return Inclusion(records=proof.records, root=proof.root.hex(), leaf=proof.leaf.hex(), path=path, holds=proof.holds)


ROUTES = (
    Route(
        "GET",
        "/api/audit/records",
        "What was written, the newest first.",
        READ,
        list_records,
        RecordPage,
        RecordsAsked,
    ),
    Route(
        "GET",
        "/api/audit/records/{sequence}",
        "One record as it was written, with its place in the chain and the proof that it is in it.",
        READ,
        show_record,
        RecordProof,
        fails=(404,),
    ),
)
