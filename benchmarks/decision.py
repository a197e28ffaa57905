"""What a policy decision costs, by the rules that can match and by those that cannot."""

import argparse
import time
from collections.abc import Callable

from benchmarks.table import conditions, table
from comptroller.core.call import Identity
from comptroller.core.verdict import Case
from comptroller.policies.book import Book
from comptroller.policies.load import load_policies

TEXT = "The order arrived broken and the customer would like their money back. " * 29  # 2 KB
QUIET, LOUD, BROKEN = 50.0, 1_000.5, float("nan")  # amounts: no rule matches, one does, all err


def main() -> None:
    """Print CPU microseconds a decision, the best of several interleaved rounds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=15)
    args = parser.parse_args()
    begun = time.process_time()
    big = book_of(("refund", 100), *((f"other{number}", 100) for number in range(100)))
    loaded = time.process_time() - begun
    hundred, few = book_of(("refund", 100)), book_of(("refund", 3), ("other", 97))
    tasks = {
        "no rules": deciding(book_of(("refund", 0)), QUIET),
        "1 rule": deciding(book_of(("refund", 1)), QUIET),
        "100 rules, 3 can match": deciding(few, QUIET),
        "100 rules, all can match, none does": deciding(hundred, QUIET),
        "100 rules, all can match, one does": deciding(hundred, LOUD),
        "100 rules, all err": deciding(hundred, BROKEN),
        "100 rules, each asked alone": asking_each(hundred),
        "100 rules, and 10,000 on other tools": deciding(big, QUIET),
    }
    best = fastest(tasks, args.calls, args.rounds)
    targets = {"100 rules, all can match, none does": "<= 45", "100 rules, 3 can match": "<= 45"}
    rows: list[list[object]] = [[name, f"{best[name]:.1f}", targets.get(name, "")] for name in tasks]
    ratio = best["100 rules, and 10,000 on other tools"] / best["100 rules, all can match, none does"]
    rows.append(["... over 100 rules alone", f"{ratio:.2f}x", "<= 1.5x"])
    rows.append(["loading 10,100 rules, seconds", f"{loaded:.1f}", ""])
    table(f"A decision ({conditions()}, us, CPU time)", ["", "us", "target"], rows)


def deciding(book: Book, amount: float) -> Callable[[], object]:
    """One decision on a refund of that amount."""
    case = _case(amount)
    return lambda: book.decide(case)


def asking_each(book: Book) -> Callable[[], object]:
    """What the same rules cost without being fused."""
    case, rules = _case(QUIET), book.policies[0].rules
    return lambda: [rule.judge(case, None) for rule in rules]


def fastest(tasks: dict[str, Callable[[], object]], calls: int, rounds: int) -> dict[str, float]:
    """The best round of each task, the tasks taking turns."""
    best = dict.fromkeys(tasks, float("inf"))
    for _ in range(rounds):
        for name, task in tasks.items():
            task()
            begun = time.process_time()
            for _ in range(calls):
                task()
            best[name] = min(best[name], (time.process_time() - begun) / calls * 1e6)
    return best


def book_of(*counts: tuple[str, int]) -> Book:
    """A book with so many rules on each tool."""
    tools = "".join(f"  {tool}: {{args: {{order: string, amount: double}}}}\n" for tool, _ in counts)
    rules = "".join(_rule(number, tool) for tool, count in counts for number in range(count))
    return load_policies([("bench.yaml", f"policy: bench\nunlisted: allow\ntools:\n{tools}rules:\n{rules}")])


def _rule(number: int, tool: str) -> str:
    condition = f'args.amount > {1_000 + number} && agent != "boss-{number}" || run.calls > {5_000 + number}'
    return f"  - {{id: {tool}-{number}, on: tool, tool: {tool}, then: deny, when: '{condition}'}}\n"


def _case(amount: float) -> Case:
    who = Identity(customer="acme", workflow="support", run="r1", agent="support")
    args = {"order": "A-1", "amount": amount}
    return Case("tool", who, kind="tool", tool="refund", args=args, text=lambda: TEXT, run_calls=lambda: 3)


if __name__ == "__main__":
    main()
