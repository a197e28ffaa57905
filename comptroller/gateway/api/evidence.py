"""Evidence packs over HTTP: made in a process of their own, listed with whom they were for, and handed out again."""

import threading
from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from comptroller.core.errors import ComptrollerError
from comptroller.core.facts import EVIDENCE_GIVEN
from comptroller.gateway.api.bureau import Bureau
from comptroller.gateway.api.frame import Ask, Route
from comptroller.gateway.api.problem import Problem
from comptroller.gateway.api.rights import BODIES, READ
from comptroller.gateway.api.shapes import Moment, Said, Time, Told
from comptroller.office import dossiers
from comptroller.office.dossier import Wanted
from comptroller.office.dossiers import Given
from comptroller.office.follower import Follower
from comptroller.office.keylist import moment
from comptroller.office.who import Who

Subject = Literal["decisions", "policies", "access", "orders", "books"]
ZIP = "application/zip"
SUBJECTS: tuple[Subject, ...] = ("decisions", "policies", "access", "orders", "books")
_BINARY = {"schema": {"type": "string", "format": "binary"}}
_turn = threading.Lock()


class PackRow(Told):
    """A pack that was given. `kept`: its file can be had again."""

    pack: str
    to: str
    by: str
    because: str
    at: Moment
    since: Moment | None
    until: Moment | None
    subjects: list[str]
    records: int
    bytes: int
    sha256: str
    head: str
    journal: int
    kept: bool


class PackList(Told):
    """The packs, the newest first; what is being made, and why the last one came to nothing."""

    packs: list[PackRow]
    making: str
    failed: str


class PackWanted(Said):
    """What to pack, and for whom; it goes on record."""

    to: Annotated[str, Field(min_length=1, max_length=200)]
    because: Annotated[str, Field(max_length=500)] = ""
    since: Time
    until: Time | None = None
    subjects: Annotated[list[Subject], Field(min_length=1, max_length=5)] = Field(
        default_factory=lambda: list(SUBJECTS)
    )


def list_packs(ask: Ask) -> PackList:
    """The tenant's packs."""
    _whole_tenant(ask)
    return _list(ask.bureau, ask.who)


def make_pack(ask: Ask) -> PackList:
    """Begin to make one; the list says when it is there. One at a time."""
    _whole_tenant(ask)
    bureau, said, who = ask.bureau, ask.body, ask.who
    wanted = Wanted(
        who.tenant,
        who.tenant == bureau.settings.tenant,
        nanos(said.since),
        nanos(said.until) if said.until else 0,
        tuple(dict.fromkeys(said.subjects)),
        to=said.to.strip(),
    )
    with _turn:
        if "making" in bureau.packs:
            raise Problem(409, "busy", "Another pack is being made.", "Ask again when it is there.")
        bureau.packs = {"making": wanted.to, "tenant": who.tenant}
    threading.Thread(
        target=_make, args=(bureau, who, wanted, said.because), name="comptroller-evidence", daemon=True
    ).start()
    return _list(bureau, who)


async def fetch_pack(ask: Ask) -> Response:
    """Its file, as it was given."""
    _whole_tenant(ask)
    return await run_in_threadpool(_fetched, ask)


async def prove_record(ask: Ask) -> Response:
    """One record with its proof, signed: `comptroller audit verify FILE` checks it."""
    _whole_tenant(ask)
    return await run_in_threadpool(_proved, ask)


def nanos(at: datetime) -> int:
    """A moment as facts tell it."""
    return int(at.timestamp()) * 1_000_000_000 + at.microsecond * 1_000


def _make(bureau: Bureau, who: Who, wanted: Wanted, because: str) -> None:
    failed = ""
    try:
        made = dossiers.make_apart(bureau.ledger, wanted)
        given = dossiers.note(bureau.desk.ledger, bureau.clock, wanted, made, who.signature, because)
        dossiers.keep(bureau.ledger, given, made.data)
    except (ComptrollerError, OSError) as error:
        failed = str(error)
    with _turn:
        bureau.packs = {"failed": failed, "tenant": who.tenant}


