"""What if another contract held: history rated again under it, beside what it comes to under the one that held.

Nothing is written. Both sides are drawn up from the same outcomes, usage and work by the code that draws up invoices;
only prices, factors and bounds differ. The present side keeps the fees that were frozen when outcomes were verified.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from comptroller.core.errors import SettingsError
from comptroller.core.outcome import STRENGTH, WHOLE, Outcome, Terms
from comptroller.metering.contracts import Contract, ContractBook
from comptroller.metering.invoice import Invoice, Line
from comptroller.metering.outcomes import due
from comptroller.metering.periods import Period, period_named
from comptroller.office.agreements import Agreements, narrowed
from comptroller.office.bookkeeper import Bookkeeper
from comptroller.office.gather import Gatherer

_EARNED = ("verified", "billed", "final")


@dataclass(frozen=True, slots=True)
class Side:
    """What a period comes to under a contract, before tax; nanos."""

    contract: str = ""
    currency: str = ""
    revenue: int = 0
    cost: int | None = None  # in that currency; None where there is no rate to it
    outcomes: int = 0  # that earn something
    by_type: Mapping[str, tuple[int, int]] = field(default_factory=dict)  # outcomes and what they earn
    lines: tuple[Line, ...] = ()

    @property
    def margin(self) -> int | None:
        return None if self.cost is None else self.revenue - self.cost


@dataclass(frozen=True, slots=True)
class Rerated:
    """One customer's period under the contract that held, and under the other one."""

    tenant: str
    customer: str
    period: str
    now: Side
    then: Side
    fees: tuple[tuple[str, int, int], ...]  # by outcome: what it earns now, and what then
    untold: tuple[tuple[str, str], ...] = ()  # outcomes without a fee under the other one, and why

    @property
    def change(self) -> int | None:
        """What the other contract would have added; None between currencies."""
        same = self.now.currency == self.then.currency or not self.now.currency or not self.then.currency
        return self.then.revenue - self.now.revenue if same else None


class _Unbilled:
    """As if there were no invoices yet: a period is drawn up whole."""

    shares: Mapping[str, object] = {}

    def of(self, customer: str, tenant: str = "default") -> Iterable[Invoice]:
        return ()


def reprice(keeper: Bookkeeper, other: ContractBook, period: str, customer: str = "") -> list[Rerated]:
    """Rate a period anew for every customer that the other contracts are for, or for one of them."""
    keeper.look()
    wanted = [who for who in other.customers if customer in ("", who[1])]
    if not wanted:
        raise SettingsError(f"None of these contracts is for {customer!r}. Name one of their customers, or use --for.")
    by_customer: dict[tuple[str, str], list[Outcome]] = {}
    for outcome in keeper.registry.outcomes.values():
        by_customer.setdefault((outcome.tenant, outcome.customer), []).append(outcome)
    return [_rerated(keeper, other, who, period, by_customer.get(who, [])) for who in wanted]


def given_to(book: ContractBook, customers: Iterable[str]) -> ContractBook:
    """The same terms for other customers. They have to be one customer's."""
    if len(book.customers) != 1:
        raise SettingsError(
            f"The contracts are for {len(book.customers)} customers, so nobody knows whose terms to give to others. "
            "Name a file with one customer's."
        )
    return ContractBook(replace(contract, customer=name) for contract in book for name in customers)


def _rerated(
    keeper: Bookkeeper, other: ContractBook, who: tuple[str, str], label: str, outcomes: list[Outcome]
) -> Rerated:
    untold: list[tuple[str, str]] = []
    held = _period(keeper.contracts, who, label)
    then = _period(other, who, label)
    now_side, now_fees = _side(keeper, keeper.contracts, who, held, _within(outcomes, held))
    quoted = list(_quoted(keeper, other, _within(outcomes, then), untold))
    then_side, then_fees = _side(keeper, other, who, then, quoted)
    fees = tuple((key, now_fees.get(key, 0), then_fees.get(key, 0)) for key in sorted({*now_fees, *then_fees}))
    return Rerated(who[0], who[1], label, now_side, then_side, fees, tuple(untold))


