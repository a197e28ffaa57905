"""Published cases about time: days, cycles billed in advance, changes of plan, parts of a period."""

import re
from collections.abc import Mapping
from datetime import timedelta
from fractions import Fraction
from itertools import groupby
from typing import Any

from comptroller.metering.periods import Calendar, period_on
from comptroller.metering.rating import proration
from comptroller.metering.rating.line import ZERO, RatingError
from comptroller.metering.rating.rounding import PAYABLE, round_to
from comptroller.metering.rating.terms import plain
from comptroller.office.cases.case import Answer
from comptroller.office.cases.terms import as_number, day, days, moment, number, numbers

Case = Mapping[str, Any]
_CHANGES = (
    re.compile(r"(?P<count>\d+)x(?P<old>[\d.]+) -> (?P<more>\d+)x(?P<new>[\d.]+)"),
    re.compile(r"quantity (?P<count>\d+) -> (?P<more>\d+) at (?P<old>[\d.]+)"),
    re.compile(r"remove item (?P<count>\d+)x(?P<old>[\d.]+)"),
)


def cycles(case: Case) -> Answer:
    """How many monthly cycles are billed by a day."""
    params, usage = case["params"], case["usage"]
    after = None if usage.get("end") is None else day(usage["end"])
    calendar = Calendar(day=int(number(params, "billing_day")))
    parts = proration.in_advance(calendar, day(usage["start"]), after, day(usage["target"]))
    total = sum((part.share for part in parts), ZERO)
    scale = int(number(params, "scale"))
    decimal = plain(round_to(total, scale, params["rounding"]), scale)
    return Answer(total, {"fraction": _told(parts), f"decimal_{scale}": decimal})


def _told(parts: tuple[proration.Part, ...]) -> str:
    """`13/31 + 1`: whole cycles in a row are counted together."""
    told = []
    for whole, group in groupby(parts, lambda part: part.days == part.of):
        members = list(group)
        told += [str(len(members))] if whole else [f"{part.days}/{part.of}" for part in members]
    return " + ".join(told) or "0"


def days_in_duration(case: Case) -> Answer:
    usage = case["usage"]
    zone = case["params"]["timezone"]
    return Answer(Fraction(proration.days_between(zone, moment(usage["start"]), moment(usage["end"]))))


def day_based(case: Case) -> Answer:
    """A change on a day of the period: what is left of the old given back, the new charged."""
    params = case["params"]
    old, new = _change(case["usage"]["change"])
    left = proration.rest_of(*days(params["period"]), day(params["at"])).share
    change = proration.change(old, new, left, PAYABLE, case["currency"])
    return Answer({"credit": -change.credit, "charge": change.charge, "net": change.net}, whole=False)


def _change(text: str) -> tuple[Fraction, Fraction]:
    """What was paid for a period before and after a change, from the words for it."""
    for form in _CHANGES:
        if found := form.search(text):
            told = found.groupdict()
            old = as_number(told["old"])
            return old * int(told["count"]), as_number(told.get("new", told["old"])) * int(told.get("more", "0"))
    raise RatingError(f"{text!r} is no change of plan. Write it like `upgrade 1x10 -> 1x20`.")


def plan_change(case: Case) -> Answer:
    params, usage = case["params"], case["usage"]
    left = Fraction(1, 2)
    if not params.get("half_of_period"):
        left = Fraction(number(usage, "remaining_days"), number(params, "period_days"))
    old, new = number(params, "old"), number(params, "new")
    change = proration.change(old, new, left, PAYABLE, case["currency"])
    renewal = number(usage, "next_invoice_renewal", ZERO)
    named = {"credit": change.credit, "charge": change.charge, "net": change.net, "adjustment": change.net}
    return Answer(change.net, {**named, "next_invoice": change.net + renewal})


def used_days(case: Case) -> Answer:
    return _part(case, "used_days")


def unused_days(case: Case) -> Answer:
    return _part(case, "unused_days")


def _part(case: Case, counted: str) -> Answer:
    params = case["params"]
    used, of = int(number(case["usage"], counted)), int(number(params, "period_days"))
    return Answer(proration.prorated(number(params, "fee"), used, of, PAYABLE, case["currency"]))


def prorated_minimum(case: Case) -> Answer:
    """A commitment that began within a calendar month: fee and minimum for its days, less what was charged."""
    params, currency = case["params"], case["currency"]
    first, last = days(case["usage"]["period"])
    whole = period_on(Calendar(), first)
    part = proration.share(Calendar(), first, min(last + timedelta(days=1), whole.after))
    fee = PAYABLE.of(number(params, "plan_fee") * part, currency)
    charges = [fee, *numbers(case["usage"]["charges"])]
    return Answer(proration.true_up(number(params, "minimum"), charges, PAYABLE, currency, part))
