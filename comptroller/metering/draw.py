"""Drawing up an invoice: from outcomes, work and contract to lines, discounts, tax and totals; no I/O."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from fractions import Fraction

from comptroller.core.currencies import minor_places
from comptroller.core.money import NANOS, decimal_text
from comptroller.core.outcome import Outcome
from comptroller.metering.contracts import Contract, Discount, Party, Seats
from comptroller.metering.fees import fee_title, rerated, steady
from comptroller.metering.invoice import Invoice, Item, Kind, Line, spread, sums
from comptroller.metering.periods import Period, day_of, midnight_ns
from comptroller.metering.rating import Usage, rate
from comptroller.metering.rating.line import nanos
from comptroller.metering.rating.rounding import Mode, Rounding, round_to
from comptroller.metering.rating.shares import PERCENT
from comptroller.metering.rating.terms import plain


@dataclass(frozen=True, slots=True)
class Spent:
    """What the model calls of one agent came to: cost in nanos of the contract's currency."""

    agent: str
    calls: int = 0
    runs: int = 0
    tokens: int = 0
    outcomes: int = 0
    cost: int = 0


@dataclass(frozen=True, slots=True)
class Work:
    """What was done for a customer in a period."""

    by_agent: tuple[Spent, ...] = ()
    runs: int = 0
    failed: int = 0

    @property
    def cost(self) -> int:
        return sum(spent.cost for spent in self.by_agent)


@dataclass(frozen=True, slots=True)
class Basis:
    """All that an invoice is drawn up from."""

    contracts: Sequence[Contract]  # the versions that hold in the period, the newest last; it rules
    period: Period
    billable: Sequence[Outcome] = ()  # not on any invoice yet, whichever period they were verified in
    held: Sequence[Outcome] = ()
    # Outcomes by type and period: all that count towards the tiers, and what was billed of them before.
    counted: Mapping[tuple[str, str], Sequence[Outcome]] = field(default_factory=dict)
    billed: Mapping[tuple[str, str], int] = field(default_factory=dict)
    claimed: Mapping[str, tuple[int, int]] = field(default_factory=dict)  # by type: claims decided, and those verified
    work: Work = Work()
    # Usage events: how much of each meter and period there is by now, and what was billed of it before.
    usage: Mapping[tuple[str, str], Fraction] = field(default_factory=dict)
    rated: Mapping[tuple[str, str], int] = field(default_factory=dict)
    late: Sequence[tuple[str, int]] = ()  # cost of model calls of earlier periods that came after their invoices
    earlier: Sequence[int] = ()  # net of the invoices before, the newest first: for minimums over several periods
    periods: int = 0  # how many were closed under this contract before


def draw(basis: Basis) -> Invoice:
    """The draft of an invoice."""
    contract, period = basis.contracts[-1], basis.period
    lines = [*_outcomes(basis), *_deltas(basis), *_usage(basis), *_seats(basis), *_tokens(basis)]
    lines, taken = _discounted(contract, period, lines)
    lines += _minimum(basis, lines)
    lines = [_itemised(line, contract) for line in _taxed(contract, lines)]
    return Invoice(
        id=invoice_id(contract, period),
        tenant=contract.tenant,
        customer=contract.customer,
        contract=contract.id,
        version=contract.version,
        period=period.label,
        first=period.first.isoformat(),
        last=period.last.isoformat(),
        currency=contract.currency,
        lines=tuple(lines),
        totals=sums(lines),
        buyer=party(contract.buyer),
        seller=party(contract.seller),
        tax={"name": contract.tax.name, "percent": plain(contract.tax.percent), "note": contract.tax.note},
        discounts=tuple(taken),
        sla=tuple(_sla(basis, lines)),
        held=len(basis.held),
        held_nanos=sum(owed(outcome) for outcome in basis.held),
        failed=basis.work.failed,
        spent=basis.work.cost,
        runs=basis.work.runs,
        late=tuple(basis.late),
    )


def invoice_id(contract: Contract, period: Period) -> str:
    """One invoice for each customer and period. A colon in a name is written `%3A`: no two names make one id."""
    names = (name.replace("%", "%25").replace(":", "%3A") for name in (contract.tenant, contract.customer))
    return ":".join((*names, period.label))


