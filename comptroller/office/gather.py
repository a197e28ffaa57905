"""Gathering what an invoice is drawn up from: outcomes, recorded work, and what earlier invoices billed."""

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction

from comptroller.core.errors import SettingsError
from comptroller.core.outcome import Outcome
from comptroller.metering.contracts import Contract, ContractBook
from comptroller.metering.draw import Basis, Spent, Work, draw
from comptroller.metering.fees import steady
from comptroller.metering.invoice import Invoice
from comptroller.metering.periods import Period, period_at, period_named
from comptroller.office.invoices import Invoices
from comptroller.office.work import Records

LATE = 3  # so many periods back are looked at for model calls that came after their invoice
_BILLABLE = frozenset(("verified", "billed", "final"))
_HELD = frozenset(("disputed_unbilled",))
_UNDECIDED = frozenset(("claimed", "pending", "duplicate"))
_FAILED = frozenset(("rejected", "expired"))


class Gatherer:
    """Everybody's outcomes by customer, as they stand now."""

    def __init__(
        self, contracts: ContractBook, outcomes: Iterable[Outcome], invoices: Invoices, records: Records
    ) -> None:
        self._contracts, self._invoices, self._records = contracts, invoices, records
        self._outcomes: dict[tuple[str, str], list[Outcome]] = {}
        for outcome in outcomes:
            self._outcomes.setdefault((outcome.tenant, outcome.customer), []).append(outcome)

    def draft(self, tenant: str, customer: str, period: Period) -> Invoice | None:
        """The invoice of a customer's period as it stands now; None where there is nothing to say."""
        held = self._contracts.within(period, customer, tenant) or self._contracts.after(period, customer, tenant)
        if not held:
            return None
        invoice = draw(self._basis(held, period))
        return invoice if invoice.lines or invoice.sla else None

    def _basis(self, contracts: Sequence[Contract], period: Period) -> Basis:
        contract = contracts[-1]
        who = (contract.tenant, contract.customer)
        mine = self._outcomes.get(who, [])
        earlier = [invoice for invoice in self._invoices.of(who[1], who[0]) if invoice.state != "void"]
        billable = [outcome for outcome in mine if self._is_billable(outcome, period)]
        _one_currency(contract, billable)
        usage, rated = self._usage(contract, period, earlier)
        return Basis(
            contracts=contracts,
            period=period,
            billable=billable,
            held=[one for one in mine if one.state in _HELD and one.verified_at < period.end],
            counted=self._counted(contract, period, mine, billable),
            billed=_billed(earlier, "delta"),
            claimed=_claimed(contract, period, mine),
            work=self._work(contract, period, mine),
            usage=usage,
            rated=rated,
            late=self._late(contract, period, earlier),
            earlier=[invoice.totals.net for invoice in reversed(earlier)],
            periods=_periods_before(self._contracts.of(who[1], who[0])[0], period),
        )

    def _is_billable(self, outcome: Outcome, period: Period) -> bool:
        return (
            outcome.state in _BILLABLE
            and outcome.fee is not None
            and outcome.verified_at < period.end
            and outcome.key not in self._invoices.shares
        )

    def _counted(
        self, contract: Contract, period: Period, mine: Sequence[Outcome], billable: Sequence[Outcome]
    ) -> Mapping[tuple[str, str], Sequence[Outcome]]:
        """The outcomes that count towards tiers and bounds: of this period, and of those that late ones belong to."""
        bounded: dict[str, list[Outcome]] = {
            type: [] for type, fee in contract.fees.items()
            if not steady(fee.price) or fee.most is not None or fee.price.minimum is not None
        }  # fmt: skip
        if not bounded:
            return {}
        found: dict[tuple[str, str], list[Outcome]] = {(type, period.label): [] for type in bounded}
        periods = {period.label: period}
        for outcome in billable:
            if outcome.type in bounded and outcome.verified_at < period.start:
                late = period_at(contract.calendar, outcome.verified_at)
                periods[late.label] = late
                found.setdefault((outcome.type, late.label), [])
        counts = {outcome.key for outcome in billable}
        for outcome in sorted(mine, key=lambda one: (one.verified_at, one.key)):
            if outcome.type in bounded and (outcome.key in counts or outcome.key in self._invoices.shares):
                for label, known in periods.items():
                    if outcome.verified_at in known and (outcome.type, label) in found:
                        found[outcome.type, label].append(outcome)
        return found

    def _work(self, contract: Contract, period: Period, mine: Sequence[Outcome]) -> Work:
        since, until = max(period.start, contract.start), period.end
        if _asks_for_work(contract):
            work = self._records.work(contract.tenant, contract.customer, since, until, contract.currency)
        else:
            work = Work()
        failed = sum(1 for one in mine if one.state in _FAILED and one.claimed_at in period)
        if not any("outcomes" in seats.meters for seats in contract.seats):
            return Work(work.by_agent, work.runs, failed)
        by_agent = {spent.agent: spent for spent in work.by_agent}
        for outcome in mine:
            if outcome.verified_at in period:
                for agent in outcome.agents[-1:]:
                    known = by_agent.get(agent, Spent(agent))
                    by_agent[agent] = Spent(
                        agent, known.calls, known.runs, known.tokens, known.outcomes + 1, known.cost
                    )
        return Work(tuple(by_agent.values()), work.runs, failed)

    def _usage(
        self, contract: Contract, period: Period, earlier: Sequence[Invoice]
    ) -> tuple[dict[tuple[str, str], Fraction], dict[tuple[str, str], int]]:
        """What was metered in this period and, as events may come late, in those with an invoice before it."""
        if not contract.usage:
            return {}, {}
        periods = [period, *(period_named(contract.calendar, one.period) for one in earlier[-LATE:])]
        found: dict[tuple[str, str], Fraction] = {}
        for known in periods:
            for meter in contract.usage:
                quantity = self._records.metered(contract.tenant, contract.customer, meter, known.start, known.end)
                if quantity:
                    found[meter, known.label] = quantity
        return found, _billed(earlier, "usage")

    def _late(self, contract: Contract, period: Period, earlier: Sequence[Invoice]) -> list[tuple[str, int]]:
        """Model calls of earlier periods that were recorded after their invoices, by what they cost."""
        if contract.tokens is None and contract.premium is None:
            return []
        found: list[tuple[str, int]] = []
        for invoice in earlier[-LATE:]:
            known = period_named(contract.calendar, invoice.period)
            if known.first >= period.first:
                continue
            now = self._records.work(invoice.tenant, invoice.customer, known.start, known.end, contract.currency).cost
            told = sum(cost for one in earlier for label, cost in one.late if label == invoice.period)
            if (cost := now - invoice.spent - told) > 0:
                found.append((invoice.period, cost))
        return found


