"""Faults at full size: `python -m tests.gateway.storm [cancels|cap|idle|slow|sockets ...]` prints a table.

The tests run the same at a size that a shared machine bears; the issue's own sizes take a minute or two.
"""

import asyncio
import json
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import psutil

from comptroller.testing import Upstream
from comptroller.testing.script import Say
from tests.gateway.house import HI, House, house

HUGE = "policy: p\nbudgets:\n  - {per: tenant, cap: 100000 USD, over: deny}\n"
TIGHT = "policy: p\nbudgets:\n  - {per: tenant, cap: 0.01 USD, over: deny}\n"
MOST = 10_000_000  # nanos: the cap above
MUCH = 24  # MB of a reply that nobody reads
WHOLE = {"model": "gpt-4o-mini", "messages": HI, "max_tokens": 50}
STREAMED = {**WHOLE, "stream": True}


@dataclass
class Outcome:
    """What came of one storm: figures to print, and what is wrong, if anything."""

    name: str
    figures: dict[str, int]
    wrong: list[str] = field(default_factory=list)

    def expect(self, true: bool, what: str) -> None:
        """Note what did not hold."""
        if not true:
            self.wrong.append(what)


def cancels(count: int = 10_000, at_once: int = 500) -> Outcome:
    """Clients that leave at every moment of a call: before its reply, at its head, in the midst of its stream."""
    with house(Say("word " * 200, pause_s=0.005), HUGE) as at:

        async def leave(number: int) -> None:
            reader, writer = await asked(at.url, WHOLE if number % 4 == 3 else STREAMED)
            for _ in range(number % 4 * 6):
                if number % 4 == 3 or not await reader.readline():
                    break
            writer.transport.abort()

        asyncio.run(crowd(count, at_once, leave))
        # A request that was cut off before it was whole was never a call.
        wait_until(lambda: at.gate.meters.under_way == 0 and at.live_holds == 0)
        settled, held = at.desk.ledger.counter(*tenant_counter(at))
        spent = sum(call["cost"] for call in at.calls)
        told = Outcome("cancels", {"requests": count, "on record": len(at.calls), "held": held, "settled": settled})
        told.expect(at.live_holds == 0 and held == 0, "a hold is left")
        told.expect(settled == spent, "settled differs from what the records say")
        told.expect(len(at.calls) >= len(at.up.requests), "a call was sent and is not on record")
        told.expect({call["status"] for call in at.calls} <= {"ok", "cancelled", "cut"}, "a call ended in another way")
        return told


def cap(count: int = 1_000, waves: int = 3) -> Outcome:
    """Calls at once on one cap that has room for some of them, until it has no more."""
    with house(Say("Hello.", wait_s=0.05, usage={"completion_tokens": 50}), TIGHT) as at:
        statuses: list[int] = []

        async def call(number: int) -> None:
            reader, writer = await asked(at.url, WHOLE)
            statuses.append(int((await reader.readline()).split()[1]))
            writer.transport.abort()

        sent, passed = 0, -1
        while sent < waves or statuses.count(200) > passed:  # until there is no room for anybody
            passed = statuses.count(200)
            asyncio.run(crowd(count, count, call))
            wait_until(lambda: at.live_holds == 0)
            sent += 1
        settled, held = at.desk.ledger.counter(*tenant_counter(at))
        passed, refused = statuses.count(200), statuses.count(402)
        told = Outcome(
            "cap", {"calls": sent * count, "passed": passed, "refused": refused, "settled": settled, "of": MOST}
        )
        told.expect(passed + refused == sent * count, f"other answers: {set(statuses) - {200, 402}}")
        told.expect(passed == len(at.up.requests), "what passed is not what was sent")
        told.expect(
            MOST * 9 // 10 < settled <= MOST and held == 0, "the cap was overspent or not used, or a hold is left"
        )
        told.expect(settled == sum(call["cost"] for call in at.calls), "settled differs from what the records say")
        return told


