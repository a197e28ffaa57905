"""What was done for customers, out of the books: calls, runs, tokens and their cost in a contract's currency."""

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Any, Protocol

from comptroller.core.errors import SettingsError
from comptroller.core.money import NANOS
from comptroller.core.outcome import Outcome
from comptroller.metering.draw import Spent, Work
from comptroller.metering.rating.rounding import round_ratio
from comptroller.office.books import Books

Cost = tuple[str, str, str, str, int]  # provider, agent, run, currency, nanos
Rates = Mapping[tuple[str, str], Fraction]


class Answers(Protocol):
    """Whoever answers named queries: the reader of the books."""

    def rows(self, name: str, **params: object) -> list[dict[str, object]]: ...


class Records:
    """The recorded work of all customers; each stretch of time is asked for once."""

    def __init__(self, books: Answers | None, rates: Rates) -> None:
        self._books, self._rates = books, rates
        self._work: dict[tuple[int, int], dict[tuple[str, str], list[dict[str, Any]]]] = {}
        self._meters: dict[tuple[int, int], dict[tuple[str, str], list[dict[str, Any]]]] = {}
        self._costs: dict[tuple[int, int], dict[tuple[str, str], list[Cost]]] = {}

    def anew(self) -> "Records":
        """The same, with everything asked for again."""
        return Records(self._books, self._rates)

    def work(self, tenant: str, customer: str, since: int, until: int, currency: str) -> Work:
        """What was done for a customer, its cost in one currency; SettingsError where there is no rate to it."""
        if (since, until) not in self._work:
            self._work[since, until] = self._read("work", since, until)
        rows = self._work[since, until].get((tenant, customer), [])
        runs = sum(int(row["runs"]) for row in rows if row["agent"] is None)
        return Work(tuple(self._spent(rows, currency)), runs)

    def metered(self, tenant: str, customer: str, meter: str, since: int, until: int) -> Fraction:
        """How much of a meter usage events told, from one instant to another."""
        if (since, until) not in self._meters:
            self._meters[since, until] = self._read("metered", since, until)
        rows = self._meters[since, until].get((tenant, customer), [])
        return sum((Fraction(str(row["quantity"])) for row in rows if row["meter"] == meter), Fraction(0))

    def costs(self, tenant: str, customer: str, since: int, until: int) -> list[Cost]:
        """What providers are owed for it, by run, in the currencies they charge in."""
        if (since, until) not in self._costs:
            read = self._read("work_costs", since, until)
            self._costs[since, until] = {who: [_cost(row) for row in rows] for who, rows in read.items()}
        return self._costs[since, until].get((tenant, customer), [])

    def _read(self, name: str, since: int, until: int) -> dict[tuple[str, str], list[dict[str, Any]]]:
        found: dict[tuple[str, str], list[dict[str, Any]]] = {}
        for row in self._books.rows(name, since=since, until=until) if self._books is not None else ():
            found.setdefault((str(row["tenant"]), str(row["customer"])), []).append(row)
        return found

    def _spent(self, rows: list[dict[str, Any]], currency: str) -> Iterator[Spent]:
        by_agent: dict[str, list[dict[str, Any]]] = {}
        for row in rows:
            if row["agent"] is not None:
                by_agent.setdefault(str(row["agent"]), []).append(row)
        for agent, mine in by_agent.items():
            cost = sum(converted(_nanos(row["cost"]), str(row["currency"]), currency, self._rates) for row in mine)
            calls, runs, tokens = (sum(int(row[name]) for row in mine) for name in ("calls", "runs", "tokens"))
            yield Spent(agent, calls, runs, tokens, cost=cost)


def run_costs(books: Books, rates: Rates) -> Callable[[Outcome, str], Fraction]:
    """What the run of an outcome cost, in a currency, as far as it is recorded."""

    def cost(outcome: Outcome, currency: str) -> Fraction:
        books.refresh()
        rows: list[dict[str, Any]] = books.rows("run_costs", run=outcome.run) if outcome.run else []
        spent = sum(converted(_nanos(row["cost"]), str(row["currency"]), currency, rates) for row in rows)
        return Fraction(spent, NANOS)

    return cost


def converted(amount: int, base: str, quote: str, rates: Rates) -> int:
    """An amount in another currency; SettingsError where there is no rate to it."""
    if not amount or base == quote:
        return amount
    rate = rates.get((base, quote))
    if rate is None:
        raise SettingsError(
            f"Model calls were paid in {base} and the contract is in {quote}. "
            f'Say what one is worth in the other under `fx`, like "{base}/{quote}": "0.92".'
        )
    return round_ratio(amount * rate.numerator, rate.denominator)


def _cost(row: dict[str, Any]) -> Cost:
    texts = (str(row[name]) for name in ("provider", "agent", "run", "currency"))
    provider, agent, run, currency = texts
    return provider, agent, run, currency, _nanos(row["cost"])


def _nanos(value: object) -> int:
    return int(Decimal(str(value or 0)) * NANOS)
