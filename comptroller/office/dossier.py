"""An evidence pack: records of a period as they lie in the journal, with the proof that they do, signed for an auditor.

It holds no text of any call: records name texts by their digests. Whoever has the pack and the public key needs no
ledger to check it (`comptroller audit verify PACK`).
"""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

from comptroller.core.errors import SettingsError, StoreError
from comptroller.core.facts import CALL_CLOSED, POLICY_LOADED
from comptroller.core.jws import canonical
from comptroller.office import inclusion, parcel
from comptroller.office.parcel import Parcel
from comptroller.office.signing import Signer
from comptroller.store import folder, journal, segment
from comptroller.store.backward import backward
from comptroller.store.hashtree import HashTree, Stale

FORM = "comptroller evidence 1"
RECORDS, PROOF, NOTE = "records.ndjson", "proof.json", "README.txt"
MOST_RECORDS = 200_000  # of a pack
SUBJECTS: Mapping[str, tuple[str, ...]] = {
    "decisions": (CALL_CLOSED, "ask", "approval.", "guard.failed"),
    "policies": (POLICY_LOADED,),
    "access": ("key.", "person.", "evidence."),
    "orders": ("cap.set", "killed", "revived"),
    "books": ("claim", "outcome", "books.", "receipt", "contracts.loaded", "types.loaded"),
}
_ALL = 1 << 62
_HEAD = re.compile(rb'\{"n":(\d+),"k":"([a-z._]+)"')


@dataclass(frozen=True, slots=True)
class Wanted:
    """Whose records, of what and when. `record` is a single one instead: then nothing else is looked for."""

    tenant: str
    own: bool  # the ledger's own tenant, whose are the records that name none
    since: int = 0
    until: int = 0
    subjects: tuple[str, ...] = tuple(SUBJECTS)
    record: int = 0
    to: str = ""


@dataclass(frozen=True, slots=True)
class Made:
    """A pack, and what is in it."""

    data: bytes
    records: int
    journal: int  # records of the whole journal
    head: str
    root: str


def make(ledger: Path, wanted: Wanted, now_ns: int) -> Made:
    """Read the journal, whose chain is checked on the way, and pack what is wanted."""
    tree, label = HashTree.open(ledger), folder.label(ledger)
    if tree is None or label is None:
        raise SettingsError(f"{ledger}: there is no ledger here. Name one with --ledger.")
    lines, path = _read(ledger, tree, wanted)
    if not lines:
        raise SettingsError(
            f"There is no record {wanted.record} of this tenant. `comptroller audit verify` says how many there are."
            if wanted.record
            else "Nothing on record fits. Choose a longer period or more subjects."
        )
    about = {
        "form": FORM,
        "ledger": label.id,
        "tenant": wanted.tenant,
        "to": wanted.to,
        "since": wanted.since,
        "until": wanted.until,
        "subjects": [] if wanted.record else sorted(wanted.subjects),
        "record": wanted.record,
        "made": now_ns,
        "journal": {"records": tree.size, "head": tree.at.chain, "root": tree.root.hex()},
    }
    files = {
        RECORDS: b"".join(line + b"\n" for line in lines.values()),
        PROOF: canonical({"path": [step.hex() for step in path]}),
        NOTE: _note(wanted, len(lines), tree.at.chain).encode(),
    }
    data = parcel.pack(files, about, Signer.open(ledger))
    return Made(data, len(lines), tree.size, tree.at.chain, tree.root.hex())


def _read(ledger: Path, tree: HashTree, wanted: Wanted) -> tuple[Mapping[int, bytes], list[bytes]]:
    """The lines that are wanted, by their numbers, and the hashes that prove them together."""
    chosen = _Chosen(wanted)
    try:
        for stored in _lines(ledger, wanted):
            chosen.look(stored)
        tree.grow(_ALL)
        return chosen.lines, _proof(tree, chosen.lines)
    except journal.Broken as broken:
        raise StoreError(
            f"The journal is not what was written: {broken}. `comptroller audit verify` says where."
        ) from None


def _lines(ledger: Path, wanted: Wanted) -> Iterator[bytes]:
    """What may be wanted: one line, or all there are, whose chain is checked on the way."""
    if wanted.record:
        yield from (stored for _, stored in islice(backward(ledger, wanted.record + 1), 1))
        return
    begun = journal.begin(ledger)
    assert begun is not None, "there is a ledger"
    yield from (stored for _, stored in journal.walk(ledger, begun))


def _proof(tree: HashTree, lines: Mapping[int, bytes]) -> list[bytes]:
    numbers = [number - 1 for number in lines]
    try:
        return tree.proof(numbers)
    except Stale:  # what was kept of the tree is not of these records: all of them are read
        tree.forget()
        tree.grow(_ALL)
        return tree.proof(numbers)


