"""An invoice as HTML for e-mail: one table, styles in place, nothing fetched, every word escaped."""

from collections.abc import Iterable
from html import escape
from typing import Any

_INK, _MUTED, _GREEN, _LINE = "#14202B", "#4A5967", "#0B6B53", "#E3E8ED"
_FONT = "font-family:Inter,Helvetica,Arial,sans-serif"
_CELL = f"padding:8px 4px;border-bottom:1px solid {_LINE};vertical-align:top"


def draw(sheet: dict[str, Any]) -> str:
    """The whole document."""
    return "".join(_document(sheet))


def _document(sheet: dict[str, Any]) -> Iterable[str]:
    title = f"{sheet['title']} {sheet['number']}"
    yield f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{_said(title)}</title></head>'
    yield f'<body style="margin:0;padding:24px;background:#ffffff;color:{_INK};{_FONT};font-size:14px">'
    yield '<table role="presentation" width="100%" style="max-width:680px;margin:0 auto;border-collapse:collapse">'
    yield _row(_head(sheet))
    yield _row(_parties(sheet))
    yield _row(_lines(sheet))
    yield _row(_totals(sheet))
    yield _row(_notes(sheet))
    yield "</table></body></html>"


def _head(sheet: dict[str, Any]) -> str:
    seller = sheet["seller"]
    about = [*seller["address"], *([seller["tax_id"]] if seller["tax_id"] else [])]
    status = f' <span style="font-size:12px;color:{_GREEN}">{_said(sheet["status"])}</span>' if sheet["status"] else ""
    return (
        f'<table role="presentation" width="100%" style="border-bottom:2px solid {_GREEN}"><tr>'
        f'<td style="padding-bottom:8px"><div style="font-size:24px;font-weight:700">{_said(sheet["title"])}{status}'
        "</div>"
        f'<div style="color:{_MUTED}">{_said(sheet["number"])}</div></td>'
        f'<td align="right" style="padding-bottom:8px"><div style="font-weight:700;color:{_GREEN}">'
        f"{_said(seller['name'])}</div>{_grey(about)}</td></tr></table>"
    )


def _parties(sheet: dict[str, Any]) -> str:
    buyer = sheet["buyer"]
    about = [*buyer["address"], *([buyer["tax_id"]] if buyer["tax_id"] else [])]
    cells = "".join(
        f'<td style="padding:12px 0 12px 16px;vertical-align:top">{_grey([fact["name"]])}{_said(fact["value"])}</td>'
        for fact in sheet["facts"]
    )
    return (
        f'<table role="presentation" width="100%"><tr><td style="padding:12px 0;vertical-align:top">'
        f"{_grey(['Billed to'])}<strong>{_said(buyer['name'])}</strong>{_grey(about)}</td>{cells}</tr></table>"
    )


def _lines(sheet: dict[str, Any]) -> str:
    heads = "".join(
        f'<th align="{side}" style="{_CELL};font-size:12px;color:{_MUTED}">{name}</th>'
        for name, side in (("Item", "left"), ("Quantity", "right"), ("Unit price", "right"), ("Amount", "right"))
    )
    rows = "".join(_line(row) for row in sheet["lines"])
    return f'<table width="100%" style="border-collapse:collapse"><tr>{heads}</tr>{rows}</table>'


def _line(row: dict[str, str]) -> str:
    figures = "".join(
        f'<td align="right" style="{_CELL};white-space:nowrap">{_said(row[name])}</td>'
        for name in ("quantity", "unit", "amount")
    )
    return f'<tr><td style="{_CELL}"><strong>{_said(row["title"])}</strong>{_grey([row["about"]])}</td>{figures}</tr>'


def _totals(sheet: dict[str, Any]) -> str:
    rows = "".join(
        f'<tr><td style="padding:4px">{_said(row["name"])}</td>'
        f'<td align="right" style="padding:4px">{_said(row["value"])}</td></tr>'
        for row in sheet["totals"]
    )
    due = sheet["due"]
    big = f"padding:8px 4px;border-top:2px solid {_INK};font-size:18px;font-weight:700"
    name, value = _said(due["name"]), _said(due["value"])
    last = f'<tr><td style="{big}">{name}</td><td align="right" style="{big}">{value}</td></tr>'
    return f'<table align="right" width="60%" style="border-collapse:collapse;margin:12px 0">{rows}{last}</table>'


def _notes(sheet: dict[str, Any]) -> str:
    if not (sheet["promise"] or sheet["notes"] or sheet["digest"]):
        return ""
    said = f"<strong>{_said(sheet['promise'])}</strong> {_said(' '.join(sheet['notes']))}"
    proof = _grey([f"Digest {sheet['digest'][:32]}", sheet["verify"]]) if sheet["digest"] else ""
    return f'<div style="background:#F1F5F4;border-radius:6px;padding:12px">{said}{proof}</div>'


def _row(inner: str) -> str:
    return f"<tr><td>{inner}</td></tr>" if inner else ""


def _grey(lines: list[str]) -> str:
    said = "<br>".join(_said(line) for line in lines if line)
    return f'<div style="color:{_MUTED};font-size:12px">{said}</div>' if said else ""


def _said(text: object) -> str:
    return escape(str(text), quote=True)
