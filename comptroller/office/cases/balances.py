"""Published cases about credit grants: their order, and what is left of each."""

import re
from collections.abc import Mapping
from typing import Any

from comptroller.metering.rating.grants import Grant, burn, in_order
from comptroller.metering.rating.line import ZERO, RatingError
from comptroller.office.cases.case import Answer
from comptroller.office.cases.terms import T0, as_number, instant, number

Case = Mapping[str, Any]
_LABEL = re.compile(r"(\S+) p(\d+)")
_EVERY: dict[str, Any] = {"hourly": "hour", "daily": "day", "weekly": "week", "monthly": "month", "yearly": "year"}
_DAY = 86_400_000_000_000


def answer(case: Case) -> Answer:
    """What is left of each grant, and the usage that none covers."""
    usage, params = case["usage"], case["params"]
    used = [(instant(at), as_number(units)) for at, units in usage["usage"]]
    resets = [instant(usage["reset"])] if "reset" in usage else []
    until = instant(usage["at"]) if "at" in usage else max([at for at, _ in used] + resets, default=T0)
    grants = [_grant(grant) for grant in params["grants"]]
    found = burn(grants, used, until, resets, keep_overage=params.get("preserve_overage") is True)
    return Answer({**found.left, "overage": found.overage}, whole=False)


def order(case: Case) -> Answer:
    """The order in which grants burn, told apart by what their names say of them."""
    return Answer([grant.id for grant in in_order(_named(label) for label in case["usage"]["grants"])])


def _grant(values: Mapping[str, Any]) -> Grant:
    every, _, anchor = str(values.get("recurs", "")).partition(" at ")
    if every and (every not in _EVERY or instant(anchor) != instant(values["effective"])):
        raise RatingError(
            f"{values['recurs']!r} is no recurrence. Write it like `daily at t0`, from when it is effective."
        )
    return Grant(
        id=str(values["id"]),
        amount=number(values, "amount"),
        priority=int(number(values, "priority", ZERO)),
        effective=instant(values["effective"]),
        expires=instant(values["expires"]) if "expires" in values else None,
        voided=instant(values["voided"]) if "voided" in values else None,
        every=_EVERY[every] if every else None,
        max_rollover=number(values, "max_rollover") if "max_rollover" in values else None,
        min_rollover=number(values, "min_rollover", ZERO),
    )


def _named(label: str) -> Grant:
    found = _LABEL.fullmatch(label)
    if not found:
        raise RatingError(f"{label!r} names no grant. Write it like `created-first p1`.")
    name = found[1]
    expires = None if name == "no-expiration" else T0 + (2 if name == "later-expiration" else 1) * _DAY
    created = T0 - (_DAY if name == "created-first" else 0)
    return Grant(name, amount=ZERO, priority=int(found[2]), expires=expires, created=created)
