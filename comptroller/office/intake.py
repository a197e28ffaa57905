"""Taking in usage that was metered elsewhere: a file becomes a batch in the ledger, and a fact that vouches for it.

A file that cannot be read as a table is refused whole, with the line that is wrong, so that nothing is half in. A
value that cannot be used makes its row wait, and the rest count.
"""

import contextlib
import csv
import hashlib
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from comptroller.core.clock import Clock
from comptroller.core.errors import ComptrollerError, StoreError
from comptroller.core.facts import USAGE, Fact
from comptroller.office.follower import Follower
from comptroller.store.tail import unwritable
from comptroller.store.usage import FOLDER, OPTIONAL, REQUIRED

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

FORMATS = {".csv": "csv", ".ndjson": "ndjson", ".jsonl": "ndjson", ".parquet": "parquet"}
_COLUMNS = ", ".join((*REQUIRED, *OPTIONAL))
_MEMORY = "1GB"


class UsageError(ComptrollerError):
    """A file of usage events cannot be taken in; the message says why, where, and what to do."""


class Journal(Protocol):
    """What taking in needs of a ledger."""

    def sync(self, fact: Fact) -> None: ...


@dataclass(frozen=True, slots=True)
class Batch:
    """A file of usage as it was taken in."""

    id: str
    rows: int
    digest: str
    known: bool  # the very same file was taken in before, so that nothing new was written


def take_in(
    ledger: Path, journal: Journal, clock: Clock, file: Path, tenant: str = "default", source: str = "", by: str = ""
) -> Batch:
    """Keep a file of usage events in the ledger and put it on record durably. The same file again changes nothing.

    `source` stands for rows that name none; UsageError where the file is no table of usage events.
    """
    kind = FORMATS.get(file.suffix.lower())
    if kind is None:
        raise UsageError(f"{file}: is neither CSV, NDJSON nor Parquet by its name. Name it .csv, .ndjson or .parquet.")
    folder = ledger / FOLDER
    fresh = folder / f"{clock.new_id()}.new"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        rows = _written(file, kind, fresh, source)
        digest = _digest(fresh)
        kept = folder / f"{digest}.parquet"
        known = kept.exists()
        _put(fresh, kept)
    except OSError as error:
        raise StoreError(unwritable(Path(error.filename or folder), error)) from error
    finally:
        with contextlib.suppress(OSError):
            fresh.unlink(missing_ok=True)
    # The id follows from what was told, so that a batch told twice is one batch.
    id = hashlib.sha256(f"{tenant}\0{source}\0{digest}".encode()).hexdigest()[:32]
    data = {"tenant": tenant, "source": source, "digest": digest, "rows": rows, "path": kept.name, "name": file.name}
    journal.sync(Fact(USAGE, id, clock.now_ns(), data={**data, **({"by": by} if by else {})}))
    return Batch(id, rows, digest, known)


def lost(ledger: Path) -> Iterator[tuple[str, Path]]:
    """The batches on record whose files are not what was taken in any more, and what is wrong with each."""
    seen: set[str] = set()
    for fact in Follower(ledger, USAGE).read():
        digest = str(fact.data.get("digest", ""))
        if fact.kind != USAGE or digest in seen:
            continue
        seen.add(digest)
        file = ledger / FOLDER / Path(str(fact.data.get("path", ""))).name
        try:
            if _digest(file) != digest:
                yield "a batch of usage is not what was taken in", file
        except OSError:
            yield "a batch of usage on record is missing", file


def _written(file: Path, kind: str, fresh: Path, source: str) -> int:
    """Write the batch; returns how many rows it has."""
    if not file.is_file():
        raise UsageError(f"{file}: there is no such file.")
    with _engine(file) as engine:
        if kind == "parquet":
            rows = _checked(engine, file, "read_parquet($file)", source)
            shutil.copyfile(file, fresh)
            return rows
        table = _csv(file) if kind == "csv" else _NDJSON
        rows = _checked(engine, file, table, source)
        # The texts as they stand: what they mean is decided when the books read them, the same every time.
        engine.execute(
            f"COPY (FROM {table}) TO {_quoted(fresh)} (FORMAT parquet, COMPRESSION zstd)", {"file": str(file)}
        )
        return rows


_NDJSON = (
    "(SELECT "
    + ", ".join(f"""json ->> '$.{name}' AS "{name}\"""" for name in (*REQUIRED, *OPTIONAL))
    + ", CAST(json AS VARCHAR) AS line_told FROM read_ndjson_objects($file))"
)


def _csv(file: Path) -> str:
    """A table of texts; nothing about it is guessed."""
    with file.open(encoding="utf-8-sig", errors="replace", newline="") as lines:
        names = next(csv.reader(lines), [])
    columns = ", ".join(f"{_name(name)}: 'VARCHAR'" for name in names)
    return (
        "read_csv($file, auto_detect = false, header = true, delim = ',', quote = '\"', escape = '\"', "
        f"columns = {{{columns}}})"
    )


def _checked(engine: "DuckDBPyConnection", file: Path, table: str, source: str) -> int:
    given = {"file": str(file)}
    columns = [str(row[0]) for row in engine.execute(f"DESCRIBE FROM {table}", given).fetchall()]
    missing = [name for name in REQUIRED if name not in columns]
    if missing:
        raise UsageError(
            f"{file}: has no column {', '.join(missing)}. A file of usage events has {_COLUMNS}, those behind "
            f"{REQUIRED[-1]} as they are known."
        )
    if "source" not in columns and not source:
        raise UsageError(
            f"{file}: no row says which source it is from, and event ids count within a source. Name it with --source."
        )
    ((rows,),) = engine.execute(f"SELECT count(*) FROM {table}", given).fetchall()
    return int(rows)


@contextlib.contextmanager
def _engine(file: Path) -> Iterator["DuckDBPyConnection"]:
    """An engine of its own for one file, which fetches nothing and installs nothing."""
    try:
        import duckdb
    except ImportError:
        raise UsageError("Taking in usage needs DuckDB. Install comptroller[server].") from None
    config: dict[str, str | bool | int | float | list[str]] = {
        "autoinstall_known_extensions": "false",
        "autoload_known_extensions": "false",
    }
    with contextlib.closing(duckdb.connect(config=config)) as engine:
        engine.execute(f"SET memory_limit = '{_MEMORY}'")
        try:
            yield engine
        except duckdb.Error as error:
            reason = str(error).strip().split("\n")[0].rstrip(".")
            raise UsageError(f"{file}: {reason}. Nothing was taken in: correct the file and import it again.") from None


def _digest(file: Path) -> str:
    with file.open("rb") as data:
        return hashlib.file_digest(data, "sha256").hexdigest()


def _put(fresh: Path, kept: Path) -> None:
    """Put a batch in its place durably, before the fact that names it."""
    fd = os.open(fresh, os.O_RDWR | getattr(os, "O_BINARY", 0))
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
    os.chmod(fresh, 0o600)
    os.replace(fresh, kept)
    if hasattr(os, "O_DIRECTORY"):
        folder = os.open(kept.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _name(text: str) -> str:
    return "'" + text.strip().replace("'", "''") + "'"


def _quoted(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"