def dated(invoice: Invoice, contract: Contract, at: int) -> Invoice:
    """With the day it is issued on and the one it is due by."""
    zone = contract.calendar.zone
    issued = day_of(zone, at)
    due = issued + timedelta(days=contract.due_days)
    due_at = midnight_ns(zone, due + timedelta(days=1))  # until the end of that day
    return replace(invoice, issued=issued.isoformat(), due=due.isoformat(), due_at=due_at, at=at)


def owed(outcome: Outcome) -> int:
    """What is left of an outcome's fee."""
    return outcome.fee.nanos - outcome.reversed_nanos if outcome.fee else 0


def party(known: Party) -> dict[str, object]:
    return {"name": known.name, "address": list(known.address), "tax_id": known.tax_id, "email": known.email}


# -- the lines


def _outcomes(basis: Basis) -> Iterator[Line]:
    """One line for each type, price and period of the outcomes."""
    contract, here = basis.contracts[-1], basis.period
    groups: dict[tuple[str, str, str], list[Outcome]] = {}
    for outcome in sorted(basis.billable, key=lambda outcome: (outcome.type, outcome.verified_at, outcome.key)):
        label = here.label if outcome.verified_at >= here.start else day_of(contract.calendar.zone, outcome.verified_at)
        groups.setdefault((outcome.type, outcome.price, str(label)[:7] if label != here.label else ""), []).append(
            outcome
        )
    for (type, price, period), outcomes in groups.items():
        fees = {owed(outcome) for outcome in outcomes}
        exact = sum(owed(outcome) for outcome in outcomes)
        about = "success fee, evidence attached" if len(fees) == 1 else "success fees, each on the list of outcomes"
        yield Line(
            kind="outcome",
            title=fee_title(contract, type),
            about=f"{about}{f'; verified in {period}' if period else ''}",
            exact=exact,
            gross=rounded(exact, contract),
            quantity=str(len(outcomes)),
            unit=decimal_text(fees.pop()) if len(fees) == 1 else "",
            type=type,
            period=period,
            price=price,
            items=tuple(_item(outcome) for outcome in outcomes),
        )


def _item(outcome: Outcome) -> Item:
    return Item(
        outcome.key,
        outcome.run,
        outcome.subject,
        outcome.method or "",
        outcome.verified_at,
        outcome.evidence,
        owed(outcome),
        before=outcome.reversed_nanos,
    )


def _deltas(basis: Basis) -> Iterator[Line]:
    """What the tiers of a whole period come to, less the fees that its outcomes were frozen at."""
    contract = basis.contracts[-1]
    for (type, period), outcomes in sorted(basis.counted.items()):
        fee = contract.fees.get(type)
        if fee is None:
            continue
        frozen = sum(outcome.fee.nanos for outcome in outcomes if outcome.fee)
        due = frozen if steady(fee.price) else rerated(fee, outcomes)
        if fee.price.minimum is not None:
            due = max(due, nanos(fee.price.minimum))
        if fee.most is not None:
            due = min(due, fee.most)
        exact = due - frozen - basis.billed.get((type, period), 0)
        if gross := rounded(exact, contract):
            late = "" if period == basis.period.label else period
            why = "tiers and bounds of the whole period" + (f", {late}" if late else "")
            credits = (("revenue:outcome:", gross),)
            title = f"{fee_title(contract, type)}, adjusted"
            yield Line("delta", title, why, exact, gross, type=type, period=late, price=fee.version, credits=credits)


def _usage(basis: Basis) -> Iterator[Line]:
    """What metered units come to; those of earlier periods by what they add."""
    contract = basis.contracts[-1]
    for (meter, period), quantity in sorted(basis.usage.items()):
        fee = contract.usage.get(meter)
        if fee is None:
            continue
        price = replace(fee.price, rounding=Rounding(at="none"))
        due = nanos(rate(price, Usage(quantity=quantity, count=int(quantity))).total)
        exact = (due if fee.most is None else min(due, fee.most)) - basis.rated.get((meter, period), 0)
        late = "" if period == basis.period.label else period
        if exact or (quantity and not late):
            gross = rounded(exact, contract)
            about = f"late usage of {late}: what it adds to that period" if late else "metered"
            units = "" if late else plain(quantity)
            yield Line("usage", fee.title or meter, about, exact, gross, units, type=meter, period=late,
                       price=fee.version, credits=((f"revenue:usage:{meter}", gross),))  # fmt: skip


