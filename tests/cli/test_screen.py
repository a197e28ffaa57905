"""What is printed: harmless whatever was said, aligned, and never by colour alone."""

import io
import sys
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comptroller.cli import screen


@given(st.text())
def test_clean_text_is_one_line_without_a_single_control(text: str) -> None:
    assert all(char.isprintable() or char.isspace() for char in screen.clean(text))
    assert not set(screen.clean(text)) & set("\n\r\x1b\x9b\u202e\u2028")


@given(st.text())
def test_cleaning_twice_changes_nothing_more(text: str) -> None:
    once = screen.clean(text, lines=True)
    assert screen.clean(once, lines=True) == once


@pytest.mark.parametrize(
    ("evil", "clean"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07after", "after"),
        ("\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x1bP1$r\x1b\\x", "x"),
        ("a\x9b2Jb", "ab"),
        ("a\rb\x08c", "abc"),
        ("\u202egnp.exe", "gnp.exe"),
    ],
)
def test_escape_sequences_go_as_a_whole(evil: str, clean: str) -> None:
    assert screen.clean(evil) == clean


def test_ordinary_text_of_any_script_stays() -> None:
    text = "Grüße 東京 عربى 12 €"
    assert screen.clean(text) == text


def test_a_short_text_ends_in_dots() -> None:
    assert screen.short("word " * 30, 20) == "word word word wo..."
    assert screen.short("a\n\tb") == "a b"


def test_amounts_are_exact_to_the_nano() -> None:
    assert screen.amount(Decimal("0.000000001")) == "0.000000001"
    assert screen.amount(Decimal("-12345678901.5")) == "-12345678901.50"


def test_durations_read_as_people_say_them() -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    said = [screen.duration(start, start + timedelta(seconds=s)) for s in (0.0123, 1.26, 150)]
    assert said == ["12 ms", "1.3 s", "2 min 30 s"]
    assert screen.duration(start, None) == "-"


def test_a_terminal_without_unicode_gets_plain_marks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding="cp1252"))
    assert screen.status("ok") == "+ ok"
    assert screen.branches()[0] == "|- "


def test_colour_is_for_terminals_that_want_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert screen.paint("x", "31") == "\x1b[31mx\x1b[0m"
    monkeypatch.setenv("NO_COLOR", "1")
    assert screen.paint("x", "31") == "x"


def test_columns_stay_aligned_with_wide_letters(capsys: pytest.CaptureFixture[str]) -> None:
    screen.table(["A", "B"], [["東京", "1"], ["abc", "22"]], right=(1,))
    assert capsys.readouterr().out.splitlines() == ["A      B", "東京   1", "abc   22"]
