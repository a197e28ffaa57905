"""A whole governed call against the same call ungoverned: the real openai client, interleaved, upstream elsewhere.

Governed means: 100 rules of which 3 can match, both guards in and out, three budget scopes, journal and vault
written. Prompts and replies differ from call to call, so nothing is answered from a cache of texts seen before.
"""

import argparse
import os
import random
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.table import conditions, median, percentile, table

BLOCK = 25
SETTLE_S = 0.02  # background syncs of a block are charged to that block
CHUNKS = 50
WORDS = re.findall(
    r"\w+",
    "the order arrived late and the customer asks whether we can send another one before the end of this week "
    "because their team needs it for a fair in the city please answer kindly and say what it would cost them",
)
Ask = Callable[[Any, str], None]


@dataclass
class Side:
    """What one side of a comparison took, in microseconds."""

    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)  # per call, a figure for each block; all threads of this process
    own: list[float] = field(default_factory=list)  # likewise, the calling thread alone


def main() -> None:
    """Measure the three kinds of call and print a table of each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--blocks", type=int, default=40, help=f"blocks of {BLOCK} calls per side and case")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.serve:
        return serve()
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1,localhost"
    with tempfile.TemporaryDirectory() as folder, upstream() as url:
        compare(Path(folder), url, args.blocks)


# -- the other process


def serve() -> None:
    """Answer model requests until standard input closes."""
    from comptroller.testing.upstream import Upstream

    with Upstream(answer, keep=10) as up:
        print(up.url, flush=True)
        sys.stdin.read()


def answer(asked: Any) -> Any:
    """A reply of 1 KB, or of so many deltas, that was not given before."""
    from comptroller.testing.upstream import Say

    text = prose(1024, asked.number)
    return Say(text, chunk=-(-len(text) // CHUNKS))


@contextmanager
def upstream() -> Iterator[str]:
    """The scripted model in a process of its own."""
    args = [sys.executable, "-m", "benchmarks.overhead", "--serve"]
    with subprocess.Popen(args, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.stdin.close()


def prose(length: int, seed: int) -> str:
    """Ordinary words, different for each seed."""
    choose = random.Random(seed).choices
    return (f"Case {seed}. " + " ".join(choose(WORDS, k=length // 3)))[:length]


# -- this process


def compare(folder: Path, url: str, blocks: int) -> None:
    """Run every case on both sides in turn."""
    from openai import OpenAI

    import comptroller as ct

    policies = folder / "policies.yaml"
    policies.write_text(hundred_rules(), encoding="utf-8")
    ledger = folder / "ledger"
    plain = OpenAI(base_url=f"{url}/v1", api_key="none")
    cases: list[tuple[str, Ask, int]] = [
        ("2 KB prompt, 1 KB reply", chat, 2048),
        ("4 KB prompt and 8 tools, 1 KB reply", with_tools, 4096),
        (f"2 KB prompt, stream of {CHUNKS} chunks", streamed, 2048),
    ]
    with ct.open(ledger, config={"policies": [str(policies)]}):
        governed = ct.wrap(OpenAI(base_url=f"{url}/v1", api_key="none"))
        whole_us = 0.0
        for title, ask, size in cases:
            bare, ours = measure(ct, plain, governed, ask, size, blocks)
            report(title, bare, ours, whole_us if ask is streamed else None)
            whole_us = whole_us or median(ours.cpu) - median(bare.cpu)
    books(ledger, 3 * (blocks + 2) * BLOCK)


def measure(ct: Any, plain: Any, governed: Any, ask: Ask, size: int, blocks: int) -> tuple[Side, Side]:
    """Blocks of either side in turn; the first two of each warm up and are not counted."""
    bare, ours = Side(), Side()
    for number in range(blocks + 2):
        warm = number < 2
        prompts = [prose(size, number * BLOCK + i) for i in range(BLOCK)]
        block(plain, ask, prompts, Side() if warm else bare)
        with ct.run("bench", customer="acme") as run, run.agent("worker"):
            block(governed, ask, prompts, Side() if warm else ours)
    return bare, ours


def block(client: Any, ask: Ask, prompts: list[str], side: Side) -> None:
    """One block of calls; its background work is waited for and counted."""
    begun_cpu, begun_own = time.process_time_ns(), time.thread_time_ns()
    for prompt in prompts:
        begun = time.perf_counter_ns()
        ask(client, prompt)
        side.wall.append((time.perf_counter_ns() - begun) / 1000)
    side.own.append((time.thread_time_ns() - begun_own) / 1000 / BLOCK)
    time.sleep(SETTLE_S)
    side.cpu.append((time.process_time_ns() - begun_cpu) / 1000 / BLOCK)


def chat(client: Any, prompt: str) -> None:
    """The plain case."""
    client.chat.completions.create(model="gpt-4o-mini", max_tokens=400, messages=[{"role": "user", "content": prompt}])


def with_tools(client: Any, prompt: str) -> None:
    """A larger prompt that offers tools."""
    client.chat.completions.create(
        model="gpt-4o-mini", max_tokens=400, messages=[{"role": "user", "content": prompt}], tools=TOOLS
    )


def streamed(client: Any, prompt: str) -> None:
    """A streamed reply, read to its end."""
    reply = client.chat.completions.create(
        model="gpt-4o-mini",
        max_tokens=400,
        messages=[{"role": "user", "content": prompt}],
        stream=True,
        stream_options={"include_usage": True},
    )
    for _ in reply:
        pass


TOOLS = [
    {
        "type": "function",
        "function": {
            "name": f"tool_{i}",
            "description": "Looks a thing up and says what it found, or that there is no such thing.",
            "parameters": {
                "type": "object",
                "properties": {"key": {"type": "string"}, "count": {"type": "integer"}},
                "required": ["key"],
            },
        },
    }
    for i in range(8)
]


def hundred_rules() -> str:
    """Three rules that every call meets and ninety-seven on other tools."""
    mine = ['model.name == "gpt-4-32k"', "call.input_tokens > 100000", 'model.max_tokens > 50000 && agent == "worker"']
    rules = [f"  - {{id: m{i}, on: model, when: '{when}', then: deny, because: No.}}" for i, when in enumerate(mine)]
    for i in range(97):
        rules.append(
            f"  - {{id: t{i}, on: tool, tool: other_{i}, when: 'args.amount > {i}.0', then: deny, because: No.}}"
        )
    tools = [f"  other_{i}: {{effect: write, args: {{amount: double}}}}" for i in range(97)]
    return "\n".join(
        [
            "policy: bench",
            "unlisted: allow",
            "guards: {secrets: {in: redact, out: redact}, privacy: {in: redact, out: redact}}",
            "tools:",
            *tools,
            "rules:",
            *rules,
            "budgets:",
            "  - {per: run, cap: 100 USD, over: deny}",
            "  - {per: agent, every: day, cap: 1000 USD, over: deny}",
            "  - {per: customer, every: month, cap: 10000 USD, over: deny}",
        ]
    )


# -- what came out


def report(title: str, bare: Side, ours: Side, whole_us: float | None) -> None:
    """One table: both sides, what was added, and the target. `whole_us`: what a call adds that does not stream."""
    per_chunk = whole_us is not None
    bare_cpu, our_cpu = median(bare.cpu), median(ours.cpu)
    rows = [
        [
            "wall p50, us",
            *_row(percentile(bare.wall, 0.5), percentile(ours.wall, 0.5)),
            "" if per_chunk else "added <= 200",
        ],
        ["wall p99, us", *_row(percentile(bare.wall, 0.99), percentile(ours.wall, 0.99)), ""],
        ["CPU, us a call", *_row(bare_cpu, our_cpu), "" if per_chunk else "added <= 25 %"],
    ]
    rows.append(["  in the quietest block", *_row(min(bare.cpu), min(ours.cpu)), ""])
    rows.append(["  on the calling thread", *_row(median(bare.own), median(ours.own)), ""])
    if whole_us is not None:
        rows.append(["CPU, us a chunk", *_row(bare_cpu / CHUNKS, our_cpu / CHUNKS), ""])
        alone = (our_cpu - bare_cpu - whole_us) / CHUNKS
        rows.append(["  without what any call adds", "", "", f"{alone:,.1f}", "", "added <= 10"])
    calls = len(ours.wall)
    table(
        f"{title} ({conditions()}, {calls} calls a side)", ["", "ungoverned", "governed", "added", "%", "target"], rows
    )


def _row(bare: float, ours: float) -> list[str]:
    return [f"{bare:,.0f}", f"{ours:,.0f}", f"{ours - bare:,.1f}", f"{100 * (ours - bare) / bare:.0f}"]


def books(ledger: Path, calls: int) -> None:
    """The work left for later: filling the books with those calls."""
    from comptroller.store.reader import Reader

    begun_cpu, begun = time.process_time(), time.perf_counter()
    Reader.open(ledger).close()
    cpu, wall = time.process_time() - begun_cpu, time.perf_counter() - begun
    table(
        f"the books catch up with {calls:,} calls (opening included)",
        ["", "seconds", "us a call"],
        [["CPU", f"{cpu:.2f}", f"{cpu / calls * 1e6:.0f}"], ["wall", f"{wall:.2f}", f"{wall / calls * 1e6:.0f}"]],
    )


if __name__ == "__main__":
    main()