def idle(count: int = 10_000) -> Outcome:
    """Connections that say nothing, on a gateway in a process of its own."""
    raise_limit(count + 500)
    with Upstream("Hello.") as up, gateway_apart(up.url) as (process, url):
        before = process.memory_info().rss

        async def work() -> tuple[int, int, bytes]:
            host, port = address(url)
            lines: list[asyncio.StreamWriter] = []
            for start in range(0, count, 500):
                opened = [asyncio.open_connection(host, port) for _ in range(min(500, count - start))]
                lines += [writer for _, writer in await asyncio.gather(*opened)]
            reader, writer = await asked(url, WHOLE)
            answer = await reader.readline()
            grown, open_now = process.memory_info().rss - before, process.num_fds()
            for line in [*lines, writer]:
                line.transport.abort()
            return grown, open_now, answer

        grown, open_now, answer = asyncio.run(work())
        told = Outcome("idle", {"connections": count, "bytes each": grown // count, "open": open_now})
        told.expect(open_now >= count, "not all connections were held")
        told.expect(b" 200 " in answer, "no answer beside them")
        return told


def slow(count: int = 200, deaf: int = 8) -> Outcome:
    """Clients that dawdle over head and body, and clients that do not read what they asked for."""
    endless = Say("x" * (MUCH << 20), chunk=1 << 16)
    with (
        Upstream(lambda got: endless if got.stream else Say("Hello.")) as up,
        gateway_apart(up.url, header_s=2) as (process, url),
    ):
        before = process.memory_info().rss

        async def work() -> tuple[int, bytes, int]:
            head = b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\n"
            halves = [head + b"x-slow: ", head + b"content-length: 900\r\n\r\n{", b""]
            dawdling = [await said(url, halves[number % 3]) for number in range(count)]
            unread = [await asked(url, STREAMED, limit=1024) for _ in range(deaf)]
            await asyncio.gather(*(reader.read() for reader, _ in dawdling))  # to the end: they are dropped
            reader, writer = await asked(url, WHOLE)
            answer = await reader.readline()
            grown = process.memory_info().rss - before
            for _, line in [*dawdling, *unread, (reader, writer)]:
                line.transport.abort()
            return len(dawdling), answer, grown

        dropped, answer, grown = asyncio.run(work())
        told = Outcome("slow", {"dawdling": count, "dropped": dropped, "deaf": deaf, "MB grown": grown >> 20})
        told.expect(b" 200 " in answer, "no answer beside them")
        told.expect(grown < (deaf + 1) * (MUCH // 2) << 20, "what nobody reads is kept in memory")
        return told


def sockets(count: int = 2_000, at_once: int = 200) -> Outcome:
    """WebSockets that are torn down with a frame under way."""
    from websockets.asyncio.client import connect

    frame = json.dumps({"type": "response.create", "model": "gpt-4o-mini", "input": "Hi", "max_output_tokens": 50})
    with house(Say("word " * 200, pause_s=0.005), HUGE) as at:

        async def leave(number: int) -> None:
            async with connect(at.url.replace("http", "ws") + "/v1/responses", proxy=None) as wire:
                for _ in range(1 + number % 2):
                    await wire.send(frame)
                if number % 3:
                    await wire.recv()
                wire.transport.abort()

        asyncio.run(crowd(count, at_once, leave))
        wait_until(lambda: not at.gate.sockets and at.live_holds == 0)
        settled, held = at.desk.ledger.counter(*tenant_counter(at))
        told = Outcome("sockets", {"sockets": count, "on record": len(at.calls), "held": held, "settled": settled})
        told.expect(at.live_holds == 0 and held == 0 and not at.gate.sockets, "a hold or a socket is left")
        told.expect(settled == sum(call["cost"] for call in at.calls), "settled differs from what the records say")
        told.expect(len(at.calls) >= len(at.up.requests), "a call was sent and is not on record")
        return told


# -- what they share


async def crowd(count: int, at_once: int, act: Callable[[int], Awaitable[None]]) -> None:
    """So many, so many at once."""
    room = asyncio.Semaphore(at_once)

    async def one(number: int) -> None:
        async with room:
            with suppress(ConnectionError):
                await act(number)

    await asyncio.gather(*(one(number) for number in range(count)))


async def said(url: str, data: bytes, limit: int = 1 << 16) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection of its own on which this was said."""
    reader, writer = await asyncio.open_connection(*address(url), limit=limit)
    writer.write(data)
    await writer.drain()
    return reader, writer


async def asked(
    url: str, body: dict[str, Any], limit: int = 1 << 16
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A whole request on a connection of its own."""
    data = json.dumps(body).encode()
    head = b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: %d\r\n\r\n" % len(data)
    return await said(url, head + data, limit)


def address(url: str) -> tuple[str, int]:
    """Host and port."""
    host, port = url.removeprefix("http://").split(":")
    return host, int(port)


def tenant_counter(at: House) -> tuple[str, str]:
    """The counter of the one budget there is."""
    return next((key, unit) for key, unit in at.desk.ledger.purse._counters if key.startswith("tenant:"))


def wait_until(done: Callable[[], bool]) -> None:
    """Until something in another thread is so; gives up after half a minute."""

    async def look() -> None:
        for _ in range(6_000):
            if done():
                return
            await asyncio.sleep(0.005)
        raise AssertionError("it did not happen")

    asyncio.run(look())


def raise_limit(wanted: int) -> None:
    """Allow that many open files, where the system lets us."""
    if sys.platform != "win32":
        import resource

        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(max(wanted, 1024), most), most))


@contextmanager
def gateway_apart(upstream: str, header_s: int = 120) -> Iterator[tuple[psutil.Process, str]]:
    """A gateway in a process of its own, and where it listens."""
    command = [sys.executable, "-m", "tests.gateway.storm", "--serve", upstream, str(header_s)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        try:
            yield psutil.Process(child.pid), child.stdout.readline().strip()
        finally:
            child.stdin.close()  # it ends when nobody is there any more


def serve(upstream: str, header_s: int) -> None:
    """What `gateway_apart` starts."""
    raise_limit(20_000)
    there = [{"name": "there", "format": "openai", "url": f"{upstream}/v1"}]
    with house(upstreams=there, gateway={"header_s": header_s}) as at:
        print(at.url, flush=True)
        sys.stdin.read()


STORMS: dict[str, Callable[[], Outcome]] = {one.__name__: one for one in (cancels, cap, idle, slow, sockets)}  # type: ignore[attr-defined]


def main(names: list[str]) -> int:
    """Run what is named, else all; says whether all held."""
    bad = 0
    for name in names or STORMS:
        told = STORMS[name]()
        figures = "  ".join(f"{what} {value:,}" for what, value in told.figures.items())
        print(f"{told.name:8} {'FAILS: ' + '; '.join(told.wrong) if told.wrong else 'holds'}  {figures}", flush=True)
        bad += bool(told.wrong)
    return 1 if bad else 0


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        serve(sys.argv[2], int(sys.argv[3]))
    else:
        sys.exit(main(sys.argv[1:]))
