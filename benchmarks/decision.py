"""What a policy decision costs: `python benchmarks/decision.py` prints a table."""

import gc
import time
from collections.abc import Callable

from comptroller.core.call import Identity
from comptroller.core.verdict import Case
from comptroller.policies.book import Book
from comptroller.policies.load import load_policies

TEXT = "The order arrived broken and the customer would like their money back. " * 29  # 2 KB


def rule(number: int, tool: str) -> str:
    """One realistic rule: an amount, a name, a limit of the run."""
    return (
        f"  - {{id: {tool}-{number}, on: tool, tool: {tool}, then: deny, "
        f"when: 'args.amount > {1_000 + number} && agent != \"boss-{number}\" || run.calls > {5_000 + number}'}}\n"
    )


def book_of(*counts: tuple[str, int]) -> Book:
    """A book with so many rules on each tool."""
    tools = "".join(f"  {tool}: {{args: {{order: string, amount: double}}}}\n" for tool, _ in counts)
    rules = "".join(rule(number, tool) for tool, count in counts for number in range(count))
    return load_policies([("bench.yaml", f"policy: bench\nunlisted: allow\ntools:\n{tools}rules:\n{rules}")])


def case_with(amount: float) -> Case:
    """A call of the tool in question."""
    who = Identity(customer="acme", workflow="support", run="r1", agent="support")
    args = {"order": "A-1", "amount": amount}
    return Case("tool", who, kind="tool", tool="refund", args=args, text=lambda: TEXT, run_calls=lambda: 3)


def best_us(act: Callable[[], object], rounds: int = 15, times: int = 300) -> float:
    """The least CPU time of one call: what the work costs when nobody disturbs it."""
    act()
    gc.disable()
    found = float("inf")
    for _ in range(rounds):
        start = time.process_time()
        for _ in range(times):
            act()
        found = min(found, (time.process_time() - start) / times)
    gc.enable()
    return found * 1e6


def main() -> None:
    """Print the table."""
    others = [(f"other{number}", 100) for number in range(100)]
    start = time.process_time()
    big = book_of(("refund", 100), *others)
    loaded = time.process_time() - start
    rows = [
        ("no rules", book_of(("refund", 0)), 50.0),
        ("1 rule", book_of(("refund", 1)), 50.0),
        ("100 rules, 3 can match (97 on another tool)", book_of(("refund", 3), ("other", 97)), 50.0),
        ("100 rules on this tool, none matches", book_of(("refund", 100)), 50.0),
        ("100 rules on this tool, one denies", book_of(("refund", 100)), 1_000.5),
        ("100 rules on this tool, every one errs", book_of(("refund", 100)), float("nan")),
        ("... none matches, and 10,000 on 100 other tools", big, 50.0),
    ]
    print(f"{'decide':<52}{'CPU us':>8}")
    found = {}
    for name, book, amount in rows:
        case = case_with(amount)
        found[name] = best_us(lambda book=book, case=case: book.decide(case))
        print(f"{name:<52}{found[name]:>8.1f}")
    print(f"{'10,100 rules over 100 rules (at most 1.5)':<52}{found[rows[6][0]] / found[rows[3][0]]:>7.2f}x")
    print(f"{'loading 10,100 rules, seconds':<52}{loaded:>8.1f}")


if __name__ == "__main__":
    main()
