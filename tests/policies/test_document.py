"""What the keys of a policy file may say."""

import pytest

from comptroller.policies.document import read_cap, read_duration
from comptroller.policies.explain import fields_at


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
    ("path", "field"),
    [
        ((), "policy"),
        (("rules", 0), "because"),
        (("rules", 0, "ask"), "quorum"),
        (("tools", "t"), "effect"),
        (("guards", "g"), "in"),
    ],
)
def test_the_fields_of_every_frame_can_be_told(path: tuple[str | int, ...], field: str) -> None:
    assert field in fields_at(path)
