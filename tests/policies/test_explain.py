"""Telling what is wrong with a frame."""

import pytest

from comptroller.policies.explain import fields_at


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
