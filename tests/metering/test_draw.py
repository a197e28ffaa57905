"""What tells invoices apart."""

from comptroller.metering.contract_reader import read_contracts
from comptroller.metering.draw import invoice_id
from comptroller.metering.periods import period_at

CONTRACT = "{{contract: c, tenant: {}, customer: {}, from: 2026-01-01, currency: USD, outcomes: {{x: 1}}}}"
START = 1_767_225_600_000_000_000  # 2026-01-01


def ids(*whose: tuple[str, str]) -> list[str]:
    told = []
    for tenant, customer in whose:
        book = read_contracts([("c.yaml", CONTRACT.format(f"'{tenant}'", f"'{customer}'"))])
        contract = book.at(customer, START, tenant)
        assert contract is not None
        told.append(invoice_id(contract, period_at(contract.calendar, START)))
    return told


def test_an_invoice_is_named_by_whose_it_is_and_for_when() -> None:
    assert ids(("default", "acme")) == ["default:acme:2026-01"]


def test_no_two_customers_share_an_invoice_whatever_they_are_called() -> None:
    assert len(set(ids(("a", "b:c"), ("a:b", "c"), ("a", "b%3Ac"), ("a%3Ab", "c")))) == 4
