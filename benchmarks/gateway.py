"""The gateway on a core of its own, against direct calls: load and a canned upstream share the other core.

Governed means: 100 rules of which 3 can match, both guards in and out, three budget scopes, journal and vault
written. Prompts and replies differ from call to call. CPU is what the gateway's process used, all its threads;
beside it what proxies cost that do nothing but pass bytes: one of the gateway's own parts, so that the difference is
what governing costs, and one of uvicorn and aiohttp.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from benchmarks.overhead import hundred_rules, prose
from benchmarks.table import conditions, percentile, table

EVENTS = 50  # of text; a role, a finish and a usage event make 53
VARIETY = 512  # different prompts and replies, each marked with the number of the call besides
WARM = 300
CPU_HEADS = ("req/s", "CPU us", "own bare proxy", "governing", "usual bare proxy")
TIME_HEADS = ("p50 direct", "p50", "added", "p99 direct", "p99", "first byte added")
HEADS = ("", *CPU_HEADS, *TIME_HEADS)


@dataclass
class Took:
    """What a series of requests took: seconds each, in all, and CPU a request in the quietest round."""

    each: list[float] = field(default_factory=list)
    first: list[float] = field(default_factory=list)
    wall: float = 0.0
    cpu: float = 0.0


def main() -> None:
    """Measure whole replies and streams, at one connection and at several, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=4_000, help="whole replies a series")
    parser.add_argument("--rounds", type=int, default=3, help="series of each kind, in turn")
    parser.add_argument("--plain", action="store_true", help="no policies, and nothing of the text is kept")
    args = parser.parse_args()
    _pin(1)
    asyncio.run(_measure(args.requests, args.rounds, args.plain))


