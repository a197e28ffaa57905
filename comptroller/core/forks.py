"""What must not be under way while the process forks, and what the child lets go of: it has none of the threads."""

import os
import threading
import weakref
from collections.abc import Callable
from typing import TypeVar

Thing = TypeVar("Thing")


def lock_over_forks() -> threading.RLock:
    """A lock that a fork waits for: no child is born while another thread holds it. For modules, not for objects."""
    lock = threading.RLock()
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(before=lock.acquire, after_in_parent=lock.release, after_in_child=lock.release)
    return lock


def left_in_child(leave: Callable[[Thing], None]) -> "weakref.WeakSet[Thing]":
    """A set whose members the child of a fork lets go of by `leave`: what they use is their parent's. For modules."""
    things: weakref.WeakSet[Thing] = weakref.WeakSet()

    def after() -> None:
        for thing in list(things):
            leave(thing)

    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=after)
    return things


# Held where a library is loaded late: Python's own lock on a module being imported stays locked in a child for ever.
LOADING = lock_over_forks()
