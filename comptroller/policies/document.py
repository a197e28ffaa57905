"""The frame of a policy file: which keys there are and what they may say."""

import re
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from comptroller.core.origin import Secrecy
from comptroller.policies.amounts import read_cap, read_duration, read_rate, read_share
from comptroller.policies.globs import check_glob, check_visible
from comptroller.policies.values import check_type

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


def _zone(name: str) -> str:
    if name != "UTC":
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError(f"`{name}` is not a time zone. Write it like `Europe/Berlin`") from None
    return name


def _name(name: str) -> str:
    check_visible(name)
    if not name.strip() or len(name) > 200:
        raise ValueError(f"{name!r} is not a name. Write a few letters")
    return name


def _digest(text: str) -> str:
    if not re.fullmatch(r"[0-9a-f]{16}", text):
        raise ValueError(f"`{text}` is no digest of a description. Take it from `comptroller policy tools`")
    return text


def _condition(value: Any) -> Any:
    return str(value).lower() if isinstance(value, bool) else value  # `when: true` is a condition too


def _cache(value: Any) -> Any:
    return {"mode": value} if isinstance(value, str) else value  # `cache: exact` is all that most need to say


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
Scope = Literal["tenant", "customer", "workflow", "run", "agent", "key", "user", "tool"]
GuardAction = Literal["allow", "note", "redact", "deny", "ask"]
Stage = Literal["model", "tool", "agent", "reply", "result", "outcome"]
RuleAction = Literal["allow", "deny", "ask", "redact", "downgrade", "note"]


