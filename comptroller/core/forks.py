"""What must not be under way while the process forks: the child has none of the threads that would finish it."""

import os
import threading


def lock_over_forks() -> threading.RLock:
    """A lock that a fork waits for: no child is born while another thread holds it. For modules, not for objects."""
    lock = threading.RLock()
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(before=lock.acquire, after_in_parent=lock.release, after_in_child=lock.release)
    return lock


# Held where a library is loaded late: Python's own lock on a module being imported stays locked in a child for ever.
LOADING = lock_over_forks()
