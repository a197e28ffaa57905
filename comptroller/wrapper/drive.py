"""Hands: what a flow asks for gets done, blocking or async, and its answers are brought back to it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any, Protocol

from comptroller.core.errors import StoreError
from comptroller.core.facts import Fact
from comptroller.wrapper.desk import Desk
from comptroller.wrapper.effects import (
    Answer,
    Ask,
    Effect,
    Emit,
    Execute,
    Head,
    Judge,
    Next,
    Order,
    Pause,
    Quick,
    Read,
    Recall,
    Reserve,
    Send,
    Stay,
    UpstreamFault,
    Use,
)
from comptroller.wrapper.flow import Flow

Attend = Callable[[Awaitable[Any]], Awaitable[Any]]
UPSTREAM = (Send, Read, Next)


class Hands(Protocol):
    """The upstream side of a blocking call."""

    def send(self, effect: Send) -> Head: ...
    def read(self, limit: int) -> bytes | None: ...
    def next(self) -> bytes | None: ...
    def close(self) -> None: ...


class AsyncHands(Protocol):
    """The upstream side of an async call."""

    async def send(self, effect: Send) -> Head: ...
    async def read(self, limit: int) -> bytes | None: ...
    async def next(self) -> bytes | None: ...
    async def close(self) -> None: ...


def at_desk(desk: Desk, effect: Effect) -> Any:
    """What needs no upstream."""
    if isinstance(effect, Reserve):
        return desk.ledger.reserve(effect.opened)
    if isinstance(effect, Ask):
        return desk.ledger.ask(effect.fact)
    if isinstance(effect, Use):
        return desk.ledger.use(effect.fact)
    if isinstance(effect, Order):
        return desk.ledger.sync(effect.fact)
    if isinstance(effect, Execute):
        return effect.function()
    if isinstance(effect, Recall):
        return desk.ledger.recall(effect.digest, effect.tenant, effect.subject)
    if isinstance(effect, Pause):
        effect.ticket.wait(effect.seconds)
        return None
    if isinstance(effect, Judge):
        return effect.hearing.wait()
    if isinstance(effect, Stay):
        return None
    raise AssertionError(f"these hands cannot do {type(effect).__name__}")


class Blocking:
    """Drives a flow until it has answered, or until it begins to stream."""

    def __init__(self, desk: Desk, flow: Flow, hands: Hands) -> None:
        self.desk, self.flow, self.hands = desk, flow, hands
        self.headers: Mapping[str, str] = {}  # to be added to a reply that streams
        self.quick: Quick | None = None  # the short way of a stream
        self.ready = b""  # of a stream that was looked at before it began
        self.last = False  # the reply needs nothing of the upstream

    def start(self) -> Answer | None:
        """The flow's answer, or None when a stream began: then `stream` yields it."""
        effect = self._step(None)
        while not isinstance(effect, (Answer, Emit)):
            effect = self._do(effect)
        if isinstance(effect, Answer):
            return effect
        self.headers, self.quick, self.last = effect.headers or {}, effect.quick, effect.last
        self.ready = effect.data
        return None

    def stream(self) -> Iterator[bytes]:
        """The rest of a call that streams. Closing it early settles the call."""
        quick, following = self.quick, self.hands.next
        try:
            last = self.last
            if self.ready:
                yield self.ready
            while True:
                try:
                    data = None if last else following()
                except BaseException as error:  # noqa: BLE001 - the flow records it, then it goes on its way
                    effect = self._throw(error)
                else:
                    if data and quick is not None and (ready := quick(data)) is not None:
                        if ready:
                            yield ready
                        continue
                    effect = self._step(data)
                while not isinstance(effect, (Answer, Emit)):
                    effect = self._do(effect)
                if isinstance(effect, Answer):
                    if effect.refused is not None:
                        raise effect.refused  # half a stream without an error would pass for a whole one
                    return
                last = effect.last
                if effect.data:
                    yield effect.data
        finally:
            self.flow.close()
            self.hands.close()

    def _do(self, effect: Effect) -> Effect | Answer:
        try:
            if isinstance(effect, Send):
                result: Any = self.hands.send(effect)
            elif isinstance(effect, Read):
                result = self.hands.read(effect.limit)
            elif isinstance(effect, Next):
                result = self.hands.next()
            else:
                result = at_desk(self.desk, effect)
        except BaseException as error:  # noqa: BLE001 - the flow records it, then it goes on its way
            return self._throw(error, upstream=isinstance(effect, UPSTREAM))
        return self._step(result)

    def _step(self, value: Any) -> Effect | Answer:
        return _advance(self.flow, value)

    def _throw(self, error: BaseException, upstream: bool = True) -> Effect | Answer:
        return _throw(self.flow, error, upstream)