def _seats(basis: Basis) -> Iterator[Line]:
    for contract in basis.contracts:
        days, whole = contract.days_in(basis.period), basis.period.days
        for seats in contract.seats:
            held = {
                meter: Fraction(_metered(seats, meter, basis.work) if contract is basis.contracts[-1] else 0)
                for meter in seats.meters
            }
            part = None if days == whole else Fraction(seats.count * days, whole)
            usage = Usage(quantity=Fraction(seats.count), prorated=part, peaks=held)
            said = "" if days == whole else f"{days} of {whole} days"
            yield from _seat_lines(contract, seats, usage, said)


def _seat_lines(contract: Contract, seats: Seats, usage: Usage, days: str) -> Iterator[Line]:
    throughput = getattr(seats.price.model, "throughput", {})
    for rated in rate(replace(seats.price, rounding=Rounding(at="none")), usage, last=False).lines:
        over = rated.kind == "overage"
        exact = nanos(rated.amount)
        gross = rounded(exact, contract)
        kind: Kind = "overage" if over else "seat"
        held = ", ".join(f"{_grouped(most)} {meter}" for meter, most in sorted(throughput.items()))
        said = f"{rated.name} beyond the seats" if over else f"{held} each" if held else "by the seat"
        yield Line(
            kind,
            f"{seats.name}, overage" if over else seats.name,
            ", ".join(filter(None, (said, days))),
            exact,
            gross,
            plain(rated.quantity) if rated.quantity.denominator == 1 else str(seats.count),
            plain(rated.unit, 2),
            price=seats.version,
            credits=((f"revenue:seat:{seats.name}", gross),),
        )


def _metered(seats: Seats, meter: str, work: Work) -> int:
    mine = [spent for spent in work.by_agent if "*" in seats.agents or spent.agent in seats.agents]
    return sum(getattr(spent, meter) for spent in mine)


def _tokens(basis: Basis) -> Iterator[Line]:
    """Model calls at cost, and what orchestrating them costs."""
    contract, work = basis.contracts[-1], basis.work
    costs = [("", work.cost), *basis.late]
    for period, cost in costs:
        late = f", {period}" if period else ""
        if contract.tokens is not None and cost:
            markup = contract.tokens.markup_percent
            said = f"at provider price plus {plain(markup)}%" if markup else "at provider price"
            exact = _percent(cost, 100 + markup)
            yield _by_agent("token", contract.tokens.title, said + late, exact, "", period, contract, work)
        if contract.premium is not None and contract.premium.percent and cost:
            percent = contract.premium.percent
            exact = _percent(cost, percent)
            said = f"{plain(percent)}% on model calls{late}"
            yield _by_agent(
                "premium", contract.premium.title, said, exact, f"{plain(percent)}%", period, contract, work
            )
    if contract.premium is not None and contract.premium.per_run and work.runs:
        each = nanos(contract.premium.per_run)
        line = _by_agent("premium", contract.premium.title, "for each run", each * work.runs, decimal_text(each), "",
                         contract, work)  # fmt: skip
        yield replace(line, quantity=str(work.runs))


def _by_agent(
    kind: Kind, title: str, about: str, exact: int, unit: str, period: str, contract: Contract, work: Work
) -> Line:
    """A line whose revenue goes to the agents by what their calls cost."""
    gross = rounded(exact, contract)
    agents = [spent for spent in work.by_agent if spent.cost > 0] or [Spent("")]
    parts = spread(gross, [spent.cost or 1 for spent in agents])
    credits = tuple((f"revenue:{kind}:{spent.agent}", part) for spent, part in zip(agents, parts, strict=True))
    return Line(kind, title, about, exact, gross, unit=unit, period=period, credits=credits)


def _minimum(basis: Basis, lines: Sequence[Line]) -> Iterator[Line]:
    """What is missing to the minimum of a window, due with its last period; a part of a period owes its part."""
    contract = basis.contracts[-1]
    least = contract.minimum
    if least is None or (basis.periods + 1) % least.periods:
        return
    part = Fraction(contract.days_in(basis.period), basis.period.days) if least.periods == 1 else Fraction(1)
    due = rounded(nanos(Fraction(least.nanos, NANOS) * part), contract)
    spent = sum(line.net for line in lines) + sum(basis.earlier[: least.periods - 1])
    if spent < due:
        of = f"to {decimal_text(due)} {contract.currency}" + (
            f" in {least.periods} periods" if least.periods > 1 else ""
        )
        gross = due - spent
        yield Line("minimum", "Minimum commitment", f"what was missing {of}", gross, gross,
                   credits=(("revenue:minimum:", gross),))  # fmt: skip


