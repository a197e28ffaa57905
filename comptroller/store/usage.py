"""Usage events from elsewhere: each batch is a file in the ledger that a fact vouches for, read into the books.

An event counts once for ever: a tenant, a source and an event id name it, and what is told again with other content
waits for a person while the first telling stands.
"""

import hashlib
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from comptroller.core.errors import StoreError
from comptroller.store import statements

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

FOLDER = "usage"  # of the ledger: batches as they came in
SLOT = "books.usage"  # the one batch the engine may read at a time
REQUIRED = ("event_id", "customer", "meter", "quantity", "event_ts")
OPTIONAL = ("tenant", "source", "kind", "amends", "run", "call", "agent")
RECORD = """{n: 'BIGINT', k: 'VARCHAR', i: 'VARCHAR', t: 'BIGINT', d: 'STRUCT(tenant VARCHAR, source VARCHAR,
  name VARCHAR, digest VARCHAR, path VARCHAR, rows VARCHAR)'}"""

_TEXTS = {  # our column: the file's, and what stands where it says nothing
    "tenant": ("tenant", "$tenant"),
    "source": ("source", "$source"),
    "event": ("event_id", "''"),
    "customer": ("customer", "''"),
    "meter": ("meter", "''"),
    "kind": ("kind", "'usage'"),
    "amends": ("amends", "''"),
    "run": ("run", "''"),
    "call": ("call", "''"),
    "agent": ("agent", "''"),
}
NOTHING = "''"
_EXACT = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT")
_AMOUNT = r"\+?\d{1,29}(\.\d{1,9}0*)?"
_KIND = "CASE kind WHEN 'usage' THEN 0 WHEN 'amend' THEN 1 ELSE 2 END"
_ANEW = (
    "The books were filled by DuckDB {then}, and DuckDB {now} compares usage events in another way. "
    "Remove books.duckdb: the books are made anew from the journal."
)
_FLAW = """CASE WHEN event = '' THEN 'no_event' WHEN customer = '' THEN 'no_customer' WHEN meter = '' THEN 'no_meter'
  WHEN kind NOT IN ('usage', 'amend', 'cancel') THEN 'unknown_kind'
  WHEN kind <> 'usage' AND amends = '' THEN 'nothing_amended'
  WHEN quantity IS NULL AND kind <> 'cancel' THEN 'bad_quantity' WHEN quantity < 0 THEN 'negative'
  WHEN happened IS NULL THEN 'bad_time'
  WHEN strlen(tenant) + strlen(source) + strlen(event) > 1000 THEN 'too_long' END"""


