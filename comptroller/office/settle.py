"""What happens to an invoice once it is out: payments, credit notes by hand, giving up, taking it back."""

from fractions import Fraction

from comptroller.core.errors import SettingsError
from comptroller.core.money import Money, decimal_text
from comptroller.metering.invoice import Credit, Invoice, Payment
from comptroller.metering.postings import Share
from comptroller.office.bookkeeper import Bookkeeper, by_hand, plain, unit_of


def pay(keeper: Bookkeeper, named: str, amount: Money, reference: str, at: int | None = None, by: str = "") -> Invoice:
    """Take a payment in. The same reference again is the same payment."""
    with keeper.alone():
        invoice = _open_invoice(keeper, named, amount)
        now = keeper.desk.clock.now_ns()
        payment = Payment(reference, now if at is None else at, amount.nanos, by)
        known = next((known for known in invoice.payments if known.id == reference), None)
        if known is not None and known.nanos != amount.nanos:
            raise SettingsError(
                f"{reference!r} was taken in for {invoice.number} already, as {decimal_text(known.nanos)} "
                f"{invoice.currency}. Give another payment a reference of its own."
            )
        if known is None:
            keeper.invoices.tell("paid", f"{invoice.number}:paid:{reference}", now,
                               {"invoice": invoice.id, "payment": plain(payment)})  # fmt: skip
            keeper.settle()
        return keeper.invoices.invoices[invoice.id]


def credit(
    keeper: Bookkeeper, named: str, amount: Money, because: str, reference: str, by: str = "", outcome: str = ""
) -> Credit:
    """Give back an amount of an invoice, before tax; its tax goes back with it.

    `outcome`: whose fee it is. What is given back of that here is not given back again when it is reversed.
    """
    with keeper.alone():
        invoice = _open_invoice(keeper, named, amount)
        if known := given(keeper, invoice, reference):
            return known
        left = left_of(invoice)
        if amount.nanos > left:
            raise SettingsError(
                f"{invoice.number}: only {decimal_text(left)} {invoice.currency} before tax is left to credit. "
                "Credit at most that."
            )
        taxes = invoice.totals.tax - sum(credit.tax for credit in invoice.credits)
        tax = taxes if amount.nanos == left else _part(invoice.totals.tax, amount.nanos, invoice.totals.net, invoice)
        now = keeper.desk.clock.now_ns()
        type = keeper.registry.outcomes[outcome].type if outcome else ""
        credit = keeper.note(invoice, _cause(invoice, reference), now, amount.nanos, tax, because, outcome, type, by)
        keeper.settle()
        return credit


def given(keeper: Bookkeeper, invoice: Invoice, reference: str) -> Credit | None:
    """The credit note that was given under a reference before."""
    return keeper.invoices.credits.get(_cause(invoice, reference))


def left_of(invoice: Invoice) -> int:
    """What of an invoice can still be given back, before tax."""
    return invoice.totals.net - sum(credit.net for credit in invoice.credits)


def left_of_outcome(invoice: Invoice, outcome: str, share: Share) -> int:
    """What of an outcome's fee on an invoice can still be given back, before tax."""
    given = sum(credit.net for credit in invoice.credits if credit.outcome == outcome)
    return min(share.net - given, left_of(invoice))


def write_off(keeper: Bookkeeper, named: str, because: str, by: str = "") -> Invoice:
    """Give up what is open of an invoice."""
    with keeper.alone():
        invoice = _open_invoice(keeper, named, None)
        if not invoice.open:
            raise SettingsError(f"{invoice.number} is paid; there is nothing to give up.")
        now = keeper.desk.clock.now_ns()
        keeper.invoices.tell("uncollectible", f"{invoice.number}:uncollectible", now,
                           {"invoice": invoice.id, "because": because, "by": by})  # fmt: skip
        keeper.settle()
        return keeper.invoices.invoices[invoice.id]


def _cause(invoice: Invoice, reference: str) -> str:
    return by_hand(invoice) + reference


def _open_invoice(keeper: Bookkeeper, named: str, amount: Money | None) -> Invoice:
    """The invoice that somebody means, as long as something can still be done about it."""
    invoice = keeper.invoices.find(named)
    if invoice is None:
        raise SettingsError(f"There is no invoice {named!r}. List them with `comptroller books invoice`.")
    if invoice.state != "finalised":
        raise SettingsError(f"{invoice.number} is {invoice.state}; nothing is owed for it.")
    if amount is not None and amount.currency != invoice.currency:
        raise SettingsError(f"{invoice.number} is in {invoice.currency}, not in {amount.currency}. Write its currency.")
    if amount is not None and (amount.nanos <= 0 or amount.nanos % unit_of(invoice)):
        raise SettingsError(f"{amount} is no amount that can be paid in {invoice.currency}. Write one above zero.")
    return invoice


def _part(whole: int, amount: int, of: int, invoice: Invoice) -> int:
    """The share of the tax that an amount carries, in the currency's smallest units."""
    unit = unit_of(invoice)
    exact = Fraction(whole * amount, of * unit)
    return round(exact) * unit


def void(keeper: Bookkeeper, named: str, because: str, by: str = "") -> Invoice:
    """Take an invoice back as if it had not been; its outcomes are billed anew. Its number stays taken."""
    with keeper.alone():
        invoice = _open_invoice(keeper, named, None)
        if invoice.payments or invoice.credits or invoice.sla:
            raise SettingsError(
                f"{invoice.number} was paid or credited already and cannot be taken back. Give a credit note instead."
            )
        now = keeper.desk.clock.now_ns()
        data: dict[str, object] = {"invoice": invoice.id, "because": because, "by": by}
        keeper.invoices.tell("voided", f"{invoice.number}:voided", now, data)
        keeper.settle()
        return keeper.invoices.invoices[invoice.id]
