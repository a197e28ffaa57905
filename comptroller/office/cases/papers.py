"""Published cases about what stands on invoices: rounding, splits, taxes, credit notes, wallets, thresholds."""

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from comptroller.core.currencies import minor_places
from comptroller.metering.rating import progressive as thresholds
from comptroller.metering.rating.charge import rate
from comptroller.metering.rating.credits import Wallet, top_up
from comptroller.metering.rating.line import ZERO
from comptroller.metering.rating.proration import true_up
from comptroller.metering.rating.reader import read_price
from comptroller.metering.rating.rounding import PAYABLE, add_up
from comptroller.metering.rating.splits import split
from comptroller.metering.rating.taxes import Taxed, credit_note, tax
from comptroller.metering.rating.usage import Usage
from comptroller.office.cases.case import Answer
from comptroller.office.cases.terms import as_number, leading, number, numbers

Case = Mapping[str, Any]


def shares(case: Case) -> Answer:
    weights = {name: as_number(weight) for name, weight in case["params"]["weights"].items()}
    return Answer(dict(split(number(case["usage"], "amount"), weights, minor_places(case["currency"]))))


def rounded(case: Case) -> Answer:
    return Answer(PAYABLE.of(number(case["usage"], "amount"), case["currency"]))


def rounded_lines(case: Case) -> Answer:
    return Answer(add_up(numbers(case["usage"]["lines"]), PAYABLE, case["currency"]))


def commitment(case: Case) -> Answer:
    minimum, used = number(case["params"], "minimum"), number(case["usage"], "used")
    return Answer(true_up(minimum, [used], PAYABLE, case["currency"]))


def note(case: Case) -> Answer:
    """The unused days of an invoice given back, with their tax."""
    params, currency = case["params"], case["currency"]
    invoice = tax(number(params, "fee"), number(params, "tax_percent"), PAYABLE, currency)
    part = Fraction(number(case["usage"], "unused_days"), number(params, "period_days"))
    return _told(credit_note(invoice, number(params, "fee") * part, PAYABLE, currency))


def partial_note(case: Case) -> Answer:
    params, currency = case["params"], case["currency"]
    invoice = tax(number(params, "invoice_net"), number(params, "tax_percent"), PAYABLE, currency)
    return _told(credit_note(invoice, number(case["usage"], "credit_net"), PAYABLE, currency))


def _told(given: Taxed) -> Answer:
    return Answer(given.total, {"net": given.net, "tax": given.tax, "total": given.total})


def wallet_topup(case: Case) -> Answer:
    paid, worth = number(case["usage"], "paid_credits"), number(case["params"], "rate")
    return Answer(top_up(paid, worth, PAYABLE, case["currency"]))


def wallet_with_tax(case: Case) -> Answer:
    """An invoice, tax and all, paid out of a wallet."""
    params, currency = case["params"], case["currency"]
    price = read_price({"model": "unit", "unit": params["unit"]}, currency)
    due = tax(
        rate(price, Usage(number(case["usage"], "quantity"))).total, number(params, "tax_percent"), PAYABLE, currency
    )
    wallet, used, rest = Wallet(number(params, "granted")).settle(due.total)
    return Answer({"credits_used": used, "balance": wallet.balance, "invoice_total": rest})


def progressive(case: Case) -> Answer:
    """Usage billed once it passes the threshold, and credited on the invoice of the period."""
    usage = [leading(text) for text in case["usage"]["usage"]]
    invoices = thresholds.interim(usage, thresholds.Thresholds((number(case["params"], "threshold"),)))
    settled = thresholds.settle([number(case["params"], "plan_fee", ZERO), *usage], invoices)
    return Answer({"fees": settled.fees, "already_billed_credit": settled.credit, "total": settled.total})
