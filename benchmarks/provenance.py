"""What it costs to know where values come from: a tool call late in a run of 200 messages, and a message seen first.

Times are of the calling thread, the median of many. The full decision is 100 rules of which each asks where an argument
came from, on arguments of every kind, with the record of their sources.
"""

import argparse
import json
import random
import statistics
import time
from collections.abc import Callable

from benchmarks.table import conditions, table
from comptroller.core.call import Identity
from comptroller.core.verdict import Case
from comptroller.guardrails.provenance import CallOrigins, Flow, Trust
from comptroller.policies.book import Book
from comptroller.policies.load import load_policies
from comptroller.wrapper.dataflow import told

MESSAGES = 200
SIZE = 2_000  # characters of one
AGAIN = 5  # times each is done; nothing is remembered from one to the next
# As in a language: a few words everywhere, most of them seldom.
LETTERS = "etaoinshrdlucmfwypvbgkjqxz"
WORDS = [
    "".join(LETTERS[(n * step) % 26] for step in (1, 3, 7, 11)) + (str(n % 7) if n > 999 else "") for n in range(5_000)
]
WEIGHTS = [1 / (rank + 2) for rank in range(len(WORDS))]
OUTSIDE = Trust("untrusted", own=frozenset({"id"}))


def main() -> None:
    """Print microseconds, medians and the 99th of a hundred."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=400)
    args = parser.parse_args()
    choose = random.Random(7)
    flow, mails = read_run(choose)
    book, few, other = policy(100), policy(1), policy(100, "args.amount > {}.0")
    for each in (book, few, other):
        decide(each, flow, arguments(choose, mails))  # the first decision compiles
    calls = [arguments(choose, mails) for _ in range(args.rounds)]
    rows = [
        row("tracing a call's arguments", [timed(trace, flow, call, times=AGAIN) for call in calls], "p99 <= 1,000"),
        row(
            "... and 100 rules, and the record",
            [timed(decide, book, flow, call, times=AGAIN) for call in calls],
            "p50 <= 200",
        ),
        row("... and a single rule", [timed(decide, few, flow, call, times=AGAIN) for call in calls], ""),
        row(
            "100 rules that ask nothing of the kind",
            [timed(decide, other, flow, c, times=AGAIN) for c in calls],
            "",
        ),
        row(f"a message of {SIZE:,} characters, seen first", first_sights(choose, args.rounds), ""),
        row("... a mailbox as JSON", first_sights(choose, args.rounds, mailbox), ""),
        row(f"a request of {MESSAGES} messages seen before", again(choose, args.rounds), ""),
    ]
    table(f"Where values come from ({conditions()}, us on the calling thread)", ["", "p50", "p99", "target"], rows)
    print(f"A run of {MESSAGES} messages is remembered in {flow.chars:,} characters of words.")


def prose(choose: random.Random) -> str:
    """Ordinary words with a few values among them."""
    words = choose.choices(WORDS, WEIGHTS, k=SIZE // 6)
    for _ in range(6):
        words[choose.randrange(len(words))] = f"{choose.randrange(10**6)}"
        words[choose.randrange(len(words))] = f"name{choose.randrange(10**5)}@host{choose.randrange(99)}.example"
    return " ".join(words)[:SIZE]


def mailbox(choose: random.Random) -> str:
    """A tool's result of the same size, with fields."""
    mails = [{"id": choose.randrange(10**6), "sender": "ann@x.example", "body": prose(choose)[:300]} for _ in range(5)]
    return json.dumps(mails)


def read_run(choose: random.Random) -> tuple[Flow, list[str]]:
    """A run that has read so many messages, and addresses that stand in them."""
    flow, mails = Flow(), []
    flow.system(prose(choose))
    flow.user("Please send the minutes to ann@ours.example and pay what is due. " + prose(choose))
    for number in range(MESSAGES - 2):
        text = mailbox(choose) if number % 3 == 0 else prose(choose)
        flow.asked(f"c{number}", "read", {"path": f"file{number}.txt"})
        flow.result(f"c{number}", "read", text, OUTSIDE)
        mails += [word for word in text.split() if "@host" in word][:1]
    return flow, mails


def arguments(choose: random.Random, mails: list[str]) -> dict[str, object]:
    """A call with a recipient out of the run, an amount, a date and a text of 100 words."""
    return {
        "to": choose.choice([*mails, "ann@ours.example", "nobody@else.example"]),
        "cc": ["ann@ours.example", choose.choice(mails)],
        "amount": choose.randrange(10**6),
        "date": "2026-05-16",
        "body": " ".join(choose.choices(WORDS, WEIGHTS, k=100)),
    }


def policy(rules: int, condition: str = "") -> Book:
    """So many rules about where the recipient comes from."""
    when = condition or 'provenance.args.to == "untrusted" && provenance.args.cc == "system" && args.amount > {}.0'
    listed = "".join(
        f"  - {{id: r{n}, on: tool, tool: pay, then: deny, when: '{when.format(n + 10**7)}'}}\n" for n in range(rules)
    )
    args = "{to: string, cc: list<string>, amount: double, date: string, body: string}"
    return load_policies(
        [("bench.yaml", f"policy: bench\ntools:\n  pay: {{effect: write, args: {args}}}\nrules:\n{listed}")]
    )


def trace(flow: Flow, args: dict[str, object]) -> None:
    flow.origins(args).all()


def decide(book: Book, flow: Flow, args: dict[str, object]) -> None:
    case = Case("tool", Identity(run="r", agent="a"), kind="tool", tool="pay", args=args)
    case.origins = origins = flow.origins(args)
    book.decide(case)
    assert isinstance(origins, CallOrigins)
    told(origins)


def first_sights(choose: random.Random, rounds: int, make: Callable[[random.Random], str] = prose) -> list[float]:
    """What it takes to take in a message that was not seen before, the run growing all the while."""
    texts, flow = [make(choose) for _ in range(rounds)], Flow()
    return [timed(flow.result, f"c{number}", "read", text, OUTSIDE) for number, text in enumerate(texts)]


def again(choose: random.Random, rounds: int) -> list[float]:
    """What a conversation's history costs where all of it is known."""
    texts, flow = [prose(choose) for _ in range(MESSAGES)], Flow()

    def history() -> None:
        for number, text in enumerate(texts):
            flow.result(f"c{number}", "read", text, OUTSIDE)

    history()
    return [timed(history) for _ in range(rounds)]


def timed(function: Callable[..., object], *args: object, times: int = 1) -> float:
    """Microseconds of this thread, the best of so many times: others work on the machine."""
    best = float("inf")
    for _ in range(times):
        begun = time.thread_time_ns()
        function(*args)
        best = min(best, (time.thread_time_ns() - begun) / 1_000)
    return best


def row(title: str, took: list[float], target: str) -> list[object]:
    """One line of the table."""
    return [title, f"{statistics.median(took):,.0f}", f"{sorted(took)[int(0.99 * len(took))]:,.0f}", target]


if __name__ == "__main__":
    main()
