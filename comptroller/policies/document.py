"""The frame of a policy file: which keys there are and what they may say."""

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from comptroller.core.origin import Secrecy
from comptroller.policies.frame import (
    Ask,
    Controls,
    Duration,
    Frame,
    Glob,
    Globs,
    GuardAction,
    Name,
    Rate,
    Room,
    RuleAction,
    Scope,
    Stage,
    Wait,
    Zone,
)
from comptroller.policies.healing_frame import Fallback, Retry, Structured
from comptroller.policies.judge_frame import Judge, Judged
from comptroller.policies.loop_frame import Loops
from comptroller.policies.memory_frame import Memory
from comptroller.policies.token_frame import Tokens
from comptroller.policies.values import check_type


def _digest(text: str) -> str:
    if not re.fullmatch(r"[0-9a-f]{16}", text):
        raise ValueError(f"`{text}` is no digest of a description. Take it from `comptroller policy tools`")
    return text


def _condition(value: Any) -> Any:
    return str(value).lower() if isinstance(value, bool) else value  # `when: true` is a condition too


def _cache(value: Any) -> Any:
    return {"mode": value} if isinstance(value, str) else value  # `cache: exact` is all that most need to say


class Applies(Frame):
    """For whom the file holds: both must match."""

    workflows: Globs = Field(default_factory=lambda: ["*"])
    agents: Globs = Field(default_factory=lambda: ["*"])


class Guard(Frame):
    """What happens where a guard finds something, on the way in and on the way out."""

    into: GuardAction = Field(default="allow", alias="in")
    out: GuardAction = "allow"
    retry: Retry | None = None
    evidences: Controls = Field(default_factory=list)


class Agent(Frame):
    """What an agent may do at most; absent means not limited here."""

    scopes: list[Name] | None = None
    tools: list[Glob] | None = None
    fallback: Fallback | None = None


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


class Profile(Frame):
    """Defaults for every tool of the table, from the table alone."""

    of: Literal["least-privilege"]
    uncalled: Literal["deny", "ask", "note", "allow"] = "deny"
    mode: Literal["enforce", "shadow"] = "enforce"
    ask: Ask | None = None


class Rule(Frame):
    """One rule: where it looks, when it matches, what happens then."""

    id: Name
    on: Stage
    tool: Glob | None = None
    when: Annotated[str, BeforeValidator(_condition)] = "true"
    judge: Judged | None = None  # who has the last word on whether it matches
    then: RuleAction
    ask: Ask | None = None
    retry: Retry | None = None
    because: str = ""
    mode: Literal["enforce", "shadow"] = "enforce"
    on_error: Literal["deny", "ask", "redact", "downgrade", "note"] = "deny"
    evidences: Controls = Field(default_factory=list)


class Budget(Frame):
    """A cap on what a scope may use."""

    per: Scope
    cap: Room
    every: Literal["run", "hour", "day", "month"] | None = None
    zone: Zone = "UTC"
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


def _default(value: Any) -> Any:
    return {} if value is None else value  # `tokens:` with nothing under it means all that it does by itself


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
    judges: dict[Name, Judge] = Field(default_factory=dict)
    rules: list[Rule] = Field(default_factory=list)
    budgets: list[Budget] = Field(default_factory=list)
    downgrade: Downgrade | None = None
    limits: list[Limit] = Field(default_factory=list)
    loops: Loops | None = None
    tokens: Annotated[Tokens | None, BeforeValidator(_default)] = None
    structured: Structured | None = None
    fallback: Fallback | None = None
    memories: dict[Glob, Memory] = Field(default_factory=dict)
    cache: Annotated[Cache | None, BeforeValidator(_cache)] = None
    tools_offered: Literal["all", "allowed"] | None = None
    tests: list[Example] = Field(default_factory=list)
    needs: dict[Name, str] = Field(default_factory=dict)  # what controls ask for that no rule can give
