"""The audit: is the record what was written, are its texts still there, and do the books agree with it?"""

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path

from comptroller.core.errors import StoreError
from comptroller.core.money import NANOS, decimal_text
from comptroller.office.intake import lost
from comptroller.office.tally import Tally
from comptroller.store import folder, journal, keys, segment
from comptroller.store.inventory import Inventory
from comptroller.store.journal import Position
from comptroller.store.reader import Reader, writable

_HASTE = "Keep this file as it is for whoever looks into it, and restore it from a backup."


@dataclass(frozen=True, slots=True)
class Complaint:
    """Something that does not fit: what, where, and what to do."""

    fault: str
    place: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Audit:
    """What the check found; `fault` is the first thing that does not fit, empty where all does."""

    records: int
    segments: int
    seals: int  # closed segments whose seal was found
    sealed: int  # the last record a seal vouches for
    keyed: bool  # False: no master key at hand, so seals were counted, not checked
    torn: int  # bytes of a record that was never acknowledged, at the very end
    head: str  # the chain hash of the last record: note it elsewhere, and no earlier record can change unseen
    calls: int = 0
    runs: int = 0
    books: str = "not compared"  # or "in step"
    costs: dict[str, str] | None = None  # by currency, as journal and books both say
    kept: int | None = None  # the record whose hash the kept head is
    vault_segments: int = 0
    bodies: int = 0
    erased: int = 0  # bodies whose subject was erased: meant to be unreadable
    bodyless: int = 0  # texts on record as a digest alone
    opened: bool = False  # every body was opened, not only counted
    faults: tuple[Complaint, ...] = ()

    @property
    def ok(self) -> bool:
        return not self.faults

    @property
    def fault(self) -> str:
        return self.faults[0].fault if self.faults else ""

    @property
    def place(self) -> str:
        return self.faults[0].place if self.faults else ""

    @property
    def remedy(self) -> str:
        return self.faults[0].remedy if self.faults else ""


def audit(ledger: str | Path, bodies: bool = False, head: str = "") -> Audit:
    """Check the journal's chain, the vault and the books. What does not fit is a finding, not an error.

    `bodies`: open every text and take its digest anew. `head`: the hash of a record that must still be there.
    """
    return _Auditor(Path(ledger), bodies, head).run()


