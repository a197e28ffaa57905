"""Prices where contracts name them: a mistake has its line, and nothing is priced at nothing by accident."""

from typing import Any

import pytest

from comptroller.core.mistakes import FileErrors
from comptroller.metering.contract_reader import read_contracts

HEAD = "contract: one\ncustomer: acme\nfrom: 2026-01-01\ncurrency: USD\n"


def told(text: str) -> list[str]:
    with pytest.raises(FileErrors) as refused:
        read_contracts([("acme.yaml", HEAD + text)])
    return [str(mistake) for mistake in refused.value.mistakes]


def test_a_mistake_in_a_price_is_told_with_its_line() -> None:
    tiers = "        - {up_to: 5, unit: 1}\n        - {up_to: 3, unit: 1}\n"
    text = "outcomes:\n  won:\n    price:\n      model: graduated\n      tiers:\n" + tiers
    assert told(text) == [
        "acme.yaml:11: The tier ends at 3, where the one before ends at 5: they overlap. Put the tiers in order."
    ]


@pytest.mark.parametrize(
    ("priced", "price"),
    [
        ("outcomes", "{model: menu, prices: {won: 1}}"),
        ("outcomes", "{model: windows, rest: {unit: 1}}"),
        ("outcomes", "{model: capacity, tiers: [{price: 1}]}"),
        ("usage", "{model: percentage, percent: 1}"),
        ("usage", "{model: cost_plus, multiplier: 2}"),
    ],
)
def test_a_price_for_which_a_contract_brings_no_usage_is_refused(priced: str, price: Any) -> None:
    (mistake,) = told(f"{priced}:\n  won:\n    price: {price}\n")
    assert "acme.yaml:7" in mistake
    assert "prices nothing that is counted here. Use one of blocks, " in mistake
