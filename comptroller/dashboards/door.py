"""The door: no page, no file and no socket for whoever is not let in, and nothing for pages from elsewhere."""

import asyncio
import base64
import contextlib
import hashlib
import re
from collections.abc import Iterable
from urllib.parse import quote

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from comptroller.dashboards.hosts import Hosts
from comptroller.dashboards.sessions import Sessions, cookies_of
from comptroller.office.people import Person

# As tight as Streamlit runs: it makes styles inline, and components of ours come as a script in a `blob:`. Nothing is
# compiled from text, and of scripts within a page only those that Streamlit's own page has, by their digests.
POLICY = (
    "default-src 'none'; script-src 'self' blob: {scripts}; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; media-src 'self' blob:; "
    "worker-src 'self' blob:; manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
ALWAYS = (
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    # Not `no-referrer`: under it a browser does not say where a form of ours comes from.
    ("referrer-policy", "same-origin"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("permissions-policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
)
FRONT = ("/signin", "/enter", "/leave", "/oauth2callback")
SHUT = ("/auth/login", "/auth/logout")  # Streamlit's own, which `/signin` stands before
SIGNIN = "/signin"
READS = ("GET", "HEAD")
_INLINE = re.compile(r"<script>(.*?)</script>", re.DOTALL)
_LOOK_S = 0.5
_GONE = 1008  # why a socket is closed: the policy, as its numbers have it
_FORWARDED = (b"forwarded", b"x-forwarded-for", b"x-forwarded-host", b"x-real-ip")
IDENTITY = "comptroller-identity"  # header: for Streamlit, whose socket it is
Headers = dict[bytes, bytes]


class Door:
    """Stands before Streamlit (`app`), and before our own few pages for signing in (`front`)."""

    def __init__(self, app: ASGIApp, front: ASGIApp, sessions: Sessions, hosts: Hosts, page: str = "") -> None:
        """`page` is Streamlit's own, in which the browser may run what stands there."""
        self._app, self._front, self._sessions, self._hosts = app, front, sessions, hosts
        self._policy = policy_of(page)
        self._lines: dict[_Line, str] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._page(scope, receive, guarded(send, self._policy))
        elif scope["type"] == "websocket":
            await self._socket(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def watch(self) -> None:
        """Bring the roll up to date, and close the sockets of whoever is no longer in, or no longer the same."""
        while True:
            await asyncio.sleep(_LOOK_S)
            await asyncio.to_thread(self._sessions.roll.refresh)
            for line, session in list(self._lines.items()):
                now = self._sessions.person({}) if not session else self._sessions.inside(session)
                if now != line.person:
                    line.cut()

    async def _page(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers: Headers = dict(scope["headers"])
        wrong = self._elsewhere(scope, headers)
        if wrong:
            await tell(send, 403, wrong)
        elif scope["path"] in SHUT:
            await tell(send, 404, "There is nothing here.")
        elif _is_front(scope["path"]):
            await self._front(scope, receive, send)
        else:
            await self._inside(scope, headers, receive, send)

    async def _inside(self, scope: Scope, headers: Headers, receive: Receive, send: Send) -> None:
        cookies = cookies_of(headers.get(b"cookie", b"").decode("latin-1"))
        person = self._person(headers, cookies)
        if person is None:
            await self._turned_away(scope, headers, send)
            return
        session = None if self._sessions.free else self._sessions.session(cookies)
        fresh = self._sessions.renewed(cookies, session) if session else None
        if fresh:
            send = with_cookie(send, self._sessions.cookie, fresh, self._sessions.lasts_s, self._safe(headers))
        await self._app(_for_streamlit(scope, session or "", person), receive, send)

    async def _socket(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers: Headers = dict(scope["headers"])
        cookies = cookies_of(headers.get(b"cookie", b"").decode("latin-1"))
        origin = headers.get(b"origin", b"").decode("latin-1")
        person = self._person(headers, cookies)
        if not self._meant(headers) or not self._hosts.ours(origin) or person is None:
            await receive()
            await send({"type": "websocket.close", "code": _GONE})
            return
        line = _Line(person, receive, send)
        session = "" if self._sessions.free else self._sessions.session(cookies) or ""
        self._lines[line] = session
        try:
            await self._app(_for_streamlit(scope, session, person), line.receive, line.send)
        finally:
            del self._lines[line]

    def _person(self, headers: Headers, cookies: dict[str, str]) -> Person | None:
        if self._sessions.free and any(name in headers for name in _FORWARDED):
            return None  # a proxy brings somebody who may sit anywhere
        return self._sessions.person(cookies)

    def _meant(self, headers: Headers) -> bool:
        return self._hosts.knows(headers.get(b"host", b"").decode("latin-1"))

    def _safe(self, headers: Headers) -> bool:
        return self._hosts.safe(headers.get(b"host", b"").decode("latin-1"))

    def _elsewhere(self, scope: Scope, headers: Headers) -> str:
        """Why a request is none of ours: another name, or an act that a page from elsewhere began."""
        if not self._meant(headers):
            return (
                "This console does not go by the name you asked for. Use the address that `comptroller up` printed, "
                "or set `console: url:` to the one browsers reach it by."
            )
        origin = headers.get(b"origin", b"").decode("latin-1")
        if (origin or scope["method"] not in READS) and not self._hosts.ours(origin):
            return "This was not sent by a page of this console. Open the console and try there."
        return ""

    async def _turned_away(self, scope: Scope, headers: Headers, send: Send) -> None:
        reads = scope["method"] in READS and b"text/html" in headers.get(b"accept", b"")
        if not reads or scope["path"].startswith(("/_stcore", "/static", "/media", "/component", "/app/")):
            await tell(send, 401, "Sign in first: open the console in a browser.")
            return
        path = scope["path"] + (f"?{scope['query_string'].decode('latin-1')}" if scope["query_string"] else "")
        to = SIGNIN if path == "/" else f"{SIGNIN}?next={quote(path, safe='/')}"
        await answer(send, 303, b"", [("location", to)])


class _Line:
    """An open socket of somebody, which can be cut from our side."""

    def __init__(self, person: Person, receive: Receive, send: Send) -> None:
        self.person, self._receive, self._send = person, receive, send
        self._cut = asyncio.Event()

    def cut(self) -> None:
        """End it: what Streamlit reads next is that the browser left."""
        self._cut.set()

    async def receive(self) -> Message:
        """What the browser says, or that it is over."""
        hearing, ending = asyncio.ensure_future(self._receive()), asyncio.ensure_future(self._cut.wait())
        try:
            await asyncio.wait((hearing, ending), return_when=asyncio.FIRST_COMPLETED)
        finally:
            ending.cancel()
            if not hearing.done():
                hearing.cancel()
        if not self._cut.is_set():
            return hearing.result()
        with contextlib.suppress(asyncio.CancelledError, RuntimeError, OSError):
            await self._send({"type": "websocket.close", "code": _GONE, "reason": "The session has ended."})
        return {"type": "websocket.disconnect", "code": _GONE}

    async def send(self, message: Message) -> None:
        """What Streamlit says; nothing any more after the cut."""
        if not self._cut.is_set():
            await self._send(message)


def policy_of(page: str) -> str:
    """What a browser may load and run, where that is the page."""
    digests = (hashlib.sha256(script.encode()).digest() for script in _INLINE.findall(page))
    return POLICY.format(scripts=" ".join(f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests))


def guarded(send: Send, policy: str) -> Send:
    """Every response with the headers that keep browsers careful."""

    async def careful(message: Message) -> None:
        if message["type"] == "http.response.start":
            set_ = {name.lower(): value for name, value in message.get("headers", ())}
            for name, value in ALWAYS:
                set_.setdefault(name.encode(), value.encode())
            set_.setdefault(b"content-security-policy", policy.encode())
            if not _is_asset(set_):
                set_[b"cache-control"] = b"no-store"
            cookies = [pair for pair in message.get("headers", ()) if pair[0].lower() == b"set-cookie"]
            set_.pop(b"set-cookie", None)
            message = {**message, "headers": [*set_.items(), *cookies]}
        await send(message)

    return careful


def with_cookie(send: Send, name: str, value: str, lasts_s: int, safe: bool) -> Send:
    """The response with a cookie of ours added."""

    async def adding(message: Message) -> None:
        if message["type"] == "http.response.start":
            line = (b"set-cookie", cookie_line(name, value, lasts_s, safe).encode())
            message = {**message, "headers": [*message.get("headers", ()), line]}
        await send(message)

    return adding


def cookie_line(name: str, value: str, lasts_s: int, safe: bool) -> str:
    """A cookie that scripts cannot read and pages from elsewhere cannot send along."""
    return f"{name}={value}; Path=/; Max-Age={lasts_s}; HttpOnly; SameSite=Lax{'; Secure' if safe else ''}"


async def tell(send: Send, status: int, said: str) -> None:
    """Answer with a sentence."""
    await answer(send, status, said.encode(), [("content-type", "text/plain; charset=utf-8")])


async def answer(send: Send, status: int, body: bytes, headers: Iterable[tuple[str, str]]) -> None:
    """Answer whole."""
    lines = [(name.encode(), value.encode("latin-1", "replace")) for name, value in headers]
    lines.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": status, "headers": lines})
    await send({"type": "http.response.body", "body": body})


def _is_front(path: str) -> bool:
    return path in FRONT or path.startswith(("/enter/", "/signin/"))


def _is_asset(headers: Headers) -> bool:
    """True for Streamlit's own code, which says of itself that it never changes."""
    return b"immutable" in headers.get(b"cache-control", b"")


def _for_streamlit(scope: Scope, session: str, person: Person) -> Scope:
    """The request as Streamlit is to see it: from this machine. Where a page is from we have looked at ourselves; of
    any other it would ask a server in the world outside for our address.

    Whose it is stands in a header of ours: what a page of one person kept on our side is never another's, nor their
    own once they are something else.
    """
    headers = [pair for pair in scope["headers"] if pair[0] not in (b"origin", IDENTITY.encode())]
    if any(name == b"origin" for name, _ in scope["headers"]):
        headers.append((b"origin", b"http://localhost"))
    said = hashlib.sha256(f"{session}\0{person!r}".encode()).hexdigest()
    return {**scope, "headers": [*headers, (IDENTITY.encode(), said.encode())]}