def _one_currency(contract: Contract, billable: Iterable[Outcome]) -> None:
    """A fee in another currency than the contract's is not the same number in that one."""
    for outcome in billable:
        if outcome.fee is not None and outcome.fee.currency != contract.currency:
            raise SettingsError(
                f"{outcome.key} was verified for {outcome.fee}, and the contract of {contract.customer} is in "
                f"{contract.currency} now. Put its currency back; in another one it is a contract of another customer."
            )


def _asks_for_work(contract: Contract) -> bool:
    return bool(contract.tokens or contract.premium or any(seats.meters for seats in contract.seats))


def _billed(earlier: Iterable[Invoice], kind: str) -> dict[tuple[str, str], int]:
    """By type (or meter) and period, what lines of a kind have billed of it."""
    found: dict[tuple[str, str], int] = {}
    for invoice in earlier:
        for line in invoice.lines:
            if line.kind == kind:
                key = (line.type, line.period or invoice.period)
                found[key] = found.get(key, 0) + line.exact
    return found


def _claimed(contract: Contract, period: Period, mine: Iterable[Outcome]) -> dict[str, tuple[int, int]]:
    """By type under an agreed level: how many claims of the period were decided, and how many came true."""
    if not contract.slas:
        return {}
    found: dict[str, tuple[int, int]] = {}
    for outcome in mine:
        if outcome.claimed_at in period and outcome.state not in _UNDECIDED:
            decided, verified = found.get(outcome.type, (0, 0))
            came_true = bool(outcome.verified_at) and outcome.state not in ("reversed", "clawed_back")
            found[outcome.type] = (decided + 1, verified + came_true)
    return found


def _periods_before(contract: Contract, period: Period) -> int:
    first = period_at(contract.calendar, contract.start).first
    months = (period.first.year - first.year) * 12 + period.first.month - first.month
    return max(months // contract.calendar.months, 0)
