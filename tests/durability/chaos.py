"""Kill processes at random instants, again and again, and check each time that the ledger kept its promises.

`python -m tests.durability.chaos --rounds 50` (or `make chaos`); a seed that failed is run again with `--seed`.
"""

import argparse
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.durability.aftermath import Aftermath, check
from tests.durability.crew import Crew, provider
from tests.durability.relays import kill_workers

CALLS, THREADS = 1000, 16
Round = Callable[[Path, int], str]


def kill_one(folder: Path, seed: int) -> str:
    """One agent, 16 threads, killed somewhere between opening the ledger and having closed it."""
    chance = random.Random(seed)
    with provider(folder) as (url, sent), Crew(folder / "ledger", url) as crew:
        pid = crew.start(CALLS, THREADS, seed, segment_kb=chance.choice([64, 1024]))
        crew.started()
        _wait_for_the_instant(crew, chance)
        crew.kill(pid)
        crew.until(lambda: False)
        found = check(crew.ledger, crew.notes, sent.stat().st_size)
        assert not any(word.startswith("error") for word in crew.words.values()), crew.words
    return _told(found)


def kill_many(folder: Path, seed: int) -> str:
    """Four agents, one of which forks: three of the processes are killed amid it all, owners among them."""
    chance = random.Random(seed)
    calls, forks = CALLS // 4, 2
    with provider(folder) as (url, sent), Crew(folder / "ledger", url) as crew:
        for nth in range(4):
            crew.start(calls, THREADS // 4, seed * 10 + nth, forks=forks if nth == 3 else 0, segment_kb=64)
        crew.started()
        owners = 0
        for at in sorted(chance.sample(range(calls // 4, 2 * calls), 3)):
            crew.until(lambda at=at: crew.total() >= at and len(crew.alive()) > 1)  # type: ignore[misc]
            _jitter(chance)
            owners += _kill_somebody(crew, chance)
        crew.until(lambda: False)
        found = check(crew.ledger, crew.notes, sent.stat().st_size)
        _survivors_went_on(crew)
    return f"{_told(found)}, {len(crew.killed)} killed, {owners} of them owners"


def _wait_for_the_instant(crew: Crew, chance: random.Random) -> None:
    """One round in eight while the ledger is made or opened, the others anywhere in the load or the closing."""
    at = chance.randint(1, CALLS)
    if chance.random() < 0.125:
        crew.until(lambda: "opening" in crew.words.values())
    else:
        crew.until(lambda: crew.total() >= at)
    _jitter(chance)


def _jitter(chance: random.Random) -> None:
    # Not to wait for anything: the instant shall not be just after a return.
    time.sleep(chance.random() * 0.02)


def _kill_somebody(crew: Crew, chance: random.Random) -> bool:
    owner, alive = crew.owner(), crew.alive()
    pid = owner if owner in alive and chance.random() < 0.6 else chance.choice(alive)
    crew.kill(pid)
    return pid == owner


def _survivors_went_on(crew: Crew) -> None:
    left = {pid: word for pid, word in crew.words.items() if pid not in crew.killed and word != "done"}
    assert not left, f"not killed and not done: {left}"


def _told(found: Aftermath) -> str:
    return (
        f"{found.returned} returned, {found.facts} facts in {found.segments} segments, "
        f"{found.expired} charged at the estimate, {found.owners} openings"
    )


def main() -> None:
    """Rounds of all kinds in turn; ends with 1 at the first promise that was not kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=50, help="of each kind")
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(3)), help="of the first round")
    parser.add_argument("--only", choices=["one", "many", "workers"], help="one kind of round")
    args = parser.parse_args()
    rounds: dict[str, Round] = {"one": kill_one, "many": kill_many, "workers": kill_workers}
    for seed in range(args.seed, args.seed + args.rounds):
        for name, play in rounds.items():
            if args.only in (None, name):
                with tempfile.TemporaryDirectory(prefix="chaos-") as folder:
                    begun = time.monotonic()
                    told = play(Path(folder), seed)
                    print(f"{name:7} seed {seed}: {told} ({time.monotonic() - begun:.1f} s)", flush=True)


if __name__ == "__main__":
    sys.exit(main())
