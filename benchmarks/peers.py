"""The gateway beside other gateways, one at a time on one core; load and a canned upstream share the other core.

We govern: 100 rules of which 3 can match, both guards in and out, three budget scopes, journal, vault and books
written. The peers do nothing but pass the call on, with their stores and logs off. CPU is summed over all processes
of a gateway until they have fallen silent, ours until the books have caught up. The peers are installed, in the
versions named below, into environments of their own under `.peers/`: from PyPI and npm, the first time only.
"""

import argparse
import asyncio
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import httptools
import psutil

from benchmarks import gateway as bench
from benchmarks.table import conditions, percentile, table
from comptroller.store.reader import Reader

HOME = Path(__file__).parent.parent / ".peers"
LITELLM, TENSORZERO, PORTKEY = "1.106.2", "2026.6.0", "1.15.2"
CONNECTIONS = 16
PATIENCE_S = 120
FLAT_S = 1.5  # without CPU used for so long, a gateway has done all it had to do for the calls behind it
HEADS = ("", "calls", "per CPU-s", "CPU us", "ours is", "p50 ms", "added", "p99 ms", "MB after")


@dataclass
class Peer:
    """A gateway under load: how it is asked, and what it took so far."""

    name: str
    port: int
    processes: Callable[[], list[psutil.Process]]
    path: str = "/v1/chat/completions"
    headers: str = ""
    model: str = "gpt-4o-mini"
    catch_up: Callable[[], None] = lambda: None  # returns once its books have all calls so far
    share: float = 1.0  # of the calls of a round: slow ones are asked less often
    each: list[float] = field(default_factory=list)
    lone: list[float] = field(default_factory=list)
    cpu: float = 0.0
    calls: int = 0
    memory: int = 0


