"""What pricing a call costs: ours, compiled once per model, against the library whose prices they are."""

import argparse
import time
from collections.abc import Callable
from datetime import UTC, datetime

from genai_prices import Usage as TheirUsage
from genai_prices import calc_price

from benchmarks.table import conditions, table
from comptroller.core.call import Usage
from comptroller.metering.prices import PriceBook

MODELS = (("gpt-4o", "openai"), ("gpt-5.5", "openai"), ("claude-sonnet-4-5", "anthropic"))


def main() -> None:
    """Print microseconds a call, the best of several interleaved rounds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=2_000)
    parser.add_argument("--rounds", type=int, default=7)
    args = parser.parse_args()
    rows = [_row(model, provider, args.calls, args.rounds) for model, provider in MODELS]
    heads = ["model", "find", "cost", "worst", "output_room", "library", "library / cost"]
    table(f"Pricing a call ({conditions()}, us, CPU time)", heads, rows)
    begun = time.process_time()
    PriceBook().find("gpt-4o-mini", "openai")
    table("Looked up and compiled for the first time", ["", "us"], [["find", f"{_micros(begun, 1):.0f}"]])


def _row(model: str, provider: str, calls: int, rounds: int) -> list[str]:
    book, usage = PriceBook(), Usage(input=2_000, output=500, cache_read=1_000, reasoning=200)
    found, theirs = book.find(model, provider), _theirs(model, provider)
    assert found is not None
    tasks: list[Callable[[], object]] = [
        lambda: book.find(model, provider),
        lambda: found.cost(usage),
        lambda: found.worst(2_000, 500),
        lambda: found.output_room(10**9, 2_000),
        theirs,
    ]
    best = [min(times) for times in zip(*([_time(task, calls) for task in tasks] for _ in range(rounds)), strict=True)]
    return [model, *(f"{micros:.2f}" for micros in best), f"{best[-1] / best[1]:.0f}x"]


def _theirs(model: str, provider: str) -> Callable[[], object]:
    usage = TheirUsage(input_tokens=2_000, output_tokens=500, cache_read_tokens=1_000, output_reasoning_tokens=200)
    at = datetime(2026, 11, 1, tzinfo=UTC)
    return lambda: calc_price(usage, model, provider_id=provider, genai_request_timestamp=at)


def _time(task: Callable[[], object], calls: int) -> float:
    begun = time.process_time()
    for _ in range(calls):
        task()
    return _micros(begun, calls)


def _micros(begun: float, calls: int) -> float:
    return (time.process_time() - begun) / calls * 1e6


if __name__ == "__main__":
    main()
