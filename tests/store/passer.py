"""A process that makes one call that needs approval, as often as it is told, and says what became of it."""

import os
import sys

from comptroller.core.clock import SYSTEM
from comptroller.core.facts import APPROVAL_USED, ASK, Fact
from comptroller.core.settings import Settings
from comptroller.store.ledger import Ledger

HOUR = 3_600_000_000_000


def ask_fact(id: str, digest: str = "d", **more: object) -> Fact:
    """A question about the call `d`."""
    now = SYSTEM.now_ns()
    data = {"rule": "big", "version": "v1", "digest": digest, "within": HOUR, "until": now + HOUR, **more}
    return Fact(ASK, id, now, "r", "c", data)


def attempt(ledger: Ledger) -> str:
    """The call, made once: the state of its approval, `passed` where it went out."""
    told = ledger.ask(ask_fact(SYSTEM.new_id()))
    if not told.passes:
        return told.state
    use = Fact(APPROVAL_USED, SYSTEM.new_id(), SYSTEM.now_ns(), "r", "c", {"approvals": [told.approval]})
    return ledger.use(use) or "passed"


def main() -> None:
    """Each line of standard input is one attempt."""
    ledger = Ledger.open(sys.argv[1], Settings())
    os.write(1, f"open {ledger.local}\n".encode())
    for _ in sys.stdin:
        os.write(1, f"{attempt(ledger)}\n".encode())


if __name__ == "__main__":
    main()
