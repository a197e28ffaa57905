"""The nouns of a judgement: who judges, what is put to them, what each of them said, and what that came to."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from comptroller.core.verdict import Action, AskFor, Cap, Decision, Verdict

AGENT = "judge:"  # before a judge's name: the agent its calls are on record for
Word = Literal["yes", "no", "unsure", "slow", "broken"]  # of one judge
Result = Literal["yes", "no", "split", "slow", "broken"]  # of all of them
Manner = Literal["majority", "unanimous", "weighted", "number"]
# What a judge may be shown, by what the rule looks at.
VIEWS: Mapping[str, tuple[str, ...]] = {
    "model": ("request", "said", "instructions"),
    "tool": ("args", "said", "instructions", "sources"),
    "reply": ("reply", "args", "said", "instructions"),
    "result": ("result", "said", "instructions"),
}
USUAL: Mapping[str, tuple[str, ...]] = {
    "model": ("request",),
    "tool": ("args", "said"),
    "reply": ("reply", "said"),
    "result": ("result",),
}


@dataclass(frozen=True, slots=True)
class Judge:
    """A model that judges: where it is asked, for how long, and at whose cost."""

    name: str
    model: str
    upstream: str = ""  # a name in the settings; empty: the first that takes the model
    within_s: float = 10.0  # for all tries together
    tries: int = 2
    cache_s: float = 3_600.0  # how long what it said of the same is taken again
    max_tokens: int = 400
    weight: int = 1
    cap: Cap | None = None  # on what it may spend


@dataclass(frozen=True, slots=True)
class Question:
    """What a judged rule asks, of whom, and what is done with any answer."""

    rule: str
    says: tuple[str, ...]
    judges: tuple[Judge, ...]
    sees: tuple[str, ...]
    said: Verdict  # where the answer is yes
    otherwise: Mapping[str, Action]  # by the results that are no answer: split, slow, broken
    principles: bool = False  # what is asked is whether one is broken, else whether one is true
    manner: Manner = "majority"
    need: int = 0  # judges; of `weighted` thousandths of all weights, 0 being more than half
    shadow: bool = False
    ask: AskFor | None = None  # for what is no answer


@dataclass(frozen=True, slots=True)
class Unasked:
    """What a decision was made without: the judges. `rest` is what all others say."""

    rest: Decision
    questions: tuple[Question, ...]


@dataclass(frozen=True, slots=True)
class Opinion:
    """What one judge said. What it gives as reason stands in its own call, as it may quote what it was shown."""

    judge: str
    word: Word
    which: tuple[int, ...] = ()  # of several statements, counted from 1: those that are true, or broken
    why: str = ""  # it is broken, in words of ours
    call: str = ""  # its own
    ms: int = 0
    cached: bool = False

    def row(self) -> dict[str, object]:
        """As it stands on record."""
        row: dict[str, object] = {"judge": self.judge, "vote": self.word, "ms": self.ms}
        more = {"which": list(self.which), "why": self.why, "call": self.call, "cached": self.cached}
        return row | {name: value for name, value in more.items() if value}


@dataclass(frozen=True, slots=True)
class Reach:
    """What judges can be asked with: providers that speak OpenAI's format with their models, and a client for them."""

    providers: tuple[tuple[str, str, tuple[str, ...]], ...]  # name, format, patterns of models
    client: bool = True
