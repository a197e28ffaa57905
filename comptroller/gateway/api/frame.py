"""The frame of `/api`: a room is a list of routes, and a route says all there is to say of itself.

Whoever adds a room writes shapes and answers, lists its routes in `rooms.ROUTES`, and has validation, rights, errors
and the OpenAPI document from here.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from comptroller.core.errors import ComptrollerError, Refused, SettingsError, StoreError
from comptroller.gateway.api import problem
from comptroller.gateway.api.bureau import Bureau
from comptroller.gateway.api.problem import Problem
from comptroller.gateway.api.shapes import PLAIN, Nothing
from comptroller.office.who import Who

JSON = "application/json"
MOST = 1 << 20  # bytes of a body: texts of calls never travel here


@dataclass(frozen=True, slots=True)
class Ask:
    """One request, read and allowed."""

    bureau: Bureau
    who: Who
    path: Mapping[str, str]
    query: Any
    body: Any
    request: Request


@dataclass(frozen=True, slots=True)
class Route:
    """One thing that can be asked for."""

    method: str
    path: str  # with {names}; {name:path} may hold slashes
    does: str  # in a sentence
    right: str  # empty: whoever has a key
    answer: Callable[[Ask], BaseModel | Awaitable[Response]]  # blocking, unless `own`
    reply: type[BaseModel]
    query: type[BaseModel] = Nothing
    body: type[BaseModel] | None = None
    status: int = 200
    fails: tuple[int, ...] = ()  # statuses besides those any route may have
    own: bool = False  # it awaits, and makes its response itself
    media: Mapping[str, Mapping[str, object]] = field(default_factory=dict)  # other forms of its reply


async def answer(route: Route, bureau: Bureau, who: Who, request: Request) -> Response:
    """Read, check and answer one request."""
    if route.right:
        who.must(route.right)
    query = _checked(route.query, _query(request), "query")
    body = _checked_json(route.body, await _body(request)) if route.body is not None else None
    asked = Ask(bureau, who, request.path_params, query, body, request)
    if route.own:
        made = route.answer(asked)
        assert isinstance(made, Awaitable), "a route of its own awaits"
        return await made
    told = await run_in_threadpool(route.answer, asked)
    assert isinstance(told, BaseModel), "a route answers in its shape"
    return Response(told.model_dump_json(), route.status, media_type=JSON)


def problem_of(error: Exception) -> Problem:
    """What a client is told of an error of ours."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, Refused):
        made = problem.of(error.status, error.code, str(error))
        made.place = str(error.details.get("place") or error.details.get("rule") or "")
        return made
    if isinstance(error, StoreError):
        return problem.of(503, "ledger_unavailable", str(error))
    if isinstance(error, (SettingsError, ComptrollerError)):
        return problem.of(400, "bad_request", str(error))
    raise error


def _query(request: Request) -> dict[str, str]:
    said: dict[str, str] = {}
    for name, value in request.query_params.multi_items():
        if name in said:
            raise Problem(400, "bad_request", "This is said twice.", "Say it once.", f"query.{name[:60]}")
        said[name] = value
    return said


async def _body(request: Request) -> bytes:
    """The body; one that is not there says nothing."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in ("", JSON):
        raise _no_json()
    parts, size = [], 0
    try:
        async for part in request.stream():
            size += len(part)
            if size > MOST:
                raise Problem(413, "too_large", f"The body is larger than {MOST >> 20} MB.", "Send less.")
            parts += [part] if part else []
    except ClientDisconnect:
        raise Problem(400, "bad_request", "The body ended too soon.", "Send it again.") from None
    if parts and not kind:
        raise _no_json()
    return b"".join(parts) or b"{}"


def _no_json() -> Problem:
    return Problem(415, "unsupported_media_type", "The body is not JSON.", f"Send it with `content-type: {JSON}`.")


def _checked(shape: type[BaseModel], said: Mapping[str, str], where: str) -> BaseModel:
    try:
        return shape.model_validate(said)
    except ValidationError as error:
        raise _mistake(error, where) from None


def _checked_json(shape: type[BaseModel], body: bytes) -> BaseModel:
    try:
        return shape.model_validate_json(body)
    except ValidationError as error:
        raise _mistake(error, "body") from None


def _mistake(error: ValidationError, where: str) -> Problem:
    """The first mistake, with its place."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    first = found[0]
    place = ".".join([where, *(str(step)[:60] for step in first["loc"])])
    more = f" And {len(found) - 1} more." if len(found) > 1 else ""
    if first["type"] == "extra_forbidden":
        return Problem(
            400, "bad_request", f"There is no such field.{more}", "Leave it out, or check its spelling.", place
        )
    if first["type"] == "string_pattern_mismatch" and PLAIN in first["msg"]:
        told = "A name with control characters, such as a line break, cannot be asked for."
        return Problem(400, "bad_request", told + more, "Ask without it.", place)
    return Problem(400, "bad_request", f"{first['msg']}.{more}", "See /api/openapi.json for what may be said.", place)