class Awaiting:
    """The same for async callers; a ledger in another process is asked through its pipe, or in a thread, so that
    nobody else waits. What goes through a pipe is waited for before anything more is handed out.
    """

    def __init__(self, desk: Desk, flow: Flow, hands: AsyncHands, attend: Attend | None = None) -> None:
        self.desk, self.flow, self.hands = desk, flow, hands
        self._attend = attend  # what sees a client leave while nothing is under way for it that must be paid
        self.headers: Mapping[str, str] = {}
        self.quick: Quick | None = None
        self.ready = b""
        self.last = False
        pipe = desk.ledger.pipe
        self._pipe = pipe if pipe is not None and pipe.mine else None
        self._loop = asyncio.get_running_loop()
        self._must_end: Callable[[], bool] | None = None
        self._waiting: asyncio.Task[Any] | None = None  # for the upstream
        self._woken: asyncio.Task[Any] | None = None
        self._noted: list[Any] = []  # recorded through the pipe, and not known to be written yet
        self._capped = False

    async def start(self) -> Answer | None:
        try:
            effect = self._step(None)
            while not isinstance(effect, (Answer, Emit)):
                effect = await self._do(effect)
        except Exception:
            await self._settled(must=False)
            raise
        if isinstance(effect, Answer):
            await self._settled(must=effect.refused is None and effect.status < 300)
            return effect
        self.headers, self.quick, self.last = effect.headers or {}, effect.quick, effect.last
        self._must_end, self.ready = effect.must_end, effect.data
        return None

    def look(self) -> None:
        """Called from any thread when something was stopped: a stream that waits for its upstream need not, then."""
        with suppress(RuntimeError):  # its loop has ended
            self._loop.call_soon_threadsafe(self._end_wait)

    def _end_wait(self) -> None:
        task = self._waiting
        if task is not None and self._must_end is not None and self._must_end():
            self._woken = task
            task.cancel()

    def _is_woken(self) -> bool:
        """Whether a wait was ended by us, and by us alone: the client may have left as well."""
        task, self._woken = self._woken, None
        return task is not None and task.uncancel() == 0

    async def stream(self) -> AsyncIterator[bytes]:
        quick, following = self.quick, self.hands.next
        if self._must_end is not None:
            self.desk.streams.add(self)
        try:
            last = self.last
            if self.ready:
                await self._settled(must=True)
                yield self.ready
            while True:
                try:
                    self._waiting = asyncio.current_task()
                    data = None if last else await following()
                except BaseException as error:  # noqa: BLE001 - the flow records it, then it goes on its way
                    self._waiting = None
                    effect = self._step(b"") if self._is_woken() else self._throw(error, upstream=True)
                else:
                    self._waiting = None
                    if data and quick is not None and (ready := quick(data)) is not None:
                        if ready:
                            yield ready
                        continue
                    effect = self._step(data)
                while not isinstance(effect, (Answer, Emit)):
                    effect = await self._do(effect)
                if self._noted:
                    await self._settled(must=True)
                if isinstance(effect, Answer):
                    if effect.refused is not None:
                        raise effect.refused  # half a stream without an error would pass for a whole one
                    return
                last = effect.last
                if effect.data:
                    yield effect.data
        finally:
            self.desk.streams.discard(self)
            self.flow.close()
            await self.hands.close()

    async def _do(self, effect: Effect) -> Effect | Answer:
        try:
            if isinstance(effect, Send):
                result: Any = await self.hands.send(effect)
            elif isinstance(effect, Read):
                result = await self.hands.read(effect.limit)
            elif isinstance(effect, Next):
                result = await self._next(effect)
            elif isinstance(effect, Reserve):
                result = await self._reserve(effect)
            elif isinstance(effect, Execute):
                result = effect.function()
                if asyncio.iscoroutine(result):
                    result = await result
            elif isinstance(effect, Pause):
                result = await self._attended(effect.ticket.awaited(effect.seconds))
            elif isinstance(effect, Judge):
                result = await self._attended(effect.hearing.awaited())
            elif isinstance(effect, Stay):
                result = await self._attended(asyncio.sleep(0))
            elif self.desk.ledger.local and not isinstance(effect, Recall):  # a large vault is long in being read
                result = at_desk(self.desk, effect)
            else:
                result = await asyncio.to_thread(at_desk, self.desk, effect)
        except BaseException as error:  # noqa: BLE001 - the flow records it, then it goes on its way
            return self._throw(error, upstream=isinstance(effect, UPSTREAM))
        return self._step(result)

    async def _attended(self, waiting: Awaitable[Any]) -> Any:
        """Wait for as long as the caller is there, where that can be told."""
        return await (waiting if self._attend is None else self._attend(waiting))

    async def _next(self, effect: Next) -> bytes | None:
        """The next bytes of a stream that nobody has seen any of; whoever stops it need not wait for them."""
        self._must_end, self._waiting = effect.must_end, asyncio.current_task()
        self.desk.streams.add(self)
        try:
            return await self.hands.next()
        except asyncio.CancelledError:
            if self._is_woken():
                return b""
            raise
        finally:
            self._waiting = None
            self.desk.streams.discard(self)

    async def _reserve(self, effect: Reserve) -> Any:
        if self._pipe is not None:
            self._capped = self._capped or _has_cap(effect.opened)
            return await self._pipe.reserve(effect.opened)
        if self.desk.ledger.local:
            return self.desk.ledger.reserve(effect.opened)
        return await asyncio.to_thread(at_desk, self.desk, effect)

    def _step(self, value: Any) -> Effect | Answer:
        pipe = self._pipe
        if pipe is None:
            return _advance(self.flow, value)
        pipe.noting = self._noted
        try:
            return _advance(self.flow, value)
        finally:
            pipe.noting = None

    def _throw(self, error: BaseException, upstream: bool) -> Effect | Answer:
        pipe = self._pipe
        if pipe is None:
            return _throw(self.flow, error, upstream)
        pipe.noting = self._noted
        try:
            return _throw(self.flow, error, upstream)
        finally:
            pipe.noting = None

    async def _settled(self, must: bool) -> None:
        """Wait until what the flow recorded is written; where nothing may go unrecorded, a failure is the call's."""
        if self._pipe is None or not self._noted:
            return
        noted = self._noted.copy()
        self._noted.clear()
        try:
            await self._pipe.settled(noted)
        except StoreError as error:
            if must and self.desk.must_record(self._capped):
                raise
            self.desk.complain(error)