def main() -> None:
    """Ask all in turn, several rounds, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=2_000, help="calls a round; the slowest get a twentieth")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--without", action="append", default=[], metavar="NAME", help="a peer to leave out")
    args = parser.parse_args()
    bench._pin(1)
    asyncio.run(_compare(args.requests, args.rounds, args.without))


async def _compare(requests: int, rounds: int, without: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder, ExitStack() as running:
        async with bench.Canned() as upstream:
            peers = [running.enter_context(_ours(Path(folder), upstream.port))]
            for name, start in (("TensorZero", _tensorzero), ("Portkey", _portkey), ("LiteLLM", _litellm)):
                if name not in without:
                    peers.append(running.enter_context(start(Path(folder), upstream.port)))
            direct = Peer("direct", upstream.port, list)
            for peer in (direct, *peers):
                await _load(peer, CONNECTIONS, max(20, int(300 * peer.share)), counted=False)
            for _ in range(rounds):
                for peer in (direct, *peers):
                    await _round(peer, requests)
            _report(direct, peers)


async def _round(peer: Peer, requests: int) -> None:
    count = max(20, int(requests * peer.share))
    await _load(peer, 1, max(20, count // 10), counted=True)
    await _quiet(peer)
    before = _cpu(peer)
    await _load(peer, CONNECTIONS, count, counted=False)
    await _quiet(peer)
    peer.cpu += _cpu(peer) - before
    peer.calls += count
    peer.memory = sum(process.memory_info().rss for process in peer.processes())


def _report(direct: Peer, peers: list[Peer]) -> None:
    ours, lone = peers[0].cpu / peers[0].calls, percentile(direct.lone, 0.5)
    rows = []
    for peer in peers:
        each = peer.cpu / peer.calls
        p50, p99 = percentile(peer.lone, 0.5), percentile(peer.lone, 0.99)
        rows.append(
            [
                peer.name,
                f"{peer.calls:,}",
                f"{1 / each:,.0f}",
                f"{each * 1e6:,.0f}",
                f"{each / ours:.2f}x",
                f"{p50 * 1000:.2f}",
                f"{(p50 - lone) * 1000:.2f}",
                f"{p99 * 1000:.2f}",
                f"{peer.memory >> 20}",
            ]
        )
    title = f"gateways on one core ({conditions()}; 2 KB in, 1 KB out; p50 and p99 at one connection)"
    table(title, HEADS, rows)


# -- how each is started


@contextmanager
def _ours(folder: Path, upstream: int) -> Iterator[Peer]:
    with bench.gateway(folder, upstream, plain=False) as (port, process):
        headers = "comptroller-run: bench\r\ncomptroller-agent: worker\r\ncomptroller-customer: acme\r\n"
        ours = Peer("Comptroller, governing", port, _family(process), headers=headers)
        ours.catch_up = lambda: Reader.open(folder / "ledger").close()
        yield ours


@contextmanager
def _tensorzero(folder: Path, upstream: int) -> Iterator[Peer]:
    python = _python("tensorzero", f"tensorzero=={TENSORZERO}")
    config = folder / "tensorzero.toml"
    config.write_text(
        "[gateway]\nobservability.enabled = false\n[models.canned]\nrouting = ['canned']\n"
        "[models.canned.providers.canned]\ntype = 'openai'\nmodel_name = 'gpt-4o-mini'\n"
        f"api_base = 'http://127.0.0.1:{upstream}/v1/'\napi_key_location = 'none'\n"
    )
    script = (
        "import sys, tensorzero as t\n"
        "g = t._start_http_gateway(config_file=sys.argv[1], clickhouse_url=None, postgres_url=None, valkey_url=None,"
        " async_setup=False)\n"
        "open(sys.argv[2], 'w').write(g.base_url + ' ')\nsys.stdin.read()\n"
    )
    said = folder / "tensorzero.url"
    with _started([python, "-c", script, str(config), str(said)], folder) as process:
        port = int(_await(lambda: said.read_text().strip() if said.exists() else "").split(":")[2].split("/")[0])
        path, model = "/openai/v1/chat/completions", "tensorzero::model_name::canned"
        yield Peer(f"TensorZero {TENSORZERO}", port, _family(psutil.Process(process.pid)), path, model=model)


@contextmanager
def _portkey(folder: Path, upstream: int) -> Iterator[Peer]:
    home = HOME / f"portkey-{PORTKEY}"
    if not (home / "node_modules").is_dir():
        home.mkdir(parents=True, exist_ok=True)
        (home / "package.json").write_text("{}")
        subprocess.run(["npm", "install", "--silent", f"@portkey-ai/gateway@{PORTKEY}"], cwd=home, check=True)
    server = home / "node_modules/@portkey-ai/gateway/build/start-server.js"
    port = _free_port()
    with _started([_program("node"), str(server), f"--port={port}", "--headless"], folder) as process:
        _await_port(port)
        headers = f"x-portkey-provider: openai\r\nx-portkey-custom-host: http://127.0.0.1:{upstream}/v1\r\n"
        yield Peer(f"Portkey {PORTKEY}", port, _family(psutil.Process(process.pid)), headers=headers, share=0.5)


@contextmanager
def _litellm(folder: Path, upstream: int) -> Iterator[Peer]:
    python = _python("litellm", f"litellm[proxy]=={LITELLM}")
    config, port = folder / "litellm.yaml", _free_port()
    config.write_text(
        "model_list:\n  - model_name: gpt-4o-mini\n    litellm_params:\n      model: openai/gpt-4o-mini\n"
        f"      api_base: http://127.0.0.1:{upstream}/v1\n      api_key: none\n"
        "litellm_settings:\n  telemetry: false\n  num_retries: 0\n"
    )
    program = str(Path(python).with_name("litellm"))
    args = [program, "--config", str(config), "--port", str(port), "--host", "127.0.0.1", "--num_workers", "1"]
    with _started(args, folder) as process:
        _await_port(port)
        yield Peer(f"LiteLLM {LITELLM}", port, _family(psutil.Process(process.pid)), share=0.05)


@contextmanager
def _started(args: list[str], folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A peer on the first core, its words in a file, in a home of its own: a quiet one that asks nobody anything."""
    quiet = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "DISABLE_TELEMETRY": "1", "NO_PROXY": "127.0.0.1,localhost"}
    quiet["LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY"] = "true"  # nobody is asked for a key, as at ours
    env = {**os.environ, **quiet, "OPENAI_API_KEY": "none", "HOME": str(folder)}
    with (
        (folder / "peers.log").open("ab") as log,
        subprocess.Popen(
            args,
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            env=env,
            cwd=folder,
            preexec_fn=lambda: bench._pin(0),
        ) as process,
    ):
        try:
            yield process
        finally:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(10)
            process.kill()


