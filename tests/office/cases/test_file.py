import json
from pathlib import Path
from typing import Any

import pytest

from comptroller.core.errors import SettingsError
from comptroller.office.cases.case import Result
from comptroller.office.cases.file import read_cases, try_cases

UNIT = {"model": "unit", "currency": "USD", "unit": "0.333"}


def tried(**case: Any) -> Result:
    (result,) = try_cases([case])
    return result


@pytest.mark.parametrize("name", ["cases.json", "cases.yaml"])
def test_cases_are_read_with_every_digit_as_written(tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    file.write_text('{"cases": [{"price": {"model": "unit", "currency": "USD", "unit": 0.1, "rounding": "none"}, '
                    '"usage": {"quantity": 3}, "expected": 0.3}]}', "utf-8")  # fmt: skip
    (result,) = try_cases(read_cases(file))
    assert (result.id, result.expected, result.got) == ("1", "0.3", "0.3")


def test_an_amount_is_written_with_the_decimals_of_the_one_expected_unless_it_has_more() -> None:
    assert tried(price=UNIT, usage={"quantity": 3}, expected="1.0000").got == "1.0000"
    assert tried(price=UNIT, usage={"quantity": 2}, expected="0.7").got == "0.67"


def test_a_case_without_an_expected_amount_is_wrong_only_where_it_has_none() -> None:
    assert not tried(price=UNIT, usage={"quantity": 3}).wrong
    assert tried(price=UNIT, usage={"quantity": -3}).wrong


def test_a_case_may_say_what_was_billed_before_and_that_more_will_come() -> None:
    price = {**UNIT, "again": "delta", "minimum": 9}
    before = {"usage": {"quantity": 1}, "billed": "0.33"}
    assert tried(price=price, usage={"quantity": 3}, before=before, last=False).got == "0.67"
    assert tried(price=price, usage={"quantity": 3}, before=before).got == "8.67"


@pytest.mark.parametrize(
    ("case", "words"),
    [
        ({"price": 5}, "price: `price` is keys and values"),
        ({"price": UNIT, "usage": []}, "usage: `usage` is keys and values"),
        ({"price": UNIT, "before": {"bild": 1}}, "before.bild: `bild` is not a key here"),
        ({"price": UNIT, "before": {"billed": "x"}}, "before.billed: 'x' is not a number"),
        ({"price": {**UNIT, "unt": 1}}, "unt: `unt` is not a key here. Did you mean `unit`?"),
    ],
)
def test_a_case_with_a_mistake_says_which(case: dict[str, Any], words: str) -> None:
    assert words in tried(**case).got


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("a.json", "{", "this is not JSON"),
        ("a.json", "\ufeff" + "[" * 100_000, "this is not JSON"),
        ("a.json", json.dumps({"prices": []}), "there is no list of cases. Put one under `cases`"),
        ("a.json", json.dumps([1]), "there is no list of cases"),
        ("a.yaml", "cases: [&a 5, *a]", "a.yaml:1: The alias `*a` is not allowed"),
        ("a.yaml", "cases: 5", "there is no list of cases"),
    ],
)
def test_a_file_without_cases_is_refused_in_words(tmp_path: Path, name: str, text: str, words: str) -> None:
    (tmp_path / name).write_text(text, "utf-8")
    with pytest.raises(SettingsError) as refused:
        read_cases(tmp_path / name)
    assert words in str(refused.value)


def test_a_file_in_another_encoding_is_refused_in_words(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(b'["\xff"]')
    with pytest.raises(SettingsError, match="not UTF-8"):
        read_cases(tmp_path / "a.json")
