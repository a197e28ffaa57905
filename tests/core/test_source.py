"""Reading YAML: what stays a word, where things stand, and what is refused before it can hurt."""

import pytest

from comptroller.core import source
from comptroller.core.source import MAX_BYTES, read_source


def mistakes(text: str | bytes) -> list[str]:
    return [str(mistake) for mistake in read_source("f", text).mistakes]


@pytest.mark.parametrize(
    "word",
    ["on", "off", "yes", "no", "1:30", "012", "0x1F", "1_000", "2026-01-01", "=", ".inf", ".", "+", "e5", "1.2.3"],
)
def test_what_looks_like_a_word_stays_one(word: str) -> None:
    assert read_source("f", f"a: {word}").values == {"a": word}


@pytest.mark.parametrize(
    ("text", "value"), [("7", 7), ("-7", -7), ("1.5", 1.5), ("1e3", 1000.0), (".5", 0.5), ("true", True), ("~", None)]
)
def test_numbers_truth_and_nothing_are_read_as_json_does(text: str, value: object) -> None:
    assert read_source("f", f"a: {text}").values == {"a": value}


def test_quotes_make_text() -> None:
    assert read_source("f", "a: \"1\"\nb: 'true'\nc: |\n  2\n").values == {"a": "1", "b": "true", "c": "2\n"}


def test_the_key_on_stays_a_key() -> None:
    assert read_source("f", "on: x\nyes: y\n1: z\n").values == {"on": "x", "yes": "y", "1": "z"}


def test_every_key_and_item_knows_its_line() -> None:
    lines = read_source("f", "a:\n  - b: 1\n    c: 2\n  -\n    d: 3\n").lines
    assert [lines.find(("a",)), lines.find(("a", 0, "c")), lines.find(("a", 1, "d"))] == [1, 3, 5]


def test_what_has_no_line_of_its_own_has_that_of_its_parent() -> None:
    assert read_source("f", "a: 1\nb:\n  c: 1\n").lines.find(("b", "missing", "deeper")) == 2


def test_ten_megabytes_are_refused_at_once() -> None:
    assert mistakes(b"a: " + b"x" * 10_000_000) == [
        f"f:1: The file is larger than {MAX_BYTES // 1_000_000} MB. Split it into several files."
    ]


def test_deep_nesting_is_refused_however_deep() -> None:
    assert "nested deeper" in mistakes("a: " + "[" * 100_000)[0]


def test_deep_block_nesting_is_refused() -> None:
    assert "nested deeper" in mistakes("\n".join(" " * depth + "a:" for depth in range(500)))[0]


def test_what_is_not_utf8_is_told_with_its_line() -> None:
    assert mistakes(b"a: 1\nb: \xff\n") == ["f:2: The file is not UTF-8. Save it as UTF-8."]


def test_utf16_is_not_taken_for_utf8() -> None:
    assert mistakes("policy: p".encode("utf-16")) == ["f:1: The file is not UTF-8. Save it as UTF-8."]


def test_a_byte_order_mark_is_harmless() -> None:
    assert read_source("f", b"\xef\xbb\xbfpolicy: p").values == {"policy": "p"}


def test_a_nul_is_a_mistake_and_no_crash() -> None:
    assert "not YAML" in mistakes("a: \0")[0]


def test_a_lone_surrogate_is_a_mistake_and_no_crash() -> None:
    assert mistakes("a: \ud800") == ["f:1: The file is not UTF-8. Save it as UTF-8."]


def test_an_alias_bomb_costs_nothing() -> None:
    bomb = "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 30))
    assert mistakes(bomb) == ["f:2: The alias `*a0` is not allowed. Write the value out."]


def test_a_list_as_a_key_is_a_mistake() -> None:
    assert "A key must be a word" in mistakes("? [a]\n: b\n")[0]


def test_a_number_too_large_to_be_one_is_a_mistake() -> None:
    assert "too large" in mistakes("a: " + "9" * 5_000)[0]
    assert "too large" in mistakes("a: 1e999")[0]


def test_too_many_values_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "MAX_VALUES", 100)
    assert "more than 100 values" in mistakes("a: [" + "x," * 200 + "]")[0]
