"""For users' own tests: an in-memory desk, a frozen clock, a scripted upstream and playbooks of the call path."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from comptroller.core.clock import FrozenClock
    from comptroller.testing.memory import MemoryLedger
    from comptroller.testing.playbook import Playbook
    from comptroller.testing.script import Say, Use
    from comptroller.testing.stores import Stores
    from comptroller.testing.testdesk import TestDesk, desk
    from comptroller.testing.upstream import Upstream

__all__ = ["FrozenClock", "MemoryLedger", "Playbook", "Say", "Stores", "TestDesk", "Upstream", "Use", "desk"]

# One by one: the upstream alone, in a process of its own, needs none of the rest.
_HOMES = {
    "FrozenClock": "comptroller.core.clock",
    "MemoryLedger": "comptroller.testing.memory",
    "Playbook": "comptroller.testing.playbook",
    "Say": "comptroller.testing.script",
    "Stores": "comptroller.testing.stores",
    "TestDesk": "comptroller.testing.testdesk",
    "Upstream": "comptroller.testing.upstream",
    "Use": "comptroller.testing.script",
    "desk": "comptroller.testing.testdesk",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'comptroller.testing' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
