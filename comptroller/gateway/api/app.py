"""`/api` as an application: routes to answers, errors to their one shape, and nothing for whoever has no token."""

import json
import logging
from collections.abc import Awaitable, Callable
from hmac import compare_digest

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route as Path
from starlette.types import ASGIApp, Receive, Scope, Send

from comptroller.core.errors import ComptrollerError
from comptroller.gateway.api.bureau import Bureau
from comptroller.gateway.api.frame import JSON, Route, answer, problem_of
from comptroller.gateway.api.openapi import document
from comptroller.gateway.api.problem import Problem, name_of
from comptroller.gateway.api.rooms import OPEN, ROUTES
from comptroller.office.switchboard import TOKEN, WHO
from comptroller.office.who import Who, unpacked

log = logging.getLogger("comptroller.api")


def application(bureau: Bureau, token: str) -> ASGIApp:
    """The application for one bureau; it answers the gateway, which has the token, and nobody else."""
    by_path: dict[str, dict[str, Route]] = {}
    for route in (*ROUTES, *OPEN):
        by_path.setdefault(route.path, {})[route.method] = route
    paths = [Path(path, _endpoint(bureau, methods), methods=list(methods)) for path, methods in by_path.items()]
    paths.append(Path("/api/openapi.json", _described(json.dumps(document(ROUTES)).encode()), methods=["GET"]))
    handlers = {HTTPException: _http_error, Exception: _unexpected}
    return Door(Starlette(routes=paths, exception_handlers=handlers), token)


class Door:
    """Lets in who has the token."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app, self._token = app, token.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            headers = dict(scope["headers"])
            if not compare_digest(headers.get(TOKEN.encode(), b""), self._token):
                problem = Problem(403, "not_the_gateway", "This is the gateway's own.", "Ask the gateway.")
                await _response(problem)(scope, receive, send)
                return
            await self._app(scope, receive, send)


def _endpoint(bureau: Bureau, methods: dict[str, Route]) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        route = methods["GET" if request.method == "HEAD" else request.method]
        try:
            return await answer(route, bureau, _who(request), request)
        except (Problem, ComptrollerError) as error:
            return _response(problem_of(error))

    return endpoint


def _described(text: bytes) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        return Response(text, media_type=JSON)

    return endpoint


def _who(request: Request) -> Who:
    try:
        return unpacked(request.headers[WHO])
    except (KeyError, msgspec.MsgspecError):
        raise Problem(403, "not_the_gateway", "The request does not say who asks.", "Ask the gateway.") from None


def _response(problem: Problem) -> Response:
    return Response(problem.body, problem.status, problem.headers, JSON)


async def _http_error(request: Request, error: Exception) -> Response:
    """What the framework itself refuses: an unknown path, a method that a path does not have."""
    assert isinstance(error, HTTPException), "nothing else is handled here"
    headers = dict(error.headers or {})
    remedy = "See /api/openapi.json for what there is."
    if error.status_code == 405:
        message = f"{request.method[:20]} is not for this address."
    else:
        message = f"There is no {request.method[:20]} {request.url.path[:200]} here."
    return _response(Problem(error.status_code, name_of(error.status_code), message, remedy, headers=headers))


async def _unexpected(request: Request, error: Exception) -> Response:
    """A mistake of our own: its place goes to the log, never to the client."""
    log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return _response(
        Problem(500, "internal", "This failed, and it is not your mistake.", "The gateway's log says more.")
    )
