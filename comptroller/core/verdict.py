"""The nouns of a decision: what a guard found, what a rule said, which caps apply, what is to happen."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from comptroller.core.call import Identity
from comptroller.core.facts import Line
from comptroller.core.origin import Origins

if TYPE_CHECKING:
    from comptroller.core.judges import Unasked

Action = Literal["allow", "note", "redact", "downgrade", "ask", "deny"]
STRICTNESS: Mapping[str, int] = {"allow": 0, "note": 1, "redact": 2, "downgrade": 3, "ask": 4, "deny": 5}
Stage = Literal["model", "tool", "agent", "reply", "result", "outcome"]


def strictest(actions: "list[Action] | tuple[Action, ...]") -> Action:
    """The action that wins where several were said."""
    return max(actions, key=STRICTNESS.__getitem__, default="allow")


def stricter(one: Mapping[str, Action], other: Mapping[str, Action]) -> Mapping[str, Action]:
    """Two plans of guards as one."""
    if not other:
        return one
    return {name: strictest((one.get(name, "allow"), other.get(name, "allow"))) for name in {**one, **other}}


@dataclass(frozen=True, slots=True)
class Finding:
    """A place in a text where a guard recognised something. Never holds the text itself."""

    guard: str
    kind: str  # e.g. "aws-access-key", "email"
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one rule or guard said."""

    action: Action
    rule: str
    policy: str
    because: str
    place: str = ""  # file:line of the rule, for remedies
    error: bool = False  # the condition could not be evaluated; `action` is the rule's on_error
    ask: "AskFor | None" = None
    judged: Mapping[str, object] | None = None  # what its judges said, where it has some


@dataclass(frozen=True, slots=True)
class AskFor:
    """Who must approve, and how long they may take."""

    of: tuple[str, ...] = ()
    quorum: int = 1
    wait_s: float = 0.0
    within_s: float = 14_400.0
    otherwise: Literal["allow", "deny"] = "deny"
    benefits: tuple[str, ...] = ()  # arguments that name who must not approve
    remind_s: float = 0.0
    escalate: tuple[str, ...] = ()
    after_s: float = 0.0
    counted: str = ""  # votes of those named decide: majority | unanimous | a number
    split: tuple[str, ...] = ()  # who decides where they disagree


@dataclass(frozen=True, slots=True)
class Decision:
    """What the policies say of one case: the strictest verdict, and everything else that was said."""

    action: Action = "allow"
    verdict: Verdict | None = None  # the one that won; None for a plain allow
    notes: tuple[Verdict, ...] = ()  # the other enforced verdicts
    shadows: tuple[Verdict, ...] = ()  # what shadow rules would have done
    unasked: "Unasked | None" = None  # judges may still have a say; until they have, their rules count as undecided


ALLOWED = Decision()


@dataclass(frozen=True, slots=True)
class Cap:
    """A budget that applies to a call."""

    per: str  # tenant | customer | workflow | run | agent | key | user | tool
    who: str  # the id of that scope for this call
    every: str  # "" for ever, else run | hour | day | month
    zone: str
    unit: str  # a currency (limit in nanos), "calls" or "tokens"
    limit: int
    over: str  # deny | ask | downgrade | clamp | note
    place: str  # file:line, for remedies
    count: str = "logical"  # a "calls" cap counts each logical call or each attempt
    queue_s: float = 0.0  # how long a call may wait where only held money is in the way


@dataclass(frozen=True, slots=True)
class Limit:
    """A rate, or a number of calls at a time, that applies to a call."""

    per: str  # as of a cap
    who: str
    unit: str  # requests | tokens, within `span`; or live: calls under way
    most: int
    span: str  # s | min | hour | day; "" for calls under way
    queue_s: float
    place: str  # file:line, for remedies
    line: Line  # what one call takes of it

    @property
    def key(self) -> str:
        """Of its counter."""
        return self.line.key


@dataclass(slots=True)
class Case:
    """What a rule may look at. Without `origins` nothing is known of the data flow: a rule that needs it refuses."""

    stage: Stage
    identity: Identity
    kind: str = "model"
    tool: str = ""
    args: Mapping[str, object] | None = None
    raw: str = ""  # arguments that are no JSON object, as they came: conditions fail on them, judges look at them
    model: str = ""
    stream: bool = False
    max_tokens: int | None = None
    input_tokens: int = 0
    worst_cost_nanos: int = 0
    text: Callable[[], str] = str  # joined only when a rule asks for it
    reply_text: Callable[[], str] = str
    reply_calls: Callable[[], str] = str  # the tool calls in a reply, as JSON
    spent_nanos: Callable[[], int] = int  # of the run so far
    run_calls: Callable[[], int] = int
    now_ns: int = 0
    known: Mapping[str, object] = field(default_factory=dict)  # further inputs by variable name
    origins: Origins | None = None  # where the arguments came from, and what the run has read
