"""A provider in a process of its own that notes every request as it arrives, so that none can have gone unrecorded.

The last user text says what is wanted: `tool K` a tool call with argument K, `slow` a stream with pauses in it,
`long N` N characters of text; anything else gets a few sentences. What it reports as used never passes `max_tokens`.
"""

import os
import sys
import threading

from comptroller.testing.script import Received, Say, Use
from comptroller.testing.upstream import Upstream

WORDS = "The order was sent on Monday and should be with you — “ohne Gewähr” — by Thursday at noon. "


def main() -> None:
    """Serve until standard input ends; print the address first."""
    noted = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def reply(asked: Received) -> Say:
        os.write(noted, b".")
        return _say(asked)

    with Upstream(reply, keep=10) as up:
        print(up.url, flush=True)
        threading.Thread(target=_until_left, daemon=True).start()
        threading.Event().wait()


def _say(asked: Received) -> Say:
    word, _, rest = asked.last.partition(" ")
    if word == "tool" and asked.messages[-1].get("role") == "user":
        return Say("Let me see.", calls=[Use("look_up", {"order": rest}, id=f"call_{rest}")], usage=_usage(asked))
    if word == "slow":
        return Say(3 * WORDS, pause_s=0.001, chunk=24, usage=_usage(asked))
    if word == "long":
        return Say(("word " * (int(rest) // 5 + 1))[: int(rest)], chunk=4000, usage=_usage(asked))
    return Say(WORDS * (asked.number % 3 + 1), usage=_usage(asked))


def _usage(asked: Received) -> dict[str, int]:
    """Somewhere between a token and all that was allowed; the input as a real tokenizer would count it."""
    most = asked.json.get("max_tokens") or asked.json.get("max_completion_tokens") or 400
    return {"prompt_tokens": max(len(asked.body) // 4, 1), "completion_tokens": 1 + asked.number * 7919 % int(most)}


def _until_left() -> None:
    sys.stdin.buffer.read()
    os._exit(0)


if __name__ == "__main__":
    main()
