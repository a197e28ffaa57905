"""The recount: a pack's invoice drawn up anew from its records, offline, and compared line by line.

PASS: the line comes out the same. FAIL: it does not, or what it stands on is not what was signed. UNPROVABLE: the
pack lacks what the line stands on, so nobody can tell from it.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal, cast

from comptroller.core.clock import SYSTEM, Clock
from comptroller.core.errors import ComptrollerError
from comptroller.core.facts import CALL_CLOSED, CALL_OPENED, HOLD_EXPIRED, INVOICE, OUTCOME, RECEIPT, Fact
from comptroller.core.jws import Forged, canonical
from comptroller.core.money import Money, decimal_text
from comptroller.core.outcome import Outcome, OutcomeEvent
from comptroller.core.settings import Settings
from comptroller.metering.contract_reader import read_contracts
from comptroller.metering.invoice import Invoice, Line, sums
from comptroller.metering.periods import period_named
from comptroller.office import commitments, dossier, inclusion, parcel, receipts
from comptroller.office.agreements import Agreements
from comptroller.office.calls import Calls
from comptroller.office.gather import Gatherer
from comptroller.office.invoices import Invoices, decode, digest
from comptroller.office.outcomes import Registry
from comptroller.office.pack import CONTRACTS, DOCUMENT, EVIDENCE, FORM, PROOF, RATES, RECORDS, USAGE
from comptroller.office.parcel import Parcel
from comptroller.office.work import Records
from comptroller.store import segment
from comptroller.store.publickey import PublicKey
from comptroller.testing.memory import MemoryLedger
from comptroller.wrapper.desk import Desk

Verdict = Literal["PASS", "FAIL", "UNPROVABLE"]
_FROM_CALLS = ("token", "premium", "overage")
_CALLS = (CALL_OPENED, CALL_CLOSED, HOLD_EXPIRED)


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at."""

    what: str
    verdict: Verdict
    why: str = ""
    amount: str = ""


@dataclass(slots=True)
class Recount:
    """What came of it."""

    checks: list[Check] = field(default_factory=list)  # of the pack as a whole
    lines: list[Check] = field(default_factory=list)
    about: Mapping[str, Any] = field(default_factory=dict)
    key: str = ""  # fingerprint of the key it was signed with
    given: bool = False  # that key came from the buyer, not out of the pack

    @property
    def ok(self) -> bool:
        return all(check.verdict != "FAIL" for check in (*self.checks, *self.lines))

    def count(self, verdict: Verdict) -> int:
        """How many lines came out so."""
        return sum(check.verdict == verdict for check in self.lines)


def recount(path: Path, key: PublicKey | None = None) -> Recount:
    """Check a pack. What does not fit is a finding, not an error."""
    try:
        return _recounted(parcel.load(path, key))
    except Forged as forged:
        return Recount([Check("pack", "FAIL", str(forged))], given=key is not None)


def _recounted(pack: Parcel) -> Recount:
    made = Recount(about=pack.about, key=pack.key.kid, given=pack.given)
    if pack.about.get("form") == dossier.FORM:
        return _examined(pack, made)
    if pack.about.get("form") != FORM:
        made.checks.append(Check("pack", "FAIL", f"it is no recount pack of a form this version reads: {FORM}"))
        return made
    made.checks.append(Check("signature", "PASS", "every byte is what the key signed"))
    try:
        _look(pack, made)
    except Exception as error:  # noqa: BLE001 - whoever signed it may have packed anything at all
        # Signed, and still not what a pack holds: whoever made it made it so.
        said = str(error) if isinstance(error, ComptrollerError) else f"{type(error).__name__}: {error}"
        made.checks.append(Check("contents", "FAIL", f"they cannot be recounted: {said}"))
    return made


def _examined(pack: Parcel, made: Recount) -> Recount:
    """An evidence pack: nothing in it can be drawn up anew, but each record is proved to be one of the journal's."""
    made.checks.append(Check("signature", "PASS", "every byte is what the key signed"))
    try:
        made.checks += [Check(what, "PASS" if fits else "FAIL", why) for what, fits, why in dossier.look(pack)]
    except Exception as error:  # noqa: BLE001 - whoever signed it may have packed anything at all
        made.checks.append(Check("contents", "FAIL", f"they cannot be read: {type(error).__name__}: {error}"))
    return made


