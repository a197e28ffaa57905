"""Which run a request belongs to when it does not say: session hints, else the conversation it goes on with."""

import hashlib
import re
from collections import OrderedDict
from collections.abc import Callable, Hashable
from functools import lru_cache

from comptroller.core.call import Identity, Request
from comptroller.core.facts import CALL_CLOSED, Fact
from comptroller.gateway.asked import Asked
from comptroller.tracing.context import parse_traceparent

SESSION_HEADERS = (b"x-claude-code-session-id", b"session_id", b"conversation_id", b"x-session-id")
SESSION_HINTS = (
    "session_id",
    "prompt_cache_key",
    "conversation",
    "metadata.session_id",
    "metadata.conversation_id",
    "metadata.thread_id",
)
KEPT = 50_000  # hints and conversations remembered; a forgotten one begins a new run
PROMPT = 512  # characters of a system prompt that tell agents apart: what follows is often today's context
_NUMBERS = re.compile(r"\d+")  # dates and counters would make a new agent every day


class Stitches:
    """What was seen lately, and the run it belonged to."""

    def __init__(self, most: int = KEPT) -> None:
        self._most = most
        self.on_new: Callable[[Hashable, str], None] | None = None  # told of each mark that is remembered anew
        self._runs: OrderedDict[Hashable, str] = OrderedDict()

    def find(self, asked: Asked, who: Identity, request: Request | None) -> "Thread":
        """The run this request goes on with, if one is known, and what to remember it by."""
        space = (who.tenant, who.key, who.customer, who.workflow)
        hint = session_of(asked, request)
        if hint:
            mark = (*space, hint)
            return Thread(self._runs.get(mark, ""), [mark], [mark])
        if request is None:
            return Thread("", [])
        answered = asked.goes_on or request.hints.get("previous_response_id")
        said = (who.tenant, who.key, answered)
        if answered and (run := self._runs.get(said)):
            return Thread(run, [])
        # Without the tools: an agent that offers others from one call to the next is the same agent.
        words = request.messages[1:] if request.offers else request.messages
        if not words:
            return Thread("", [], [said] if answered else [])
        marks = _marks((*space, who.user, request.hints.get("user") or ""), words)
        again = bool(asked.named.get(b"x-stainless-retry-count", b"0").strip(b"0"))
        earlier = marks if again else marks[:-1]
        run = next((run for mark in reversed(earlier) if (run := self._runs.get(mark))), "")
        unknown = [] if run else [*([said] if answered else ()), *reversed(earlier)]
        return Thread(run, marks[-1:], unknown)

    def keep(self, thread: "Thread", run: str) -> None:
        """Remember which run the request was given to."""
        for mark in thread.marks:
            self._remember(mark, run)

    def learn(self, fact: Fact) -> None:
        """Remember a reply from before the start, which others read for themselves."""
        telling, self.on_new = self.on_new, None
        try:
            self.watch(fact)
        finally:
            self.on_new = telling

    def watch(self, fact: Fact) -> None:
        """Remember replies that a provider keeps: the next request names one instead of repeating its words."""
        if fact.kind == CALL_CLOSED and fact.data.get("dialect") == "openai_responses":
            upstream = fact.data.get("upstream")
            reply = upstream.get("reply") if isinstance(upstream, dict) else None
            if reply:
                self._remember((fact.data["tenant"], fact.data.get("key", ""), reply), fact.run)

    def _remember(self, mark: Hashable, run: str) -> None:
        if self.on_new is not None and self._runs.get(mark) != run:
            self.on_new(mark, run)
        self._runs[mark] = run
        self._runs.move_to_end(mark)
        while len(self._runs) > self._most:
            self._runs.popitem(last=False)


class Thread:
    """What a request goes on with: its run, what to remember it by, and by what marks others may know it."""

    __slots__ = ("earlier", "marks", "run")

    def __init__(self, run: str, marks: "list[Hashable]", earlier: "list[Hashable] | None" = None) -> None:
        self.run, self.marks, self.earlier = run, marks, earlier or []


def session_of(asked: Asked, request: Request | None) -> tuple[str, str] | None:
    """The first session hint a request carries, by its name; a trace is one too."""
    trace = trace_of(asked)
    if trace:
        return "trace", trace
    for header in SESSION_HEADERS:
        if header in asked.named:
            return "session", asked.header(header)[:256]
    if request is not None and request.hints:
        for name in SESSION_HINTS:
            value = request.hints.get(name)
            if value:
                return ("session" if name == "session_id" else name), value[:256]
    return None


def trace_of(asked: Asked) -> str:
    """The trace id of a W3C traceparent header."""
    if b"traceparent" not in asked.named:
        return ""
    found = parse_traceparent(asked.header(b"traceparent"))
    return found[0] if found else ""


def agent_of(request: Request | None) -> str:
    """A short name for the agent behind a request, by its system prompt; empty where it has none."""
    if request is None:
        return ""
    for part in request.parts:
        if part.role not in ("system", "developer"):
            return ""
        if part.kind == "text" and not part.text.startswith("x-anthropic-"):  # a client's billing line is no prompt
            return _named(part.text[:PROMPT])
    return ""


@lru_cache(maxsize=4096)
def _named(prompt: str) -> str:
    steady = _NUMBERS.sub("0", prompt).encode("utf-8", "surrogatepass")
    return f"agent-{hashlib.blake2b(steady, digest_size=3).hexdigest()}"


def _marks(space: Hashable, messages: list[bytes]) -> list[Hashable]:
    """One mark for each beginning of a conversation. Python's own keyed hash: nobody outside can aim at it."""
    marks: list[Hashable] = []
    state = hash(space)
    for message in messages:
        state = hash((state, message))
        marks.append(state)
    return marks
