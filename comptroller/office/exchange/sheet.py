"""A sheet: named columns and rows, written as CSV, JSON or Parquet with exact decimals and nothing that executes."""

import csv
import io
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Literal

from comptroller.core.money import NANOS, decimal_text

Kind = Literal["text", "money", "number", "whole", "moment", "day"]
Cell = str | int | None
Form = Literal["csv", "json", "parquet"]
SECOND = 1_000_000_000
# A spreadsheet takes a cell that begins so for a formula, and runs it: texts of agents and customers must not.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")


@dataclass(frozen=True, slots=True)
class Column:
    """What a column is called and holds: money is nanos, a number a decimal in text, a moment ns since 1970."""

    name: str
    kind: Kind = "text"


@dataclass(frozen=True, slots=True)
class Sheet:
    """Rows of cells under columns; None is no value."""

    columns: tuple[Column, ...]
    rows: Sequence[Sequence[Cell]]

    @classmethod
    def of(cls, columns: str, rows: Iterable[Sequence[Cell]]) -> "Sheet":
        """Columns written as `name` (text) or `name:kind`, with spaces between."""
        made = tuple(Column(*word.split(":")) for word in columns.split())  # type: ignore[arg-type]
        return cls(made, list(rows))


def write(sheet: Sheet, form: Form, harmless: bool = True) -> bytes:
    """The sheet in a form. `harmless`: no cell of a CSV is taken for a formula by a spreadsheet."""
    if form == "json":
        return _json(sheet)
    return _parquet(sheet) if form == "parquet" else _csv(sheet, harmless)


def neutral(text: str) -> str:
    """A text that no spreadsheet takes for a formula: one that could be gets an apostrophe before it."""
    bare = text.lstrip("\0 \n\xa0\ufeff")
    return f"'{text}" if bare.startswith(_FORMULA) or bare.lstrip().startswith(_FORMULA) else text


def plain(cell: Cell, kind: Kind) -> str:
    """A cell as text: exact, and the same everywhere."""
    if cell is None:
        return ""
    if kind == "money" and isinstance(cell, int):
        return decimal_text(cell)
    if kind == "moment" and isinstance(cell, int):
        return moment(cell)
    return str(cell)


def moment(at: int) -> str:
    """A time as ISO 8601 in UTC, with as many decimals as it has."""
    whole, rest = divmod(at, SECOND)
    part = f".{rest:09d}".rstrip("0") if rest else ""
    return f"{datetime.fromtimestamp(whole, UTC):%Y-%m-%dT%H:%M:%S}{part}Z"


def _csv(sheet: Sheet, harmless: bool) -> bytes:
    made = io.StringIO()
    writer = csv.writer(made, lineterminator="\r\n")
    writer.writerow([column.name for column in sheet.columns])
    kinds = [column.kind for column in sheet.columns]
    for row in sheet.rows:
        writer.writerow([_cell(cell, kind, harmless) for cell, kind in zip(row, kinds, strict=True)])
    return made.getvalue().encode("utf-8", "backslashreplace")


def _cell(cell: Cell, kind: Kind, harmless: bool) -> str:
    text = plain(cell, kind)
    return neutral(text) if harmless and kind == "text" else text


def _json(sheet: Sheet) -> bytes:
    names = [column.name for column in sheet.columns]
    kinds = [column.kind for column in sheet.columns]
    rows = [
        {name: _value(cell, kind) for name, cell, kind in zip(names, row, kinds, strict=True)} for row in sheet.rows
    ]
    return json.dumps(rows, indent=1, ensure_ascii=True).encode() + b"\n"


def _value(cell: Cell, kind: Kind) -> Cell:
    return cell if cell is None or kind == "whole" else plain(cell, kind)


def _parquet(sheet: Sheet) -> bytes:
    import pyarrow
    import pyarrow.parquet

    types = {
        "text": pyarrow.string(),
        "money": pyarrow.decimal128(38, 9),
        "number": pyarrow.decimal128(38, 9),
        "whole": pyarrow.int64(),
        "moment": pyarrow.timestamp("ns", "UTC"),
        "day": pyarrow.string(),
    }
    arrays = [
        pyarrow.array([_typed(row[number], column.kind) for row in sheet.rows], types[column.kind])
        for number, column in enumerate(sheet.columns)
    ]
    made = io.BytesIO()
    table = pyarrow.Table.from_arrays(arrays, names=[column.name for column in sheet.columns])
    pyarrow.parquet.write_table(table, made, compression="zstd")
    return made.getvalue()


def _typed(cell: Cell, kind: Kind) -> object:
    if cell is None or kind in ("whole", "moment"):
        return cell
    if kind == "money":
        return Decimal(cell).scaleb(-9)
    if kind == "number":
        return Decimal(cell) if cell != "" else None
    return str(cell).encode("utf-8", "backslashreplace").decode()


assert NANOS == 10**9, "money moves by nine places"
