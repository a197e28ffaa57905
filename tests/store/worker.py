"""A process that makes calls on a ledger as often as it is told, and says which of them came back."""

import os
import sys

from comptroller.core.clock import SYSTEM
from comptroller.core.facts import CALL_CLOSED, CALL_OPENED, CLAIM, Fact
from comptroller.core.settings import Settings
from comptroller.store.ledger import Ledger

KEY, UNIT, CAP, HELD, USED = "run:r|", "USD", 10**12, 10, 7  # a cap nobody reaches


def call(ledger: Ledger, name: str) -> None:
    """One call: admitted, held, settled; what is said to be done must be on record for ever."""
    hold = {"id": f"h-{name}", "lines": [[KEY, UNIT, HELD, CAP]], "lease_ns": 2**62, "price": "p"}
    if ledger.reserve(Fact(CALL_OPENED, f"o-{name}", SYSTEM.now_ns(), "r", name, {"hold": hold})) is None:
        ended = {"id": f"h-{name}", "lines": [[KEY, UNIT, USED]]}
        ledger.record(Fact(CALL_CLOSED, f"c-{name}", SYSTEM.now_ns(), "r", name, {"hold": ended}))
        say(f"c-{name}")


def say(line: str) -> None:
    os.write(1, f"{line}\n".encode())


def serve(ledger: Ledger, me: str) -> None:
    """Lines of standard input say how many calls to make next."""
    made = 0
    for line in sys.stdin:
        for _ in range(int(line)):
            call(ledger, f"{me}-{made}")
            made += 1
        say("done")


def fork(ledger: Ledger, me: str) -> None:
    """Fork in the middle of other threads' calls: the children make calls as well."""
    import threading

    stop = threading.Event()

    def busy(number: int) -> None:
        made = 0
        while not stop.is_set():
            call(ledger, f"{me}-t{number}-{made}")
            made += 1

    threads = [threading.Thread(target=busy, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    children = []
    for child in range(6):
        pid = os.fork()
        if pid == 0:
            assert not ledger.local
            [digest] = ledger.keep([b"child %d" % child], "t", "s")
            assert ledger.fetch(digest) == b"child %d" % child
            for number in range(20):
                call(ledger, f"{me}-f{child}-{number}")
            os._exit(0)
        children.append(pid)
    codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children]
    stop.set()
    for thread in threads:
        thread.join()
    say(f"codes {codes}")


def outlive(ledger: Ledger, me: str) -> None:
    """The parent forks and dies; the child must not keep its ownership alive, and take over."""
    reading, writing = os.pipe()
    if os.fork():
        os.close(reading)
        ledger.record(Fact(CLAIM, "parent", 1))
        os.kill(os.getpid(), 9)
    os.close(writing)
    os.read(reading, 1)  # ends with the parent
    call(ledger, f"{me}-child")
    say(f"local {ledger.local}")
    ledger.close()


def fill(ledger: Ledger, me: str) -> None:
    """Write until the file may not grow any more, then with room again."""
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
    from comptroller.core.errors import StoreError

    try:
        for number in range(10_000):
            call(ledger, f"{me}-{number}")
    except StoreError as error:
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
        say(f"full {error}")
    call(ledger, f"{me}-after")
    ledger.close()


if __name__ == "__main__":
    what, path, name = sys.argv[1:]
    opened = Ledger.open(path, Settings())
    say(f"open {opened.local}")
    globals()[what](opened, name)
