"""An invoice with every kind of line, to be written in every form."""

from comptroller.metering.invoice import Credit, Invoice, Item, Line, Payment, sums

USD = 1_000_000_000
AT = 1_767_312_000 * USD  # 2 January 2026

LINES = (
    Line("outcome", "Loan decided", "success fee", 1_980_000_000, 1_980_000_000, "2", "0.99", 0, 380_000_000,
         type="loan.decided", price="p1", items=(
             Item("o1", "r1", "app-1", "customer", AT, ("d1",), 990_000_000, 990_000_000, 0, 190_000_000),
             Item("o2", "r2", '=HYPERLINK("http://evil")', "silence", AT, (), 990_000_000, 990_000_000, 0, 190_000_000),
         )),
    Line("delta", "Loan decided, adjusted", "tiers", -100_000_000, -100_000_000, tax=-20_000_000, period="2025-11"),
    Line("seat", "Desk", "by the seat", 40 * USD, 40 * USD, "4", "10.00", 5 * USD, 6_650_000_000),
    Line("overage", "Desk, overage", "calls beyond the seats", USD, USD, "100", "0.01", 0, 190_000_000),
    Line("token", "Model tokens", "at provider price", 1_234_567, 0),
    Line("premium", "Orchestration", "for each run", USD, USD, "10", "0.10", 0, 190_000_000),
    Line("usage", "Pages", "metered", USD, USD, "12.5", "0.08", 0, 190_000_000),
    Line("minimum", "Minimum commitment", "what was missing", 10 * USD, 10 * USD, tax=1_900_000_000),
)  # fmt: skip

INVOICE = Invoice(
    id="default:acme:2025-12",
    tenant="default",
    customer="acme",
    contract="acme-2025",
    version="v1",
    period="2025-12",
    first="2025-12-01",
    last="2025-12-31",
    currency="EUR",
    lines=LINES,
    totals=sums(LINES, 3 * USD),
    number="INV-2026-0001",
    issued="2026-01-02",
    due="2026-02-01",
    at=AT,
    buyer={"name": "Acme Ltd"},
    seller={"name": "Agents Inc"},
    tax={"name": "VAT", "percent": "19", "note": ""},
    burnt={"welcome": 3 * USD},
    digest="abc",
    state="finalised",
    payments=(Payment("p1", AT, 10 * USD),),
    credits=(Credit("CN-2026-0001", "e9", AT + USD, "INV-2026-0001", 990_000_000, 190_000_000, "@reopened", "o1"),),
)
