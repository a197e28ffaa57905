"""A transport in front of an HTTP client's own: every request the client makes passes the desk."""

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from functools import lru_cache
from types import ModuleType
from typing import Any

from comptroller.wrapper.desk import the_desk
from comptroller.wrapper.drive import Awaiting, Blocking
from comptroller.wrapper.effects import Answer, Head, Send
from comptroller.wrapper.intercept import Intercepted, in_memory, intercept

MARK = "__comptroller__"
# The reply is read here, so it must not come compressed; its length may change.
DROPPED_UP = frozenset({"content-length", "accept-encoding", "transfer-encoding"})
DROPPED_DOWN = frozenset({"content-length", "content-encoding", "transfer-encoding", "connection"})

Bound = Mapping[str, str]


@lru_cache(maxsize=4)
def transports(lib: ModuleType) -> tuple[type, type]:
    """The blocking and the async transport for `lib`, which is httpx or httpx2."""

    class Hands:
        def __init__(self, inner: Any, request: Any, intercepted: Intercepted) -> None:
            self.inner, self.request, self.intercepted = inner, request, intercepted
            self.response: Any = None
            self.chunks: Iterator[bytes] | None = None

        def send(self, effect: Send) -> Head:
            self.response = self.inner.handle_request(outgoing(lib, self.request, effect, self.intercepted))
            return head_of(self.response)

        def read(self, limit: int) -> bytes | None:
            try:
                return _joined(self._iterate(), limit)
            finally:
                self.close()

        def next(self) -> bytes | None:
            if self.chunks is None:
                self.chunks = self._iterate()
            return next(self.chunks, None)

        def _iterate(self) -> Iterator[bytes]:
            stream = self.response.stream
            return iter(self.response.iter_bytes() if "content-encoding" in self.response.headers else stream)

        def close(self) -> None:
            if self.response is not None:
                self.response.close()

    class AsyncHands:
        def __init__(self, inner: Any, request: Any, intercepted: Intercepted) -> None:
            self.inner, self.request, self.intercepted = inner, request, intercepted
            self.response: Any = None
            self.chunks: AsyncIterator[bytes] | None = None

        async def send(self, effect: Send) -> Head:
            request = outgoing(lib, self.request, effect, self.intercepted)
            self.response = await self.inner.handle_async_request(request)
            return head_of(self.response)

        async def read(self, limit: int) -> bytes | None:
            parts, size = [], 0
            try:
                async for chunk in self._iterate():
                    size += len(chunk)
                    if size > limit:
                        return None
                    parts.append(chunk)
            finally:
                await self.close()
            return b"".join(parts)

        async def next(self) -> bytes | None:
            if self.chunks is None:
                self.chunks = self._iterate()
            return await anext(self.chunks, None)

        def _iterate(self) -> AsyncIterator[bytes]:
            encoded = "content-encoding" in self.response.headers
            chunks: AsyncIterator[bytes] = self.response.aiter_bytes() if encoded else aiter(self.response.stream)
            return chunks

        async def close(self) -> None:
            if self.response is not None:
                await self.response.aclose()

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
        def __init__(self, inner: Any, bound: Bound, raises: bool) -> None:
            self.inner, self.bound, self.raises = inner, bound, raises
            setattr(self, MARK, True)

        def handle_request(self, request: Any) -> Any:
            desk = the_desk()
            if in_memory(request, desk):
                request.read()
            intercepted = intercept(desk, request, self.bound)
            hands = Hands(self.inner, request, intercepted)
            drive = Blocking(desk, intercepted.flow, hands)
            answer = drive.start()
            if answer is None:
                return streaming(lib, hands.response, Stream(drive), intercepted)
            return respond(lib, answer, hands.response, self.raises and not intercepted.sdk)

        def close(self) -> None:
            self.inner.close()

    class GovernedAsync(lib.AsyncBaseTransport):  # type: ignore[name-defined, misc]
        def __init__(self, inner: Any, bound: Bound, raises: bool) -> None:
            self.inner, self.bound, self.raises = inner, bound, raises
            setattr(self, MARK, True)

        async def handle_async_request(self, request: Any) -> Any:
            desk = the_desk()
            if in_memory(request, desk):
                await request.aread()
            intercepted = intercept(desk, request, self.bound)
            hands = AsyncHands(self.inner, request, intercepted)
            drive = Awaiting(desk, intercepted.flow, hands)
            answer = await drive.start()
            if answer is None:
                return streaming(lib, hands.response, AsyncStream(drive), intercepted)
            return respond(lib, answer, hands.response, self.raises and not intercepted.sdk)

        async def aclose(self) -> None:
            await self.inner.aclose()

    return Governed, GovernedAsync


