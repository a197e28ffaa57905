"""The audit: is the record what was written, and do the books agree with it?"""

from dataclasses import dataclass, replace
from pathlib import Path

from comptroller.core.errors import StoreError
from comptroller.store import journal, segment
from comptroller.store.reader import Reader


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
    fault: str = ""
    place: str = ""
    remedy: str = ""

    @property
    def ok(self) -> bool:
        return not self.fault


def audit(ledger: str | Path) -> Audit:
    """Check the journal's chain, and the books against it. A broken chain is a finding, not an error."""
    path = Path(ledger)
    found = journal.verify(path)
    checked = Audit(
        records=found.records,
        segments=found.segments,
        seals=found.seals,
        sealed=found.sealed,
        keyed=found.keyed,
        torn=found.torn,
        head=found.head.chain,
    )
    if found.fault is not None:
        where = segment.path_of(path, found.fault.segment)
        return replace(
            checked,
            fault=found.fault.reason,
            place=f"{where}, byte {found.fault.offset}, record {found.fault.sequence}",
            remedy="Keep this file as it is for whoever looks into it, and restore the segment from a backup.",
        )
    try:
        with Reader.open(path) as reader:
            totals = reader.rows("totals")[0]
    except StoreError as error:
        return _complaint(checked, path, error)
    return replace(checked, calls=_int(totals["calls"]), runs=_int(totals["runs"]), books="in step")


def _complaint(checked: Audit, path: Path, error: StoreError) -> Audit:
    """The books cannot be read: a fault, except where this install has no DuckDB to read them with."""
    if "needs DuckDB" in str(error):
        return checked
    reason, _, remedy = str(error).partition(". ")
    return replace(checked, fault=reason, place=str(path / "books.duckdb"), remedy=remedy)


def _int(value: object) -> int:
    assert isinstance(value, int)
    return value
