"""A transport in front of an HTTP client's own: every request the client makes passes the desk."""

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from functools import lru_cache
from types import ModuleType
from typing import Any

from comptroller.core.errors import SettingsError
from comptroller.wrapper.desk import Desk, the_desk
from comptroller.wrapper.drive import Awaiting, Blocking
from comptroller.wrapper.effects import Answer, Head, Send
from comptroller.wrapper.intercept import Intercepted, in_memory, intercept

MARK = "__comptroller__"
REWRITTEN = frozenset({"content-length", "content-encoding", "transfer-encoding"})  # untrue of a body that was decoded

Bound = Mapping[str, str]


@lru_cache(maxsize=4)
def transports(lib: ModuleType) -> tuple[type, type]:
    """The blocking and the async transport for `lib`, which is httpx or httpx2."""

    class Hands:
        def __init__(self, inner: Any, request: Any, intercepted: Intercepted) -> None:
            self.inner, self.request, self.intercepted = inner, request, intercepted
            self.response: Any = None
            self.stream: Any = None
            self.chunks: Iterator[bytes] | None = None

        def send(self, effect: Send) -> Head:
            self.close()  # of a try before this one
            self.response = self.inner.handle_request(outgoing(lib, self.request, effect, self.intercepted))
            self.stream, head = self.response.stream, head_of(self.response)
            if self.response.is_closed:  # somebody has read it already; its stream has nothing more to give
                self.chunks = iter((self.response.content,))
            else:
                self.chunks = self.response.iter_bytes() if "content-encoding" in head.headers else iter(self.stream)
            return head

        def read(self, limit: int) -> bytes | None:
            parts, size = [], 0
            try:
                for chunk in self.chunks or ():
                    size += len(chunk)
                    if size > limit:
                        return None
                    parts.append(chunk)
            finally:
                self.close()
            return b"".join(parts)

        def next(self) -> bytes | None:
            return next(self.chunks, None) if self.chunks is not None else None

        def close(self) -> None:
            if self.stream is not None:
                self.stream.close()

    class AsyncHands:
        def __init__(self, inner: Any, request: Any, intercepted: Intercepted) -> None:
            self.inner, self.request, self.intercepted = inner, request, intercepted
            self.response: Any = None
            self.stream: Any = None
            self.chunks: AsyncIterator[bytes] | None = None

        async def send(self, effect: Send) -> Head:
            await self.close()  # of a try before this one
            request = outgoing(lib, self.request, effect, self.intercepted)
            self.response = await self.inner.handle_async_request(request)
            self.stream, head = self.response.stream, head_of(self.response)
            if self.response.is_closed:
                self.chunks = _once(self.response.content)
            else:
                self.chunks = self.response.aiter_bytes() if "content-encoding" in head.headers else aiter(self.stream)
            return head

        async def read(self, limit: int) -> bytes | None:
            parts, size = [], 0
            try:
                while (chunk := await self.next()) is not None:
                    size += len(chunk)
                    if size > limit:
                        return None
                    parts.append(chunk)
            finally:
                await self.close()
            return b"".join(parts)

        async def next(self) -> bytes | None:
            return await anext(self.chunks, None) if self.chunks is not None else None

        async def close(self) -> None:
            if self.stream is not None:
                await self.stream.aclose()

    class Stream(lib.SyncByteStream):  # type: ignore[name-defined, misc]
        def __init__(self, drive: Blocking) -> None:
            self.drive, self.chunks = drive, drive.stream()

        def __iter__(self) -> Iterator[bytes]:
            return self.chunks

        def close(self) -> None:
            self.chunks.close()  # type: ignore[attr-defined]
            self.drive.flow.close()  # a stream that was never begun settles too
            self.drive.hands.close()

    class AsyncStream(lib.AsyncByteStream):  # type: ignore[name-defined, misc]
        def __init__(self, drive: Awaiting) -> None:
            self.drive, self.chunks = drive, drive.stream()

        def __aiter__(self) -> AsyncIterator[bytes]:
            return self.chunks

        async def aclose(self) -> None:
            await self.chunks.aclose()  # type: ignore[attr-defined]
            self.drive.flow.close()
            await self.drive.hands.close()

    class Governed(lib.BaseTransport):  # type: ignore[name-defined, misc]
        def __init__(self, inner: Any, bound: Bound, raises: bool, desk: Desk | None) -> None:
            self.inner, self.bound, self.raises, self.desk = inner, bound, raises, desk
            setattr(self, MARK, True)

        def handle_request(self, request: Any) -> Any:
            desk = self.desk or the_desk()
            body = request.read() if in_memory(request, desk) else None
            intercepted = intercept(desk, request, self.bound, body)
            hands = Hands(self.inner, request, intercepted)
            drive = Blocking(desk, intercepted.flow, hands)
            answer = drive.start()
            if answer is None:
                return streaming(lib, hands.response, Stream(drive), drive.headers)
            return respond(lib, answer, hands.response, self.raises and not intercepted.sdk)

        def close(self) -> None:
            self.inner.close()

    class GovernedAsync(lib.AsyncBaseTransport):  # type: ignore[name-defined, misc]
        def __init__(self, inner: Any, bound: Bound, raises: bool, desk: Desk | None) -> None:
            self.inner, self.bound, self.raises, self.desk = inner, bound, raises, desk
            setattr(self, MARK, True)

        async def handle_async_request(self, request: Any) -> Any:
            desk = self.desk or the_desk()
            body = await request.aread() if in_memory(request, desk) else None
            intercepted = intercept(desk, request, self.bound, body)
            hands = AsyncHands(self.inner, request, intercepted)
            drive = Awaiting(desk, intercepted.flow, hands)
            answer = await drive.start()
            if answer is None:
                return streaming(lib, hands.response, AsyncStream(drive), drive.headers)
            return respond(lib, answer, hands.response, self.raises and not intercepted.sdk)

        async def aclose(self) -> None:
            await self.inner.aclose()

    return Governed, GovernedAsync


