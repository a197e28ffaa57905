"""Evidence packs that were given: each a fact with whom it was for, and its file as long as it is kept."""

import hashlib
import json
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

from comptroller.core.clock import SYSTEM, Clock
from comptroller.core.errors import ComptrollerError, SettingsError
from comptroller.core.facts import EVIDENCE_GIVEN, Fact
from comptroller.office import dossier
from comptroller.office.dossier import Wanted

FOLDER = "evidence"
LONGEST_S = 900  # that making one may take


class Ledger(Protocol):
    """What noting needs of a ledger."""

    def sync(self, fact: Fact) -> None: ...


@dataclass(frozen=True, slots=True)
class Given:
    """A pack that was given: to whom, of what, and the digest by which its file is known again."""

    pack: str
    tenant: str
    to: str
    by: str
    because: str
    at: int
    since: int
    until: int
    subjects: tuple[str, ...]
    records: int
    bytes: int
    sha256: str
    head: str
    journal: int


def note(ledger: Ledger, clock: Clock, wanted: Wanted, made: dossier.Made, by: str, because: str) -> Given:
    """Put on record that a pack was made for somebody."""
    given = Given(
        f"ev_{clock.new_id()}", wanted.tenant, wanted.to, by, because, clock.now_ns(), wanted.since, wanted.until,
        wanted.subjects, made.records, len(made.data), hashlib.sha256(made.data).hexdigest(), made.head, made.journal,
    )  # fmt: skip
    data = {name: value for name, value in asdict(given).items() if name != "at"}
    ledger.sync(Fact(EVIDENCE_GIVEN, given.pack, given.at, data={**data, "subjects": list(given.subjects)}))
    return given


def keep(ledger: Path, given: Given, data: bytes) -> Path:
    """Keep the file in the ledger's directory, for whoever asks for it again."""
    path = path_of(ledger, given.pack)
    path.parent.mkdir(mode=0o700, exist_ok=True)
    path.write_bytes(data)
    path.chmod(0o600)
    return path


def path_of(ledger: Path, pack: str) -> Path:
    """Where a pack's file lies while it is kept."""
    return ledger / FOLDER / f"{pack}.zip"


def fold(facts: Iterable[Fact]) -> list[Given]:
    """The packs that these facts tell of, in order."""
    return [_given(fact) for fact in facts if fact.kind == EVIDENCE_GIVEN]


def make_apart(ledger: Path, wanted: Wanted) -> dossier.Made:
    """Make a pack in a process of its own, so that nobody else waits for it."""
    told = json.dumps({"ledger": str(ledger), "wanted": asdict(wanted)})
    try:
        done = subprocess.run(
            [sys.executable, "-m", __name__],
            input=told.encode(),
            capture_output=True,
            timeout=LONGEST_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise SettingsError(f"The pack was not ready after {LONGEST_S // 60} minutes. Choose less.") from None
    head, _, data = done.stdout.partition(b"\n")
    if done.returncode or not head:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise SettingsError(said[-1] if said else "The pack could not be made. `comptroller audit verify` says more.")
    return dossier.Made(data, **json.loads(head))


def _given(fact: Fact) -> Given:
    said = dict(fact.data)
    return Given(at=fact.at, subjects=tuple(said.pop("subjects", ())), **said)  # type: ignore[arg-type]


def _main() -> int:
    """One pack, told on standard input and written to standard output: a line that describes it, then its bytes."""
    told = json.loads(sys.stdin.buffer.read())
    wanted = told["wanted"]
    try:
        made = dossier.make(
            Path(told["ledger"]), Wanted(**{**wanted, "subjects": tuple(wanted["subjects"])}), SYSTEM.now_ns()
        )
    except ComptrollerError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    head = {"records": made.records, "journal": made.journal, "head": made.head, "root": made.root}
    sys.stdout.buffer.write(json.dumps(head).encode() + b"\n" + made.data)
    return 0


if __name__ == "__main__":
    raise SystemExit(_main())
