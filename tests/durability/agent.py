"""An agent process under load: threads that make whole, streamed and tool calls, and note what came back to them.

After each return, and before anything else, one line goes to the file of returns by a single write(): whatever is in
there the caller has seen. Every line to standard output is for the test that watches.
"""

import argparse
import faulthandler
import itertools
import os
import random
import select
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import httpx2
import openai

import comptroller as ct
from comptroller.store import owner

MODEL = "gpt-4o-mini"
TEXT = "Please look after order {}: it was to arrive on Monday, and the customer asks where it is."
KINDS = ("whole", "whole", "whole", "stream", "slow", "tool", "claim", "sdk", "sdk_stream")
IN_A_CHILD = KINDS[:-2]  # the SDK itself does not survive a fork amid its first call: it loads under locks of its own
POLICY = """
policy: load
guards: {secrets: {in: redact, out: redact}, privacy: {in: redact, out: redact}}
tools:
  look_up: {effect: read, args: {order: string}}
budgets:
  - {per: customer, every: day, cap: 5000 USD, over: deny}
  - {per: tool, every: run, cap: 1000000 calls, over: deny}
"""
STUCK_S = 50

me = os.getpid()


def say(word: str) -> None:
    os.write(1, f"{me} {word}\n".encode())


@ct.tool(effect="read")
def look_up(order: str) -> str:
    return f"Order {order} is on its way."


class Caller:
    """A client and the kinds of calls it makes; made anew after a fork, as any HTTP client has to be."""

    def __init__(self, url: str, notes: int, run: ct.Run) -> None:
        self.notes, self.run = notes, run
        self.url = url + "/v1/chat/completions"
        self.http = ct.wrap(httpx2.Client(timeout=60))
        self.sdk = ct.wrap(openai.OpenAI(api_key="k", base_url=url + "/v1", max_retries=0, timeout=60))

    def make(self, kind: str, name: str) -> None:
        """One piece of work; `name` is in its text, so that no two are alike."""
        kinds: dict[str, Callable[[str], None]] = {
            "whole": lambda name: self.post([user(TEXT.format(name))]) and None,
            "stream": lambda name: self.stream(TEXT.format(name)),
            "slow": lambda name: self.stream(f"slow {name}"),
            "tool": self.tool,
            "sdk": lambda name: self.through_sdk(name, stream=False),
            "sdk_stream": lambda name: self.through_sdk(name, stream=True),
            "claim": self.claim,
        }
        kinds[kind](name)

    def post(self, messages: Sequence[Any]) -> Any:
        reply = self.http.post(self.url, json={"model": MODEL, "max_tokens": 80, "messages": messages})
        assert reply.status_code == 200, reply.text
        self.returned("call", reply.headers["comptroller-call"])
        return reply.json()

    def stream(self, text: str) -> None:
        body = {"model": MODEL, "max_tokens": 120, "messages": [user(text)], "stream": True}
        with self.http.stream("POST", self.url, json=body) as reply:
            assert reply.read().endswith(b"data: [DONE]\n\n")
        self.returned("call", reply.headers["comptroller-call"])

    def tool(self, name: str) -> None:
        messages = [user(f"tool {name}")]
        asked = self.post(messages)["choices"][0]["message"]
        answer = look_up(order=name)
        self.returned("tool", name)
        result = {"role": "tool", "tool_call_id": asked["tool_calls"][0]["id"], "content": answer}
        self.post([*messages, asked, result])

    def through_sdk(self, name: str, stream: bool) -> None:
        message: Any = user(TEXT.format(name))
        reply = self.sdk.chat.completions.with_raw_response.create(
            model=MODEL, max_tokens=80, messages=[message], stream=stream
        )
        made: Any = reply.parse()
        assert list(made) if stream else made.choices
        self.returned("call", reply.headers["comptroller-call"])

    def claim(self, name: str) -> None:
        self.returned("claim", self.run.claim("order.found", subject=name, evidence={"order": name}))

    def returned(self, what: str, id: str) -> None:
        os.write(self.notes, f"{what} {id}\n".encode())
        say("1")


def user(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


class Load:
    """So many pieces of work, by so many threads."""

    def __init__(self, caller: Caller, calls: int, seed: int, kinds: Sequence[str] = KINDS) -> None:
        self.caller, self.calls, self.seed, self.kinds = caller, calls, seed, kinds
        self.numbers = itertools.count()

    def start(self, threads: int) -> list[threading.Thread]:
        made = [threading.Thread(target=self.work, args=(number,)) for number in range(threads)]
        for thread in made:
            thread.start()
        return made

    def work(self, number: int) -> None:
        chance = random.Random(f"{self.seed} {number}")
        try:
            while (piece := next(self.numbers)) < self.calls:
                self.caller.make(chance.choice(self.kinds), f"{me}-{piece}")
        except BaseException as error:
            say(f"error {type(error).__name__}: {error}".replace("\n", " "))
            os._exit(1)


def forked(args: argparse.Namespace, notes: int, run: ct.Run, nth: int) -> int:
    """A child born amid the other threads' calls; it makes calls of its own in the run it was born in."""
    pid = os.fork()
    if pid == 0:
        global me
        me = os.getpid()
        stand_by()
        Load(Caller(args.url, notes, run), args.calls // 4, args.seed + nth, IN_A_CHILD).work(0)
        say("done")
        os._exit(0)
    return pid


def stand_by() -> None:
    """End with whoever watches; show where a process is stuck instead of hanging for ever."""
    threading.Thread(target=_end_with_the_test, daemon=True).start()


def _end_with_the_test() -> None:
    # Not faulthandler.dump_traceback_later: in a forked child it waits for a thread that only the parent has.
    ready, _, _ = select.select([0], [], [], STUCK_S)
    if not ready:
        faulthandler.dump_traceback(all_threads=True)
        say(f"stuck for {STUCK_S} s")
    os._exit(1)


def main() -> None:
    parser = argparse.ArgumentParser()
    for name, kind in (("ledger", Path), ("url", str), ("notes", Path)):
        parser.add_argument(name, type=kind)
    for name in ("calls", "threads", "seed", "forks", "segment_kb"):
        parser.add_argument(f"--{name}", type=int)
    args = parser.parse_args()
    owner.MEGABYTE = 1024  # so that segments roll, and snapshots are taken, within a thousand calls
    stand_by()
    policy = args.notes.with_name(f"load-{me}.yaml")
    policy.write_text(POLICY)
    say("opening")
    with ct.open(args.ledger, {"policies": [str(policy)], "limits": {"segment_mb": args.segment_kb}}):
        say("open")
        with ct.run("load", customer="acme", budget="1000 USD") as run, run.agent("clerk"):
            notes = os.open(args.notes, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            caller = Caller(args.url, notes, run)
            threads = Load(caller, args.calls, args.seed).start(args.threads)
            children = []
            for nth in range(args.forks):  # the first while the others still load what they need, the rest later
                children.append(forked(args, notes, run, nth))
                caller.make("whole", f"{me}-between-{nth}")
            for thread in threads:
                thread.join()
            for child in children:
                os.waitpid(child, 0)
    say("done")


if __name__ == "__main__":
    sys.exit(main())
