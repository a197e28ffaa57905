"""A process that spends from a shared cap until there is no room any more, by threads or by tasks."""

import argparse
import asyncio
import json
import sys
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2

import comptroller as ct

REFUSALS = 3  # each thread or task goes on after a refusal: what others held comes free


class Spender:
    """What one process does, and how often each thing happened."""

    def __init__(self, url: str) -> None:
        self.url = url + "/v1/chat/completions"
        self.count: Counter[str] = Counter()
        self.lock = threading.Lock()

    def body(self, number: int) -> dict[str, Any]:
        words = f"Call {number}: how are you?"
        body: dict[str, Any] = {"model": "gpt-4o-mini", "max_tokens": 80, "stream": number % 4 == 0}
        return {**body, "messages": [{"role": "user", "content": words}]}

    def threads(self, number: int) -> None:
        """So many threads at once; what goes wrong in one ends the process."""
        with ct.wrap(httpx2.Client(timeout=60, limits=httpx2.Limits(max_connections=number))) as client:
            made = [threading.Thread(target=self._thread, args=(client, nth)) for nth in range(number)]
            for thread in made:
                thread.start()
            for thread in made:
                thread.join()

    def tasks(self, number: int) -> None:
        """So many tasks at once."""
        asyncio.run(self._tasks(number))

    def _thread(self, client: httpx2.Client, nth: int) -> None:
        refused = 0
        while refused < REFUSALS:
            refused += self._tell(lambda: client.post(self.url, json=self.body(nth)))

    def _tell(self, call: Callable[[], httpx2.Response]) -> bool:
        try:
            reply, what = call(), "ok"
            if reply.status_code != 200:
                what = f"status {reply.status_code}"
        except ct.OverBudget:
            what = "over budget"
        except Exception as error:
            what = f"{type(error).__name__}: {error}"
        with self.lock:
            self.count[what] += 1
        return what != "ok"

    async def _tasks(self, number: int) -> None:
        limits = httpx2.Limits(max_connections=number)
        async with ct.wrap(httpx2.AsyncClient(timeout=60, limits=limits)) as client:
            await asyncio.gather(*[self._task(client, nth) for nth in range(number)])

    async def _task(self, client: httpx2.AsyncClient, nth: int) -> None:
        refused = 0
        while refused < REFUSALS:
            try:
                reply = await client.post(self.url, json=self.body(nth))
            except BaseException as error:
                refused += self._tell(_raising(error))
            else:
                refused += self._tell(lambda reply=reply: reply)  # type: ignore[misc]


def _raising(error: BaseException) -> Callable[[], httpx2.Response]:
    def call() -> httpx2.Response:
        raise error

    return call


def main() -> None:
    parser = argparse.ArgumentParser()
    for name, kind in (("ledger", Path), ("url", str), ("how", str), ("number", int)):
        parser.add_argument(name, type=kind)
    parser.add_argument("--run", default="")
    parser.add_argument("--budget", default="")
    parser.add_argument("--policy", default="")
    args = parser.parse_args()
    with ct.open(args.ledger, {"policies": [args.policy] if args.policy else []}):
        print("open", flush=True)
        sys.stdin.readline()  # all begin together
        with ct.run("spend", id=args.run, customer="acme", budget=args.budget):
            spender = Spender(args.url)
            getattr(spender, args.how)(args.number)
    print(json.dumps(spender.count), flush=True)


if __name__ == "__main__":
    main()
