"""Exports: exactly the values, and nothing that a spreadsheet would run."""

import csv
import io
import json
from datetime import UTC, datetime
from decimal import Decimal

import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st

from comptroller.dashboards import export

ROW = {
    "run": "r1",
    "cost": Decimal("0.000000001"),
    "started": datetime(2026, 11, 1, 12, tzinfo=UTC),
    "calls": 3,
    "models": ["a", "b"],
    "nothing": None,
}


def cells(data: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(data.decode("utf-8-sig"), newline="")))


def test_a_csv_has_the_exact_values_under_their_names() -> None:
    assert cells(export.as_csv(list(ROW), [ROW])) == [
        list(ROW),
        ["r1", "0.000000001", "2026-11-01T12:00:00Z", "3", '["a", "b"]', ""],
    ]


@pytest.mark.parametrize(
    "text",
    [
        "=1+1",
        "+cmd|' /C calc'!A0",
        "@SUM(A1)",
        "-2+3",
        "\t=1",
        "\r=1",
        "\n=1",
        " =1",
        "\u00a0=1",
        "\uff1d1+1",
        "\x00=1",
    ],
)
def test_a_formula_is_neutralised(text: str) -> None:
    (_, (cell,)) = cells(export.as_csv(["error"], [{"error": text}]))
    assert cell.startswith("'")


@pytest.mark.parametrize("number", ["-12.5", "+3", "-1E-9"])
def test_a_number_stays_a_number(number: str) -> None:
    assert export.neutral(number) == number


@given(st.text())
def test_no_text_begins_as_a_formula(text: str) -> None:
    said = str(export.neutral(text))
    assert not said.lstrip(" \u00a0\ufeff").startswith(export.FORMULA) or export._is_number(said)


def test_the_names_of_columns_are_neutralised_too() -> None:
    assert cells(export.as_csv(["=name"], []))[0] == ["'=name"]


def test_json_keeps_amounts_exact_and_says_null() -> None:
    (told,) = json.loads(export.as_json(list(ROW), [ROW]))
    assert told["cost"] == "0.000000001"
    assert told["nothing"] is None


def test_parquet_keeps_types_and_digits() -> None:
    table = pyarrow.parquet.read_table(io.BytesIO(export.as_parquet(["run", "cost", "started"], [ROW])))
    assert table.to_pylist() == [{name: ROW[name] for name in ("run", "cost", "started")}]


def test_a_column_of_many_types_becomes_text_in_parquet() -> None:
    rows = [{"x": 1}, {"x": "a"}, {"x": None}]
    table = pyarrow.parquet.read_table(io.BytesIO(export.as_parquet(["x"], rows)))
    assert table.column("x").to_pylist() == ["1", "a", None]
