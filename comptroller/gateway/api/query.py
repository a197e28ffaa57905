"""A question of one's own: read-only SQL over the views of one tenant, answered as an Arrow stream or as JSON."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

from pydantic import Field
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from comptroller.gateway.api.frame import JSON, Ask, Route
from comptroller.gateway.api.problem import Problem, split
from comptroller.gateway.api.rights import READ
from comptroller.gateway.api.shapes import Said, Told
from comptroller.store.enquiry import pack
from comptroller.store.grammar import BadQuestion
from comptroller.store.question import Bounds, Interrupt, truncated

if TYPE_CHECKING:
    import pyarrow

ARROW = "application/vnd.apache.arrow.stream"
AT_ONCE = 2  # questions at work; others wait in line
PIECE = 1 << 16
LEFT = 499  # for nobody to read


class Question(Said):
    """One SELECT over the tables of docs/api.md: runs, calls, claims, invoices, postings and the others."""

    sql: Annotated[
        str, Field(min_length=1, max_length=100_000, examples=["SELECT model, sum(cost) FROM calls GROUP BY ALL"])
    ]
    limit: Annotated[int, Field(ge=1, le=100_000, description="So many rows at most.")] = 10_000
    seconds: Annotated[int, Field(ge=1, le=60, description="So long at most.")] = 30


class Column(Told):
    """A column of the answer and its Arrow type."""

    name: str
    type: str


class Answered(Told):
    """The answer, row by row. Decimals and times are texts; `truncated` where it was cut at a limit."""

    columns: list[Column]
    rows: list[list[Any]]
    truncated: bool


_room: dict[asyncio.AbstractEventLoop, asyncio.Semaphore] = {}


async def put(ask: Ask) -> Response:
    """Ask the books; a client that leaves gives its question up."""
    room = _room.setdefault(asyncio.get_running_loop(), asyncio.Semaphore(AT_ONCE))
    said, stops = ask.body, list[Interrupt]()

    def work() -> "pyarrow.Table":
        bounds = Bounds(rows=said.limit, seconds=said.seconds)
        return ask.bureau.reader.ask(said.sql, ask.who.whose, bounds, stops.append)

    async with room:
        asking = asyncio.ensure_future(run_in_threadpool(work))
        leaving = asyncio.ensure_future(_gone(ask.request))
        try:
            await asyncio.wait((asking, leaving), return_when=asyncio.FIRST_COMPLETED)
            if not asking.done():
                await _give_up(asking, stops)
                return Response(status_code=LEFT)
            table = asking.result()
        except BadQuestion as bad:
            raise Problem(400, bad.code, *split(str(bad)), place="body.sql") from None
        finally:
            leaving.cancel()
    wants_json = JSON in ask.request.headers.get("accept", "")
    return _as_json(table) if wants_json else await _as_arrow(table)


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _give_up(asking: "asyncio.Future[Any]", stops: list[Callable[[], None]]) -> None:
    """Stop a question; again and again, as one that has not begun yet hears nothing."""
    while not asking.done():
        for stop in stops:
            stop()
        await asyncio.wait((asking,), timeout=0.05)
    asking.exception()


def _as_json(table: "pyarrow.Table") -> Response:
    columns = [{"name": field.name, "type": str(field.type)} for field in table.schema]
    held = [column.to_pylist() for column in table.columns]
    rows = [list(row) for row in zip(*held, strict=True)] if held else []
    body = {"columns": columns, "rows": rows, "truncated": truncated(table)}
    return Response(json.dumps(_plain(body), allow_nan=False), media_type=JSON)


async def _as_arrow(table: "pyarrow.Table") -> Response:
    data = await run_in_threadpool(pack, table)

    async def pieces() -> AsyncIterator[bytes]:
        view = memoryview(data)
        for start in range(0, len(data), PIECE):
            yield bytes(view[start : start + PIECE])

    headers = {"comptroller-truncated": str(truncated(table)).lower(), "content-length": str(len(data))}
    return StreamingResponse(pieces(), media_type=ARROW, headers=headers)


def _plain(value: Any) -> object:
    """As JSON has it: exact decimals and times as texts, bytes in hex, what is no number as null."""
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, float):
        return value if value == value and abs(value) != float("inf") else None
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, (datetime, date, time)):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, bytes):
        return value.hex()
    return str(value) if isinstance(value, (UUID, timedelta)) else repr(value)


ROUTES = (
    Route(
        "POST",
        "/api/query",
        "Ask a SELECT; an Arrow stream unless JSON is accepted.",
        READ,
        put,
        Answered,
        body=Question,
        own=True,
        media={ARROW: {"schema": {"type": "string", "format": "binary"}}},
    ),
)
