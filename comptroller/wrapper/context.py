"""Where a piece of code stands: its run, its agent, carried over tasks, threads and executors."""

import contextvars
import functools
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from comptroller.core.call import Identity
from comptroller.core.verdict import Cap
from comptroller.guardrails.loops import Watch
from comptroller.guardrails.provenance import Flow
from comptroller.wrapper.boundary import Boundary
from comptroller.wrapper.retries import Retries
from comptroller.wrapper.thread import Thread

if TYPE_CHECKING:
    from comptroller.wrapper.fallback import Tally
    from comptroller.wrapper.judging import Heard
    from comptroller.wrapper.standing import Standing

T = TypeVar("T")


@dataclass(slots=True, eq=False)
class RunState:
    """What the process remembers of a run while it is open."""

    id: str
    trace: str
    boundary: Boundary
    thread: Thread = field(default_factory=Thread)
    retries: Retries = field(default_factory=Retries)
    caps: tuple[Cap, ...] = ()  # the run's own budget and those of the runs it is part of
    error: str = ""
    cleared: set[tuple[str, str, str]] = field(default_factory=set)  # results that were approved: history repeats them
    flow: Flow = field(default_factory=Flow)  # what it has read; nothing, unless a policy asks
    watch: Watch = field(default_factory=Watch)  # what it does over and over; nothing, unless a policy asks
    heard: "dict[str, Heard]" = field(default_factory=dict)  # by agent, where a policy has something judged
    bench: Identity | None = None  # whom its calls judge: they are those of judges
    tallies: "dict[str, Tally]" = field(default_factory=dict)  # of failures, by agent; none, unless a policy asks
    standings: "dict[int, Standing]" = field(default_factory=dict)  # by the identity's place in memory


@dataclass(frozen=True, slots=True)
class Scope:
    """The innermost open run or agent."""

    identity: Identity
    run: RunState
    inside: tuple[str, ...] = ()  # the calls of tools it is part of, outermost first


_scope: contextvars.ContextVar[Scope | None] = contextvars.ContextVar("comptroller_scope", default=None)


def current() -> Scope | None:
    """The scope this code runs in."""
    return _scope.get()


def place(scope: Scope | None) -> Scope | None:
    """Make `scope` the current one and return the one before.

    The one before is put back by value and not by token: a generator may be closed in another context than
    the one it was started in, where a token would be refused.
    """
    before = _scope.get()
    _scope.set(scope)
    return before


@contextmanager
def within(scope: Scope | None) -> Iterator[None]:
    """Run a block in `scope`."""
    before = place(scope)
    try:
        yield
    finally:
        place(before)


def bind(scope: Scope, function: Callable[..., T]) -> Callable[..., T]:
    """`function`, always running in `scope`."""

    @functools.wraps(function, assigned=("__name__", "__qualname__", "__doc__"))
    def bound(*args: Any, **kwargs: Any) -> T:
        with within(scope):
            return function(*args, **kwargs)

    return bound


_start = threading.Thread.start
_submit = ThreadPoolExecutor.submit


def _start_in_scope(self: threading.Thread) -> None:
    scope = _scope.get()
    if scope is not None:
        self.run = bind(scope, self.run)  # type: ignore[method-assign]
    _start(self)


def _submit_in_scope(self: ThreadPoolExecutor, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> "Future[T]":
    scope = _scope.get()
    if scope is None:
        return _submit(self, fn, *args, **kwargs)
    # The pool may start a worker here; it outlives this task and must not keep the task's scope.
    with within(None):
        return _submit(self, bind(scope, fn), *args, **kwargs)


def carry_across_threads() -> None:
    """Threads and executors inherit the scope of whoever starts them (tasks and to_thread do so by themselves).

    Only our own variable is carried, and nothing is done where no run is open.
    """
    if threading.Thread.start is not _start_in_scope:
        threading.Thread.start = _start_in_scope  # type: ignore[method-assign]
        ThreadPoolExecutor.submit = _submit_in_scope  # type: ignore[method-assign, assignment]