class Usage:
    """Reads batches into the books behind a connection, inside its transaction."""

    def __init__(self, ledger: Path, connection: "DuckDBPyConnection", home: Path) -> None:
        self._ledger, self._connection = ledger, connection
        self._slot = home / SLOT

    def book(self) -> None:
        """Book what the records in the temporary table `named` say."""
        self._agree_on_keys()
        for seq, batch, received, tenant, source, name, digest, path, rows in self._do("named"):
            state = self._lay_out(str(path), str(digest))
            known: dict[str, object] = {"seq": seq, "tenant": tenant, "source": source, "path": path, "digest": digest}
            try:
                self._take(known, int(str(rows))) if state == "counted" else self._none()
            finally:
                self._slot.unlink(missing_ok=True)
            told = {"batch": batch, "received": received, "name": name, "rows": rows}
            self._do("batch", {**known, **told, "state": state})

    def _agree_on_keys(self) -> None:
        ((now, then),) = self._do("engine")
        if now == then:
            return
        if then is not None:
            raise StoreError(_ANEW.format(then=then, now=now))
        self._do("engine_was")
        self._do("engine_is")

    def _lay_out(self, path: str, digest: str) -> str:
        """Put a batch where the engine may read it, if it is what was taken in."""
        file = self._ledger / FOLDER / Path(path).name
        try:
            self._slot.unlink(missing_ok=True)
            try:
                os.link(file, self._slot)
            except OSError:
                shutil.copyfile(file, self._slot)
            with self._slot.open("rb") as data:
                return "counted" if hashlib.file_digest(data, "sha256").hexdigest() == digest else "altered"
        except FileNotFoundError:
            return "missing"

    def _take(self, known: dict[str, object], rows: int) -> None:
        parts = self._parts()
        given = {**known, "file": str(self._slot)}
        self._do("keys", given, parts)
        self._do("again")
        self._do("alike", given, parts)
        self._do("extra", known)
        self._do("conflicts")
        self._do("events", given, parts)
        self._do("amends", given, parts)
        ((usable,),) = self._do("usable")
        if usable != rows:
            self._do("flawed", given, parts)

    def _parts(self) -> dict[str, str]:
        """What is made for the columns that the file at hand has."""
        columns = {str(row[0]): str(row[1]) for row in self._do("columns", {"file": str(self._slot)})}
        return {"typed": typed(columns), "told": _told(columns), "flaw": _FLAW, "kind": _KIND}

    def _none(self) -> None:
        self._connection.execute(
            "CREATE OR REPLACE TEMP TABLE extra AS SELECT 0::BIGINT AS seq, false AS other LIMIT 0"
        )

    def _do(
        self, name: str, params: Mapping[str, object] | None = None, parts: Mapping[str, str] | None = None
    ) -> Sequence[tuple[object, ...]]:
        sql = statements.usage()[name]
        for part, text in (parts or {}).items():
            sql = sql.replace(f"{{{part}}}", text)
        wanted = {key: value for key, value in (params or {}).items() if f"${key}" in sql}
        return self._connection.execute(sql, wanted or None).fetchall()


def typed(columns: Mapping[str, str]) -> str:
    """The columns of an event, of whatever columns a file has; what cannot be read becomes NULL."""
    texts = [f"{_text(file, columns, default)} AS {ours}" for ours, (file, default) in _TEXTS.items()]
    return ", ".join(
        ["file_row_number + 1 AS line", *texts, f"{_quantity(columns)} AS quantity", f"{_time(columns)} AS happened"]
    )


def _told(columns: Mapping[str, str]) -> str:
    quantity, time = (_text(name, columns, NOTHING) for name in ("quantity", "event_ts"))
    return f"{quantity} AS told_quantity, {time} AS told_time"


def _text(name: str, columns: Mapping[str, str], default: str) -> str:
    if name not in columns:
        return default
    value = f'g."{name}"' if columns[name] == "VARCHAR" else f'CAST(g."{name}" AS VARCHAR)'
    return f"coalesce({value}, {default})" if default == NOTHING else f"coalesce(nullif({value}, ''), {default})"


def _quantity(columns: Mapping[str, str]) -> str:
    """Exact numbers as they are; texts and binary fractions by their digits, never rounded."""
    kind = columns.get("quantity", "")
    if kind in _EXACT or (kind.startswith("DECIMAL(") and int(kind[8:-1].split(",")[1]) <= 9):
        return "TRY_CAST(g.quantity AS DECIMAL(38,9))"
    text = "trim(CAST(g.quantity AS VARCHAR))"
    negative = f"regexp_full_match({text}, '-\\d{{1,29}}(\\.\\d{{1,9}}0*)?')"
    return f"CASE WHEN regexp_full_match({text}, '{_AMOUNT}') OR {negative} THEN TRY_CAST({text} AS DECIMAL(38,9)) END"


def _time(columns: Mapping[str, str]) -> str:
    """An instant; a time without an offset is in UTC."""
    kind = columns.get("event_ts", "")
    if kind == "TIMESTAMP WITH TIME ZONE":
        return "g.event_ts"
    if kind.startswith("TIMESTAMP") or kind in ("VARCHAR", "DATE"):
        return "TRY_CAST(g.event_ts AS TIMESTAMPTZ)"
    return "CAST(NULL AS TIMESTAMPTZ)"