def _python(name: str, requirement: str) -> str:
    """The interpreter of an environment that holds just this peer."""
    home = HOME / requirement.replace("[proxy]", "").replace("==", "-")
    python = home / "bin" / "python"
    if not (home / "made").exists():
        print(f"Installing {requirement} into {home.relative_to(HOME.parent)} ...", flush=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(home)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", requirement], check=True)
        (home / "made").touch()
    return str(python)


def _program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise SystemExit(f"{name} is not installed. Install it, or leave its peer out with --without.")
    return found


def _family(process: psutil.Process) -> Callable[[], list[psutil.Process]]:
    return lambda: [process, *process.children(recursive=True)]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _await_port(port: int) -> None:
    def listens() -> str:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return "yes"
        return ""

    _await(listens)


def _await(said: Callable[[], str]) -> str:
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        if found := said():
            return found
        time.sleep(0.2)
    raise SystemExit(f"A peer was not ready within {PATIENCE_S} s.")


def _cpu(peer: Peer) -> float:
    total = 0.0
    for process in peer.processes():
        times = process.cpu_times()
        total += times.user + times.system
    return total


async def _quiet(peer: Peer) -> None:
    """Return once its books have caught up and its processes have used next to no CPU for a while."""
    await asyncio.to_thread(peer.catch_up)
    for _ in range(40):
        before = _cpu(peer)
        await asyncio.sleep(FLAT_S)
        if _cpu(peer) - before <= 0.03:
            return


# -- the load


async def _load(peer: Peer, connections: int, count: int, counted: bool) -> None:
    loop, numbers, took = asyncio.get_running_loop(), iter(range(count)), peer.lone if counted else peer.each
    lines = [
        loop.create_connection(lambda: Line(peer, took, numbers), "127.0.0.1", peer.port) for _ in range(connections)
    ]
    made = [protocol for _, protocol in await asyncio.gather(*lines)]
    await asyncio.gather(*(line.done for line in made))
    for line in made:
        line.transport.close()


class Line(asyncio.Protocol):
    """One connection under load; reads replies however they are framed."""

    transport: asyncio.Transport

    def __init__(self, peer: Peer, took: list[float], numbers: Iterator[int]) -> None:
        self._peer, self._took, self._numbers = peer, took, numbers
        self._begun, self._body = 0.0, b""
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self._next()

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        status = self._parser.get_status_code()
        if status != 200 or b"choices" not in self._body:
            self.done.set_exception(ConnectionError(f"{self._peer.name}: {status} {self._body[:300]!r}"))
            self.transport.close()
            return
        self._took.append(time.perf_counter() - self._begun)
        self._next()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(ConnectionError(f"{self._peer.name}: the connection broke"))

    def _next(self) -> None:
        number = next(self._numbers, None)
        if number is None:
            self.done.set_result(None)
            return
        self._body, self._parser = b"", httptools.HttpResponseParser(self)
        self._begun = time.perf_counter()
        self.transport.write(_question(self._peer, number))


def _question(peer: Peer, number: int) -> bytes:
    """The same request as our own benchmark sends, addressed as this peer wants it."""
    body = bench.QUESTIONS[number % len(bench.QUESTIONS)] % (number, b"false")
    body = body.replace(b'"model":"gpt-4o-mini"', f'"model":"{peer.model}"'.encode())
    head = (
        f"POST {peer.path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
        f"authorization: Bearer none\r\nuser-agent: load\r\n{peer.headers}content-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


if __name__ == "__main__":
    main()
