"""Caps and lengths of time."""

import pytest

from comptroller.policies.amounts import read_cap, read_duration, read_rate


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("20s", 20.0), ("500ms", 0.5), ("5m", 300.0), ("4h", 14_400.0), ("2d", 172_800.0), ("1.5 h", 5_400.0)],
)
def test_a_length_of_time(text: str, seconds: float) -> None:
    assert read_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "20", "s", "-1s", "1 week", 20, None])
def test_what_is_no_length_of_time(text: object) -> None:
    with pytest.raises(ValueError, match="is not a length of time"):
        read_duration(text)


@pytest.mark.parametrize(
    ("text", "cap"),
    [
        ("2.50 USD", ("USD", 2_500_000_000)),
        ("1 call", ("calls", 1)),
        ("50000 tokens", ("tokens", 50_000)),
        ("0 EUR", ("EUR", 0)),
    ],
)
def test_a_cap(text: str, cap: tuple[str, int]) -> None:
    assert read_cap(text) == cap


@pytest.mark.parametrize("text", ["", "2.50", "USD", "2.50 usd", "1.5 calls", "-1 USD", "1e3 USD", "0.0000000001 USD"])
def test_what_is_no_cap(text: str) -> None:
    with pytest.raises(ValueError, match=r"cap"):
        read_cap(text)


@pytest.mark.parametrize(
    ("text", "rate"),
    [("60/min", (60, "min")), ("5 / s", (5, "s")), ("1000/hour", (1000, "hour")), ("7/d", (7, "day"))],
)
def test_a_rate(text: str, rate: tuple[int, str]) -> None:
    assert read_rate(text) == rate


@pytest.mark.parametrize("text", ["", "60", 60, None, "60/week", "1.5/s", "-1/s", "60 per min", "1/min/s"])
def test_what_is_no_rate(text: object) -> None:
    with pytest.raises(ValueError, match="is not a rate"):
        read_rate(text)


def test_a_rate_of_nothing_is_told_apart() -> None:
    with pytest.raises(ValueError, match="lets nothing pass at all"):
        read_rate("0/min")
