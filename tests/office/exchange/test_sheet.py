"""Sheets: exact in every form, and harmless in a spreadsheet."""

import csv
import io
import json
from decimal import Decimal

import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st

from comptroller.office.exchange import sheet
from comptroller.office.exchange.sheet import Sheet

COLUMNS = "name cost:money count:whole share:number at:moment"
ROW = ("acme", -1_230_000_001, 3, "0.5", 1_767_225_600_000_000_000)
SHEET = Sheet.of(COLUMNS, [ROW, ("", None, None, None, None)])


def rows(data: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(data.decode(), newline="")))


def test_a_csv_has_exact_decimals_and_plain_times() -> None:
    assert rows(sheet.write(SHEET, "csv")) == [
        ["name", "cost", "count", "share", "at"],
        ["acme", "-1.230000001", "3", "0.5", "2026-01-01T00:00:00Z"],
        ["", "", "", "", ""],
    ]


def test_json_keeps_decimals_as_text_and_nothing_as_null() -> None:
    first, second = json.loads(sheet.write(SHEET, "json"))
    assert first == {"name": "acme", "cost": "-1.230000001", "count": 3, "share": "0.5", "at": "2026-01-01T00:00:00Z"}
    assert second["cost"] is None


def test_parquet_has_exact_decimals_and_times_with_their_zone() -> None:
    table = pyarrow.parquet.read_table(io.BytesIO(sheet.write(SHEET, "parquet")))
    assert table.column("cost").to_pylist() == [Decimal("-1.230000001"), None]
    assert table.column("at")[0].value == ROW[4]
    assert str(table.schema.field("at").type) == "timestamp[ns, tz=UTC]"


@pytest.mark.parametrize(
    "text",
    ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", " =1", "\n=1", "\xa0=1", "\ufeff=1", "＝1", "=cmd|' /C calc'!A0"],
)
def test_a_text_that_a_spreadsheet_would_run_gets_an_apostrophe(text: str) -> None:
    ((_,), (cell,)) = rows(sheet.write(Sheet.of("name", [(text,)]), "csv"))
    assert cell == f"'{text}"


@given(st.text())
def test_no_text_begins_as_a_formula_does(text: str) -> None:
    assert not sheet.neutral(text).lstrip().startswith(("=", "+", "-", "@"))


def test_amounts_below_zero_stay_numbers() -> None:
    assert rows(sheet.write(Sheet.of("cost:money", [(-5,)]), "csv"))[1] == ["-0.000000005"]


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=1, max_size=4))
def test_whatever_stands_in_a_cell_stays_in_it(cells: list[str]) -> None:
    columns = " ".join(f"c{number}" for number in range(len(cells)))
    read = rows(sheet.write(Sheet.of(columns, [cells]), "csv", harmless=False))[1:]
    assert read == ([cells] if cells != [""] else [[""]])


def test_a_lone_surrogate_is_written_out() -> None:
    odd = Sheet.of("name", [("\ud800",)])
    assert b"\\ud800" in sheet.write(odd, "csv")
    assert pyarrow.parquet.read_table(io.BytesIO(sheet.write(odd, "parquet"))).column("name")[0].as_py() == "\\ud800"
