"""Signing in and out: our own few plain pages, which stand before everything Streamlit shows."""

import json
from collections.abc import Awaitable, Callable
from html import escape
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message

from comptroller.core.clock import Clock
from comptroller.core.errors import ComptrollerError
from comptroller.dashboards.door import cookie_line
from comptroller.dashboards.hosts import Hosts
from comptroller.dashboards.reception import Reception

MOST = 4096  # bytes of a form
WANTED_S = 900  # for which the page that somebody asked for is remembered while they sign in
PROVIDER = "default"
CALLBACK = "/oauth2callback"
_PLAIN = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
_STYLE = """
:root{color-scheme:light dark;--bg:#F4F6F8;--card:#fff;--ink:#14202B;--muted:#4A5967;--go:#0B6B53;
--on:#fff;--line:#DCE2E7;--bad:#9E1F1F;--badbg:#FCE7E7}
@media(prefers-color-scheme:dark){:root{--bg:#0E151B;--card:#17212A;--ink:#E6EDF3;--muted:#A3B2BF;--go:#34C29A;
--on:#0E151B;--line:#2A3742;--bad:#FF9C9C;--badbg:#431B1D}}
body{margin:0;min-height:100vh;display:grid;place-items:center;background:var(--bg);color:var(--ink);
font:15px/1.5 Inter,system-ui,sans-serif}
main{width:min(26rem,calc(100vw - 3rem));background:var(--card);border:1px solid var(--line);
border-radius:12px;padding:2rem}
h1{font-size:1.35rem;margin:0 0 .75rem}p{margin:.75rem 0;color:var(--muted)}
code{color:var(--ink);overflow-wrap:anywhere}
.bad{color:var(--bad);background:var(--badbg);border-radius:8px;padding:.6rem .8rem}
button,a.go{display:inline-block;margin-top:.5rem;padding:.6rem 1.1rem;border:0;border-radius:8px;background:var(--go);
color:var(--on);font:600 15px/1.4 Inter,system-ui,sans-serif;text-decoration:none;cursor:pointer}
:focus-visible{outline:3px solid var(--go);outline-offset:2px}
"""
Endpoint = Callable[[Request], Awaitable[Response]]


class Front:
    """The pages, and what they do."""

    def __init__(self, reception: Reception, hosts: Hosts, streamlit: ASGIApp, clock: Clock, url: str) -> None:
        self._reception, self._hosts, self._streamlit, self._clock = reception, hosts, streamlit, clock
        self._url, self._wanted = url, f"{reception.sessions.cookie}_next"
        self._oidc = reception.settings.console.oidc
        routes = [
            Route("/signin", self.signin, methods=["GET"]),
            Route("/enter/{token}", self.ask, methods=["GET"]),
            Route("/enter", self.enter, methods=["POST"]),
            Route("/leave", self.ask_to_leave, methods=["GET"]),
            Route("/leave", self.leave, methods=["POST"]),
        ]
        if self._oidc is not None:
            routes.append(Route("/signin/oidc", self.to_provider, methods=["GET"]))
            routes.append(Route(CALLBACK, self.from_provider, methods=["GET"]))
        self.app = Starlette(routes=routes, exception_handlers={404: _nothing, 405: _nothing})

    async def signin(self, request: Request) -> Response:
        """How to get in."""
        to = safe_place(request.query_params.get("next", ""))
        if self._reception.sessions.person(request.cookies, touch=False) is not None:
            return RedirectResponse(to, 303)
        reply = page("Sign in", _ways(self._oidc is not None))
        if to != "/":  # remembered until they are in: neither a link nor a provider leads there
            line = cookie_line(self._wanted, quote(to, safe=""), WANTED_S, self._safe(request))
            reply.headers.append("set-cookie", line)
        return reply

    async def ask(self, request: Request) -> Response:
        """Ask before a link is used: those who look through mail open links, but press no buttons."""
        token = request.path_params["token"]
        try:
            name = await run_in_threadpool(self._reception.look, token, self._clock.now_ns())
        except ComptrollerError as error:
            return _refused(error, self._oidc is not None)
        return page(
            f"Welcome, {name}",
            f'<p>This link lets you in once, on this device.</p><form method="post" action="/enter">'
            f'<input type="hidden" name="token" value="{escape(token)}"><button autofocus>Enter</button></form>',
        )

    async def enter(self, request: Request) -> Response:
        """Use a link."""
        token = (await _form(request)).get("token", "")
        return await self._let_in(request, lambda: self._reception.enter(token))

    async def ask_to_leave(self, request: Request) -> Response:
        """Ask before anybody is signed out: a page from elsewhere can make a browser open this."""
        form = '<form method="post" action="/leave"><button autofocus>Sign out</button></form>'
        return page("Sign out?", f"<p>What you have open here ends.</p>{form}")

    async def leave(self, request: Request) -> Response:
        """Sign out, here and wherever the cookie was copied to."""
        sessions = self._reception.sessions
        session = sessions.session(request.cookies)
        person = sessions.inside(session) if session else None
        if session and person is not None:
            try:
                await run_in_threadpool(self._reception.leave, session, person)
            except ComptrollerError as error:
                return page("You are still signed in", f'<p class="bad" role="alert">{escape(str(error))}</p>', 503)
        reply = page("Signed out", _ways(self._oidc is not None))
        reply.headers.append("set-cookie", cookie_line(sessions.cookie, "", 0, self._safe(request)))
        return reply

    async def to_provider(self, request: Request) -> Response:
        """Send the browser to the provider, by Streamlit's own sign-in."""
        from streamlit.auth_util import encode_provider_token

        # The provider sends browsers back to one name of ours, where the cookie of this step has to be.
        if request.headers.get("host", "").lower() != urlsplit(self._url).netloc:
            return RedirectResponse(f"{self._url}/signin/oidc", 303)
        query = f"provider={quote(encode_provider_token(PROVIDER))}"
        status, headers, _ = await _asked(self._streamlit, request, "/auth/login", query)
        to = headers.get("location", [""])[0]
        if status not in (302, 303, 307) or not to.startswith(("https://", "http://")):
            return _refused(
                ComptrollerError("The provider of identities cannot be reached. Try again, or look at the log."), False
            )
        reply = RedirectResponse(to, 303)
        for line in headers.get("set-cookie", ()):
            reply.headers.append("set-cookie", line)
        return reply

    async def from_provider(self, request: Request) -> Response:
        """Let in whom the provider vouches for. Streamlit checks the answer; of its cookies the browser gets none."""
        _, headers, _ = await _asked(self._streamlit, request, CALLBACK, request.url.query)
        claims = claims_of(headers.get("set-cookie", ()))
        if claims is None:
            return _refused(ComptrollerError("The provider did not vouch for you. Begin again."), True)
        return await self._let_in(request, lambda: self._reception.enter_as(claims))

    async def _let_in(self, request: Request, begin: Callable[[], str]) -> Response:
        try:
            cookie = await run_in_threadpool(begin)
        except ComptrollerError as error:
            return _refused(error, self._oidc is not None)
        sessions = self._reception.sessions
        reply = RedirectResponse(safe_place(unquote(request.cookies.get(self._wanted, ""))), 303)
        reply.headers.append("set-cookie", cookie_line(self._wanted, "", 0, self._safe(request)))
        reply.headers.append("set-cookie", cookie_line(sessions.cookie, cookie, sessions.lasts_s, self._safe(request)))
        return reply

    def _safe(self, request: Request) -> bool:
        return self._hosts.safe(request.headers.get("host", ""))


