"""FOCUS: the columns of each version, and rows that come to what the invoice says."""

from dataclasses import replace

import pytest

from comptroller.office.exchange import focus
from comptroller.office.exchange.focus import Zones
from comptroller.office.exchange.sheet import Cell, Sheet
from tests.office.exchange.bill import INVOICE

ZONES = Zones({"acme-2025": "Europe/Berlin"})
# As the specification of each version has them.
MANDATORY = {
    "1.2": "ProviderName PublisherName",
    "1.4": "HostProviderName ServiceProviderName",
}
EVERY = (
    "BilledCost BillingAccountId BillingAccountName BillingCurrency BillingPeriodStart BillingPeriodEnd ChargeCategory "
    "ChargeClass ChargeDescription ChargePeriodStart ChargePeriodEnd ContractedCost EffectiveCost InvoiceIssuerName "
    "ListCost PricingQuantity PricingUnit ServiceCategory ServiceName"
)


def told(sheet: Sheet) -> list[dict[str, Cell]]:
    names = [column.name for column in sheet.columns]
    return [dict(zip(names, row, strict=True)) for row in sheet.rows]


def nanos(row: dict[str, Cell], name: str = "BilledCost") -> int:
    whole, _, part = str(row[name]).lstrip("-").partition(".")
    size = int(whole) * 10**9 + int(part.ljust(9, "0"))
    return -size if str(row[name]).startswith("-") else size


@pytest.mark.parametrize("version", ["1.2", "1.4"])
def test_every_mandatory_column_of_a_version_is_there(version: focus.Version) -> None:
    assert {*EVERY.split(), *MANDATORY[version].split()} <= set(focus.COLUMNS[version])


@pytest.mark.parametrize("version", ["1.2", "1.4"])
def test_the_rows_of_an_invoice_come_to_what_is_due_and_those_of_a_note_to_what_it_gives(
    version: focus.Version,
) -> None:
    rows = told(focus.costs([INVOICE], version, ZONES))
    by_invoice: dict[Cell, int] = {}
    for row in rows:
        by_invoice[row["InvoiceId"]] = by_invoice.get(row["InvoiceId"], 0) + nanos(row)
    assert by_invoice == {
        "INV-2026-0001": INVOICE.totals.due,
        "CN-2026-0001": -INVOICE.credits[0].total,
    }


def test_details_join_to_costs_by_invoice_and_detail_and_come_to_the_same() -> None:
    costs = {
        (row["InvoiceId"], row["InvoiceDetailId"]): nanos(row) for row in told(focus.costs([INVOICE], "1.4", ZONES))
    }
    details = {(row["InvoiceId"], row["InvoiceDetailId"]): nanos(row) for row in told(focus.detail([INVOICE], ZONES))}
    assert details == {key: cost for key, cost in costs.items() if cost}


def test_days_are_those_of_the_contracts_zone() -> None:
    row = told(focus.costs([INVOICE], "1.4", ZONES))[0]
    assert (row["BillingPeriodStart"], row["BillingPeriodEnd"]) == ("2025-11-30T23:00:00Z", "2025-12-31T23:00:00Z")
    assert told(focus.costs([INVOICE], "1.4", Zones({})))[0]["BillingPeriodStart"] == "2025-12-01T00:00:00Z"


def test_taxes_and_credits_have_no_price_and_uses_have_one() -> None:
    for row in told(focus.costs([INVOICE], "1.2", ZONES)):
        assert (row["PricingQuantity"] is not None) == (row["ChargeCategory"] == "Usage")
        assert (row["PricingUnit"] is not None) == (row["ChargeCategory"] == "Usage")


def test_what_corrects_an_earlier_period_says_so() -> None:
    rows = told(focus.costs([INVOICE], "1.2", ZONES))
    corrected = {row["ChargeDescription"] for row in rows if row["ChargeClass"] == "Correction"}
    assert corrected == {
        "Loan decided, adjusted", "VAT 19 % on Loan decided, adjusted",
        "Credit note CN-2026-0001: @reopened", "VAT 19 % on credit note CN-2026-0001",
    }  # fmt: skip


def test_whole_amounts_have_a_decimal_as_readers_of_focus_expect() -> None:
    rows = told(focus.costs([INVOICE], "1.2", ZONES))
    assert all("." in str(row[name]) for row in rows for name in ("BilledCost", "ListCost", "EffectiveCost"))
    assert all("." in str(row["PricingQuantity"]) for row in rows if row["PricingQuantity"])


def test_an_invoice_without_tax_or_names_is_told_too() -> None:
    bare = replace(INVOICE, buyer={}, seller={}, tax={}, due="", contract="")
    row = told(focus.costs([bare], "1.2", ZONES))[0]
    assert (row["BillingAccountName"], row["InvoiceIssuerName"]) == ("acme", "default")
    assert told(focus.detail([bare], ZONES))[0]["PaymentTerms"] == "Net 0"
