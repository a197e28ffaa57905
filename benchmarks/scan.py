"""What the guards cost: a scan of 2 KB, a stream's delta, the memory, the first start and a cached one."""

import argparse
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path

from benchmarks.table import conditions, table
from comptroller.core.verdict import Action
from comptroller.guardrails.chain import Chain
from comptroller.guardrails.guard import Installed
from comptroller.guardrails.pattern import NO
from comptroller.guardrails.scanner import PATTERNS, SCANNER

PLAN: Mapping[str, Action] = {"secrets": "redact", "privacy": "redact"}
PROSE = (
    "The quarterly report shows that revenue grew by 12% in 2024, driven by strong demand in two regions. Please "
    "summarise the key risks for the board: supply, currency (EUR 3.4m), and the token budget of our assistants. "
    "In section 4.2 the authors argue that latency below 200 ms matters more than throughput; see also the call notes. "
)
CLEAN = (PROSE * 8)[:2048]
ELSEWHERE: Mapping[str, Action] = {"quiet": "note"}
KEY = "ghp_16C7e42F292c6912E7710c838347Ae178B4a"
FOUND = CLEAN[:600] + f" {KEY} " + CLEAN[640:1200] + " jane@acme.com " + CLEAN[1215:1800] + " 4012 8888 8888 1881 "
FOUND += CLEAN[len(FOUND) :]


def main() -> None:
    """Measure everything, interleaving ours and the plain loop."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=30)
    rounds = parser.parse_args().rounds
    chain, guards = Chain(), frozenset(PLAN)
    chain.inspect(FOUND, PLAN)
    rows = []
    for name, text in (("2 KB clean", CLEAN), ("2 KB, 3 findings", FOUND)):
        ours, scan, loop = _interleaved(
            rounds,
            lambda text=text: chain.inspect(text, PLAN),
            lambda text=text: SCANNER.find(text, guards),
            lambda text=text: _loop(text),
        )
        rows.append([name, f"{ours:.1f}", f"{scan:.1f}", f"{loop:,.0f}", f"{loop / ours:,.0f}x", "<= 200"])
    title = f"Inspect 2 KB against {len(PATTERNS)} patterns, us ({conditions()}, min of {rounds}, interleaved)"
    table(title, ["", "inspect", "scan alone", "plain re loop", "loop / ours", "target"], rows)
    _streams(chain, rounds)
    _elsewhere(rounds)
    _starts()


def _loop(text: str) -> int:
    found = 0
    for pattern in PATTERNS:
        for match in pattern.compiled.finditer(text):
            span = match.span("v") if "v" in match.re.groupindex else match.span()
            found += pattern.check(text, *span) != NO
    return found


def _interleaved(rounds: int, *works: Callable[[], object]) -> list[float]:
    best = [float("inf")] * len(works)
    for _ in range(rounds):
        for i, work in enumerate(works):
            begun = time.process_time_ns()
            for _ in range(1 if i == 2 else 50):
                work()
            best[i] = min(best[i], (time.process_time_ns() - begun) / 1000 / (1 if i == 2 else 50))
    return best


def _streams(chain: Chain, rounds: int) -> None:
    rows = []
    cases = {
        "prose": CLEAN * 4,
        "prose, 3 findings in 2 KB": FOUND * 4,
        "code": _code() * 8,
        "Japanese": "四半期報告書によると、売上高は前年比で増加した。主なリスクを要約してください。" * 200,
        "numbers": "12 17 24 39 41 57 63 70 88 92 " * 270,
        "base64": "".join(random.Random(3).choices("ABCDEFGHabcdefgh0123456789+/", k=8192)),
    }
    for name, text in cases.items():
        deltas = _split(text)
        best, held = float("inf"), 0
        for _ in range(rounds):
            window = chain.window(PLAN)
            begun = time.process_time_ns()
            for delta in deltas:
                window.push(delta)
            window.finish()
            best = min(best, (time.process_time_ns() - begun) / 1000 / len(deltas))
        window = chain.window(PLAN)
        for delta in deltas:
            window.push(delta)
            held = max(held, window.held)
        rows.append([name, len(deltas), f"{best:.2f}", held, "<= 5" if name == "prose" else ""])
    table("Streams, deltas of 4-20 characters", ["", "deltas", "us a delta", "most held", "target"], rows)


def _split(text: str) -> list[str]:
    rnd, deltas, at = random.Random(7), [], 0
    while at < len(text):
        size = rnd.randint(4, 20)
        deltas.append(text[at : at + size])
        at += size
    return deltas


def _code() -> str:
    return (
        "def total(items: list[Item], rate: float = 0.19) -> float:\n"
        '    """Sum of prices, with tax."""\n'
        "    net = sum(item.price * item.count for item in items if item.count > 0)\n"
        '    return round(net * (1 + rate), 2)  # see "docs/tax.md"\n\n'
    )


def _elsewhere(rounds: int) -> None:
    """A guard of another package in its process, beside the same in a thread; of the wall, for it is waited."""
    code = "class Quiet:\n    name = 'quiet'\n    def inspect(self, text):\n        return []\n"
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "quiet_guard.py").write_text(code)
        sys.path.insert(0, folder)
        chains = [Chain([Installed("quiet", "quiet_guard:Quiet")]), Chain([import_module("quiet_guard").Quiet()])]
        begun = time.perf_counter_ns()
        chains[0].inspect("first", ELSEWHERE)
        start = (time.perf_counter_ns() - begun) / 1e6
        rows = [[f"{size:,}", *_waited(chains, "word " * (size // 5), rounds * 10)] for size in (200, 2_000, 20_000)]
        chains[0].close()
        sys.path.remove(folder)
    table("A guard from another package, us a text", ["characters", "in its process", "in a thread"], rows)
    print(f"Its process took {start:.0f} ms to start.")


def _waited(chains: Sequence[Chain], text: str, rounds: int) -> list[str]:
    took: list[list[int]] = [[] for _ in chains]
    for _ in range(rounds):
        for chain, each in zip(chains, took, strict=True):
            begun = time.perf_counter_ns()
            chain.inspect(text, ELSEWHERE)
            each.append(time.perf_counter_ns() - begun)
    return [f"{statistics.median(each) / 1000:.0f}" for each in took]


def _starts() -> None:
    code = (
        "import time, resource\n"
        "from comptroller.guardrails import database\n"
        "from comptroller.guardrails.scanner import PATTERNS, SCANNER\n"
        "import hyperscan\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "begun = time.perf_counter(); SCANNER.load(); took = time.perf_counter() - begun\n"
        "after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "print(took * 1000, after - before, SCANNER.size())\n"
    )
    with tempfile.TemporaryDirectory() as folder:
        env = {**os.environ, "XDG_CACHE_HOME": folder, "LOCALAPPDATA": folder, "HOME": folder}
        rows = []
        for name in ("compiled (first start)", "read from the cache"):
            runs = subprocess.run([sys.executable, "-c", code], env=env, check=True, capture_output=True, text=True)
            took, grown, size = runs.stdout.split()
            rows.append([name, f"{float(took):.1f}", f"{int(grown):,}", f"{int(size):,}"])
    table("Start of the scanner", ["", "ms", "KB more at the peak", "bytes of database"], rows)


if __name__ == "__main__":
    main()
