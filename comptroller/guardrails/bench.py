"""Where guards from elsewhere sit: each within a time limit, its answer checked, so that whatever breaks refuses.

Installed ones have processes of their own: neither a crash nor one that never returns reaches us. One handed over in
code sits in a thread, which contains an exception, rubbish and a delay; if it never returns, its thread (a daemon)
stays until the process ends.
"""

import queue
import threading
from collections.abc import Iterable, Sequence
from traceback import extract_tb
from typing import TYPE_CHECKING

from comptroller.core.clock import SYSTEM, Clock
from comptroller.core.verdict import Finding
from comptroller.guardrails.guard import Guard, Installed, Unanswered
from comptroller.guardrails.redact import Spot

if TYPE_CHECKING:
    from comptroller.guardrails.row import Row

_RANK = 1_000_000  # behind every built-in pattern
MOST_KIND = 80  # characters


class GuardFailed(Exception):
    """A guard broke: which one, and how."""

    def __init__(self, guard: str, reason: str) -> None:
        super().__init__(f"{guard}: {reason}")
        self.guard = guard
        self.told = f"The guard {guard} failed: {reason}"


class _Thread:
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
    """Runs guards from elsewhere. Threads of theirs belong to one thread of ours each, processes are shared."""

    def __init__(self, limit_ms: int, memory_mb: int, clock: Clock = SYSTEM) -> None:
        self._limit_ms, self._memory_mb, self._clock = limit_ms, memory_mb, clock
        self._threads = threading.local()
        self._rows: dict[str, Row] = {}

    def run(self, guard: Guard | Installed, text: str) -> list[Spot]:
        """What the guard found, or GuardFailed."""
        found = self._of_process(guard, text) if isinstance(guard, Installed) else self._of_thread(guard, text)
        return [_spot(guard.name, finding, len(text)) for finding in found]

    def close(self) -> None:
        """End the processes."""
        for row in list(self._rows.values()):
            row.close()

    def _of_process(self, guard: Installed, text: str) -> Iterable[Finding]:
        row = self._rows.get(guard.name) or self._row(guard)
        try:
            return [Finding(guard.name, *found) for found in row.ask(text)]
        except Unanswered as failure:
            raise GuardFailed(guard.name, f"{failure}.") from None

    def _row(self, guard: Installed) -> "Row":
        from comptroller.guardrails.row import Row  # few have guards from elsewhere: the others load none of this

        made = Row(guard, self._limit_ms, self._memory_mb, self._clock)
        return self._rows.setdefault(guard.name, made)  # of two made at once one stays; the other has no process yet

    def _of_thread(self, guard: Guard, text: str) -> Sequence[object]:
        threads: dict[str, _Thread] = self._threads.__dict__
        thread = threads.get(guard.name) or threads.setdefault(guard.name, _Thread(guard))
        try:
            answer = thread.ask(text).get(timeout=self._limit_ms / 1000)
        except queue.Empty:
            threads.pop(guard.name, None)  # it may be stuck for good: the next text gets a new one
            raise GuardFailed(guard.name, f"no answer within {self._limit_ms} ms (limits.guard_ms).") from None
        if isinstance(answer, BaseException):
            raise GuardFailed(guard.name, f"it raised {_raised(answer)}.") from answer
        return _listed(guard.name, answer)


def _raised(error: BaseException) -> str:
    """An error by its kind and place: its words may quote the text, and this goes on record."""
    frames = extract_tb(error.__traceback__)
    place = f" at {frames[-1].filename.replace(chr(92), '/').rpartition('/')[2]}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{place}"


def _listed(name: str, answer: object) -> Sequence[object]:
    if not isinstance(answer, (list, tuple)):
        raise GuardFailed(name, f"it answered {type(answer).__name__} where a list of findings belongs.")
    return answer


def _spot(name: str, finding: object, length: int) -> Spot:
    if not isinstance(finding, Finding) or not isinstance(finding.kind, str):
        raise GuardFailed(name, f"it answered {type(finding).__name__} where a Finding belongs.")
    if len(finding.kind) > MOST_KIND:
        raise GuardFailed(name, f"the kind of its finding is longer than {MOST_KIND} characters.")
    if type(finding.start) is not int or type(finding.end) is not int or not 0 <= finding.start < finding.end <= length:
        raise GuardFailed(name, f"its finding {finding.start}..{finding.end} lies outside the text.")
    return Spot(finding.start, finding.end, _RANK, name, finding.kind)
