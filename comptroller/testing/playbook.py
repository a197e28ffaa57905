"""Playbooks: drive the path of a call by hand, one effect at a time, and see what it asks for."""

from typing import Any, TypeVar

from comptroller.wrapper.effects import Answer, Effect, UpstreamFault
from comptroller.wrapper.flow import Flow

E = TypeVar("E")


class Playbook:
    """A flow under a test's hand: `expect` names the next effect, `answer` brings its result."""

    def __init__(self, flow: Flow) -> None:
        self.flow = flow
        self.now: Effect | Answer = self._advance(None)

    def expect(self, kind: type[E]) -> E:
        """The effect the flow waits for, which must be of this kind."""
        assert isinstance(self.now, kind), f"expected {kind.__name__}, the flow asks for {self.now!r}"
        return self.now

    def answer(self, result: Any = None) -> "Playbook":
        """Bring the result of what was asked for."""
        self.now = self._advance(result)
        return self

    def fail(self, error: Exception) -> None:
        """Let the upstream fail; raises what reaches the caller, unless the flow answers."""
        try:
            self.now = self.flow.throw(UpstreamFault(error))
        except StopIteration as done:
            self.now = done.value
        except UpstreamFault as fault:
            raise fault.error from None

    def hang_up(self) -> None:
        """The caller leaves."""
        self.flow.close()

    def done(self) -> Answer:
        """The flow's answer; it must have come to its end."""
        assert isinstance(self.now, Answer), f"the flow is not done, it asks for {self.now!r}"
        return self.now

    def _advance(self, value: Any) -> Effect | Answer:
        try:
            return self.flow.send(value)
        except StopIteration as done:
            answer: Answer = done.value
            return answer