# -- discounts, caps, tax


def _discounted(contract: Contract, period: Period, lines: list[Line]) -> tuple[list[Line], list[tuple[str, int]]]:
    taken: list[tuple[str, int]] = []
    for discount in contract.discounts:
        if discount.until is None or period.first < discount.until:
            lines, nanos_off = _less(contract, lines, discount)
            taken.append((discount.name, nanos_off))
    if contract.most is not None and (over := sum(line.net for line in lines) - contract.most) > 0:
        lines, nanos_off = _less(contract, lines, Discount("Most of the period", nanos=over))
        taken.append(("Most of the period", nanos_off))
    return lines, [(name, off) for name, off in taken if off]


def _less(contract: Contract, lines: list[Line], discount: Discount) -> tuple[list[Line], int]:
    """Take a discount off the lines it is for, in parts that sum to it."""
    mine = [number for number, line in enumerate(lines) if _is_for(discount, line)]
    base = sum(lines[number].net for number in mine)
    if base <= 0:
        return lines, 0
    off = min(rounded(_percent(base, discount.percent), contract) if discount.percent else discount.nanos, base)
    parts = spread(off, [lines[number].net for number in mine], smallest(contract))
    made = list(lines)
    for number, part in zip(mine, parts, strict=True):
        made[number] = replace(lines[number], discount=lines[number].discount + part)
    return made, off


def _is_for(discount: Discount, line: Line) -> bool:
    kind = "outcome" if line.kind == "delta" else line.kind
    return not discount.kinds or kind in discount.kinds


def _taxed(contract: Contract, lines: Sequence[Line]) -> list[Line]:
    """The tax on the sum, rounded once, in parts that sum to it."""
    base = sum(line.net for line in lines)
    tax = rounded(_percent(base, contract.tax.percent), contract)
    parts = spread(tax, [line.net for line in lines], smallest(contract))
    return [replace(line, tax=part) if part else line for line, part in zip(lines, parts, strict=True)]


def _itemised(line: Line, contract: Contract) -> Line:
    """Give each outcome its part of the line, the discount and the tax, so that crediting all of them credits all."""
    if not line.items:
        return line
    fees, unit = [item.fee for item in line.items], smallest(contract)
    shares = zip(*(spread(whole, fees, unit) for whole in (line.gross, line.discount, line.tax)), strict=True)
    items = (
        Item(
            item.outcome, item.run, item.subject, item.method, item.verified_at, item.evidence, item.fee,
            gross, discount, tax, item.before,
        )
        for item, (gross, discount, tax) in zip(line.items, shares, strict=True)
    )  # fmt: skip
    return replace(line, items=tuple(items))


def _sla(basis: Basis, lines: Sequence[Line]) -> Iterator[tuple[str, int, str]]:
    contract = basis.contracts[-1]
    for sla in contract.slas:
        decided, verified = basis.claimed.get(sla.type, (0, 0))
        if decided < sla.claims or verified * 100 >= decided * sla.least_percent:
            continue
        base = sum(line.net for line in lines if line.type == sla.type)
        if credit := rounded(_percent(max(base, 0), sla.credit_percent), contract):
            said = f"{verified} of {decided} came true, agreed were {plain(sla.least_percent)} %"
            yield sla.id, credit, said


# -- numbers


def rounded(amount: int, contract: Contract) -> int:
    """Nanos as the currency's smallest units have them, by the contract's rule."""
    return to_minor(amount, contract.currency, contract.rounding)


def to_minor(amount: int, currency: str, mode: Mode = "half_up") -> int:
    return nanos(round_to(Fraction(amount, NANOS), minor_places(currency), mode))


def smallest(contract: Contract) -> int:
    """Nanos of the currency's smallest unit."""
    return NANOS // int(10 ** minor_places(contract.currency))


def _grouped(number: Fraction) -> str:
    return f"{number.numerator:,}" if number.denominator == 1 else plain(number)


def _percent(amount: int, percent: Fraction) -> int:
    return nanos(Fraction(amount, NANOS) * percent * PERCENT)