def outgoing(lib: Any, request: Any, effect: Send, intercepted: Intercepted) -> Any:
    """The request as it goes upstream: our headers out of it, the decided body in it."""
    headers = [
        (name, value)
        for name, value in request.headers.raw
        if (lower := name.decode("latin-1").lower()) not in DROPPED_UP and not lower.startswith("comptroller-")
    ]
    headers.append((b"Accept-Encoding", b"identity"))
    if b"traceparent" not in (name.lower() for name, _ in headers):
        headers += [(name.encode(), value.encode()) for name, value in intercepted.trace_headers.items()]
    content = intercepted.body if effect.body is None else effect.body
    if content is None:  # a streamed upload: passed on as it comes, with the length it states
        headers += [(n, v) for n, v in request.headers.raw if n.lower() in (b"content-length", b"transfer-encoding")]
        content = request.stream
        return lib.Request(request.method, request.url, headers=headers, stream=content, extensions=request.extensions)
    return lib.Request(request.method, request.url, headers=headers, content=content, extensions=request.extensions)


def head_of(response: Any) -> Head:
    """Status and headers, as the flow reads them."""
    return Head(response.status_code, {name.lower(): value for name, value in response.headers.items()})


def streaming(lib: Any, upstream: Any, stream: Any, intercepted: Intercepted) -> Any:
    """The upstream's head with the governed stream behind it."""
    headers = [(n, v) for n, v in upstream.headers.multi_items() if n.lower() not in DROPPED_DOWN]
    headers += list(intercepted.reply_headers().items())
    return lib.Response(upstream.status_code, headers=headers, stream=stream, extensions=upstream.extensions)


def respond(lib: Any, answer: Answer, upstream: Any, raises: bool) -> Any:
    """A whole reply, a refusal in the provider's shape, or (for plain clients) our own error raised."""
    if answer.refused is not None and raises:
        raise answer.refused
    if answer.passed:
        return upstream
    headers: list[tuple[str, str]] = []
    extensions: dict[str, Any] = {}
    if upstream is not None and answer.refused is None:
        headers = [(n, v) for n, v in upstream.headers.multi_items() if n.lower() not in DROPPED_DOWN]
        extensions = upstream.extensions
    headers += list(answer.headers.items())
    return lib.Response(answer.status, headers=headers, content=answer.body, extensions=extensions)


def _joined(chunks: Iterator[bytes], limit: int) -> bytes | None:
    parts, size = [], 0
    for chunk in chunks:
        size += len(chunk)
        if size > limit:
            return None
        parts.append(chunk)
    return b"".join(parts)


def governed(client: Any, lib: ModuleType, is_async: bool, bound: Bound, raises: bool) -> None:
    """Put our transport in front of a client's own and of each of its proxies'; once."""
    blocking, awaiting = transports(lib)
    kind = awaiting if is_async else blocking
    client._transport = _wrapped(client._transport, kind, bound, raises)
    mounts = getattr(client, "_mounts", {})
    for pattern, inner in list(mounts.items()):
        if inner is not None:
            mounts[pattern] = _wrapped(inner, kind, bound, raises)


def _wrapped(inner: Any, kind: Callable[[Any, Bound, bool], Any], bound: Bound, raises: bool) -> Any:
    if getattr(inner, MARK, False):
        inner.raises = inner.raises and raises
        inner.bound = {**inner.bound, **bound}
        return inner
    return kind(inner, bound, raises)
