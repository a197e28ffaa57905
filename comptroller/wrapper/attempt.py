"""One piece of work that several agents may attempt, one after the other, until it does not fail."""

import inspect
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from comptroller.core.errors import NotApproved, SettingsError
from comptroller.core.facts import AGENT_HANDED_OVER, Fact
from comptroller.metering.orders import found
from comptroller.wrapper.context import current
from comptroller.wrapper.standing import who_is

if TYPE_CHECKING:
    from comptroller.wrapper.run import Agent, Run


def attempt(run: "Run", agents: Sequence[str], work: Callable[[], Any]) -> Any:
    """The result of the first agent with whom `work` does not fail; the last one's error where it fails with all."""
    names = [agents] if isinstance(agents, str) else [*agents]
    if not names:
        raise SettingsError(
            "There is nobody to attempt it. Name at least one agent, like run.attempt(['clerk'], work)."
        )
    if inspect.iscoroutinefunction(work):
        return _awaited(run, names, work)
    for turn in _turns(run, names):
        try:
            with turn.agent:
                return _plain(work())
        except Exception as error:
            if not turn.failed(error):
                raise
    raise AssertionError("the last agent succeeds or raises")


async def _awaited(run: "Run", names: list[str], work: Callable[[], Awaitable[Any]]) -> Any:
    for turn in _turns(run, names):
        try:
            async with turn.agent:
                return await work()
        except Exception as error:
            if not turn.failed(error):
                raise
    raise AssertionError("the last agent succeeds or raises")


class _Turn:
    """One agent's turn, and who comes after it."""

    def __init__(self, run: "Run", agent: "Agent", following: str) -> None:
        self.run, self.agent, self.following = run, agent, following
        self.why = ""

    def failed(self, error: Exception) -> bool:
        """Put on record that the next one takes over; False where nobody does: none is left, a person was asked, or
        the run was stopped.
        """
        if not self.following or isinstance(error, (SettingsError, NotApproved)) or self._is_stopped():
            return False
        # Only the kind of the error: its text may quote what an agent read, and has not passed the guards.
        self.why = f"{self.agent.name} failed ({type(error).__name__})."
        desk, scope = self.run.desk, self.agent.scope or current() or self.run.scope
        assert scope is not None, "its block was entered"
        identity = replace(scope.identity, agent=self.agent.name)
        data = {**who_is(identity), "to": self.following, "because": self.why}
        desk.note(Fact(AGENT_HANDED_OVER, desk.clock.new_id(), desk.clock.now_ns(), scope.run.id, data=data))
        return True

    def _is_stopped(self) -> bool:
        scope = self.run.scope
        if scope is None:
            return True
        who, stops = scope.identity, self.run.desk.ledger.stops
        return found(stops, (who.parent,), (scope.run.id, scope.run.trace), who.tenant, "", who.key) is not None


def _turns(run: "Run", names: list[str]) -> Iterator[_Turn]:
    why = ""
    for name, following in zip(names, [*names[1:], ""], strict=True):
        agent = run.agent(name)
        agent.relieves = f"Took over: {why}" if why else ""
        turn = _Turn(run, agent, following)
        yield turn
        why = turn.why


def _plain(value: Any) -> Any:
    if not inspect.iscoroutine(value):
        return value
    value.close()
    raise SettingsError("The work returns a coroutine that nobody awaits. Give run.attempt the async function itself.")
