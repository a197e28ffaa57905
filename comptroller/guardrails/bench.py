"""Where guards from elsewhere sit: each runs in a thread of its own, within a time limit, its answer checked.

A thread contains an exception, rubbish and a delay; it cannot contain a crash of the interpreter, and one that never
returns keeps its thread (a daemon) until the process ends.
"""

import queue
import threading
from collections.abc import Sequence

from comptroller.core.verdict import Finding
from comptroller.guardrails.guard import Guard
from comptroller.guardrails.redact import Spot

_RANK = 1_000_000  # behind every built-in pattern


class GuardFailed(Exception):
    """A guard broke: which one, and how."""

    def __init__(self, guard: str, reason: str) -> None:
        super().__init__(f"{guard}: {reason}")
        self.guard = guard
        self.told = f"The guard {guard} failed: {reason}"


class _Seat:
    """One guard's thread: texts go in, answers come out."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard
        self._todo: queue.SimpleQueue[tuple[str, queue.SimpleQueue[object]]] = queue.SimpleQueue()
        threading.Thread(target=self._work, name=f"comptroller-guard-{guard.name}", daemon=True).start()

    def ask(self, text: str) -> "queue.SimpleQueue[object]":
        answer: queue.SimpleQueue[object] = queue.SimpleQueue()
        self._todo.put((text, answer))
        return answer

    def _work(self) -> None:
        while True:
            text, answer = self._todo.get()
            try:
                answer.put(self._guard.inspect(text))
            except BaseException as error:  # noqa: BLE001 - it is another's code: whatever it raises becomes its failure
                answer.put(error)


class Bench:
    """Runs guards from elsewhere; each thread of ours has its own seats, so that nobody waits for another's text."""

    def __init__(self, limit_ms: int) -> None:
        self._limit_ms = limit_ms
        self._seats = threading.local()

    def run(self, guard: Guard, text: str) -> list[Spot]:
        """What the guard found, or GuardFailed."""
        seats: dict[str, _Seat] = self._seats.__dict__
        seat = seats.get(guard.name) or seats.setdefault(guard.name, _Seat(guard))
        try:
            answer = seat.ask(text).get(timeout=self._limit_ms / 1000)
        except queue.Empty:
            seats.pop(guard.name, None)  # it may be stuck for good: the next text gets a new one
            raise GuardFailed(guard.name, f"no answer within {self._limit_ms} ms (limits.guard_ms).") from None
        if isinstance(answer, BaseException):
            raise GuardFailed(guard.name, f"{type(answer).__name__}: {answer}") from answer
        return [_spot(guard.name, finding, len(text)) for finding in _listed(guard.name, answer)]


def _listed(name: str, answer: object) -> Sequence[object]:
    if not isinstance(answer, (list, tuple)):
        raise GuardFailed(name, f"it answered {type(answer).__name__} where a list of findings belongs.")
    return answer


def _spot(name: str, finding: object, length: int) -> Spot:
    if not isinstance(finding, Finding) or not isinstance(finding.kind, str):
        raise GuardFailed(name, f"it answered {type(finding).__name__} where a Finding belongs.")
    if type(finding.start) is not int or type(finding.end) is not int or not 0 <= finding.start < finding.end <= length:
        raise GuardFailed(name, f"its finding {finding.start}..{finding.end} lies outside the text.")
    return Spot(finding.start, finding.end, _RANK, name, finding.kind)
