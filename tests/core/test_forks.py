import os
import threading

import pytest

from comptroller.core.forks import LOADING, lock_over_forks

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here"),
    pytest.mark.filterwarnings("ignore:.*use of fork.*:DeprecationWarning"),
]


def child_can_take(lock: threading.RLock) -> bool:
    pid = os.fork()
    if pid == 0:
        os._exit(0 if lock.acquire(timeout=5) else 1)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


@pytest.mark.parametrize("lock", [LOADING, lock_over_forks()], ids=["loading", "another"])
def test_no_child_is_born_while_another_thread_holds_the_lock(lock: threading.RLock) -> None:
    held, forking = threading.Event(), threading.Event()

    def hold() -> None:
        with lock:
            held.set()
            forking.wait()
            threading.Event().wait(0.1)  # the fork has begun, and would happen now if it did not wait

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait()
    forking.set()
    assert child_can_take(lock)
    thread.join()


def test_a_thread_that_forks_while_it_holds_the_lock_does_not_wait_for_itself() -> None:
    with LOADING:
        assert child_can_take(LOADING)
