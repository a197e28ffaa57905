"""What the office asks of the books about a run."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, Protocol, cast

from comptroller.core.money import NANOS
from comptroller.metering.attribution import Work


class Books(Protocol):
    """Answers named queries."""

    def rows(self, name: str, **params: object) -> list[dict[str, object]]: ...
    def refresh(self) -> None: ...


class NoBooks:
    """Nobody has books here: nothing is known of runs."""

    def rows(self, name: str, **params: object) -> list[dict[str, object]]:
        return []

    def refresh(self) -> None:
        return None


def account_of(books: Books, run: str) -> dict[str, object]:
    """A run as conditions ask for it; empty where the books do not know it yet."""
    rows = books.rows("run_account", run=run) if run else []
    if not rows:
        return {}
    row: Mapping[str, Any] = rows[0]
    started, ended = cast(datetime | None, row["started"]), cast(datetime | None, row["ended"])
    return {
        "run.id": row["run"],
        "run.workflow": row["workflow"] or "",
        "run.customer": row["customer"] or "",
        "run.user": row["user"] or "",
        "run.status": row["status"] or "open",
        "run.agents": list(row["agents"] or ()),
        "run.tools": list(row["tools"] or ()),
        "run.calls": int(row["calls"] or 0),
        "run.failed": int(row["failed"] or 0),
        "run.cost": float(row["cost"] or 0),
        "run.seconds": (ended - started).total_seconds() if started and ended else 0.0,
    }


def work_of(books: Books, run: str) -> list[Work]:
    """What each agent did in a run. Costs in the currency most was spent in: sums never mix."""
    rows: list[dict[str, Any]] = books.rows("run_work", run=run) if run else []
    sums: dict[str, Decimal] = {}
    for row in rows:
        sums[row["currency"]] = sums.get(row["currency"], Decimal(0)) + (row["cost"] or 0)
    main = max(sums, key=lambda currency: (sums[currency], currency or ""), default="")
    work: dict[str, Work] = {}
    for row in rows:
        known = work.get(row["agent"], Work(row["agent"]))
        cost = int((row["cost"] or 0) * NANOS) if row["currency"] == main else 0
        latest = int(row["latest"].timestamp()) if row["latest"] else 0
        work[row["agent"]] = Work(known.agent, known.cost + cost, max(known.last, latest))
    return list(work.values())