def _look(pack: Parcel, made: Recount) -> None:
    lines = pack.files[RECORDS].splitlines()
    made.checks.append(_in_journal(pack, lines))
    facts = [segment.parse(line).fact() for line in lines]
    invoice = decode(json.loads(pack.files[DOCUMENT]))
    made.checks.append(_document(invoice, json.loads(pack.files[DOCUMENT]), facts))
    case = _Case(pack, facts, invoice)
    made.checks.append(_contract(case))
    made.lines += _lines(case)
    made.checks += [_totals(invoice), *_receipts(case, pack.key), *_texts(pack)]


def _in_journal(pack: Parcel, lines: Sequence[bytes]) -> Check:
    """Every record is part of the journal whose root was signed."""
    journal, proof = pack.about["journal"], json.loads(pack.files[PROOF])
    numbers = [segment.parse(line).n for line in lines]
    leaves = {number - 1: inclusion.leaf(line) for number, line in zip(numbers, lines, strict=True)}
    path = [bytes.fromhex(step) for step in proof["path"]]
    root = inclusion.climb_all(leaves, int(journal["records"]), path)
    if root is None or root.hex() != journal["root"] or numbers != sorted(set(numbers)):
        return Check("journal", "FAIL", "a record in it is not part of the journal it names")
    return Check("journal", "PASS", f"{len(lines)} records of {journal['records']}, head {journal['head']}")


def _document(invoice: Invoice, document: object, facts: Iterable[Fact]) -> Check:
    for fact in facts:
        said = fact.data
        if fact.kind == INVOICE and said.get("event") == "finalised" and said.get("number") == invoice.number:
            if said.get("document") != document:
                return Check("invoice", "FAIL", "it is not the one on record")
            if digest(invoice) != invoice.digest:
                return Check("invoice", "FAIL", f"its digest {invoice.digest} is not the one of what it says")
            return Check("invoice", "PASS", f"{invoice.number} as on record")
    return Check("invoice", "FAIL", "the pack holds no record of it")


class _Case:
    """The customer's books as they stood when the invoice was drawn up, out of the pack alone."""

    def __init__(self, pack: Parcel, facts: Sequence[Fact], invoice: Invoice) -> None:
        self.invoice, self.facts = invoice, facts
        self.complete = bool(pack.about.get("calls"))
        self.rates: dict[str, str] = json.loads(pack.files[RATES])
        plain = canonical(json.loads(pack.files[CONTRACTS]))  # JSON, which unlike YAML cannot grow while it is read
        self.contracts = read_contracts([(CONTRACTS, plain)], invoice.tenant)
        self.fees: dict[str, Check] = {}  # outcomes whose fee is not what the contract says, or cannot be told
        desk = _desk(facts, invoice)
        self.agreed = Agreements(self.contracts)
        self.registry = Registry(desk, {}, self.agreed)
        self.registry.listeners.append(self._heard)
        self.registry.catch_up()
        self.invoices = Invoices(desk)
        self.invoices.catch_up()
        usage = [json.loads(row) for row in pack.files[USAGE].splitlines()]
        self.usage = bool(usage)
        calls = Calls((fact for fact in facts if fact.kind in _CALLS), usage)
        self.records = Records(calls, {tuple(pair.split("/")): Fraction(rate) for pair, rate in self.rates.items()})

    def draft(self) -> Invoice | None:
        """The invoice as it has to be."""
        held = self.contracts.of(self.invoice.customer, self.invoice.tenant)
        period = period_named(held[-1].calendar, self.invoice.period)
        gatherer = Gatherer(self.contracts, self.registry.outcomes.values(), self.invoices, self.records)
        return gatherer.draft(self.invoice.tenant, self.invoice.customer, period)

    def _before(self, outcome: Outcome) -> Iterator[Outcome]:
        """Asked for only where the price has tiers: for each of many outcomes it is long."""
        yield from self.registry.verified_before(outcome)

    def _heard(self, before: Outcome | None, after: Outcome, event: OutcomeEvent) -> None:
        """Ask the contract for the fee once more, at the moment it was frozen."""
        frozen = (
            event.type == "claim"
            if after.terms and after.terms.freeze == "claimed"
            else bool(after.verified_at and not (before and before.verified_at))
        )
        if not frozen:
            return
        try:
            version, fee = self.agreed.quote(before or after, event.at, self._before(after))
        except ValueError as error:
            self.fees[after.key] = Check(after.key, "UNPROVABLE", str(error))
            return
        said = event.data.get("fee")
        told = Money(*cast(Any, said)) if said else None
        if version != event.data.get("price", ""):
            why = f"its price {event.data.get('price') or 'none'} is in no contract of the pack"
            self.fees[after.key] = Check(after.key, "UNPROVABLE", why)
        elif fee != told:
            self.fees[after.key] = Check(after.key, "FAIL", f"its fee was frozen at {told}, the contract says {fee}")