def _period(book: ContractBook, who: tuple[str, str], label: str) -> Period | None:
    """The period as the customer's own calendar has it; None where no contract holds in it."""
    versions = book.of(who[1], who[0])
    if not versions:
        return None
    try:
        period = period_named(versions[-1].calendar, label)
    except ValueError as error:
        raise SettingsError(str(error)) from None
    return period if book.within(period, who[1], who[0]) else None


def _within(outcomes: Iterable[Outcome], period: Period | None) -> list[Outcome]:
    """The outcomes of a period: verified in it, or claimed in it and not verified."""
    if period is None:
        return []
    return [one for one in outcomes if (one.verified_at or one.claimed_at) in period]


def _side(
    keeper: Bookkeeper, book: ContractBook, who: tuple[str, str], period: Period | None, outcomes: list[Outcome]
) -> tuple[Side, dict[str, int]]:
    if period is None:
        return Side(), {}
    contract = book.within(period, who[1], who[0])[-1]
    draft = Gatherer(book, outcomes, _Unbilled(), keeper.records).draft(*who, period)  # type: ignore[arg-type]
    cost = _cost(keeper, contract, period)
    if draft is None:
        return Side(contract.id, contract.currency, 0, cost), {}
    fees = {item.outcome: item.fee for line in draft.lines for item in line.items}
    by_type: dict[str, tuple[int, int]] = {}
    for line in draft.lines:
        if line.kind in ("outcome", "delta"):
            count, earned = by_type.get(line.type, (0, 0))
            by_type[line.type] = (count + len(line.items), earned + line.net)
    return Side(contract.id, draft.currency, draft.totals.net, cost, len(fees), by_type, draft.lines), fees


def _cost(keeper: Bookkeeper, contract: Contract, period: Period) -> int | None:
    try:
        work = keeper.records.work(contract.tenant, contract.customer, period.start, period.end, contract.currency)
    except SettingsError:
        return None
    return work.cost


def _quoted(
    keeper: Bookkeeper, book: ContractBook, outcomes: list[Outcome], untold: list[tuple[str, str]]
) -> Iterator[Outcome]:
    """The outcomes with the fees they would have had, in the order they were verified in."""
    agreed = Agreements(book)
    before: dict[str, list[Outcome]] = {}
    silent: dict[str, int] = {}
    for one in sorted(outcomes, key=lambda one: (one.verified_at, one.key)):
        contract = book.at(one.customer, one.verified_at or one.claimed_at, one.tenant)
        if one.state not in _EARNED or contract is None:
            yield one
            continue
        try:
            version, fee = agreed.quote(one, one.verified_at, before.setdefault(one.type, []))
            made = replace(one, price=version, fee=fee, terms=_terms(keeper, one, contract))
            why = "" if fee else f"the contract has no price for {one.type}"
        except ValueError as error:
            made, why = one, str(error)
        why = why or _refused(made, silent)
        if why:
            untold.append((one.key, why))
            continue
        made = _paid(made, one)
        before[one.type].append(made)
        yield made


def _terms(keeper: Bookkeeper, one: Outcome, contract: Contract) -> Terms:
    type = keeper.registry.type(one.type)
    base = type.terms if type is not None else one.terms
    assert base is not None, "a claim freezes the terms"
    return narrowed(base, contract)


def _refused(one: Outcome, silent: dict[str, int]) -> str:
    """Why the other contract would not have paid for it at all."""
    terms, method = one.terms, one.method or "deterministic"
    assert terms is not None, "a claim freezes the terms"
    if STRENGTH.index(method) > STRENGTH.index(terms.minimum):
        return f"{method} is weaker than {terms.minimum}, which is the least that counts"
    if method == "silence" and terms.silence_most:
        silent[one.type] = silent.get(one.type, 0) + 1
        if silent[one.type] > terms.silence_most:
            return "as many as may be were verified by silence this month"
    return ""


def _paid(made: Outcome, one: Outcome) -> Outcome:
    """With degree and method applied, less the share of the fee that was taken back."""
    assert made.fee is not None, "an outcome without a fee was left out"
    assert made.terms is not None, "a claim freezes the terms"
    factor = dict(made.terms.factors).get(made.method, WHOLE) if made.method else WHOLE
    fee = due(made.fee, made.degree, factor)
    back = fee.nanos * one.reversed_nanos // one.fee.nanos if one.fee and one.fee.nanos else 0
    return replace(made, fee=fee, reversed_nanos=back)
