"""Contracts: what a customer agreed to pay, for what, since when; and which version holds at an instant."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from fractions import Fraction
from itertools import pairwise

from comptroller.core.outcome import STRENGTH, Method
from comptroller.metering.periods import Calendar, Period, midnight_ns
from comptroller.metering.rating.price import Price
from comptroller.metering.rating.rounding import Mode

ONE = Fraction(1)
DAY = 86_400_000_000_000


@dataclass(frozen=True, slots=True)
class Party:
    """Who sells or buys, as an invoice names them."""

    name: str
    address: tuple[str, ...] = ()
    tax_id: str = ""
    email: str = ""


@dataclass(frozen=True, slots=True)
class Fee:
    """What one type of outcome, or one meter's unit, costs under a contract. Tiers count what a period had of it."""

    type: str
    price: Price
    version: str  # digest of the price: two versions are the same exactly when every term is
    title: str = ""
    most: int | None = None  # nanos that one period may cost for this type


@dataclass(frozen=True, slots=True)
class Seats:
    """Agents taken by the seat, each holding so much work; what passes all of them costs by the unit."""

    name: str
    count: int
    price: Price
    version: str
    agents: tuple[str, ...] = ("*",)
    meters: tuple[str, ...] = ()  # of calls, runs, tokens, outcomes: those that a seat bounds


@dataclass(frozen=True, slots=True)
class Tokens:
    """Model calls at what they cost, and so many percent on top."""

    markup_percent: Fraction = Fraction(0)
    title: str = "Model tokens"


@dataclass(frozen=True, slots=True)
class Premium:
    """What orchestrating costs: a share of the tokens' cost, and so much for each run."""

    percent: Fraction = Fraction(0)
    per_run: Fraction = Fraction(0)
    title: str = "Orchestration premium"


@dataclass(frozen=True, slots=True)
class Grant:
    """Credit given in advance: bought (for what was paid) or promised. The lowest priority burns first."""

    id: str
    nanos: int
    starts: date
    expires: date | None = None
    priority: int = 0
    paid: int = 0  # nanos paid for it: its cost basis
    kinds: tuple[str, ...] = ()  # of lines it may pay for; empty: all


@dataclass(frozen=True, slots=True)
class Discount:
    """So many percent, or an amount once a period, off the lines it is for."""

    name: str
    percent: Fraction = Fraction(0)
    nanos: int = 0
    kinds: tuple[str, ...] = ()
    until: date | None = None


@dataclass(frozen=True, slots=True)
class Tax:
    name: str = ""
    percent: Fraction = Fraction(0)
    note: str = ""  # why there is none, say: reverse charge, export


@dataclass(frozen=True, slots=True)
class Minimum:
    """At least so much in every window of so many periods, counted from the contract's first."""

    nanos: int
    periods: int = 1


@dataclass(frozen=True, slots=True)
class Sla:
    """Credit due where too few of the outcomes that were claimed came true."""

    id: str
    type: str
    least_percent: Fraction
    credit_percent: Fraction  # of the type's fees of the period
    claims: int = 1  # fewer claims than this prove nothing


@dataclass(frozen=True, slots=True)
class Attestation:
    """How strong a verdict has to be, and what one of each strength is worth."""

    minimum: Method = "silence"
    factors: Mapping[str, Fraction] = field(default_factory=dict, hash=False)
    silence_cap: int | None = None  # outcomes by silence that a period may bill

    def factor(self, method: Method | None) -> Fraction:
        """What share of the fee a verdict by this method is worth; nothing where it is too weak."""
        if method is not None and STRENGTH.index(method) > STRENGTH.index(self.minimum):
            return Fraction(0)
        return self.factors.get(method or "", ONE)


@dataclass(frozen=True, slots=True)
class Clawback:
    """After the dispute window has ended a fee comes back for these reasons only, and at most so much of it."""

    reasons: tuple[str, ...] = ()
    percent: Fraction = Fraction(100)
    days: int | None = None


