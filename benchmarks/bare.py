"""Proxies that pass bytes and nothing else: what a gateway costs at the least, of our own parts and of usual ones.

`python -m benchmarks.bare own|usual PORT` serves what listens at PORT, and says where.
"""

import asyncio
import socket
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import uvicorn

HEADERS = [(b"content-type", b"application/json")]
App = Callable[[Any, Any, Any], Awaitable[None]]


def main() -> None:
    """Serve until told to stop."""
    import uvloop

    parts, port = sys.argv[1:]
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(parts, int(port)))


async def _serve(parts: str, upstream: int) -> None:
    app, client, protocol = await (own if parts == "own" else usual)(upstream)
    config = uvicorn.Config(app, lifespan="off", log_config=None, access_log=False, ws="none", http=protocol)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        print(f"http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
        await uvicorn.Server(config).serve(sockets=[listener])
    await client.close()


async def own(upstream: int) -> tuple[App, Any, Any]:
    """The door and the pool of the gateway."""
    from comptroller.core.settings import Gateway
    from comptroller.gateway.wire.door import Door
    from comptroller.gateway.wire.pool import Pool
    from comptroller.gateway.wire.port import Letter, origin_of

    pool, origin = Pool(Gateway()), origin_of("127.0.0.1", upstream, False)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        body = (await receive())["body"]
        reply = await pool.send(Letter("up", origin, "POST", scope["raw_path"], HEADERS, body))
        headers = [field for field in reply.headers if field[0] in (b"content-type", b"content-length")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await _pass(reply.next, send)

    return app, pool, Door


async def usual(upstream: int) -> tuple[App, Any, Any]:
    """uvicorn and aiohttp."""
    import aiohttp

    session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))

    async def app(scope: Any, receive: Any, send: Any) -> None:
        body = (await receive())["body"]
        url = f"http://127.0.0.1:{upstream}{scope['path']}"
        async with session.post(url, data=body, headers={"content-type": "application/json"}) as reply:
            headers = [
                (name.lower(), value)
                for name, value in reply.raw_headers
                if name.lower() in (b"content-type", b"content-length")
            ]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await _pass(reply.content.readany, send)

    return app, session, "httptools"


async def _pass(following: Callable[[], Awaitable[bytes | None]], send: Any) -> None:
    while data := await following():
        await send({"type": "http.response.body", "body": data, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


if __name__ == "__main__":
    main()
