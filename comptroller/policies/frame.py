"""What all sections of a policy file are made of: the strict frame, and words that several of them say."""

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from comptroller.core.zones import checked_zone
from comptroller.policies.amounts import read_cap, read_duration, read_rate, read_share
from comptroller.policies.globs import check_glob, check_visible

MAX_WAIT_S = 300.0
MIN_REMIND_S = 60.0
MAX_DELAY_S = 60.0


def _wait(text: object) -> float:
    seconds = read_duration(text)
    if seconds > MAX_WAIT_S:
        raise ValueError(f"{text!r} is longer than a caller can be kept waiting. Write at most `5m`")
    return seconds


def _delay(text: object) -> float:
    seconds = read_duration(text)
    if not 0 < seconds <= MAX_DELAY_S:
        raise ValueError(f"{text!r} is no delay for a call. Write something up to `60s`")
    return seconds


def _money(text: str) -> str:
    if read_cap(text)[0] in ("calls", "tokens"):
        raise ValueError(f"{text!r} is no money. Write it like `1 USD`")
    return text


def _share(text: object) -> object:
    read_share(text)
    return text


def _cap(text: str) -> str:
    read_cap(text)
    return text


def _rate(text: object) -> object:
    read_rate(text)
    return text


def _name(name: str) -> str:
    check_visible(name)
    if not name.strip() or len(name) > 200:
        raise ValueError(f"{name!r} is not a name. Write a few letters")
    return name


def _votes(value: object) -> object:
    if isinstance(value, int) and not isinstance(value, bool) and value >= 1:
        return str(value)
    if value not in ("majority", "unanimous"):
        raise ValueError(f"{value!r} is no way to count votes. Write `majority`, `unanimous` or a number")
    return value


Name = Annotated[str, AfterValidator(_name)]
Controls = list[Name]  # of schemes such as SOC2.CC6.1, which what is said here is evidence for
Glob = Annotated[str, AfterValidator(check_glob)]
Globs = Annotated[list[Glob], Field(min_length=1)]
Duration = Annotated[float, BeforeValidator(read_duration)]
Wait = Annotated[float, BeforeValidator(_wait)]
Rate = Annotated[str, BeforeValidator(_rate)]
Delay = Annotated[float, BeforeValidator(_delay)]
Amount = Annotated[str, AfterValidator(_money)]
Share = Annotated[str, BeforeValidator(_share)]
Room = Annotated[str, AfterValidator(_cap)]
Zone = Annotated[str, AfterValidator(checked_zone)]
Scope = Literal["tenant", "customer", "workflow", "run", "agent", "key", "user", "tool"]
GuardAction = Literal["allow", "note", "redact", "deny", "ask"]
Stage = Literal["model", "tool", "agent", "reply", "result", "outcome"]
RuleAction = Literal["allow", "deny", "ask", "redact", "downgrade", "note"]


class Frame(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Escalate(Frame):
    """Who is asked as well, once nobody has answered for so long."""

    to: Annotated[list[Name], Field(min_length=1)]
    after: Duration


class Ask(Frame):
    """Who must approve, and how long they may take."""

    of: list[Name] = Field(default_factory=list)
    quorum: int = Field(default=1, ge=1, le=100)
    wait: Wait = 0.0
    within: Duration = 14_400.0
    otherwise: Literal["allow", "deny"] = "deny"
    benefits: list[Name] = Field(default_factory=list)  # arguments that name who must not approve
    remind: Duration = 0.0
    escalate: Escalate | None = None
    votes: Annotated[str, BeforeValidator(_votes)] | None = None  # of those named in `of`, agents among them
    split: list[Name] = Field(default_factory=list)  # who decides where the votes disagree

    @model_validator(mode="after")
    def _can_vote(self) -> "Ask":
        if self.votes is None and self.split:
            raise ValueError("Nobody votes here, so nobody can disagree. Write `votes: majority`, or remove `split`")
        if self.votes is None:
            return self
        if len(set(self.of)) < max(len(self.of), 2):
            raise ValueError("Votes need two or more who vote, each named once. Name them under `of`")
        if self.votes.isdigit() and int(self.votes) > len(self.of):
            raise ValueError(f"{self.votes} votes can never be had of {len(self.of)}. Write at most {len(self.of)}")
        if "quorum" in self.model_fields_set:
            raise ValueError("How many must approve is said twice. Remove `quorum`, or `votes`")
        return self

    @model_validator(mode="after")
    def _fits(self) -> "Ask":
        if not self.within:
            raise ValueError("Nobody could answer within no time. Write `within: 4h`")
        if self.wait > self.within:
            raise ValueError("The call would wait longer than anybody may answer. Make `wait` shorter than `within`")
        if 0 < self.remind < MIN_REMIND_S:
            raise ValueError("Nobody wants to be reminded so often. Write at least `remind: 1m`")
        if self.escalate is not None and self.escalate.after >= self.within:
            raise ValueError("Nobody is asked as well once the time is over. Make `after` shorter than `within`")
        return self
