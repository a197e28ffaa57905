"""Names of time zones."""

import pytest

from comptroller.core.zones import checked_zone


@pytest.mark.parametrize("name", ["UTC", "Europe/Berlin"])
def test_a_zone_there_is_keeps_its_name(name: str) -> None:
    assert checked_zone(name) == name


@pytest.mark.parametrize("name", ["Mars/Olympus", "", "../etc/passwd", "a\0b"])
def test_any_other_name_is_refused_with_how_to_write_one(name: str) -> None:
    with pytest.raises(ValueError, match=r"is not a time zone\. Write it like `Europe/Berlin`"):
        checked_zone(name)
