"""Caps and lengths of time."""

import pytest

from comptroller.policies.amounts import read_cap, read_duration


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
