"""The audit: where the record ends, and whether it is what was written."""

import threading

from comptroller.core.errors import StoreError
from comptroller.gateway.api.bureau import Bureau
from comptroller.gateway.api.frame import Ask, Route
from comptroller.gateway.api.rights import READ
from comptroller.gateway.api.shapes import Moment, Said, Told
from comptroller.office.audit import audit
from comptroller.office.keylist import moment


class Finding(Told):
    """What does not fit, where, and what to do."""

    fault: str
    place: str
    remedy: str


class Verified(Told):
    """What the last check found. It is about the whole ledger, whoever's records those are."""

    at: Moment
    ok: bool
    records: int
    seals: int
    sealed: int
    keyed: bool
    head: str
    faults: list[Finding]


class AuditState(Told):
    """How far the books have come, and what the last check found; null before the first."""

    records: int
    head: str
    verifying: bool
    verified: Verified | None


class Verifying(Said):
    """Nothing need be said."""


_turn = threading.Lock()


def show_audit(ask: Ask) -> AuditState:
    """The head of the record, and the last check."""
    return _state(ask.bureau)


def verify(ask: Ask) -> AuditState:
    """Begin a check, unless one is under way; a long record takes its time."""
    bureau = ask.bureau
    with _turn:
        begin = "under way" not in bureau.audits
        if begin:
            bureau.audits["under way"] = True
    if begin:
        threading.Thread(target=_verify, args=(bureau,), name="comptroller-audit", daemon=True).start()
    return _state(bureau)


def _verify(bureau: Bureau) -> None:
    at = moment(bureau.clock.now_ns())
    assert at is not None, "it is later than 1970"
    try:
        found = audit(bureau.ledger)
    except StoreError as error:
        fault = Finding(fault=str(error), place=str(bureau.ledger), remedy="See `comptroller audit verify`.")
        told = Verified(at=at, ok=False, records=0, seals=0, sealed=0, keyed=False, head="", faults=[fault])
    else:
        faults = [Finding(fault=one.fault, place=one.place, remedy=one.remedy) for one in found.faults]
        told = Verified(
            at=at,
            ok=found.ok,
            records=found.records,
            seals=found.seals,
            sealed=found.sealed,
            keyed=found.keyed,
            head=found.head,
            faults=faults,
        )
    with _turn:
        bureau.audits["verified"] = told
        del bureau.audits["under way"]


def _state(bureau: Bureau) -> AuditState:
    reached = bureau.reader.rows("console_position")[0]
    with _turn:
        told = bureau.audits.get("verified")
        verifying = "under way" in bureau.audits
    assert told is None or isinstance(told, Verified), "nothing else is kept there"
    return AuditState(
        records=int(str(reached["sequence"])), head=str(reached["chain"]), verifying=verifying, verified=told
    )


ROUTES = (
    Route("GET", "/api/audit", "The head of the record, and what the last check found.", READ, show_audit, AuditState),
    Route(
        "POST", "/api/audit/verify", "Begin to check the record.", READ, verify, AuditState, body=Verifying, status=202
    ),
)
