"""What was spent in a period and in the one before it, in the currency most of it is in."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from functools import cached_property
from typing import Any

from comptroller.dashboards import frame
from comptroller.dashboards.look.viewer import NONE

Row = Mapping[str, Any]
DIMENSIONS = {"customer": "Customer", "agent": "Agent", "model": "Model", "workflow": "Workflow"}
PERIODS = {"7d": "7 days", "30d": "30 days", "90d": "90 days", "month": "This month"}
MOST = 20_000  # rows of an answer


@dataclass(frozen=True)
class Spent:
    """Rows by day and one dimension, and those of the period before."""

    by: str
    period: str
    since: date
    until: date  # not included
    since_before: date
    until_before: date
    now: Sequence[Row]
    before: Sequence[Row]

    @property
    def against(self) -> str:
        """What it is compared with, in words."""
        if self.period == "month":
            return "the same days last month"
        return f"the {(self.until - self.since).days} days before"

    @cached_property
    def sums(self) -> dict[str, Decimal]:
        """What was spent in each currency."""
        found: dict[str, Decimal] = {}
        for row in [*self.now, *self.before]:
            found.setdefault(row["currency"], Decimal(0))
        for row in self.now:
            found[row["currency"]] += row["cost"]
        return found

    @property
    def costs(self) -> list[dict[str, Any]]:
        """The same as queries tell sums."""
        return [{"currency": unit, "cost": spent} for unit, spent in self.sums.items()]

    @cached_property
    def currency(self) -> str:
        """The one with the largest sum."""
        return max(self.sums, key=lambda unit: (self.sums[unit], unit), default="")

    @cached_property
    def days(self) -> list[date]:
        return [self.since + timedelta(days=n) for n in range((self.until - self.since).days)]

    @cached_property
    def total(self) -> Decimal:
        return self.sums.get(self.currency, Decimal(0))

    @cached_property
    def total_before(self) -> Decimal:
        return sum(_by_name(self.before, self.by, self.currency).values(), Decimal(0))

    @cached_property
    def names(self) -> dict[str, Decimal]:
        """What each has spent, the largest first."""
        found = _by_name(self.now, self.by, self.currency)
        return dict(sorted(found.items(), key=lambda one: (-one[1], one[0])))

    @cached_property
    def saved(self) -> Decimal:
        return sum((row["saved"] or Decimal(0) for row in self.now if row["currency"] == self.currency), Decimal(0))

    @cached_property
    def daily(self) -> list[Decimal]:
        return self._course(lambda row: True)

    def counted(self, name: str) -> int:
        """A sum over all rows."""
        return int(sum(row[name] or 0 for row in self.now))

    def largest(self, most: int) -> list[str]:
        """Those that spent most, and spent at all."""
        return [name for name, spent in self.names.items() if spent > 0][:most]

    def others(self, names: Sequence[str]) -> int:
        return sum(1 for name, spent in self.names.items() if spent > 0 and name not in names)

    def course(self, name: str) -> list[Decimal]:
        """One of them, day by day."""
        return self._course(lambda row: row[self.by] == name)

    def rest(self, names: Sequence[str]) -> list[Decimal]:
        """All others, day by day; empty where there are none."""
        return self._course(lambda row: row[self.by] not in names) if self.others(names) else []

    def movers(self) -> list[tuple[str, Decimal, Decimal]]:
        """Name, now and before, the largest change first."""
        before = _by_name(self.before, self.by, self.currency)
        both = [
            (name, self.names.get(name, Decimal(0)), before.get(name, Decimal(0))) for name in {*self.names, *before}
        ]
        return sorted((one for one in both if one[1] != one[2]), key=lambda one: (-abs(one[1] - one[2]), one[0]))

    def runs(self, **more: str) -> dict[str, str]:
        """The filters of the runs behind it."""
        return {"period": "30d" if self.period == "month" else self.period, **{k: v for k, v in more.items() if v}}

    def link(self, **more: str) -> str:
        """Where the runs behind it are listed; those without a name cannot be asked for."""
        return frame.address("runs", **self.runs(**more)) if all(more.values()) else ""

    def _course(self, fits: Callable[[Row], bool]) -> list[Decimal]:
        found = dict.fromkeys(self.days, Decimal(0))
        for row in self.now:
            if row["currency"] == self.currency and row["day"] in found and fits(row):
                found[row["day"]] += row["cost"]
        return list(found.values())


def looked(by: str, period: str) -> Spent:
    """Ask for it."""
    since, until, since_before, until_before = bounds(period, frame.today().date())
    return Spent(
        by, period, since, until, since_before, until_before,
        asked(since, until, by_day=True, **{f"by_{by}": True}),
        asked(since_before, until_before, **{f"by_{by}": True}),
    )  # fmt: skip


def asked(since: date, until: date, **by: bool) -> list[dict[str, Any]]:
    """What was spent on these days of UTC; rows of no currency are calls that cost nothing."""
    return frame.source().rows("console_spend", since=_instant(since), until=_instant(until), limit=MOST, **by)


def bounds(period: str, today: date) -> tuple[date, date, date, date]:
    """The days of a period with today, and those it is compared with."""
    until = today + timedelta(days=1)
    if period == "month":
        since = today.replace(day=1)
        before = (since - timedelta(days=1)).replace(day=1)
        return since, until, before, min(before + (until - since), since)
    since = until - timedelta(days=int(period.removesuffix("d")))
    return since, until, since - (until - since), since


def named(by: str, name: str) -> str:
    """A name, or what stands for none."""
    return name or {
        "customer": "(no customer)",
        "agent": "(no agent)",
        "model": "(tools)",
        "workflow": "(no workflow)",
    }.get(by, NONE)


def _by_name(rows: Sequence[Row], by: str, currency: str) -> dict[str, Decimal]:
    found: dict[str, Decimal] = {}
    for row in rows:
        if row["currency"] == currency:
            found[row[by]] = found.get(row[by], Decimal(0)) + row["cost"]
    return found


def _instant(day: date) -> str:
    return datetime.combine(day, time(), UTC).isoformat()