def run_blocking(desk: Desk, flow: Flow) -> Answer:
    """Drive a flow that needs no upstream (a tool) to its answer."""
    answer = Blocking(desk, flow, NO_UPSTREAM).start()
    assert answer is not None, "a flow without an upstream cannot stream"
    return answer


async def run_awaiting(desk: Desk, flow: Flow) -> Answer:
    """The same for async tools."""
    answer = await Awaiting(desk, flow, NO_UPSTREAM).start()  # type: ignore[arg-type]
    assert answer is not None, "a flow without an upstream cannot stream"
    return answer


class _NoUpstream:
    def send(self, effect: Send) -> Head:
        raise AssertionError("this flow has no upstream")

    def read(self, limit: int) -> bytes | None:
        raise AssertionError("this flow has no upstream")

    def next(self) -> bytes | None:
        raise AssertionError("this flow has no upstream")

    def close(self) -> None:
        return None


NO_UPSTREAM = _NoUpstream()


def _has_cap(opened: Fact) -> bool:
    """True where what is held counts against a cap or a limit."""
    hold = opened.data.get("hold")
    return isinstance(hold, dict) and ("rates" in hold or any(row[-1] is not None for row in hold["lines"]))


def _advance(flow: Flow, value: Any) -> Effect | Answer:
    try:
        return flow.send(value)
    except StopIteration as done:
        answer: Answer = done.value
        return answer


def _throw(flow: Flow, error: BaseException, upstream: bool) -> Effect | Answer:
    """Tell the flow what went wrong; what it does not turn into an answer reaches the caller as it was."""
    thrown = UpstreamFault(error) if upstream and isinstance(error, Exception) else error
    try:
        return flow.throw(thrown)
    except StopIteration as done:
        answer: Answer = done.value
        return answer
    except UpstreamFault as fault:
        raise fault.error from fault.error.__cause__