def _desk(facts: Sequence[Fact], invoice: Invoice) -> Desk:
    """A desk whose journal is the pack's records before the invoice."""
    ledger = MemoryLedger()
    for fact in facts:
        if fact.kind == INVOICE and fact.data.get("document") and fact.data.get("number") == invoice.number:
            break
        if fact.kind in (OUTCOME, INVOICE):
            ledger.facts.append(fact)
    return cast(Desk, _Desk(ledger))


@dataclass(frozen=True, slots=True)
class _Desk:
    ledger: MemoryLedger
    settings: Settings = field(default_factory=Settings)
    clock: Clock = SYSTEM


def _contract(case: _Case) -> Check:
    invoice = case.invoice
    versions = case.contracts.of(invoice.customer, invoice.tenant)
    if any(contract.version == invoice.version for contract in versions):
        return Check("contract", "PASS", f"{invoice.contract}, version {invoice.version}")
    return Check("contract", "UNPROVABLE", f"version {invoice.version} of {invoice.contract} is not in the pack")


def _lines(case: _Case) -> Iterator[Check]:
    """Each line of the invoice against its counterpart, then what the invoice leaves out."""
    contract = next((one for one in case.contracts if one.version == case.invoice.version), None)
    if contract is None:
        yield from (_told(line, "UNPROVABLE", "its contract is not in the pack") for line in case.invoice.lines)
        return
    drawn = case.draft()
    waiting: dict[tuple[str, ...], list[Line]] = {}
    for line in drawn.lines if drawn else ():
        waiting.setdefault(_name(line), []).append(line)
    for line in case.invoice.lines:
        mine = waiting.get(_name(line))
        yield _compared(case, line, mine.pop(0) if mine else None)
    for left in waiting.values():
        for line in left:
            if (line.gross or line.tax) and (line.kind != "minimum" or _whole(case)):
                said = f"the recount has {_amount(case, line.gross)} here, the invoice has no such line"
                yield Check(f"{line.title}{_of(line)}", "FAIL", said)


def _compared(case: _Case, line: Line, other: Line | None) -> Check:
    if line.kind in _FROM_CALLS and not case.complete:
        return _told(line, "UNPROVABLE", "the records of the calls it counts are not in the pack")
    if line.kind == "usage" and not case.usage:
        return _told(line, "UNPROVABLE", "the usage events it counts are not in the pack")
    if line.kind == "minimum" and not _whole(case):
        return _told(line, "UNPROVABLE", "it is what the other lines lack, and not all of them can be recounted")
    if other is None:
        return _told(line, "FAIL", "nothing in the pack makes such a line")
    apart = [name for name in ("quantity", "unit", "exact", "gross") if getattr(line, name) != getattr(other, name)]
    if not apart and [item.outcome for item in line.items] != [item.outcome for item in other.items]:
        apart = ["outcomes"]
    shared = [name for name in ("discount", "tax", "items") if getattr(line, name) != getattr(other, name)]
    if not apart and shared and not _whole(case):
        return _told(line, "UNPROVABLE", "its part of discount and tax hangs on lines that the pack cannot prove")
    if apart or shared:
        return _told(line, "FAIL", "; ".join(_apart(case, name, line, other) for name in (*apart, *shared)))
    return _fees(case, line)


def _fees(case: _Case, line: Line) -> Check:
    """The line adds up; each fee on it has to be the contract's too."""
    wrong = [case.fees[item.outcome] for item in line.items if item.outcome in case.fees]
    for verdict in cast(tuple[Verdict, ...], ("FAIL", "UNPROVABLE")):
        these = [check for check in wrong if check.verdict == verdict]
        if these:
            more = f" (and {len(these) - 1} more)" if len(these) > 1 else ""
            return _told(line, verdict, f"{these[0].what}: {these[0].why}{more}")
    return _told(line, "PASS", "")


