import pytest

from comptroller.core.currencies import minor_places


@pytest.mark.parametrize(("currency", "places"), [("USD", 2), ("JPY", 0), ("KWD", 3), ("CLF", 4), ("EUR", 2)])
def test_a_currency_has_the_decimals_of_its_smallest_unit(currency: str, places: int) -> None:
    assert minor_places(currency) == places


@pytest.mark.parametrize("currency", ["XAU", "XDR", "XXX"])
def test_a_currency_without_a_smallest_unit_is_refused_with_the_remedy(currency: str) -> None:
    with pytest.raises(ValueError, match=f"{currency} has no smallest unit .* Say how many decimals"):
        minor_places(currency)


@pytest.mark.parametrize("currency", ["ABC", "usd", "", "EURO"])
def test_what_is_no_currency_is_refused_with_the_remedy(currency: str) -> None:
    with pytest.raises(ValueError, match=r"is not a currency of ISO 4217\. Write a code"):
        minor_places(currency)