# Replies are changed in place where that can be: building one anew costs 60 to 80 us, a fifth of what governing a
# whole call does. Only public attributes are set. What somebody has read already (a cache, a transport of the user's)
# keeps its first body whatever is set, so that is built anew; so is a request whose body was decided anew, for the
# transport behind may read it rather than stream it.


def outgoing(lib: Any, request: Any, effect: Send, intercepted: Intercepted) -> Any:
    """The request as it goes upstream: our headers out of it, the decided body in it."""
    headers = request.headers
    for name in intercepted.ours:
        headers.pop(name, None)  # a try before this one has taken them out already
    if intercepted.traceparent:
        headers["traceparent"] = intercepted.traceparent
    if effect.path:
        request.url = request.url.copy_with(path=effect.path)
    if effect.body is None:
        return request
    kept = [(n, v) for n, v in headers.raw if n.lower() not in (b"content-length", b"transfer-encoding")]
    extensions = request.extensions
    return lib.Request(request.method, request.url, headers=kept, content=effect.body, extensions=extensions)


async def _once(content: bytes) -> AsyncIterator[bytes]:
    yield content


def head_of(response: Any) -> Head:
    """Status and headers, as the flow reads them."""
    raw = response.headers.raw
    return Head(response.status_code, {name.lower().decode("latin-1"): value.decode("latin-1") for name, value in raw})


def streaming(lib: Any, upstream: Any, stream: Any, headers: Mapping[str, str]) -> Any:
    """The upstream's head, where one was asked, with the governed stream behind it."""
    if upstream is None:
        return lib.Response(200, headers=dict(headers), stream=stream)
    if upstream.is_closed or "content-encoding" in upstream.headers:
        kept = [(n, v) for n, v in upstream.headers.multi_items() if n.lower() not in REWRITTEN]
        upstream = lib.Response(upstream.status_code, headers=kept, stream=stream, extensions=upstream.extensions)
    else:
        upstream.stream = stream
    for name, value in headers.items():
        upstream.headers[name] = value
    return upstream


def respond(lib: Any, answer: Answer, upstream: Any, raises: bool) -> Any:
    """A whole reply, a refusal in the provider's shape, or (for plain clients) our own error raised."""
    if answer.refused is not None and raises:
        raise answer.refused
    if answer.passed:
        return upstream
    if upstream is None or answer.refused is not None:
        return lib.Response(answer.status, headers=dict(answer.headers), content=answer.body)
    headers = upstream.headers
    if upstream.is_closed or "content-encoding" in headers:
        kept = [(n, v) for n, v in headers.multi_items() if n.lower() not in REWRITTEN]
        made = lib.Response(answer.status, headers=kept, content=answer.body, extensions=upstream.extensions)
        made.headers.update(answer.headers)
        return made
    upstream.stream = lib.ByteStream(answer.body)
    if "content-length" in headers:
        headers["content-length"] = str(len(answer.body))
    for name, value in answer.headers.items():  # twice as fast as update()
        headers[name] = value
    return upstream


def governed(
    client: Any, lib: ModuleType, is_async: bool, bound: Bound, raises: bool, desk: Desk | None = None
) -> None:
    """Put our transport in front of a client's own and of each of its proxies'; once. `desk`: not the process's own."""
    blocking, awaiting = transports(lib)
    kind = awaiting if is_async else blocking
    client._transport = _wrapped(client._transport, kind, bound, raises, desk)
    mounts = getattr(client, "_mounts", {})
    for pattern, inner in list(mounts.items()):
        if inner is not None:
            mounts[pattern] = _wrapped(inner, kind, bound, raises, desk)


def _wrapped(inner: Any, kind: Callable[..., Any], bound: Bound, raises: bool, desk: Desk | None) -> Any:
    if getattr(inner, MARK, False):
        inner.raises = inner.raises and raises
        for field, value in bound.items():
            if inner.bound.get(field, value) != value:
                raise SettingsError(
                    f"This HTTP client is wrapped for {field} {inner.bound[field]!r}, so not for {value!r} as well. "
                    "Give each client an HTTP client of its own, or name the "
                    f"{field} with ct.run(...) around the calls."
                )
        inner.bound = {**inner.bound, **bound}
        return inner
    return kind(inner, bound, raises, desk)
