"""A course of values as small as a word, beside a figure: columns made of numbers and of nothing else."""

from collections.abc import Sequence
from decimal import Decimal

from comptroller.dashboards.look.markup import Markup

MOST = 42  # columns: more of them are thinner than a pixel


def bars(values: Sequence[int | Decimal], bad: bool = False) -> Markup:
    """The columns; hidden from readers, for the figure beside them says what matters.

    Not a picture: what Streamlit lets pass as HTML holds no SVG.
    """
    merged = _merged([Decimal(value) for value in values])
    most = max(merged, default=Decimal(0))
    if most <= 0:
        return Markup("")
    columns = "".join(f'<i style="height:{_height(value, most)}%"></i>' for value in merged)
    return Markup(f'<span class="ct-bars{" ct-bad" if bad else ""}" aria-hidden="true">{columns}</span>')


def _merged(values: list[Decimal]) -> list[Decimal]:
    """Neighbours added up, so that there are few enough."""
    width = -(-len(values) // MOST) or 1
    return [sum(values[at : at + width], Decimal(0)) for at in range(0, len(values), width)]


def _height(value: Decimal, most: Decimal) -> int:
    """In per cent; what is not nothing is seen."""
    return max(int(value * 100 / most), 4 if value > 0 else 0)
