"""Published prices of outcomes, and of the credits they take."""

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from comptroller.metering.rating import credits
from comptroller.metering.rating.charge import rate
from comptroller.metering.rating.reader import read_price
from comptroller.metering.rating.usage import Usage
from comptroller.office.cases.case import Answer
from comptroller.office.cases.terms import number

Case = Mapping[str, Any]


def flat_fee(case: Case) -> Answer:
    """So much for what was resolved, or so many credits; what was escalated or not liked costs nothing."""
    params = case["params"]
    if "unit" in params:
        return _rated(case, {"model": "unit", "unit": params["unit"]}, _resolved(case))
    values = {"model": "unit", "unit": params["price_per_credit"]}
    return _rated(case, {**values, "convert": {"multiply_by": params["credits_per_outcome"]}}, _resolved(case))


def credit_per_action(case: Case) -> Answer:
    params = case["params"]
    values = {"model": "unit", "unit": params["pack_price"], "per": params["credits_per_pack"]}
    convert = {"multiply_by": params["credits_per_action"]}
    return _rated(case, {**values, "convert": convert}, Usage(number(case["usage"], "actions")))


def graduated(case: Case) -> Answer:
    return _rated(case, {"model": "graduated", "tiers": case["params"]["tiers"]}, _resolved(case))


def commitment(case: Case) -> Answer:
    params = case["params"]
    values = {"quantity": params["committed"], "unit": params["committed_price"], "overage": params["payg_price"]}
    return _rated(case, {"model": "committed", **values}, _resolved(case))


def menu(case: Case) -> Answer:
    """Each kind of outcome at its price, at most so many of one conversation."""
    params = dict(case["params"])
    most = params.pop("max_outcomes_per_conversation", None)
    outcomes = tuple(str(kind) for kind in case["usage"]["conversation_outcomes"])
    return _rated(case, {"model": "menu", "prices": params, "most": most}, Usage(subjects=(outcomes,)))


def included_credits(case: Case) -> Answer:
    params = case["params"]
    return Answer(Fraction(credits.covered(number(params, "included"), number(params, "credits_per_outcome"))))


def cost_basis(case: Case) -> Answer:
    return Answer(credits.cost_basis(number(case["params"], "paid"), number(case["usage"], "granted")))


def _resolved(case: Case) -> Usage:
    return Usage(number(case["usage"], "resolved"))


def _rated(case: Case, values: dict[str, Any], usage: Usage) -> Answer:
    return Answer(rate(read_price({"currency": case["currency"], **values}), usage).total)