@dataclass(frozen=True, slots=True)
class Contract:
    """One version of one customer's contract. It holds from its first day up to, not including, `until`."""

    id: str
    tenant: str
    customer: str
    version: str  # digest of its terms
    starts: date
    until: date | None
    currency: str
    calendar: Calendar
    fees: Mapping[str, Fee] = field(default_factory=dict, hash=False)
    usage: Mapping[str, Fee] = field(default_factory=dict, hash=False)  # by meter, of usage events
    buyer: Party = Party("")
    seller: Party = Party("")
    attestation: Attestation = Attestation()
    seats: tuple[Seats, ...] = ()
    tokens: Tokens | None = None
    premium: Premium | None = None
    minimum: Minimum | None = None
    most: int | None = None  # nanos that one period may cost before tax
    grants: tuple[Grant, ...] = ()
    discounts: tuple[Discount, ...] = ()
    tax: Tax = Tax()
    slas: tuple[Sla, ...] = ()
    clawback: Clawback = Clawback()
    dispute_days: int = 30
    grace_days: int = 0
    due_days: int = 30
    frozen_at_claim: bool = False  # the price is the one of the claim rather than of the verdict
    rounding: Mode = "half_up"
    place: str = ""  # file:line it is written at

    @property
    def start(self) -> int:
        """When it begins, ns since 1970."""
        return midnight_ns(self.calendar.zone, self.starts)

    @property
    def end(self) -> int | None:
        return None if self.until is None else midnight_ns(self.calendar.zone, self.until)

    def holds(self, at: int) -> bool:
        """True at an instant within it."""
        return self.start <= at and (self.end is None or at < self.end)

    def days_in(self, period: Period) -> int:
        """How many days of a period it holds."""
        first, after = max(self.starts, period.first), min(self.until or period.after, period.after)
        return max((after - first).days, 0)


class ContractBook:
    """All versions of all contracts; those of a customer never overlap."""

    def __init__(self, contracts: Iterable[Contract] = ()) -> None:
        self._by_customer: dict[tuple[str, str], list[Contract]] = {}
        for contract in sorted(contracts, key=lambda contract: contract.starts):
            self._by_customer.setdefault((contract.tenant, contract.customer), []).append(contract)

    def at(self, customer: str, when: int, tenant: str = "default") -> Contract | None:
        """The version that holds at an instant; None where there is none."""
        for contract in reversed(self.of(customer, tenant)):
            if contract.holds(when):
                return contract
        return None

    def of(self, customer: str, tenant: str = "default") -> list[Contract]:
        """Every version of a customer's contract, the oldest first."""
        return self._by_customer.get((tenant, customer), [])

    def within(self, period: Period, customer: str, tenant: str = "default") -> list[Contract]:
        """The versions that hold on some day of a period."""
        return [contract for contract in self.of(customer, tenant) if contract.days_in(period)]

    def after(self, period: Period, customer: str, tenant: str = "default") -> list[Contract]:
        """The last version, for a period after its end: only what was verified while it held is billed any more."""
        versions = self.of(customer, tenant)
        if not versions or versions[-1].until is None or period.first < versions[-1].until:
            return []
        return [replace(versions[-1], seats=(), tokens=None, premium=None, usage={}, minimum=None, slas=())]

    @property
    def customers(self) -> list[tuple[str, str]]:
        """Tenant and customer of everybody with a contract."""
        return sorted(self._by_customer)

    def __iter__(self) -> Iterator[Contract]:
        return (contract for versions in self._by_customer.values() for contract in versions)

    def __len__(self) -> int:
        return sum(len(versions) for versions in self._by_customer.values())


def overlaps(contracts: Iterable[Contract]) -> Iterator[tuple[Contract, Contract]]:
    """Pairs of versions of one customer's contract that both hold on some day."""
    by_customer: dict[tuple[str, str], list[Contract]] = {}
    for contract in contracts:
        by_customer.setdefault((contract.tenant, contract.customer), []).append(contract)
    for versions in by_customer.values():
        versions.sort(key=lambda contract: contract.starts)
        for before, after in pairwise(versions):
            if before.until is None or after.starts < before.until:
                yield before, after


def unlike(contracts: Iterable[Contract]) -> Iterator[tuple[Contract, str]]:
    """Versions that cannot be billed beside those before them, each with the reason.

    A customer's invoices follow from each other, by late outcomes, credits and minimums, so they have one currency; and
    what was given under a name is given once.
    """
    first: dict[tuple[str, str], Contract] = {}
    given: dict[tuple[str, str, str], Grant] = {}
    for contract in sorted(contracts, key=lambda contract: contract.starts):
        who = (contract.tenant, contract.customer)
        before = first.setdefault(who, contract)
        if before.currency != contract.currency:
            text = (
                f"{contract.customer} has a contract in {before.currency} at {before.place}, and this one is in "
                f"{contract.currency}. Keep the currency, or make it the contract of a customer of another name."
            )
            yield contract, text
        seen: set[str] = set()
        for grant in contract.grants:
            if grant.id in seen or given.setdefault((*who, grant.id), grant) != grant:
                text = (
                    f"{contract.customer} was given {grant.id!r} with other terms already, and a credit is given once "
                    "for its name. Give this one another name."
                )
                yield contract, text
            seen.add(grant.id)
