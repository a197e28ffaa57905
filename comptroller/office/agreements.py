"""What contracts say of outcomes: the terms that hold for one, and its fee; and reading contracts from the settings."""

from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from hashlib import sha256
from pathlib import Path

from comptroller.core.errors import SettingsError
from comptroller.core.facts import CONTRACTS_LOADED, Fact
from comptroller.core.money import Money
from comptroller.core.outcome import STRENGTH, WHOLE, Outcome, Terms
from comptroller.metering.contract_reader import read_contracts
from comptroller.metering.contracts import DAY, Contract, ContractBook
from comptroller.metering.fees import quote, steady
from comptroller.metering.outcome_types import OutcomeType, stricter
from comptroller.metering.periods import period_at
from comptroller.metering.rating import RatingError
from comptroller.metering.rating.shares import CostPlus
from comptroller.office.feed import feed_of
from comptroller.wrapper.desk import Desk

Costs = Callable[[Outcome, str], Fraction]
_SUFFIXES = (".yaml", ".yml")


class Agreements:
    """The contracts, asked about outcomes."""

    def __init__(self, contracts: ContractBook) -> None:
        self.contracts = contracts
        self.costs: Costs | None = None  # what a run cost, in a currency

    @property
    def needs_costs(self) -> bool:
        """True where some fee follows from what the run cost."""
        return any(isinstance(fee.price.model, CostPlus) for one in self.contracts for fee in one.fees.values())

    def terms(self, tenant: str, customer: str, type: OutcomeType, at: int) -> tuple[str, Terms]:
        """The contract an outcome claimed then is under, and the type's terms as it narrows them."""
        contract = self.contracts.at(customer, at, tenant)
        if contract is None:
            return "", type.terms
        return contract.id, narrowed(type.terms, contract)

    def quote(self, outcome: Outcome, at: int, before: Iterable[Outcome]) -> tuple[str, Money | None]:
        """The version of the price and the whole fee, before degree and method; no fee without a price in a contract.

        Raises ValueError, in words, where no fee can be told.
        """
        contract = self.contracts.at(outcome.customer, at, outcome.tenant)
        fee = contract.fees.get(outcome.type) if contract else None
        if contract is None or fee is None:
            return "", None
        known: list[Outcome] = []
        if not steady(fee.price):
            period = period_at(contract.calendar, at)
            known = [other for other in before if other.verified_at in period and other.price == fee.version]
        try:
            cost = None
            if self.costs is not None and isinstance(fee.price.model, CostPlus):
                cost = self.costs(outcome, contract.currency)
            return fee.version, quote(fee, known, outcome, cost)
        except (RatingError, SettingsError) as error:
            raise ValueError(str(error)) from None


def narrowed(terms: Terms, contract: Contract) -> Terms:
    """A type's terms, made stricter by a contract."""
    said = contract.attestation
    factors = dict(terms.factors)
    for method in STRENGTH:
        if method in said.factors:
            factors[method] = int(said.factors[method] * WHOLE)
    most = terms.silence_most
    if said.silence_cap is not None:
        most = min(most, said.silence_cap) if most else said.silence_cap
    back = contract.clawback
    return stricter(
        terms,
        said.minimum,
        factors=tuple(factors.items()),
        silence_most=most,
        dispute_ns=contract.dispute_days * DAY,
        freeze="claimed" if contract.frozen_at_claim else terms.freeze,
        clawback=int(back.percent * WHOLE) // 100 if back.reasons else terms.clawback,
        clawback_for=back.reasons or terms.clawback_for,
        zone=contract.calendar.zone,
    )


def load_contracts(paths: Sequence[str], tenant: str = "default") -> ContractBook:
    """The contracts of files and folders; raises FileErrors with all mistakes, or SettingsError for a missing file."""
    return read_contracts(contract_files(paths), tenant)


def contract_files(paths: Sequence[str]) -> list[tuple[str, bytes]]:
    """The files that settings name, with their texts."""
    found: list[tuple[str, bytes]] = []
    for named in paths:
        path = Path(named)
        files = sorted(file for file in path.iterdir() if file.suffix in _SUFFIXES) if path.is_dir() else [path]
        for file in files:
            try:
                found.append((str(file), file.read_bytes()))
            except OSError as error:
                raise SettingsError(
                    f"contracts: {file}: cannot be read: {error.strerror}. Mend the path in the settings."
                ) from None
    return found


def announce(desk: Desk, paths: Sequence[str]) -> None:
    """Put the contracts that rate from now on on record, text and all: once for each version of them."""
    files = contract_files(paths)
    if not files:
        return
    rows = [{"path": name, "digest": sha256(text).hexdigest(), "text": text.decode("utf-8", "replace")}
            for name, text in files]  # fmt: skip
    version = sha256("".join(row["digest"] for row in rows).encode()).hexdigest()[:16]
    if all(fact.data.get("version") != version for fact in feed_of(desk, CONTRACTS_LOADED).read()):
        data: dict[str, object] = {"version": version, "files": rows}
        desk.ledger.sync(Fact(CONTRACTS_LOADED, desk.clock.new_id(), desk.clock.now_ns(), data=data))
