"""The frame of `judges`, and of `judge` in a rule: who judges, and what is put to them."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from comptroller.policies.amounts import read_duration
from comptroller.policies.frame import Amount, Duration, Frame, Name, Share, Zone

MAX_TIME_S = 60.0
MOST_SAYS = 50
LONGEST = 2_000
Fallback = Literal["ask", "deny", "allow", "then"]
View = Literal["request", "reply", "args", "result", "said", "instructions", "sources"]


def _time(text: object) -> float:
    seconds = read_duration(text)
    if not 0 < seconds <= MAX_TIME_S:
        raise ValueError(f"{text!r} is no time for a call to wait for a judge. Write something up to `60s`")
    return seconds


def _several(value: Any) -> Any:
    return [value] if isinstance(value, str) else value  # one statement needs no list


def _plain(says: Sequence[str]) -> Sequence[str]:
    for text in says:
        if not text.strip() or len(text) > LONGEST:
            raise ValueError(f"A statement has 1 to {LONGEST} characters, this one has {len(text.strip())}. Say it so")
    if len(set(says)) < len(says):
        raise ValueError("The same is said twice. Remove one")
    return says


def _votes(value: Any) -> Any:
    if isinstance(value, int) and not isinstance(value, bool) and value >= 1:
        return str(value)
    if value not in ("majority", "unanimous", "weighted"):
        raise ValueError(f"{value!r} is no way to count votes. Write `majority`, `unanimous`, `weighted` or a number")
    return value


Statements = Annotated[
    list[str], BeforeValidator(_several), AfterValidator(_plain), Field(min_length=1, max_length=MOST_SAYS)
]


class Judge(Frame):
    """A model that judges, and what asking it may take."""

    model: Name
    upstream: Name | None = None
    time: Annotated[float, BeforeValidator(_time)] = 10.0
    tries: int = Field(default=2, ge=1, le=5)
    cache: Duration = 3_600.0
    max_tokens: int = Field(default=400, ge=50, le=4_000)
    weight: int = Field(default=1, ge=1, le=100)
    budget: Amount | None = None
    every: Literal["run", "hour", "day", "month"] | None = None
    zone: Zone = "UTC"

    @model_validator(mode="after")
    def _fits(self) -> "Judge":
        if self.budget is None and (self.every is not None or "zone" in self.model_fields_set):
            raise ValueError("Nothing is capped here. Write `budget: 2 USD` as well, or remove `every` and `zone`")
        return self


class Judged(Frame):
    """What is put to judges once a rule's condition holds."""

    says: Statements | None = None
    constitution: Statements | None = None
    by: list[Name] = Field(default_factory=list)
    votes: Annotated[str, BeforeValidator(_votes)] = "majority"
    share: Share | None = None
    split: Fallback | None = None
    slow: Fallback | None = None
    broken: Fallback | None = None
    sees: Annotated[list[View], Field(min_length=1)] | None = None

    @model_validator(mode="after")
    def _fits(self) -> "Judged":
        if (self.says is None) == (self.constitution is None):
            raise ValueError("Say either `says: a statement`, or `constitution: [principles]`")
        if self.share is not None and self.votes != "weighted":
            raise ValueError("A share is of weights. Write `votes: weighted` with it, or remove `share`")
        if len(set(self.by)) < len(self.by):
            raise ValueError("A judge has one vote. Name each once under `by`")
        return self
