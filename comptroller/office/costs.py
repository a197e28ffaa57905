"""What outcomes cost us: each its part of what its run spent, in whatever currency it is asked for."""

from collections.abc import Iterable, Mapping
from decimal import Decimal

from comptroller.core.errors import SettingsError
from comptroller.core.money import NANOS
from comptroller.core.outcome import Outcome
from comptroller.office.work import Answers, Rates, converted

EACH = 500  # so many runs are asked for by name; beyond that, all of the customer's


class Costs:
    """A run's cost belongs to the outcomes that were verified of it, in equal parts that sum to it exactly."""

    def __init__(self, books: Answers, rates: Rates, outcomes: Iterable[Outcome]) -> None:
        self._books, self._rates = books, rates
        self._of_run: dict[tuple[str, str], list[str]] = {}
        for one in outcomes:
            if one.verified_at and one.state != "duplicate":
                self._of_run.setdefault((one.tenant, one.run), []).append(one.key)

    def of(self, tenant: str, wanted: Mapping[str, str], currency: str, customer: str = "") -> dict[str, int | None]:
        """The cost in nanos of outcomes, given with their runs; None where there is no rate to the currency."""
        runs = {run for run in wanted.values() if run}
        spent = self._spent(tenant, runs, currency, customer) if runs else {}
        return {key: self._part(tenant, key, run, spent) for key, run in wanted.items()}

    def _part(self, tenant: str, key: str, run: str, spent: Mapping[str, int | None]) -> int | None:
        total = spent.get(run, 0)
        if total is None:
            return None
        sharing = self._of_run.get((tenant, run), [])
        if key not in sharing:
            return 0 if sharing else total
        at, count = sharing.index(key), len(sharing)
        return total * (at + 1) // count - total * at // count

    def _spent(self, tenant: str, runs: set[str], currency: str, customer: str) -> dict[str, int | None]:
        named = sorted(runs) if len(runs) <= EACH else None
        found: dict[str, int | None] = {}
        for row in self._books.rows("run_sums", tenant=tenant, customer=customer or None, runs=named):
            run, before = str(row["run"]), found.get(str(row["run"]), 0)
            amount = in_currency(nanos_of(row["cost"]), str(row["currency"]), currency, self._rates)
            found[run] = None if amount is None or before is None else before + amount
        return found


def in_currency(amount: int, base: str, quote: str, rates: Rates) -> int | None:
    """An amount in another currency; None where there is no rate to it."""
    try:
        return converted(amount, base, quote, rates)
    except SettingsError:
        return None


def nanos_of(value: object) -> int:
    """A sum out of the books in nanos."""
    return int(Decimal(str(value or 0)) * NANOS)
