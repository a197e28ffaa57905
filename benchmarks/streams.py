"""Streams side by side at a model's own pace: do they reach the client as fast as they come?"""

import argparse
import asyncio
import tempfile
from pathlib import Path

from benchmarks import gateway as bench
from benchmarks.table import conditions, percentile, table

PACE_S = 0.02  # between two events


class Paced(bench.Canned):
    """The canned upstream, which takes its time."""

    async def __aenter__(self) -> "Paced":
        self._server = await asyncio.get_running_loop().create_server(Paced, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    def data_received(self, data: bytes) -> None:
        self._heard += data
        end = self._heard.find(b"\r\n\r\n")
        at = self._heard.lower().find(b"content-length: ", 0, end) + 16
        if end < 0 or len(self._heard) < end + 4 + int(self._heard[at : self._heard.find(b"\r", at)]):
            return
        self._heard.clear()
        self._count += 1
        self._saying = asyncio.ensure_future(self._say(bench.STREAMS[self._count % len(bench.STREAMS)]))

    async def _say(self, pieces: list[bytes]) -> None:
        assert self._transport is not None
        for piece in pieces:
            self._transport.write(piece)
            await asyncio.sleep(PACE_S)


def main() -> None:
    """Run direct and governed streams in turn and print how long they took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--streams", type=int, default=64, help="at a time")
    parser.add_argument("--rounds", type=int, default=4)
    args = parser.parse_args()
    bench._pin(1)
    asyncio.run(_compare(args.streams, args.rounds))


async def _compare(streams: int, rounds: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with Paced() as upstream:
            with bench.gateway(Path(folder), upstream.port, False) as (port, process):
                await bench.load(port, 16, streams, True, process)
                direct, ours = bench.Took(), bench.Took()
                for _ in range(rounds):
                    bench._add(direct, await bench.load(upstream.port, streams, streams, True, None))
                    bench._add(ours, await bench.load(port, streams, streams, True, process))
    rows = [_row("direct", direct.each), _row("through the gateway", ours.each)]
    heads = ("", "p50 s", "slowest s")
    table(f"{streams} streams of 53 events, one each {PACE_S * 1000:.0f} ms ({conditions()})", heads, rows)


def _row(title: str, each: list[float]) -> list[str]:
    return [title, f"{percentile(each, 0.5):.3f}", f"{max(each):.3f}"]


if __name__ == "__main__":
    main()
