"""Signs of gaming: six ways to earn more than was achieved, each a finding that names the outcomes behind it.

They accuse nobody and change nothing: whoever reads them looks at the outcomes, and disputes or credits what is wrong.
The same history has the same findings, in the same order.
"""

from collections.abc import Callable, Iterator

from comptroller.office.fraud.dating import back_dating
from comptroller.office.fraud.drift import cherry_picking, silence_drift
from comptroller.office.fraud.history import Bounds, Finding, History, Loaded, Runs, Signal
from comptroller.office.fraud.subjects import subject_splitting
from comptroller.office.fraud.verdicts import judge_retries, self_dealing

SIGNALS: dict[Signal, Callable[[History, Bounds], Iterator[Finding]]] = {
    "silence_drift": silence_drift,
    "subject_splitting": subject_splitting,
    "judge_retries": judge_retries,
    "cherry_picking": cherry_picking,
    "self_dealing": self_dealing,
    "back_dating": back_dating,
}
__all__ = ["SIGNALS", "Bounds", "Finding", "History", "Loaded", "Runs", "Signal", "findings"]


def findings(history: History, bounds: Bounds | None = None) -> list[Finding]:
    """Everything that looks like gaming."""
    held = bounds or Bounds()
    return sorted((one for find in SIGNALS.values() for one in find(history, held)), key=lambda one: one.key)
