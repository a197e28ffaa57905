"""What runs cost, for unit economics: the many rows of the query `unit_runs` made the few that come to the same.

Runs whose one outcome is of the same kind and month, and runs that came to nothing, are added up in Arrow. Each row is
brought into its customer's currency before, as it would be alone, so that sums are the same to the nano.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from comptroller.core.outcome import Outcome
from comptroller.metering.periods import Calendar, period_at
from comptroller.office.costs import in_currency
from comptroller.office.work import Rates

if TYPE_CHECKING:
    import pyarrow

Place = tuple[str, str, str]  # customer, workflow and type of outcome; no type where nothing was reached
UNPAID = "USD"  # what outcomes are told in of customers who pay for none
ALONE = -1  # the number of runs with several outcomes: each has parts of its own
_DAY_NS = 86_400 * 1_000_000_000
_UTC = Calendar()
_TEXTS = ("customer", "workflow", "month", "currency")


def month_of(at: int) -> str:
    """The month (UTC) of an instant."""
    return _month_of_day(at // _DAY_NS)


@lru_cache(maxsize=4096)
def _month_of_day(day: int) -> str:
    return period_at(_UTC, day * _DAY_NS).label


def place_of(one: Outcome) -> Place:
    return one.customer, one.workflow, one.type


@dataclass(slots=True)
class Reached:
    """The outcomes that were verified, by run, and what each customer pays in: a contract has one currency."""

    by_run: dict[str, list[Outcome]] = field(default_factory=dict)
    currencies: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, outcomes: Iterable[Outcome]) -> "Reached":
        found = cls()
        for one in outcomes:
            if one.fee is not None:
                found.currencies[one.customer] = one.fee.currency
            if one.verified_at and one.state != "duplicate":
                found.by_run.setdefault(one.run, []).append(one)
        return found


def merged(told: "pyarrow.Table", reached: Reached, rates: Rates) -> list[dict[str, object]]:
    """The rows that come to the same as all those told."""
    import pyarrow.compute as pc

    runs, numbers, firsts = _numbered(reached)
    table = _plain(told, runs, numbers, reached)
    table, unknown = _converted(table, rates)
    alone = pc.or_(unknown, pc.equal(pc.fill_null(table["number"], 0), ALONE))
    single = told.filter(alone).to_pylist()
    keys = ["number", "customer", "workflow", "month", "target"]
    sums = table.filter(pc.invert(alone)).group_by(keys).aggregate([("nanos", "sum"), ("runs", "sum")])
    return [*single, *(_row(row, firsts) for row in sums.to_pylist())]


def _numbered(reached: Reached) -> tuple[list[str], list[int], list[str]]:
    """Runs with the number of the kind of outcome they reached, and by number the first run of it."""
    known: dict[tuple[str, Place], int] = {}
    runs, numbers, firsts = list[str](), list[int](), list[str]()
    for run, sharing in reached.by_run.items():
        if not run:
            continue
        number = ALONE
        if len(sharing) == 1:
            key = month_of(sharing[0].verified_at), place_of(sharing[0])
            number = known.setdefault(key, len(firsts))
            if number == len(firsts):
                firsts.append(run)
        runs.append(run)
        numbers.append(number)
    return runs, numbers, firsts


def _plain(told: "pyarrow.Table", runs: list[str], numbers: list[int], reached: Reached) -> "pyarrow.Table":
    """The rows with nothing missing, in nanos, each with its number and the currency it is told in."""
    import pyarrow as pa
    import pyarrow.compute as pc

    columns = {name: pc.fill_null(told[name], "None").combine_chunks() for name in _TEXTS}
    columns["nanos"] = _nanos(told["cost"].combine_chunks())
    columns["runs"] = told["runs"].combine_chunks()
    at = pc.index_in(told["run"].combine_chunks(), value_set=pa.array(runs, pa.string()))
    columns["number"] = pc.take(pa.array(numbers, pa.int64()), at)
    customers = columns["customer"].dictionary_encode()
    paid = pa.array([reached.currencies.get(name) for name in customers.dictionary.to_pylist()], pa.string())
    else_told = pc.if_else(pc.is_null(columns["number"]), columns["currency"], UNPAID)
    columns["target"] = pc.coalesce(pc.take(paid, customers.indices), else_told)
    return pa.table(columns)


def _nanos(costs: "pyarrow.Array") -> "pyarrow.Array":
    """Costs with nine decimals are nanos as they lie there."""
    import pyarrow as pa
    import pyarrow.compute as pc

    exact = costs.cast(pa.decimal128(38, 9))
    return pc.fill_null(exact.view(pa.decimal128(38, 0)), Decimal(0))


def _converted(table: "pyarrow.Table", rates: Rates) -> "tuple[pyarrow.Table, pyarrow.Array]":
    """The rows in the currency each is told in, and which of them have no rate to it."""
    import pyarrow as pa
    import pyarrow.compute as pc

    same = pc.equal(table["currency"], table["target"]).combine_chunks()
    if pc.all(same).as_py() in (True, None):
        return table, pc.invert(same)
    other = table.filter(pc.invert(same)).select(["nanos", "currency", "target"]).to_pydict()
    made = [in_currency(int(nanos), base, quote, rates) for nanos, base, quote in zip(*other.values(), strict=True)]
    kind = pa.decimal128(38, 0)
    amounts = pa.array([None if nanos is None else Decimal(nanos) for nanos in made], kind)
    nanos = pc.replace_with_mask(table["nanos"].combine_chunks(), pc.invert(same), amounts)
    at = table.column_names.index("nanos")
    return table.set_column(at, "nanos", nanos), pc.is_null(nanos)


def _row(sum: Mapping[str, Any], firsts: list[str]) -> dict[str, object]:
    run = "" if sum["number"] is None else firsts[sum["number"]]
    cost = sum["nanos_sum"].scaleb(-9)
    told: dict[str, object] = {name: sum[name] for name in ("customer", "workflow", "month")}
    return {"run": run, **told, "currency": sum["target"], "runs": sum["runs_sum"], "cost": cost}