def _fetched(ask: Ask) -> Response:
    id = ask.path["pack"]
    given = next((each for each in _given(ask.bureau, ask.who) if each.pack == id), None)
    if given is None:
        raise Problem(404, "not_found", f"There is no pack {id[:64]!r}.", "List them with GET /api/evidence.")
    path = dossiers.path_of(ask.bureau.ledger, given.pack)
    if not path.is_file():
        raise Problem(
            410, "gone", "Its file is no longer kept here.", "Whoever it was given to has it; or make another."
        )
    return _zip(path.read_bytes(), given.pack)


def _proved(ask: Ask) -> Response:
    text, who = ask.path["sequence"], ask.who
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 16 else 0
    if not number:
        raise Problem(404, "not_found", f"There is no record {text[:32]!r}.", "List them with GET /api/audit/records.")
    wanted = Wanted(who.tenant, who.tenant == ask.bureau.settings.tenant, record=number)
    return _zip(dossiers.make_apart(ask.bureau.ledger, wanted).data, f"record-{number}")


def _zip(data: bytes, name: str) -> Response:
    return Response(data, media_type=ZIP, headers={"content-disposition": f'attachment; filename="{name}.zip"'})


def _given(bureau: Bureau, who: Who) -> list[Given]:
    with _turn:
        if bureau.given is None or not bureau.given[0].intact():
            bureau.given = (Follower(bureau.ledger, EVIDENCE_GIVEN), [])
        follower, known = bureau.given
        if follower.grown:
            known.extend(dossiers.fold(follower.read()))
        return [each for each in reversed(known) if each.tenant == who.tenant]


def _list(bureau: Bureau, who: Who) -> PackList:
    rows = [_row(bureau, given) for given in _given(bureau, who)]
    with _turn:
        state = bureau.packs if bureau.packs.get("tenant") == who.tenant else {}
    return PackList(packs=rows[:500], making=state.get("making", ""), failed=state.get("failed", ""))


def _row(bureau: Bureau, given: Given) -> PackRow:
    at = moment(given.at)
    assert at is not None, "it was given some time"
    return PackRow(
        pack=given.pack,
        to=given.to,
        by=given.by,
        because=given.because,
        at=at,
        since=moment(given.since),
        until=moment(given.until),
        subjects=list(given.subjects),
        records=given.records,
        bytes=given.bytes,
        sha256=given.sha256,
        head=given.head,
        journal=given.journal,
        kept=dossiers.path_of(bureau.ledger, given.pack).is_file(),
    )


def _whole_tenant(ask: Ask) -> None:
    who = ask.who
    if who.customer or who.user or who.workflow:
        raise Problem(
            403,
            "not_allowed",
            "Evidence is the tenant's, and this key is for a part of it.",
            "Use a key for the tenant.",
        )


ROUTES = (
    Route("GET", "/api/evidence", "Evidence packs that were given, and to whom.", READ, list_packs, PackList),
    Route(
        "POST",
        "/api/evidence",
        "Begin to make an evidence pack of a period; it is noted on record with whom it is for.",
        BODIES,
        make_pack,
        PackList,
        body=PackWanted,
        status=202,
        fails=(409,),
    ),
    Route(
        "GET",
        "/api/evidence/{pack}",
        "The file of a pack.",
        BODIES,
        fetch_pack,
        Said,
        fails=(404, 410),
        own=True,
        media={ZIP: _BINARY},
    ),
    Route(
        "GET",
        "/api/audit/records/{sequence}/proof",
        "A signed file that proves one record to be part of the journal.",
        READ,
        prove_record,
        Said,
        fails=(404,),
        own=True,
        media={ZIP: _BINARY},
    ),
)