class _Auditor:
    def __init__(self, path: Path, bodies: bool, head: str) -> None:
        self._path, self._bodies, self._head = path, bodies, head
        self._tally = Tally()
        self._kept: int | None = None
        self._named: dict[bytes, bool] = {}  # digests that have no body so far -> whether they must have one
        self._inventory = Inventory(path, self._keys() if bodies else None)

    def run(self) -> Audit:
        begun = journal.begin(self._path)
        if begun is not None and begun.chain == self._head:
            self._kept = 0
        self._inventory.walk()
        found = journal.verify(self._path, self._heed)
        checked = Audit(
            records=found.records,
            segments=found.segments,
            seals=found.seals,
            sealed=found.sealed,
            keyed=found.keyed,
            torn=found.torn,
            head=found.head.chain,
            kept=self._kept,
        )
        if found.fault is not None:
            return replace(checked, faults=(self._broken(found.fault),))
        checked = self._with_vault(checked)
        faults = [*self._key_faults(found.keyed), *self._head_faults(), *self._vault_faults()]
        faults += [Complaint(fault, str(file), _HASTE) for fault, file in lost(self._path)]
        checked, more = self._with_books(checked, found.head)
        return replace(checked, faults=(*faults, *more))

    def _heed(self, place: Position, stored: bytes) -> None:
        if place.chain == self._head:
            self._kept = place.sequence
        digests, must = self._tally.add(stored)
        for digest in digests:
            name = _bytes(digest)
            if name not in self._inventory.digests:
                self._named[name] = must or self._named.get(name, False)

    def _broken(self, fault: journal.Fault) -> Complaint:
        where = segment.path_of(self._path, fault.segment)
        return Complaint(fault.reason, f"{where}, byte {fault.offset}, record {fault.sequence}", _HASTE)

    # -- keys and head

    def _keys(self) -> keys.Keys | None:
        label = folder.label(self._path)
        try:
            return keys.open_keys(self._path, label.id) if label else None
        except StoreError:
            return None  # told by _key_faults

    def _key_faults(self, keyed: bool) -> Iterator[Complaint]:
        """A master key that does not fit is a fault; none at all only leaves the seals unchecked."""
        if keyed:
            return
        master = self._path / folder.KEYS / keys.MASTER
        label = folder.label(self._path)
        if label and (keys.VARIABLE in os.environ or os.access(master, os.R_OK)):
            try:
                keys.open_keys(self._path, label.id)
            except StoreError as error:
                yield _complaint(str(error), self._path / folder.KEYS)
        elif self._bodies:
            yield Complaint("without the master key no text can be opened", str(master), f"Set {keys.VARIABLE}.")

    def _head_faults(self) -> Iterator[Complaint]:
        if self._head and self._kept is None:
            yield Complaint(
                f"no record has the hash {self._head}: what was there when you noted it was cut off or replaced",
                str(self._path / segment.FOLDER),
                "Restore the journal from a backup; the head kept with it says whether that is the right one.",
            )

    # -- the vault

    def _with_vault(self, checked: Audit) -> Audit:
        there = self._inventory
        there.walk()  # a body is written before the record that names it, so what is missing now is missing
        self._named = {name: must for name, must in self._named.items() if name not in there.digests}
        return replace(
            checked,
            vault_segments=there.segments,
            bodies=there.bodies,
            erased=there.erased,
            bodyless=len(self._named),
            opened=self._bodies and checked.keyed,
        )

    def _vault_faults(self) -> Iterator[Complaint]:
        for flaw in self._inventory.flaws:
            yield Complaint(flaw.reason, flaw.place, _HASTE)
        if not self._named:
            return
        for path in self._inventory.lost:
            yield Complaint(
                "the segment is missing, and texts on record with it", str(path), "Restore it from a backup."
            )
        missing = [name for name, must in self._named.items() if must]
        if missing:
            yield Complaint(
                f"evidence of claims is missing ({len(missing)}), the first being {missing[0].hex()}",
                str(self._path / folder.VAULT),
                "Restore the vault from a backup.",
            )

    # -- the books

    def _with_books(self, checked: Audit, head: Position) -> tuple[Audit, list[Complaint]]:
        if not writable(self._path):
            return replace(
                checked, books="not compared: nothing can be written here, so the journal was judged alone"
            ), []
        try:
            with Reader.open(self._path) as reader:
                totals, sums = reader.rows("totals")[0], reader.rows("sums")
        except StoreError as error:
            if "needs DuckDB" in str(error):
                return replace(checked, books="not compared: install comptroller[server] to compare them"), []
            return checked, [_complaint(str(error), self._path / "books.duckdb")]
        try:
            self._follow(head, int(str(sums[0]["sequence"])))
        except journal.Broken as broken:
            return checked, [self._broken(broken.fault)]
        costs = {unit: decimal_text(nanos) for unit, nanos in sorted(self._tally.nanos.items()) if nanos}
        checked = replace(checked, calls=int(str(totals["calls"])), runs=int(str(totals["runs"])), costs=costs)
        faults = list(self._unequal(sums))
        return (checked if faults else replace(checked, books="in step")), faults

    def _follow(self, head: Position, until: int) -> None:
        """Count on to where the books are: beside a live writer they have come further than the check."""
        if until > head.sequence:
            for place, stored in journal.walk(self._path, head):
                self._tally.add(stored)
                if place.sequence == until:
                    break

    def _unequal(self, sums: list[dict[str, object]]) -> Iterator[Complaint]:
        calls, costs = _sums(sums, "calls")
        said = {unit: nanos for unit, nanos in self._tally.nanos.items() if nanos}
        remedy = "Remove the file: the books are made anew from the journal."
        place = str(self._path / "books.duckdb")
        if (calls, costs) != (self._tally.calls, said):
            theirs, ours = f"{calls} calls and {_told(costs)}", f"{self._tally.calls} and {_told(said)}"
            yield Complaint(f"the books have {theirs}, the journal has {ours}", place, remedy)
        for one, other, told in _FOOTING:
            if _sums(sums, one) != _sums(sums, other):
                yield Complaint(f"the {told}", place, remedy)


# Which sums of the books have to be the same, and what is wrong where they are not.
_FOOTING = (
    ("days", "calls", "sums by day are not those of the calls"),
    ("hours", "calls", "sums by hour are not those of the calls"),
    ("runs", "calls of runs", "sums by run are not those of the calls"),
    ("causes", "failed calls", "sums by cause are not those of the calls that failed"),
    ("rules", "decisions", "sums by rule are not those of the decisions"),
    ("hours of runs", "all runs", "runs by hour are not all runs"),
)


def _sums(rows: list[dict[str, object]], source: str) -> tuple[int, dict[str, int]]:
    mine = [row for row in rows if row["source"] == source]
    costs: dict[str, int] = {}
    for row in mine:
        nanos = int(Decimal(str(row["cost"] or 0)) * NANOS)
        if nanos:
            costs[str(row["currency"])] = nanos
    return sum(int(str(row["calls"] or 0)) for row in mine), costs


def _told(costs: dict[str, int]) -> str:
    return " + ".join(f"{decimal_text(nanos)} {unit}" for unit, nanos in sorted(costs.items())) or "no cost"


def _bytes(digest: str) -> bytes:
    try:
        return bytes.fromhex(digest)
    except ValueError:
        return digest.encode("utf-8", "backslashreplace")


def _complaint(said: str, place: Path) -> Complaint:
    reason, _, remedy = said.partition(". ")
    return Complaint(reason, str(place), remedy)
