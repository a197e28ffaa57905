"""A line or columns as small as a word, beside a figure: drawn of numbers and of nothing else."""

from base64 import b64encode
from collections.abc import Sequence
from decimal import Decimal

WIDTH, HEIGHT, EDGE = 120, 28, 2


def spark(values: Sequence[int | Decimal], *, columns: bool = False, bad: bool = False) -> str:
    """HTML of a course of values, for `st.html`; hidden from readers, for the figure beside it says what matters.

    A stencil in the colour of the text around it, since `st.html` lets no SVG through; `spark bad` is for the page's
    style to colour.
    """
    heights = _heights([Decimal(value) for value in values])
    marks = _columns(heights) if columns else _line(heights)
    size = f'viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" preserveAspectRatio="none"'
    drawn = b64encode(f'<svg xmlns="http://www.w3.org/2000/svg" {size}>{marks}</svg>'.encode()).decode()
    stencil = f"url(data:image/svg+xml;base64,{drawn}) center/100% 100% no-repeat"
    style = f"display:inline-block;width:{WIDTH}px;height:{HEIGHT}px;background:currentColor;mask:{stencil}"
    return f'<span class="{"spark bad" if bad else "spark"}" aria-hidden="true" style="{style}"></span>'


def _heights(values: Sequence[Decimal]) -> list[Decimal]:
    """Between 0 (the least of them and nothing) and 1 (the most)."""
    if not all(value.is_finite() for value in values):
        raise ValueError("A course of values is drawn of finite numbers.")
    zero = Decimal(0)
    least, most = min([zero, *values]), max([zero, *values])
    return [(value - least) / (most - least) if most > least else zero for value in values]


def _line(heights: Sequence[Decimal]) -> str:
    if not heights:
        return ""
    step = Decimal(WIDTH - 2 * EDGE) / max(len(heights) - 1, 1)
    points = [f"{EDGE + step * at:.1f},{_y(height):.1f}" for at, height in enumerate(heights)]
    last = points[-1].split(",")
    return (
        f'<polyline points="{" ".join(points)}" fill="none" stroke="#000" stroke-width="1.5" '
        f'/><circle cx="{last[0]}" cy="{last[1]}" r="2" fill="#000"/>'
    )


def _columns(heights: Sequence[Decimal]) -> str:
    if not heights:
        return ""
    step = Decimal(WIDTH) / len(heights)
    return "".join(
        f'<rect x="{step * at:.1f}" y="{_y(height):.1f}" width="{step * Decimal("0.8"):.1f}" '
        f'height="{HEIGHT - EDGE - _y(height):.1f}" fill="#000"/>'
        for at, height in enumerate(heights)
        if height
    )


def _y(height: Decimal) -> Decimal:
    return HEIGHT - EDGE - height * (HEIGHT - 2 * EDGE)