def _whole(case: _Case) -> bool:
    """True where the pack lacks nothing that any line stands on."""
    kinds = {line.kind for line in case.invoice.lines}
    return (case.complete or not kinds & set(_FROM_CALLS)) and (case.usage or "usage" not in kinds)


def _totals(invoice: Invoice) -> Check:
    told = sums(invoice.lines, invoice.totals.credits)
    if told != invoice.totals:
        return Check("totals", "FAIL", "they are not the sums of the lines")
    if sum(invoice.burnt.values()) != invoice.totals.credits:
        return Check("totals", "FAIL", "the credits taken are not those listed")
    due = f"{decimal_text(invoice.totals.due)} {invoice.currency}"
    return Check("totals", "PASS", "the sums of the lines", due)


def _receipts(case: _Case, key: PublicKey) -> Iterator[Check]:
    """Receipts in the pack carry the issuer's signature and the fee that was billed."""
    count = 0
    for fact in case.facts:
        if fact.kind != RECEIPT:
            continue
        count += 1
        try:
            found = receipts.check(str(fact.data.get("jws")), lambda kid: key if kid == key.kid else None)
        except Forged as forged:
            yield Check("receipts", "FAIL", f"{fact.data.get('outcome')}: {forged}")
            return
        outcome = case.registry.outcomes.get(str(found.said["outcome"]))
        fee = outcome.fee if outcome else None
        said = found.said.get("fee")
        if outcome and said != (fee and {"amount": decimal_text(fee.nanos), "currency": fee.currency}):
            yield Check("receipts", "FAIL", f"{outcome.key}: the receipt says {said}, the outcome costs {fee}")
            return
    if count:
        yield Check("receipts", "PASS", f"{count} signed by the same key, for the fees that were billed")


def _texts(pack: Parcel) -> Iterator[Check]:
    """Evidence that is in the pack is what was committed to."""
    rows = [json.loads(row) for row in pack.files[EVIDENCE].splitlines()]
    shown = [row for row in rows if "text" in row]
    for row in shown:
        if commitments.commit(str(row["salt"]), str(row["text"]).encode()) != row["sha256"]:
            yield Check("evidence", "FAIL", f"{row['digest']}: its text is not what was committed to")
            return
    gone = sum("sha256" not in row for row in rows)
    lost = f", {gone} erased or never kept" if gone else ""
    if rows:
        yield Check("evidence", "PASS", f"{len(rows)} digests, {len(shown)} with their texts{lost}")


def _name(line: Line) -> tuple[str, ...]:
    return (line.kind, line.title, line.type, line.period, line.price)


def _of(line: Line) -> str:
    return f", {line.period}" if line.period else ""


def _told(line: Line, verdict: Verdict, why: str) -> Check:
    return Check(f"{line.title}{_of(line)}", verdict, why, decimal_text(line.gross))


def _apart(case: _Case, name: str, line: Line, other: Line) -> str:
    if name in ("outcomes", "items"):
        return _items_apart(case, line, other)
    told, found = getattr(line, name), getattr(other, name)
    if isinstance(told, int):
        return f"{name}: recounted {_amount(case, found)}, invoiced {_amount(case, told)}"
    return f"{name}: recounted {found or 'none'}, invoiced {told or 'none'}"


def _items_apart(case: _Case, line: Line, other: Line) -> str:
    mine, theirs = ({item.outcome: item for item in one.items} for one in (line, other))
    for key in mine.keys() - theirs.keys():
        known = case.registry.outcomes.get(key)
        state = f"it is {known.state.replace('_', ' ')}" if known else "nothing in the pack tells of it"
        return f"outcome {key} is billed and not due: {state}"
    for key in theirs.keys() - mine.keys():
        return f"outcome {key} is due and not on the line"
    odd = next((key for key in mine if mine[key] != theirs[key]), "")
    return f"outcome {odd} is not as recounted" if odd else "its outcomes stand in another order"


def _amount(case: _Case, nanos: int) -> str:
    return f"{decimal_text(nanos)} {case.invoice.currency}"
