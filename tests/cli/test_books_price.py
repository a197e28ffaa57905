"""`comptroller books price`: every case of a file, and whether it is what it should be."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("duckdb")

Cli = Callable[..., Any]
PRICE = {"model": "unit", "currency": "USD", "unit": "0.99"}
RIGHT = {"id": "right", "price": PRICE, "usage": {"quantity": 2}, "expected": "1.98"}
WRONG = {"id": "wrong", "price": PRICE, "usage": {"quantity": 2}, "expected": "2.00"}
NONE = {"id": "none", "price": PRICE, "usage": {"quantity": -1}, "expected": "2.00"}


def file(folder: Path, *cases: object) -> Path:
    path = folder / "cases.json"
    path.write_text(json.dumps({"cases": cases}), "utf-8")
    return path


def test_cases_that_are_what_they_should_be_are_only_counted(cli: Cli, tmp_path: Path) -> None:
    said = cli("books", "price", file(tmp_path, RIGHT, RIGHT))
    assert (said.code, said.out.splitlines()) == (0, ["✓ ok  2 cases priced, 0 not as expected"])


def test_a_case_that_is_not_what_it_should_be_is_shown_and_fails(cli: Cli, tmp_path: Path) -> None:
    said = cli("books", "price", file(tmp_path, RIGHT, WRONG))
    assert said.code == 1
    assert [line.split() for line in said.out.splitlines()[:-1]] == [
        ["CASE", "EXPECTED", "GOT"],
        ["wrong", "2.00", "1.98"],
    ]


def test_json_tells_every_case_with_what_was_expected_and_what_came(cli: Cli, tmp_path: Path) -> None:
    said = cli("books", "price", file(tmp_path, RIGHT, NONE), "--json")
    assert said.code == 1
    right, none = json.loads(said.out)
    assert right == {"id": "right", "expected": "1.98", "got": "1.98"}
    assert none["got"].startswith("ERROR: There are -1 units, less than none.")


def test_an_amount_nobody_expected_is_shown_and_right(cli: Cli, tmp_path: Path) -> None:
    said = cli("books", "price", file(tmp_path, {"price": PRICE, "usage": {"quantity": 2}}))
    assert (said.code, said.out.splitlines()[1].split()) == (0, ["1", "-", "1.98"])


@pytest.mark.parametrize(("name", "code"), [("nowhere.json", 1), ("empty.yaml", 2)])
def test_a_file_that_cannot_be_read_is_told_without_a_traceback(cli: Cli, tmp_path: Path, name: str, code: int) -> None:
    (tmp_path / "empty.yaml").write_text("", "utf-8")
    said = cli("books", "price", tmp_path / name)
    assert (said.code, name in said.err, "Traceback" in said.err) == (code, True, False)


def test_what_a_case_says_cannot_act_on_the_terminal(cli: Cli, tmp_path: Path) -> None:
    said = cli("books", "price", file(tmp_path, {**WRONG, "id": "\x1b[31mred", "expected": "\x1b]0;owned\x07"}))
    assert "\x1b" not in said.out
