"""The gateway's side of `/api`: it knows the caller by its key, and hands the request to the process that answers."""

import asyncio
import re
from pathlib import Path

import msgspec

from comptroller.core.call import Identity
from comptroller.core.errors import UpstreamError
from comptroller.gateway.api.rights import who_of
from comptroller.gateway.asked import Asked, Receive, Send
from comptroller.gateway.caller import caller_of
from comptroller.gateway.gate import Gate
from comptroller.gateway.hands import incoming
from comptroller.gateway.leaving import Leaving
from comptroller.gateway.stop import Stop
from comptroller.gateway.upstream import ConnectError, ReadError
from comptroller.gateway.wire.port import Headers, Letter, Reply, origin_of
from comptroller.office.switchboard import TOKEN, WHO, address_of
from comptroller.office.who import Who, packed

PATIENCE_S, PAUSE_S = 5.0, 0.05  # for a process that starts, or starts again
NAME = "api"
READING = ("GET", "HEAD")
RUNS, RUN, CLOSE = "/api/runs", "/api/runs/", "/close"
LONGEST = 1 << 16  # bytes of a reply that is read here
BROKEN_OFF, LEFT = 502, 499
ON: tuple[bytes, ...] = (b"content-type", b"accept")  # what a request may say besides its body
SIGNED: tuple[bytes, ...] = (b"webhook-id", b"webhook-timestamp", b"webhook-signature")
# What comes here is signed, so no key is asked for: a customer's link, and what a system of record answers.
OPEN = re.compile(r"/api/(confirm/[\w.-]{1,600}|callback/[\w.-]{1,128}/[\w.-]{1,100})", re.ASCII)
NOBODY = Who(tenant="")


class _Opened(msgspec.Struct):
    run: str


async def pass_to_api(gate: Gate, asked: Asked, receive: Receive, send: Send) -> int:
    """Answer a request to `/api`; returns the status."""
    who, by, on = NOBODY, Identity(), ON + SIGNED
    if not OPEN.fullmatch(asked.path):
        caller, on = caller_of(asked, gate.keys, gate.desk.settings.tenant), ON
        if caller.conflict is not None:
            raise Stop(403, "identity", str(caller.conflict))
        who, by = who_of(caller), caller.identity
    fields = [(name, asked.named[name]) for name in on if name in asked.named]
    fields.append((WHO.encode(), packed(who)))
    leaving = Leaving(receive, 0)
    try:
        reply = await _asked(gate, asked, fields)
        return await _told(reply, await _known(gate, asked, by, reply), send)
    except asyncio.CancelledError:
        if not leaving.left:
            raise
        leaving.forgive()
        return LEFT
    except UpstreamError as error:
        raise _away(str(error)) from None
    finally:
        leaving.stop()


async def _asked(gate: Gate, asked: Asked, fields: Headers) -> Reply:
    """The head of the reply. A process that is not there yet is waited for: nothing is done twice."""
    ledger = Path(gate.desk.settings.ledger)
    path = (f"{asked.target}?{asked.query}" if asked.query else asked.target).encode("ascii")
    tries = int(PATIENCE_S / PAUSE_S)
    for left in range(tries, -1, -1):
        address = address_of(ledger)
        if address is not None:
            letter = Letter(
                NAME,
                origin_of(address.place, address.port, False),
                asked.method,
                path,
                [*fields, (TOKEN.encode(), address.token.encode())],
                asked.body,
            )
            try:
                return await gate.client.send(letter)
            except (ConnectError, ReadError) as error:
                # What was sent may have been done, unless it only reads: such a request is made again.
                if not left or (isinstance(error, ReadError) and asked.method not in READING):
                    raise
        await asyncio.sleep(PAUSE_S)
    raise _away("The process that answers /api is not there, or is still filling the books.")


async def _known(gate: Gate, asked: Asked, by: Identity, reply: Reply) -> bytes:
    """What is read of the reply: calls go by a run that was opened or closed before its client hears of it."""
    if asked.method != "POST" or reply.status >= 300:
        return b""
    if asked.path == RUNS:
        body = await reply.read(LONGEST) or b""
        await gate.runs.opened(msgspec.json.decode(body, type=_Opened).run)
        return body
    if asked.path.startswith(RUN) and asked.path.endswith(CLOSE):
        await gate.runs.finish(asked.path[len(RUN) : -len(CLOSE)], by)
    return b""


async def _told(reply: Reply, read: bytes, send: Send) -> int:
    await send({"type": "http.response.start", "status": reply.status, "headers": incoming(reply)})
    try:
        if read:
            await send({"type": "http.response.body", "body": read, "more_body": True})
        while not read and (data := await reply.next()) is not None:
            await send({"type": "http.response.body", "body": data, "more_body": True})
    except UpstreamError:
        return BROKEN_OFF
    finally:
        reply.close()
    await send({"type": "http.response.body", "body": b""})
    return reply.status


def _away(why: str) -> Stop:
    return Stop(503, "api_unavailable", f"{why} `comptroller up` starts it; its log says more.", headers=())
