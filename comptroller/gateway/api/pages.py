"""Lists a page at a time: where the next one begins, said in a way that new rows cannot shift."""

import base64
import binascii
import re
from collections.abc import Callable
from typing import Annotated, Any, TypeVar

from pydantic import Field

from comptroller.gateway.api.problem import Problem
from comptroller.gateway.api.shapes import Name, Said, Time
from comptroller.office.who import Who
from comptroller.store.question import WHOSE

Row = dict[str, Any]
T = TypeVar("T")
Offset = Annotated[int, Field(ge=0, le=10_000_000, description="So many are left out before the page.")]
_MARK = re.compile(r"(-?\d{1,37}):(\d{1,18})")


class Paged(Said):
    """What every list may be asked."""

    limit: Annotated[int, Field(ge=1, le=1000)] = 50
    cursor: Annotated[str, Field(max_length=128, description="`next` of the page before.")] = ""
    rising: bool = False


class Filtered(Paged):
    """Whose rows, and of when."""

    customer: Name | None = None
    user: Name | None = None
    workflow: Name | None = None
    since: Time | None = None
    until: Time | None = None


def wanted(who: Who, said: Paged) -> Row | None:
    """The parameters of a query for a page; None where nothing can be theirs to see."""
    given: Row = said.model_dump(exclude={"cursor"}, exclude_none=True)
    for name in ("since", "until"):
        if name in given:
            given[name] = given[name].isoformat()
    for name in WHOSE:
        fixed = getattr(who, name)
        if fixed and given.setdefault(name, fixed) != fixed:
            return None
    given["tenant"] = who.tenant
    given["limit"] = said.limit + 1
    if said.cursor:
        given["rank"], given["seq"] = _read(said.cursor)
    return given


def cut(rows: list[Row], limit: int) -> tuple[list[Row], str | None]:
    """The page, and the cursor of the next one where there is more."""
    if len(rows) <= limit:
        return rows, None
    last = rows[limit - 1]
    mark = f"{int(last['rank'])}:{int(last['seq'])}"
    return rows[:limit], base64.urlsafe_b64encode(mark.encode()).decode().rstrip("=")


def after(
    found: list[T], id_of: Callable[[T], str], last: str | None, limit: int, offset: int = 0
) -> tuple[list[T], str | None]:
    """The page of a list in memory that begins after an id, and the id to go on after where there is more.

    `offset` leaves so many more out, for whoever goes to a page by its number.
    """
    if last is not None:
        ids = [id_of(one) for one in found]
        if last not in ids:
            raise Problem(400, "bad_cursor", "There is no such one here.", "Give the `next` of a page before.")
        found = found[ids.index(last) + 1 :]
    found = found[offset:]
    page = found[:limit]
    return page, id_of(page[-1]) if len(found) > limit else None


def _read(cursor: str) -> tuple[int, int]:
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode("ascii")
    except (binascii.Error, ValueError):
        text = ""
    match = _MARK.fullmatch(text)
    if match is None:
        raise Problem(
            400, "bad_cursor", "This is no cursor of ours.", "Give the `next` of a page before.", "query.cursor"
        )
    return int(match[1]), int(match[2])
