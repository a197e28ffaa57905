"""Comptroller: governance, observability and outcome billing for multi-agent AI systems."""

from typing import TYPE_CHECKING, Any

from comptroller.core.errors import (
    ComptrollerError,
    Denied,
    NotApproved,
    OverBudget,
    RateLimited,
    Refused,
    SettingsError,
    StoreError,
    UpstreamError,
)

if TYPE_CHECKING:
    from comptroller.wrapper.desk import Desk
    from comptroller.wrapper.desk import open_desk as open
    from comptroller.wrapper.run import Agent, Run
    from comptroller.wrapper.run import Run as run
    from comptroller.wrapper.sharing import Memory, memory
    from comptroller.wrapper.tools import tool
    from comptroller.wrapper.wrap import wrap

__version__ = "0.1.0"
__all__ = [
    "Agent",
    "ComptrollerError",
    "Denied",
    "Desk",
    "Memory",
    "NotApproved",
    "OverBudget",
    "RateLimited",
    "Refused",
    "Run",
    "SettingsError",
    "StoreError",
    "UpstreamError",
    "memory",
    "open",
    "run",
    "tool",
    "wrap",
]

# Loaded when first asked for: importing us must cost an agent's process next to nothing.
_LATER = {
    "Agent": ("comptroller.wrapper.run", "Agent"),
    "Desk": ("comptroller.wrapper.desk", "Desk"),
    "Memory": ("comptroller.wrapper.sharing", "Memory"),
    "Run": ("comptroller.wrapper.run", "Run"),
    "memory": ("comptroller.wrapper.sharing", "memory"),
    "open": ("comptroller.wrapper.desk", "open_desk"),
    "run": ("comptroller.wrapper.run", "Run"),
    "testing": ("comptroller.testing", ""),
    "tool": ("comptroller.wrapper.tools", "tool"),
    "wrap": ("comptroller.wrapper.wrap", "wrap"),
}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module 'comptroller' has no attribute {name!r}")
    import importlib

    module, attribute = _LATER[name]
    value = importlib.import_module(module)
    value = getattr(value, attribute) if attribute else value
    globals()[name] = value
    return value
