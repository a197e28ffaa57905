"""What moved a margin against the month before: price, mix, cost of a success, disputes; and what is behind each."""

from collections.abc import Mapping
from decimal import Decimal

from comptroller.dashboards import frame
from comptroller.dashboards.components import table
from comptroller.dashboards.components.table import Cell, Head, Table
from comptroller.dashboards.listing import Row
from comptroller.dashboards.look.viewer import exact_money
from comptroller.dashboards.views.finance import month

HEADS = (
    Head("mover", "What moved it"), Head("amount", "By", True), Head("most", "Most of it", wide=True),
    Head("means", "What that means", wide=True), Head("behind", "Behind it"),
)  # fmt: skip
MOVERS = {
    "disputes": ("Disputes", "More or less was taken back after disputes, reopenings and claw-backs."),
    "price": ("Price", "An outcome earned more or less on average."),
    "mix": ("Mix", "More or fewer outcomes, or other kinds of them."),
    "cost_per_success": ("Cost per success", "A success took more or less work, failed attempts included."),
}


def draw(told: Row, total: Row, narrowed: Mapping[str, str]) -> None:
    """The movers, the largest first, and where each leads."""
    change = Decimal(total["change"])
    unit = total["currency"]
    before = month(told["before"])
    if not change:
        frame.section("What moved the margin", f"It is what it was in {before}.")
        return
    words = f"{frame.viewer().money(abs(change), unit)} {'more' if change > 0 else 'less'} than in {before}"
    frame.section("What moved the margin", f"{words}. The parts sum to it.")
    parts = sorted(MOVERS, key=lambda name: -abs(Decimal(total["movers"][name])))
    rows = [_row(name, told, total, narrowed) for name in parts]
    table.show(Table(HEADS, rows, "What moved the margin"), key=f"movers_{unit}")


def _row(name: str, told: Row, total: Row, narrowed: Mapping[str, str]) -> list[Cell]:
    title, means = MOVERS[name]
    value, unit = Decimal(total["movers"][name]), total["currency"]
    to = _behind(name, told, total, narrowed) if value else ""
    tone = "" if not value else "ok" if value > 0 else "failed"
    shown = f"{'+' if value > 0 else ''}{frame.viewer().money(value, unit)}"
    return [
        Cell(title, link=to),
        Cell(shown, exact_money(value, unit), tone=tone, mark="↑" if value > 0 else "↓" if value else ""),
        Cell(_most(name, told, value, unit)),
        Cell(means),
        Cell(_called(name) if to else "–", link=to),
    ]


def _most(name: str, told: Row, value: Decimal, unit: str) -> str:
    """The rows that did most of it, in its direction."""
    found = [(Decimal(row["movers"][name]), row["name"] or "runs in vain") for row in told["rows"]
             if row["currency"] == unit]  # fmt: skip
    same = sorted((one for one in found if one[0] and (one[0] > 0) == (value > 0)), key=lambda one: -abs(one[0]))
    viewer = frame.viewer()
    return ", ".join(f"{who} {viewer.money(part, unit)}" for part, who in same[:2]) or "–"


def _behind(name: str, told: Row, total: Row, narrowed: Mapping[str, str]) -> str:
    """Where what moved it is listed."""
    if name == "disputes":
        # What was taken back this month made it worse; what had been taken back the month before made it better.
        at = told["month"] if Decimal(total["movers"][name]) < 0 else told["before"]
        return frame.address("outcomes", taken_back=at, **narrowed)
    if name == "price":
        return frame.address("contracts")
    if name == "mix":
        return frame.address("outcomes", verified=told["month"], **narrowed)
    return frame.address("runs", period="30d", sort="-cost")


def _called(name: str) -> str:
    words = {"disputes": "the outcomes", "price": "the contracts", "mix": "the outcomes"}
    return words.get(name, "the dearest runs")
