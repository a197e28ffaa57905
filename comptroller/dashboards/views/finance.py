"""What the pages of finance share: amounts and moments as `/api` tells them, its lists a page at a time, and rights."""

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import quote

from babel import dates

from comptroller.dashboards import frame, session
from comptroller.dashboards.components.table import Cell
from comptroller.dashboards.listing import Found, Row, Wanted
from comptroller.dashboards.look.markup import Markup, tag
from comptroller.dashboards.look.viewer import NONE, exact_money, exact_time
from comptroller.office.switchboard import Declined

STEP = 1000  # rows that `/api` gives at once
NAME = 30  # characters of a subject in a list
_MONTH = re.compile(r"2[01][0-9]{2}-(0[1-9]|1[0-2])")
_ID = re.compile(r"[0-9a-f-]{24,}")


def amount(text: str | None) -> Decimal | None:
    """An amount as `/api` tells it."""
    return None if text is None else Decimal(text)


def money(text: str | None, currency: str | None, **more: Any) -> Cell:
    """An amount in a table, with its last digit on hover."""
    value = amount(text)
    return Cell(frame.viewer().money(value, currency or ""), exact_money(value, currency or ""), **more)


def sums(amounts: Mapping[str, Decimal]) -> tuple[str, str]:
    """Amounts of several currencies, to be read and exact; the largest first."""
    viewer = frame.viewer()
    found = sorted(((value, unit) for unit, value in amounts.items() if value), reverse=True)
    shown = " + ".join(viewer.money(value, unit) for value, unit in found)
    return shown or "0", " + ".join(exact_money(value, unit) for value, unit in found)


def added(rows: Iterable[tuple[str, str]]) -> dict[str, Decimal]:
    """Amounts summed by their currency."""
    total: dict[str, Decimal] = {}
    for text, unit in rows:
        total[unit] = total.get(unit, Decimal(0)) + Decimal(text)
    return total


def share(part: str | None, whole: str | None) -> Decimal | None:
    """A part of a whole; None where there is no whole."""
    of, value = amount(whole), amount(part)
    return value / of if of and value is not None else None


def margin(left: str | None, whole: str | None) -> Cell:
    """What is left of a fee, as a bar and in per cent."""
    found = share(left, whole)
    if found is None:
        return Cell(NONE)
    return Cell(frame.viewer().share(found), left or "", share=float(max(min(found, Decimal(1)), Decimal(0))))


def moment(text: str | None) -> datetime | None:
    """A moment as `/api` tells it."""
    return None if not text else datetime.fromisoformat(text)


def when(text: str | None) -> Cell:
    """A moment in a table."""
    at = moment(text)
    return Cell(frame.viewer().time(at), exact_time(at))


def said_when(text: str | None) -> Markup:
    """A moment in a sentence, with the exact one on hover."""
    at = moment(text)
    return tag("span", frame.viewer().time(at), title=exact_time(at))


def short(subject: str) -> str:
    """A subject that fits into a column: an id by its end, in which ids differ, a name by its beginning."""
    if len(subject) <= NAME:
        return subject
    return f"…{subject[-10:]}" if _ID.fullmatch(subject) else f"{subject[: NAME - 1]}…"


def day(text: str | None) -> str:
    """A calendar day."""
    return frame.viewer().day(date.fromisoformat(text) if text else None)


def month(label: str) -> str:
    """A period by its label: a month in words, another by its first day."""
    if len(label) == len("2026-11"):
        first = date.fromisoformat(f"{label}-01")
        return str(dates.format_skeleton("yMMM", first, locale=frame.viewer().locale))
    return f"from {day(label)}"


def said(name: str) -> str:
    """What the address says, as a name that `/api` may be asked for."""
    return "".join(c for c in frame.query(name)[:256] if c >= " " and c != "\x7f")


def said_month(name: str) -> str:
    """The month that the address names; nothing where it names none."""
    found = frame.query(name)
    return found if _MONTH.fullmatch(found) else ""


def path(*parts: str) -> str:
    """An address of `/api`, whatever the parts are made of."""
    return "/".join(("/api", *(quote(part, safe="") for part in parts)))


def may(right: str) -> bool:
    """True where the person's role has a right at `/api`."""
    return right in session.person().rights


def pages(path: str, name: str, wanted: Wanted, **more: object) -> Found:
    """The rows that a list wants out of a list of `/api`; for an export in as many steps as it takes."""
    try:
        return _pages(path, name, wanted, more)
    except Declined as error:
        if error.status != 400:
            raise
        return Found([], 0)  # the address asks for what cannot be, so nothing is it


def _pages(path: str, name: str, wanted: Wanted, more: Mapping[str, object]) -> Found:
    source = frame.source()
    asked = {**more, **wanted.said, "sort": wanted.sort, "rising": str(not wanted.falling).lower()}
    rows: list[Row] = []
    total, offset = 0, wanted.offset
    while True:
        step = min(STEP, wanted.limit - len(rows))
        told = source.get(path, **asked, limit=step, offset=offset)
        rows += told[name]
        total, offset = told["total"], offset + step
        if not told["next"] or len(rows) >= wanted.limit:
            return Found(rows, total)


def heard(told: Mapping[str, Any], done: str) -> str:
    """What to say after something was said of an outcome: also where it is on record and changed nothing."""
    return f"On record, but it changed nothing: {told['not_done']}." if told["not_done"] else done


def each(rows: Iterable[Row], draw: Callable[[Row], list[Cell]]) -> list[list[Cell]]:
    """The cells of rows."""
    return [draw(row) for row in rows]
