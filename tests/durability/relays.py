"""Kill workers of a gateway, or its supervisor, amid the calls they relay, and check what the ledger says then."""

import contextlib
import itertools
import os
import random
import signal
import threading
import time
from pathlib import Path
from typing import Any

import httpx

from comptroller.core.facts import CALL_CLOSED, CALL_OPENED, HOLD_EXPIRED, RUN_CLOSED, RUN_OPENED
from tests.durability.aftermath import Aftermath, check
from tests.durability.crew import provider
from tests.gateway.yard import CHAT, PATIENCE_S, Yard, yard

CALLS, THREADS, RUNS, CAP = 600, 8, 5, 500
POLICY: dict[str, Any] = {
    "budgets": [{"per": "customer", "every": "day", "cap": f"{CAP} calls", "over": "deny"}],
}


class Load:
    """Threads that make calls of a few runs, and note what came back before anything else."""

    def __init__(self, at: Yard, notes: Path, seed: int) -> None:
        self.at, self.seed = at, seed
        self.notes = os.open(notes, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self.numbers = itertools.count()
        self.returned = self.refused = self.broken = 0
        self.turn = threading.Condition()
        self.over = False
        self.trouble: list[str] = []
        self.threads = [threading.Thread(target=self._work, args=(number,)) for number in range(THREADS)]
        for thread in self.threads:
            thread.start()

    def until(self, answers: int) -> None:
        """Return once so many calls came back, or none will any more."""
        with self.turn:
            self.turn.wait_for(lambda: self.returned + self.refused >= answers or not self._alive(), PATIENCE_S)

    def end(self) -> None:
        for thread in self.threads:
            thread.join(PATIENCE_S)
        os.close(self.notes)
        assert not self.trouble, self.trouble[0]

    def _alive(self) -> bool:
        return any(thread.is_alive() for thread in self.threads)

    def _work(self, number: int) -> None:
        chance = random.Random(f"{self.seed} {number}")
        client = self.at.client()
        while not self.over and (piece := next(self.numbers)) < CALLS:
            try:
                self._call(client, chance, piece)
            except httpx.TransportError:  # whoever was killed took the connection along; that call did not return
                self.broken += 1
                client.close()
                client = self.at.client()
            except BaseException as error:
                self.trouble.append(f"{type(error).__name__}: {error}")
                return
        client.close()

    def _call(self, client: httpx.Client, chance: random.Random, piece: int) -> None:
        stream = chance.random() < 0.3
        text = f"slow {piece}" if stream and chance.random() < 0.5 else f"Please look after order {self.seed}-{piece}."
        body = {"model": "gpt-4o-mini", "max_tokens": 80, "messages": [{"role": "user", "content": text}]}
        headers = {"comptroller-run": f"run-{chance.randrange(RUNS)}", "comptroller-customer": "acme"}
        reply = client.post(CHAT, json={**body, "stream": stream}, headers=headers)
        with self.turn:
            if reply.status_code == 402:
                self.refused += 1
            else:
                assert reply.status_code == 200, f"{reply.status_code}: {reply.text}"
                assert not stream or reply.text.endswith("data: [DONE]\n\n"), reply.text
                os.write(self.notes, f"call {reply.headers['comptroller-call']}\n".encode())
                self.returned += 1
            self.turn.notify_all()


def kill_workers(folder: Path, seed: int) -> str:
    """Two workers, three times one of them is killed; in one round of three the supervisor is in the end."""
    chance = random.Random(seed)
    with provider(folder) as (url, sent), yard(policy=POLICY, folder=folder, url=url) as at:
        load = Load(at, folder / "returned", seed)
        killed = 0
        for instant in sorted(chance.sample(range(CALLS * 3 // 4), 3)):
            load.until(instant)
            time.sleep(chance.random() * 0.02)  # not to wait for anything: not just after a return
            killed += _kill_one(at, chance)
        if chance.random() < 0.34:
            load.until(CALLS * 7 // 8)
            load.over = True
            os.kill(at.process.pid, signal.SIGKILL)
        load.end()
        if at.process.poll() is None:
            at.process.terminate()
        assert at.process.stdout is not None
        at.process.stdout.read()  # ends with the last of them
        _cap_was_kept(at, load)
        found = check(at.ledger, folder / "returned", sent.stat().st_size)
        _runs_foot(at)
    return _told(found, load, killed, at.process.returncode == -signal.SIGKILL)


def _kill_one(at: Yard, chance: random.Random) -> int:
    workers = at.workers
    with contextlib.suppress(ProcessLookupError):
        if workers:
            at.kill(chance.choice(workers))
            return 1
    return 0


def _cap_was_kept(at: Yard, load: Load) -> None:
    """Never more calls than the cap were under way or charged; where nobody was refused, there was room."""
    count, most = 0, 0
    for fact in at.facts(CALL_OPENED, CALL_CLOSED, HOLD_EXPIRED):
        if fact.kind == CALL_OPENED:
            count += 1
        elif fact.kind == CALL_CLOSED and fact.data.get("hold"):
            hold: Any = fact.data["hold"]
            count -= not any(amount for key, unit, amount, *_ in hold["lines"] if unit == "calls")
        most = max(most, count)
    assert most <= CAP, f"{most} calls were let through under a cap of {CAP}"
    assert not load.refused or most == CAP, f"calls were refused although only {most} of {CAP} were taken"


def _runs_foot(at: Yard) -> None:
    """Every run was opened; none twice in a row, and none closed that was not open."""
    live: set[str] = set()
    for fact in at.facts(RUN_OPENED, RUN_CLOSED, CALL_CLOSED):
        if fact.kind == RUN_OPENED:
            assert fact.run not in live, f"{fact.run} was opened twice"
            live.add(fact.run)
        elif fact.kind == RUN_CLOSED:
            assert fact.run in live, f"{fact.run} was closed twice"
            live.remove(fact.run)


def _told(found: Aftermath, load: Load, killed: int, supervisor: bool) -> str:
    who = f"{killed} workers{' and the supervisor' if supervisor else ''} killed"
    return (
        f"{found.returned} returned, {load.refused} refused, {load.broken} broken off, {found.facts} facts, "
        f"{found.expired} charged at the estimate, {who}"
    )
