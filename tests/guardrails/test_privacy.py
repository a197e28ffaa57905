"""Data about people is found by form and checksum; numbers that only look like it are not."""

import pytest

from comptroller.guardrails.chain import Chain

CHAIN = Chain()


def found(text: str) -> list[str]:
    return [f.kind for f in CHAIN.inspect(text, {"privacy": "note"}).findings]


def test_every_sample_is_found_for_what_it_is(samples: list[tuple[str, str]]) -> None:
    plan = {"privacy": "note", "secrets": "note"}
    missed = [
        (kind, text)
        for kind, text in samples
        if kind not in {f.kind for f in CHAIN.inspect(f"Please see {text} today", plan).findings}
    ]
    assert missed == []


@pytest.mark.parametrize(
    "text",
    [
        "4012 8888 8888 1882",  # Luhn
        "1234567890123456",
        "0.4012888888881881",
        "DE89 3704 0044 0532 0130 01",  # mod 97
        "000-12-3456",
        "order 123-456-789",
        "logo@2x.png",
        "git@github.com:acme/app.git",
        "@dataclass and x @ y",
        "version 1.2.3.4",
        "Python 3.11.4",
        "127.0.0.1 and 0.0.0.0",
        "at 12:30:45 it rang",
        "std::vector<int> a::b",
        "+1 (000) 000-0000",
        "2024-11-21 10:00 to 2025-01-02",
        "12345678A",  # a DNI with the wrong letter
        "passport control is at gate 12",
        "call me in 20 minutes",
        "NHS trust 12",
    ],
)
def test_look_alikes_are_left_alone(text: str) -> None:
    assert found(text) == []


def test_a_card_followed_by_its_expiry_is_cut_at_its_end() -> None:
    plan = {"privacy": "redact"}
    assert CHAIN.inspect("4012 8888 8888 1881 12/27 123", plan).text == "[card] 12/27 123"


def test_a_plain_number_counts_only_behind_the_word_that_announces_it() -> None:
    assert found("Aadhaar number: 2341 2341 2346") == ["aadhaar"]
    assert found("lot 2341 2341 2346") == []


def test_numbers_abroad_are_valid_in_their_plan_or_not_phones() -> None:
    assert found("+49 30 901820") == ["phone"]
    assert found("+999 30 901820") == []


def test_ipv6_in_short_form_is_found_and_loopback_is_not() -> None:
    assert found("from 2001:db8::ff00:42:8329 to ::1") == ["ip"]