def page(title: str, body: str, status: int = 200) -> HTMLResponse:
    """One of our pages; `body` is markup of ours."""
    html = (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(title)} · Comptroller</title>'
        f'<meta name="viewport" content="width=device-width,initial-scale=1"><style>{_STYLE}</style>'
        f"<main><h1>{escape(title)}</h1>{body}</main></html>"
    )
    return HTMLResponse(html, status, {"content-security-policy": _PLAIN})


def safe_place(said: str) -> str:
    """A place in this console, whatever was said: never another site."""
    parts = urlsplit(said if said.isprintable() and "\\" not in said else "")
    inside = said.startswith("/") and not said.startswith("//") and not parts.scheme and not parts.netloc
    return quote(said, safe="/?&=%:,+-_.~") if inside and parts.path != "" else "/"


def claims_of(lines: "list[str] | tuple[str, ...]") -> dict[str, Any] | None:
    """What the provider says of somebody, out of the cookies Streamlit signed a moment ago; None where it said no."""
    from streamlit.auth_util import get_cookie_with_chunks
    from streamlit.web.server.server_util import get_cookie_secret
    from streamlit.web.server.starlette.starlette_app_utils import decode_signed_value
    from streamlit.web.server.starlette.starlette_server_config import USER_COOKIE_NAME

    signed = {name: morsel.value for line in lines for name, morsel in SimpleCookie(line).items() if morsel.value}
    told = get_cookie_with_chunks(
        lambda name: decode_signed_value(get_cookie_secret(), name, signed.get(name, ""), 1), USER_COOKIE_NAME
    )
    found = json.loads(told) if told else None
    return found if isinstance(found, dict) and found.get("is_logged_in") is True else None


def _ways(provider: bool) -> str:
    by = '<p><a class="go" href="/signin/oidc">Sign in with your organisation</a></p>' if provider else ""
    return (
        f"{by}<p>{'Or open' if provider else 'Open'} the one-time link you were sent. "
        "Whoever runs this console makes one with</p>"
        "<p><code>comptroller people invite NAME --role viewer</code></p>"
    )


def _refused(error: ComptrollerError, provider: bool) -> Response:
    return page("Not signed in", f'<p class="bad" role="alert">{escape(str(error))}</p>{_ways(provider)}', 403)


async def _form(request: Request) -> dict[str, str]:
    """A form's fields; nothing of one that is too long."""
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > MOST:
            return {}
    fields = parse_qs(body.decode("utf-8", "replace"))
    return {name: values[0] for name, values in fields.items()}


async def _asked(app: ASGIApp, request: Request, path: str, query: str) -> tuple[int, dict[str, list[str]], bytes]:
    """What Streamlit answers, without its reaching the browser."""
    status, headers, body = 500, dict[str, list[str]](), bytearray()

    async def hear(message: Message) -> None:
        nonlocal status
        if message["type"] == "http.response.start":
            status = message["status"]
            for name, value in message.get("headers", ()):
                headers.setdefault(name.decode("latin-1").lower(), []).append(value.decode("latin-1"))
        elif message["type"] == "http.response.body":
            body.extend(message.get("body", b""))

    scope = {**request.scope, "path": path, "raw_path": path.encode(), "query_string": query.encode("latin-1")}
    for name in ("app", "endpoint", "path_params", "router", "route"):
        scope.pop(name, None)
    await app(scope, request.receive, hear)
    return status, headers, bytes(body)


async def _nothing(request: Request, error: Exception) -> Response:
    return page("There is nothing here", '<p><a class="go" href="/">To the console</a></p>', 404)
