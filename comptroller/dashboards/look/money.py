"""Amounts that may be in several currencies: summed apart, shown together."""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from comptroller.dashboards.look.viewer import NONE, Viewer, exact_money

Costs = Iterable[Mapping[str, Any]] | None  # as queries tell them: [{currency, cost}]


def main(costs: Costs) -> tuple[Decimal, str]:
    """The largest of several amounts with its currency; nothing spent is zero of no currency."""
    found = [(Decimal(each["cost"] or 0), str(each["currency"])) for each in costs or ()]
    return max(found, default=(Decimal(0), ""))


def of(costs: Costs, currency: str) -> Decimal:
    """The amount in one currency."""
    return sum((Decimal(each["cost"] or 0) for each in costs or () if each["currency"] == currency), Decimal(0))


def shown(viewer: Viewer, costs: Costs) -> str:
    """All amounts, the largest first."""
    found = _sorted(costs)
    return " + ".join(viewer.money(amount, currency) for amount, currency in found) or NONE


def exact(costs: Costs) -> str:
    """The same to the last digit."""
    return " + ".join(exact_money(amount, currency) for amount, currency in _sorted(costs))


def _sorted(costs: Costs) -> list[tuple[Decimal, str]]:
    found = [(Decimal(each["cost"] or 0), str(each["currency"])) for each in costs or ()]
    return sorted((one for one in found if one[0]), reverse=True)
