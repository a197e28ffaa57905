"""Values inside text, one key for all their spellings."""

import pytest

from comptroller.guardrails.normal import normal
from comptroller.guardrails.values import values_in


def keys(text: str) -> set[str]:
    return {value.key for value in values_in(normal(text))}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("DE89 3704 0044 0532 0130 00", "de89370400440532013000"),
        ("GB29 NWBK 6016 1331 9268 19", "GB29NWBK60161331926819"),
        ("2024-05-16", "on May 16th, 2024"),
        ("2024-05-16", "16.05.2024"),
        ("16 May", "2024-05-16"),
        ("1200", "1,200.00 EUR"),
        ("1234.5", "1.234,50"),
        ("12345678", "12345678.0 in all"),
        ("https://www.shop.example.com/a?b=1", "see shop.example.com/a?b=1."),
        ("19:30", "at 7:30 pm"),
        ("+49 (30) 1234-5678", "493012345678 rings"),
        ("Ann@Example.com", "write to ann@example.com!"),
    ],
)
def test_a_value_has_one_key_in_every_spelling(one: str, other: str) -> None:
    assert keys(one) & keys(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("DE89 3704 0044 0532 0130 00", "DE89 3704 0044 0532 0130 01"),
        ("2024-05-16", "2024-05-17"),
        ("12.5", "125"),
        ("ann@example.com", "ann@example.com.evil.net"),
        ("https://a.com/x", "https://b.com/x"),
    ],
)
def test_other_values_have_other_keys(one: str, other: str) -> None:
    assert not keys(one) & keys(other)


def test_an_account_does_not_swallow_the_word_behind_it() -> None:
    assert "@ade89370400440532013000" in keys("to DE89 3704 0044 0532 0130 00 please and soon")


@pytest.mark.parametrize(
    ("text", "kind", "places"),
    [
        ("(+49 30 901820)", "phone", ["+49 30 901820"]),
        ("+(030) 90182012", "phone", ["+(030) 90182012"]),
        ("call(030) 90182012", "phone", ["030) 90182012"]),  # the bracket is the word's
        ("a+49 30 901820", "phone", ["49 30 901820"]),
        ("-5 and 7-5 and x-5", "number", ["-5", "7", "5", "5"]),
        ("v2.5 name5 _7", "number", []),
        ("to de89 3704 0044 0532 0130 00 at once", "account", ["de89 3704 0044 0532 0130 00"]),
        ("xde89370400440532013000", "account", []),
        ("a7 on .5 may", "date", ["5 may"]),
        ("name7 and march", "date", []),
        ("a5:30 or b12:45", "time", ["5:30", "12:45"]),
    ],
)
def test_where_a_figure_begins(text: str, kind: str, places: list[str]) -> None:
    assert [text[v.start : v.end] for v in values_in(text) if v.kind == kind] == places