async def _measure(requests: int, rounds: int, plain: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with Canned() as upstream:
            with (
                gateway(Path(folder), upstream.port, plain) as (port, process),
                started("benchmarks.bare", "own", str(upstream.port)) as own,
                started("benchmarks.bare", "usual", str(upstream.port)) as usual,
            ):
                rows = []
                for title, connections, count, stream in (
                    ("whole, 1 connection", 1, requests // 4, False),
                    ("whole, 16 connections", 16, requests, False),
                    ("stream of 53, 1 connection", 1, requests // 8, True),
                    ("stream of 53, 16 connections", 16, requests // 4, True),
                ):
                    ways = ((upstream.port, None), (port, process), own, usual)
                    took = [Took() for _ in ways]
                    for way in ways:
                        await load(way[0], 16, WARM, stream, way[1])
                    for _ in range(rounds):
                        for way, sum_ in zip(ways, took, strict=True):
                            _add(sum_, await load(way[0], connections, count, stream, way[1]))
                    rows.append(_row(title, *took))
                table(f"the gateway ({conditions()}; milliseconds but for CPU)", HEADS, rows)
                print(f"memory after: {process.memory_info().rss >> 20} MB")


def _row(title: str, bare: Took, ours: Took, own: Took, usual: Took) -> list[str]:
    def at(took: list[float], share: float) -> float:
        return percentile(took, share) * 1000

    added, count = at(ours.each, 0.5) - at(bare.each, 0.5), len(ours.each)
    first = at(ours.first, 0.5) - at(bare.first, 0.5)
    times = [at(bare.each, 0.5), at(ours.each, 0.5), added, at(bare.each, 0.99), at(ours.each, 0.99), first]
    cpu = [us * 1e6 for us in (ours.cpu, own.cpu, ours.cpu - own.cpu, usual.cpu)]
    rates = [f"{count / ours.wall:,.0f}", *(f"{us:,.0f}" for us in cpu)]
    return [title, *rates, *(f"{ms:.2f}" for ms in times)]


def _add(sum_: Took, took: Took) -> None:
    sum_.each += took.each
    sum_.first += took.first
    sum_.wall += took.wall
    each = took.cpu / len(took.each)
    sum_.cpu = min(sum_.cpu or each, each)


# -- the gateway, in a process of its own


@contextmanager
def gateway(folder: Path, upstream: int, plain: bool, *more: str) -> Iterator[tuple[int, psutil.Process]]:
    """`comptroller up` on the first core; yields its port and process."""
    policies = folder / "policies.yaml"
    policies.write_text(hundred_rules(), encoding="utf-8")
    settings: dict[str, object] = {
        "ledger": str(folder / "ledger"),
        "policies": [] if plain else [str(policies)],
        "capture": "none" if plain else "redacted",
        "upstreams": [{"name": "canned", "format": "openai", "url": f"http://127.0.0.1:{upstream}/v1"}],
    }
    config = folder / "comptroller.yaml"
    config.write_text(json.dumps(settings), encoding="utf-8")
    with started("comptroller.cli", "up", "--no-console", "--port", "0", "--config", str(config), *more) as found:
        yield found


@contextmanager
def started(module: str, *args: str) -> Iterator[tuple[int, psutil.Process]]:
    """A module on the first core, which says first where it listens."""
    args = (sys.executable, "-m", module, *args)
    with subprocess.Popen(args, stdout=subprocess.PIPE, preexec_fn=lambda: _pin(0)) as process:
        assert process.stdout is not None
        try:
            line = process.stdout.readline()
            yield int(line.rsplit(b":", 1)[1]), psutil.Process(process.pid)
        finally:
            process.terminate()
            process.wait()


def _pin(core: int) -> None:
    if hasattr(os, "sched_setaffinity"):
        with suppress(OSError):
            os.sched_setaffinity(0, {core})


# -- the load


async def load(port: int, connections: int, count: int, stream: bool, process: psutil.Process | None) -> Took:
    """So many requests over so many connections, each sent when the one before it was answered."""
    took, numbers, loop = Took(), iter(range(count)), asyncio.get_running_loop()
    before = _cpu(process)
    begun = time.perf_counter()
    lines = [loop.create_connection(lambda: Line(took, numbers, stream), "127.0.0.1", port) for _ in range(connections)]
    made = [protocol for _, protocol in await asyncio.gather(*lines)]
    await asyncio.gather(*(line.done for line in made))
    took.wall = time.perf_counter() - begun
    took.cpu = _cpu(process) - before
    for line in made:
        line.transport.close()
    return took


def _cpu(process: psutil.Process | None) -> float:
    if process is None:
        return 0.0
    times = process.cpu_times()
    return times.user + times.system


class Line(asyncio.Protocol):
    """One client connection under load."""

    transport: asyncio.Transport

    def __init__(self, took: Took, numbers: Iterator[int], stream: bool) -> None:
        self._took, self._numbers, self._stream = took, numbers, stream
        self._heard, self._wanted, self._begun, self._seen = bytearray(), 0, 0.0, False
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self._next()

    def data_received(self, data: bytes) -> None:
        if not self._seen:
            self._took.first.append(time.perf_counter() - self._begun)
            self._seen = True
        self._heard += data
        if self._complete():
            assert self._heard.startswith(b"HTTP/1.1 200"), bytes(self._heard[:500])
            self._took.each.append(time.perf_counter() - self._begun)
            self._next()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(ConnectionError(f"the connection broke: {bytes(self._heard[:200])!r}"))

    def _next(self) -> None:
        number = next(self._numbers, None)
        if number is None:
            self.done.set_result(None)
            return
        self._heard.clear()
        self._seen = False
        self._begun = time.perf_counter()
        self.transport.write(question(number, self._stream))

    def _complete(self) -> bool:
        if self._stream:
            return self._heard.endswith(b"0\r\n\r\n")
        end = self._heard.find(b"\r\n\r\n")
        if end < 0:
            return False
        at = self._heard.lower().find(b"content-length: ", 0, end) + 16
        return len(self._heard) >= end + 4 + int(self._heard[at : self._heard.find(b"\r", at)])


class Canned(asyncio.Protocol):
    """An upstream that has its replies ready: it must cost next to nothing."""

    port = 0

    def __init__(self) -> None:
        self._heard = bytearray()
        self._transport: asyncio.Transport | None = None
        self._count = 0

    async def __aenter__(self) -> "Canned":
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(Canned, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._heard += data
        end = self._heard.find(b"\r\n\r\n")
        at = self._heard.lower().find(b"content-length: ", 0, end) + 16
        if end < 0 or len(self._heard) < end + 4 + int(self._heard[at : self._heard.find(b"\r", at)]):
            return
        streamed = b'"stream":true' in self._heard or b'"stream": true' in self._heard
        self._heard.clear()
        self._count += 1
        assert self._transport is not None
        if streamed:
            for piece in STREAMS[self._count % len(STREAMS)]:
                self._transport.write(piece)  # each on its way alone, as a model's would be
        else:
            self._transport.write(WHOLE[self._count % len(WHOLE)])


def question(number: int, stream: bool) -> bytes:
    """A request with a prompt of 2 KB that no other has."""
    body = QUESTIONS[number % len(QUESTIONS)] % (number, b"true" if stream else b"false")
    return HEAD % len(body) + body


def _question(seed: int) -> bytes:
    text = prose(2048, seed).replace("%", "")
    messages = '[{"role":"user","content":"Call %d. ' + text + '"}]'
    return f'{{"model":"gpt-4o-mini","max_tokens":400,"messages":{messages},"stream":%b}}'.encode()


def _frame(kind: str, **more: object) -> dict[str, object]:
    return {"id": "chatcmpl-1", "object": kind, "created": 1, "model": "gpt-4o-mini", **more}


def _whole(seed: int) -> bytes:
    message = {"role": "assistant", "content": prose(1024, seed), "refusal": None}
    usage = {"prompt_tokens": 420, "completion_tokens": 210, "total_tokens": 630}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
    body = json.dumps(_frame("chat.completion", choices=[choice], usage=usage)).encode()
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nx-request-id: req_1\r\ncontent-length: %d\r\n\r\n"
    return head % len(body) + body


def _stream(seed: int) -> list[bytes]:
    text = prose(1024, seed)
    size = -(-len(text) // EVENTS)
    deltas: list[dict[str, object]] = [{"role": "assistant", "content": ""}]
    deltas += [{"content": text[at : at + size]} for at in range(0, len(text), size)]
    events = [_event([{"index": 0, "delta": delta, "finish_reason": None}]) for delta in deltas]
    events.append(_event([{"index": 0, "delta": {}, "finish_reason": "stop"}]))
    events.append(_event([], usage={"prompt_tokens": 420, "completion_tokens": 210, "total_tokens": 630}))
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
    chunks = [b"%x\r\n%b\r\n" % (len(event), event) for event in [*events, b"data: [DONE]\n\n"]]
    return [head + chunks[0], *chunks[1:-1], chunks[-1] + b"0\r\n\r\n"]


def _event(choices: list[object], **more: object) -> bytes:
    return b"data: " + json.dumps(_frame("chat.completion.chunk", choices=choices, **more)).encode() + b"\n\n"


HEAD = (
    b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
    b"accept: application/json\r\nauthorization: Bearer none\r\nuser-agent: load\r\ncomptroller-run: bench\r\n"
    b"comptroller-agent: worker\r\ncomptroller-customer: acme\r\ncontent-length: %d\r\n\r\n"
)
QUESTIONS = [_question(seed) for seed in range(VARIETY)]
WHOLE = [_whole(seed) for seed in range(VARIETY)]
STREAMS = [_stream(seed) for seed in range(VARIETY)]


if __name__ == "__main__":
    main()