class Frame(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Applies(Frame):
    """For whom the file holds: both must match."""

    workflows: Globs = Field(default_factory=lambda: ["*"])
    agents: Globs = Field(default_factory=lambda: ["*"])


class Guard(Frame):
    """What happens where a guard finds something, on the way in and on the way out."""

    into: GuardAction = Field(default="allow", alias="in")
    out: GuardAction = "allow"
    evidences: Controls = Field(default_factory=list)


class Agent(Frame):
    """What an agent may do at most; absent means not limited here."""

    scopes: list[Name] | None = None
    tools: list[Glob] | None = None


class Tool(Frame):
    """What a tool does, takes and gives."""

    effect: Literal["read", "write", "external"] = "write"
    args: dict[Name, Annotated[str, AfterValidator(check_type)]] | None = None
    returns: Literal["trusted", "names", "untrusted", "foreign"] = "trusted"
    scope: Name | None = None
    own: list[Name] = Field(default_factory=list)  # fields of an untrusted result that the system itself fills in
    secrecy: Secrecy = "public"
    sensitive: list[Name] | None = None  # arguments that say who gets it, what is changed, where it goes
    content: list[Name] | None = None  # arguments that are free text
    exits: list[Name] | None = None  # arguments that carry data out, of a tool that reads
    asked_by: list[Name] | None = None  # words of the user that call for it
    digest: Annotated[str | None, AfterValidator(_digest)] = None  # of its description, when the table was written


class Escalate(Frame):
    """Who is asked as well, once nobody has answered for so long."""

    to: Annotated[list[Name], Field(min_length=1)]
    after: Duration


class Profile(Frame):
    """Defaults for every tool of the table, from the table alone."""

    of: Literal["least-privilege"]
    uncalled: Literal["deny", "ask", "note", "allow"] = "deny"
    mode: Literal["enforce", "shadow"] = "enforce"
    ask: "Ask | None" = None


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


class Rule(Frame):
    """One rule: where it looks, when it matches, what happens then."""

    id: Name
    on: Stage
    tool: Glob | None = None
    when: Annotated[str, BeforeValidator(_condition)] = "true"
    then: RuleAction
    ask: Ask | None = None
    because: str = ""
    mode: Literal["enforce", "shadow"] = "enforce"
    on_error: Literal["deny", "ask", "redact", "downgrade", "note"] = "deny"
    evidences: Controls = Field(default_factory=list)


class Budget(Frame):
    """A cap on what a scope may use."""

    per: Scope
    cap: Annotated[str, AfterValidator(_cap)]
    every: Literal["run", "hour", "day", "month"] | None = None
    zone: Annotated[str, AfterValidator(_zone)] = "UTC"
    over: Literal["deny", "ask", "downgrade", "clamp", "note"] = "deny"
    count: Literal["logical", "attempt"] = "logical"
    queue: Wait = 0.0
    evidences: Controls = Field(default_factory=list)


class Limit(Frame):
    """How much of a scope may happen within a time, or at a time."""

    per: Scope
    requests: Rate | None = None
    tokens: Rate | None = None
    concurrent: int | None = Field(default=None, ge=1)
    queue: Wait = 0.0
    evidences: Controls = Field(default_factory=list)

    @model_validator(mode="after")
    def _limits_something(self) -> "Limit":
        if self.requests is None and self.tokens is None and self.concurrent is None:
            raise ValueError("Nothing is limited here. Add `requests: 60/min`, `tokens: 100000/min` or `concurrent: 4`")
        return self


class Downgrade(Frame):
    to: Name


class Loop(Frame):
    """What happens where a run goes too far in one way."""

    then: Literal["note", "slow", "ask", "deny", "stop"]
    delay: Delay = 1.0  # of the first call that is slowed down; twice as long each time, a minute at most
    ask: Ask | None = None
    mode: Literal["enforce", "shadow"] = "enforce"


class Again(Loop):
    """So often on end, or among the last calls."""

    times: int = Field(ge=2, le=100)


class Spread(Loop):
    """So many levels, or agents beneath one."""

    most: int = Field(ge=1, le=100)


class Waste(Loop):
    """So much money spent on calls that came to nothing."""

    most: Amount | None = None
    share: Share | None = None
    after: Amount | None = None

    @model_validator(mode="after")
    def _says_how_much(self) -> "Waste":
        if (self.most is None) == (self.share is None):
            raise ValueError("Say either `most: 1 USD`, or `share: 50%` with `after: 0.20 USD`")
        if (self.share is None) != (self.after is None):
            raise ValueError(
                "A share says little of the first cents. Write `share: 50%` together with `after: 0.20 USD`"
            )
        return self


class Loops(Frame):
    """How far a run may repeat itself."""

    ignore: list[Glob] = Field(default_factory=list)  # tools that may be called over and over
    repeat: Again | None = None
    rounds: Again | None = None
    ping_pong: Again | None = None
    retries: Again | None = None
    growth: Again | None = None
    depth: Spread | None = None
    width: Spread | None = None
    waste: Waste | None = None


class Cache(Frame):
    """Whole replies that are kept, and given again to just the same request."""

    mode: Literal["exact", "none"] = "exact"
    seconds: Duration = Field(default=3_600.0, alias="for")
    per: Literal["customer", "tenant"] = "customer"


class ExampleCall(Frame):
    """A made-up call to try the rules on."""

    on: Stage | None = None
    tool: str = ""
    args: dict[str, Any] | None = None
    model: str = ""
    stream: bool = False
    max_tokens: int | None = None
    input_tokens: int = 0
    worst_cost: str = "0 USD"
    text: str = ""
    reply: str = ""
    agent: str = ""
    workflow: str = ""
    customer: str = ""
    user: str = ""
    key: str = ""
    scopes: list[str] | None = None
    depth: int = 0
    spent: str = "0 USD"
    calls: int = 0
    now: str = ""
    said: str = ""  # by the user
    known: dict[str, Any] = Field(default_factory=dict)


class Example(Frame):
    """What the policies should say of a call."""

    call: ExampleCall
    expect: RuleAction
    by: str = ""


def _profile(value: Any) -> Any:
    return {"of": value} if isinstance(value, str) else value


class Document(Frame):
    """A whole policy file."""

    policy: Name
    applies: Applies = Applies()
    guards: dict[Name, Guard] = Field(default_factory=dict)
    agents: dict[Glob, Agent] = Field(default_factory=dict)
    tools: dict[Name, Tool] | None = None
    unlisted: Literal["allow", "ask", "deny"] | None = None
    profile: Annotated[Profile | None, BeforeValidator(_profile)] = None
    rules: list[Rule] = Field(default_factory=list)
    budgets: list[Budget] = Field(default_factory=list)
    downgrade: Downgrade | None = None
    limits: list[Limit] = Field(default_factory=list)
    loops: Loops | None = None
    cache: Annotated[Cache | None, BeforeValidator(_cache)] = None
    tools_offered: Literal["all", "allowed"] | None = None
    tests: list[Example] = Field(default_factory=list)
    needs: dict[Name, str] = Field(default_factory=dict)  # what controls ask for that no rule can give
