"""What a key costs: the look-up with every request, and finding a key's facts among those of all calls."""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.table import conditions, table
from comptroller.core.clock import SYSTEM
from comptroller.core.facts import Fact
from comptroller.core.settings import Settings
from comptroller.gateway.keys import KeyRing
from comptroller.office import keys
from comptroller.office.follower import Follower
from comptroller.office.keys import Key
from comptroller.store import journal
from comptroller.store.ledger import Ledger

KEYS = 1_000
LOOKS = 100_000


def main() -> None:
    """Print CPU time, the best of several rounds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=100_000, help="of calls, between the keys")
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ledger"
        ledger = Ledger.open(path, Settings())
        secrets = [keys.issue(ledger, SYSTEM, Key("", agent=f"a{i}"))[1] for i in range(KEYS)]
        ring = KeyRing(path, ledger.digest)
        wrong = keys.new_secret()
        cases = [("a live key", secrets[500]), ("a provider's key", "sk-" + "a" * 45), ("an unknown key", wrong)]
        rows = []
        for name, secret in cases:
            seconds = _best(lambda secret=secret: _look(ring, secret), args.rounds)  # type: ignore[misc]
            rows.append([name, f"{seconds / LOOKS * 1e6:.2f}", "< 3" if secret == secrets[500] else ""])
        table(f"find, {KEYS:,} keys ({conditions()})", ["", "us each", "target"], rows)
        _scan(ledger, path, args.records, args.rounds)
        ledger.close()


def _look(ring: KeyRing, secret: str) -> None:
    find = ring.find
    for _ in range(LOOKS):
        find(secret)


def _scan(ledger: Ledger, path: Path, records: int, rounds: int) -> None:
    call = {"tenant": "default", "customer": "acme", "kind": "model", "name": "gpt-4o", "request": ["ab" * 16] * 12}
    call |= {"usage": {"input": 1200, "output": 30}, "decisions": [{"rule": "refund-over-100", "because": "x" * 80}]}
    for _ in range(records):
        ledger.record(Fact("call.closed", SYSTEM.new_id(), SYSTEM.now_ns(), "r", "c", call))  # type: ignore[arg-type]
    size = sum(file.stat().st_size for file in (path / "journal").iterdir()) / 1e6
    whole = _best(lambda: sum(1 for _, fact in journal.read(path) if fact.kind.startswith(keys.KINDS)), 1)
    follow = _best(lambda: sum(1 for _ in Follower(path, keys.KINDS).read()), rounds)
    table(
        f"Finding {KEYS:,} keys among {records:,} other records, {size:.0f} MB",
        ["", "seconds", "MB/s", "ratio"],
        [
            ["journal.read", f"{whole:.2f}", f"{size / whole:,.0f}", ""],
            ["Follower.read", f"{follow:.3f}", f"{size / follow:,.0f}", f"1/{whole / follow:.0f}"],
        ],
    )


def _best(act: Callable[[], object], rounds: int) -> float:
    spent = []
    for _ in range(rounds):
        begun = time.process_time()
        act()
        spent.append(time.process_time() - begun)
    return min(spent)


if __name__ == "__main__":
    main()