@dataclass(slots=True)
class _Chosen:
    """The lines that are wanted, by their numbers, and the policies that held when the period began."""

    wanted: Wanted
    lines: dict[int, bytes] = field(default_factory=dict)
    before: tuple[int, bytes] | None = None

    def look(self, stored: bytes) -> None:
        head = _HEAD.match(stored)
        if head is None:
            return
        number, kind = int(head[1]), head[2].decode()
        if self.wanted.record:
            if number == self.wanted.record and self._is_theirs(segment.parse(stored)):
                self.lines[number] = stored
            return
        if not _is_of(kind, self.wanted.subjects):
            return
        record = segment.parse(stored)
        if not self._is_theirs(record) or (kind == CALL_CLOSED and not _says_something(record.d)):
            return
        if record.t < self.wanted.since:
            self.before = (number, stored) if kind == POLICY_LOADED else self.before
        elif not self.wanted.until or record.t < self.wanted.until:
            self._take(number, stored)

    def _take(self, number: int, stored: bytes) -> None:
        if self.before is not None:
            self.lines[self.before[0]], self.before = self.before[1], None
        self.lines[number] = stored
        if len(self.lines) > MOST_RECORDS:
            raise SettingsError(f"More than {MOST_RECORDS:,} records fit. Choose a shorter period or fewer subjects.")

    def _is_theirs(self, record: segment.Record) -> bool:
        said = record.d.get("tenant")
        return record.k != "snapshot" and (said == self.wanted.tenant if said else self.wanted.own)


def _is_of(kind: str, subjects: tuple[str, ...]) -> bool:
    return any(kind.startswith(begin) for name in subjects for begin in SUBJECTS[name])


def _says_something(data: Mapping[str, object]) -> bool:
    """A call on which a rule or a guard spoke, or that passed on an approval."""
    return bool(data.get("decisions") or data.get("approvals") or data.get("action") not in (None, "", "allow"))


def look(pack: Parcel) -> Iterator[tuple[str, bool, str]]:
    """Check a pack whose signature holds: what was looked at, whether it fits, and what to say of it."""
    lines, said = pack.files[RECORDS].splitlines(), pack.about["journal"]
    records = [segment.parse(line) for line in lines]
    told = f"{len(records)} of its {said['records']} records, head {said['head']}"
    for what, fault, well in (
        ("journal", _outside(pack, lines, [record.n for record in records]), told),
        ("chain", _unlinked(lines, records), "what follows on one another is linked by its hashes"),
        ("period", _untimely(pack.about, records), _spoken(records)),
    ):
        yield what, not fault, fault or well


def _outside(pack: Parcel, lines: list[bytes], numbers: list[int]) -> str:
    said, proof = pack.about["journal"], json.loads(pack.files[PROOF])
    leaves = {number - 1: inclusion.leaf(line) for number, line in zip(numbers, lines, strict=True)}
    root = inclusion.climb_all(leaves, int(said["records"]), [bytes.fromhex(step) for step in proof["path"]])
    fits = root is not None and root.hex() == said["root"] and numbers == sorted(set(numbers))
    return "" if fits else "a record in it is not part of the journal it names"


def _unlinked(lines: list[bytes], records: list[segment.Record]) -> str:
    """Records that follow on one another directly have to be linked by their hashes."""
    for number in range(1, len(records)):
        before, record = records[number - 1], records[number]
        if record.n == before.n + 1 and segment.link(before.h, lines[number]) != record.h:
            return f"record {record.n} does not follow from record {before.n}"
    return ""


def _untimely(about: Mapping[str, object], records: list[segment.Record]) -> str:
    until = int(str(about.get("until") or 0))
    late = [record.n for record in records if until and record.t >= until]
    return f"record {late[0]} is of after the period" if late else ""


def _spoken(records: list[segment.Record]) -> str:
    kinds = Counter(record.k for record in records)
    return ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))


def _note(wanted: Wanted, records: int, head: str) -> str:
    what = f"record {wanted.record}" if wanted.record else f"{', '.join(sorted(wanted.subjects))} {_period(wanted)}"
    return (
        f"Evidence from Comptroller: {what}, tenant {wanted.tenant}.\n\n"
        f"records.ndjson  {records} records, each as it lies in the journal\n"
        "proof.json      the way from each of them to the root of the tree over the whole journal\n"
        "manifest.json   what is in here, the journal's length, head and root; manifest.jws is its signature\n\n"
        "Check it on any machine, without the ledger:\n"
        "  comptroller audit verify PACK --key KEY      KEY: `comptroller receipts key`, had by another way\n"
        "Check that the journal still holds what this pack names, at the ledger:\n"
        f"  comptroller audit verify --head {head}\n"
    )


def _period(wanted: Wanted) -> str:
    since = f"from {_day(wanted.since)}" if wanted.since else "from the beginning"
    return f"{since} until {_day(wanted.until)}" if wanted.until else since


def _day(at: int) -> str:
    return datetime.fromtimestamp(at // 1_000_000_000, UTC).strftime("%Y-%m-%d %H:%M UTC")
