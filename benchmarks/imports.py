"""What `import comptroller` costs over a bare Python, and what it must not load."""

import argparse
import subprocess
import sys
import time

from benchmarks.table import conditions, median, table

TARGET_MS = 150
FORBIDDEN = ("streamlit", "polars", "duckdb", "openai", "anthropic", "genai_prices", "cel_expr_python", "hyperscan")


def main() -> None:
    """Start both interpreters in turn and print the difference."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    bare, ours, used = [], [], []
    for _ in range(rounds):
        bare.append(_start("pass"))
        ours.append(_start("import comptroller"))
        used.append(_start("import comptroller as ct; ct.wrap, ct.run, ct.tool, ct.open"))
    added = median(ours) - median(bare)
    loaded = _loaded()
    table(
        f"import comptroller ({conditions()}, median of {rounds} starts, interleaved)",
        ["", "ms", "target"],
        [
            ["bare Python", f"{median(bare):.0f}", ""],
            ["import comptroller", f"{median(ours):.0f}", ""],
            ["added", f"{added:.0f}", f"<= {TARGET_MS}"],
            ["added once wrap, run, tool and open are used", f"{median(used) - median(bare):.0f}", ""],
            ["loaded that should not be", ", ".join(loaded) or "none", "none"],
        ],
    )
    table("Dearest imports (self time, first start)", ["module", "ms"], _dearest())


def _start(code: str) -> float:
    begun = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True)
    return (time.perf_counter() - begun) * 1000


def _loaded() -> list[str]:
    code = f"import comptroller as ct, sys; ct.wrap, ct.run; print(*[m for m in {FORBIDDEN!r} if m in sys.modules])"
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()


def _dearest(count: int = 8) -> list[list[str]]:
    args = [sys.executable, "-X", "importtime", "-c", "import comptroller"]
    lines = subprocess.run(args, check=True, capture_output=True, text=True).stderr.splitlines()
    fields = [line.removeprefix("import time:").split("|") for line in lines if "|" in line]
    timed = [(int(own), name.strip()) for own, _, name in fields if own.strip().isdigit()]
    return [[name, f"{own / 1000:.1f}"] for own, name in sorted(timed, reverse=True)[:count]]


if __name__ == "__main__":
    main()
