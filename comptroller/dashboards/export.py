"""A list as a file: CSV that no spreadsheet executes, Parquet and JSON with the exact values."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")  # also in full width
MEDIA = {"csv": "text/csv", "parquet": "application/vnd.apache.parquet", "json": "application/json"}
LINES = "jsonl"  # JSON, a row a line, where a list offers it too

Row = Mapping[str, object]


def write(form: str, fields: Sequence[str], rows: Sequence[Row]) -> bytes:
    """The rows in one of the forms of MEDIA, or as LINES."""
    return {"csv": as_csv, "parquet": as_parquet, "json": as_json, LINES: as_lines}[form](fields, rows)


def as_csv(fields: Sequence[str], rows: Sequence[Row]) -> bytes:
    """With a byte order mark, which spreadsheets need to read UTF-8."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n", quoting=csv.QUOTE_MINIMAL)
    writer.writerow([neutral(name) for name in fields])
    for row in rows:
        writer.writerow([neutral(_plain(row.get(name))) for name in fields])
    return b"\xef\xbb\xbf" + out.getvalue().encode("utf-8", "replace")


def as_json(fields: Sequence[str], rows: Sequence[Row]) -> bytes:
    """A list of objects; amounts as decimals in strings."""
    told = [{name: _told(row.get(name)) for name in fields} for row in rows]
    return json.dumps(told, ensure_ascii=False, indent=1).encode("utf-8", "replace")


def as_lines(fields: Sequence[str], rows: Sequence[Row]) -> bytes:
    """An object a line; amounts as decimals in strings."""
    lines = (json.dumps({name: _told(row.get(name)) for name in fields}, ensure_ascii=False) for row in rows)
    return "".join(f"{line}\n" for line in lines).encode("utf-8", "replace")


def as_parquet(fields: Sequence[str], rows: Sequence[Row]) -> bytes:
    """Typed columns; what has no one type becomes text."""
    import pyarrow
    import pyarrow.parquet

    sink = pyarrow.BufferOutputStream()
    columns = {name: _column([row.get(name) for row in rows]) for name in fields}
    pyarrow.parquet.write_table(pyarrow.table(columns), sink, compression="zstd")
    return bytes(sink.getvalue())


def neutral(cell: object) -> object:
    """A text that a spreadsheet would run as a formula gets an apostrophe in front; numbers stay numbers."""
    if not isinstance(cell, str):
        return cell
    clean = cell.replace("\x00", "")
    if clean.lstrip(" \u00a0\ufeff").startswith(FORMULA) and not _is_number(clean):
        return f"'{clean}"
    return clean


def _is_number(text: str) -> bool:
    try:
        return Decimal(text).is_finite()
    except ArithmeticError:
        return False


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, (list, dict)):
        return json.dumps(_told(value), ensure_ascii=False)
    return "" if value is None else value if isinstance(value, (int, float, str)) else str(value)


def _told(value: object) -> object:
    if isinstance(value, dict):
        return {str(key): _told(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_told(each) for each in value]
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, (datetime, Decimal)):
        return _plain(value)
    return value.isoformat() if isinstance(value, date) else str(value)


def _column(values: list[object]) -> object:
    import pyarrow

    try:
        return pyarrow.array(values)
    except (pyarrow.ArrowInvalid, pyarrow.ArrowTypeError, pyarrow.ArrowNotImplementedError):
        return pyarrow.array([None if value is None else str(_plain(value)) for value in values])
