"""What a success costs: all that was spent in a workflow's runs, failed ones included, by what came of it.

The cheapest model per token may be the dearest per success: it fails more often, or takes more turns.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from typing import Any, Literal

from comptroller.core.money import NANOS, decimal_text
from comptroller.core.outcome import Outcome
from comptroller.metering.periods import Calendar, period_named
from comptroller.metering.rating.rounding import round_to
from comptroller.metering.rating.terms import plain

By = Literal["model", "agent", "workflow"]
BY: tuple[By, ...] = ("model", "agent", "workflow")
_COUNTS = ("verified", "billed", "final", "disputed", "disputed_unbilled")
Run = tuple[str, str]  # tenant and id


@dataclass(slots=True)
class Success:
    """One model, agent or workflow: what was spent with it, and how much of the successes was its work."""

    name: str
    currency: str
    spent: int = 0  # nanos, in all runs
    runs: set[Run] = field(default_factory=set)
    wasted: int = 0  # nanos of it in runs that came to nothing
    outcomes: Fraction = Fraction(0)  # each split by what its run spent with whom

    @property
    def each(self) -> int | None:
        """What one success cost, in nanos, to the nearest below; None where there was none."""
        return int(Fraction(self.spent) / self.outcomes) if self.outcomes else None  # exact: a fraction, never a float


def successes(
    rows: Iterable[Mapping[str, Any]], outcomes: Iterable[Outcome], by: By = "model", type: str = ""
) -> list[Success]:
    """What a verified outcome cost, the cheapest first.

    `rows` are those of the query `run_spending`. Only workflows that claim outcomes (of the type) are looked at.
    """
    wanted = [one for one in outcomes if type in ("", one.type)]
    workflows = {(one.tenant, one.workflow) for one in wanted}
    reached: dict[Run, int] = {}
    for one in wanted:
        if one.state in _COUNTS:
            reached[one.tenant, one.run] = reached.get((one.tenant, one.run), 0) + 1
    spent = [row for row in rows if (row["tenant"], row["workflow"]) in workflows]
    found: dict[tuple[str, str], Success] = {}
    whole = _whole(spent)
    for row in spent:
        run, cost = (str(row["tenant"]), str(row["run"])), _nanos(row["cost"])
        name, currency = str(row[by]) or "-", str(row["currency"])
        known = found.setdefault((name, currency), Success(name, currency))
        known.spent += cost
        known.runs.add(run)
        if run not in reached:
            known.wasted += cost
        elif whole[run]:
            known.outcomes += Fraction(reached[run] * cost, whole[run])
    return sorted(found.values(), key=lambda one: (one.currency, one.each is None, one.each or 0, one.name))


def span_of(period: str) -> dict[str, int]:
    """From when to when a month (UTC) is, for the query `run_spending`; all of time where none is named."""
    if not period:
        return {}
    known = period_named(Calendar(), period)
    return {"since": known.start, "until": known.end}


def begun(outcomes: Iterable[Outcome], span: Mapping[str, int]) -> list[Outcome]:
    """Outcomes whose runs are of that time: by their claims, as a verdict may come a month later."""
    return [one for one in outcomes if not span or span["since"] <= one.claimed_at < span["until"]]


def described(one: Success) -> dict[str, Any]:
    """One as JSON."""
    return {
        "name": one.name,
        "currency": one.currency,
        "runs": len(one.runs),
        "successes": share(one),
        "spent": decimal_text(one.spent),
        "in_vain": decimal_text(one.wasted),
        "each": None if one.each is None else decimal_text(one.each),
    }


def share(one: Success) -> str:
    """How many successes were its work, as people write it."""
    return plain(round_to(one.outcomes, 2))


def _whole(rows: Iterable[Mapping[str, Any]]) -> dict[Run, int]:
    """What each run spent; a run in two currencies counts its main one, as sums never mix."""
    sums: dict[Run, dict[str, int]] = {}
    for row in rows:
        of = sums.setdefault((str(row["tenant"]), str(row["run"])), {})
        currency = str(row["currency"])
        of[currency] = of.get(currency, 0) + _nanos(row["cost"])
    return {run: max(of.values()) for run, of in sums.items()}


def _nanos(value: object) -> int:
    return int(Decimal(str(value or 0)) * NANOS)
