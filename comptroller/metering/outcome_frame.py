"""The frame of an outcome type's file: which keys there are and what they may say."""

import re
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from comptroller.core.outcome import FOREVER, STRENGTH, WHOLE, Method
from comptroller.core.zones import checked_zone

_SECOND = 1_000_000_000
_UNITS = {"s": _SECOND, "m": 60 * _SECOND, "h": 3600 * _SECOND, "d": 86_400 * _SECOND}
_SPAN = re.compile(r"([0-9]{1,6})\s*(s|m|h|d)")
_MOST = re.compile(r"([0-9]{1,9})\s*/\s*month")
Split = Literal["last", "equal", "cost", "declared", "verifier"]


def read_span(text: object) -> int:
    """A span like `72h` in nanoseconds."""
    match = _SPAN.fullmatch(text.strip()) if isinstance(text, str) else None
    if match is None or not int(match[1]):
        raise ValueError(f"{text!r} is not a time span. Write it like `24h` or `30d`")
    return int(match[1]) * _UNITS[match[2]]


def read_share(text: object) -> int:
    """A share of one in billionths; written as a decimal, it is exact."""
    try:
        share = Decimal(str(text)) if not isinstance(text, bool) else Decimal(-1)
    except ArithmeticError:
        share = Decimal(-1)
    if not 0 <= share <= 1 or share * WHOLE % 1:
        raise ValueError(f"{text!r} is not a share. Write a decimal from 0 to 1")
    return int(share * WHOLE)


def _window(text: object) -> str | int:
    if text == "ever":
        return FOREVER
    if text in ("day", "week", "month", "year"):
        return str(text)
    return read_span(text)


def _most(text: object) -> int:
    match = _MOST.fullmatch(text) if isinstance(text, str) else None
    if match is None or not int(match[1]):
        raise ValueError(f"{text!r} is not a limit. Write it like `1000/month`")
    return int(match[1])


def _word(name: str) -> str:
    if not re.fullmatch(r"[\w.-]{1,100}", name):
        raise ValueError(f"{name!r} is not a name. Use letters, digits, dots and dashes")
    return name


Span = Annotated[int, BeforeValidator(read_span)]
Share = Annotated[int, BeforeValidator(read_share)]
Word = Annotated[str, AfterValidator(_word)]


class Frame(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Evidence(Frame):
    """What a claim must show."""

    required: list[str] = Field(default_factory=list)
    json_schema: dict[str, Any] | None = Field(default=None, alias="schema")


class Value(Frame):
    """Where the value stands that a fee is a share of: a field of the evidence, and its currency or the field of it."""

    of: Word
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")] | None = None
    currency_of: Word | None = None

    @model_validator(mode="after")
    def _one_currency(self) -> "Value":
        if (self.currency is None) == (self.currency_of is None):
            raise ValueError("give either `currency` or `currency_of`")
        return self


class Check(Frame):
    """A verifier that must pass the claim."""

    id: Word
    by: Literal["cel", "schema", "callback", "judge"]
    when: str | None = None  # cel
    json_schema: dict[str, Any] | None = Field(default=None, alias="schema")
    url: str | None = None  # callback
    secret_env: Word | None = None
    tries: Annotated[int, Field(ge=1, le=50)] = 8
    judge: Word | None = None  # name of an installed judge
    asks: str = ""  # what the judge is to decide

    @model_validator(mode="after")
    def _has_what_it_needs(self) -> "Check":
        needed = {"cel": "when", "schema": "json_schema", "callback": "url", "judge": "judge"}[self.by]
        if getattr(self, needed) is None:
            raise ValueError(f"a check by {self.by} needs `{needed.removeprefix('json_')}`")
        if self.by == "callback" and self.secret_env is None:
            raise ValueError("a callback needs `secret_env`: the variable that holds the secret both sides sign with")
        if self.url is not None and not re.match(r"https?://[^\s@/]+(/|$)", self.url):
            raise ValueError("`url` must begin with https:// (or http://), without a user")
        return self


class Attest(Frame):
    """Who confirms what passed the checks; whoever is first."""

    by: Literal["customer", "human", "third_party", "judge", "silence"]
    after: Span | None = None  # silence
    most: Annotated[int, BeforeValidator(_most)] = 0  # silence
    of: list[str] = Field(default_factory=list)  # people who may

    @model_validator(mode="after")
    def _has_what_it_needs(self) -> "Attest":
        if (self.by == "silence") != (self.after is not None):
            raise ValueError("silence needs `after`, like `after: 24h`; nothing else has one")
        return self


class ClaimRule(Frame):
    """Runs that are claimed without anybody claiming them."""

    workflow: str
    when: str
    subject: str  # a field of the run: run, customer, user


class Sla(Frame):
    """What the customer gets back where an outcome took too long: a share of its fee."""

    id: Word
    within: Span  # of the claim, until it was verified
    credit: Share


class Clawback(Frame):
    """For what a final fee can be taken back, and how much of it at most."""

    reasons: Annotated[list[str], Field(min_length=1)]
    share: Share = WHOLE


class Document(Frame):
    """The file of one outcome type."""

    outcome: Word
    means: str
    subject: Literal["exact", "caseless"] = "exact"  # whether APP-1 and app-1 are one
    window: Annotated[str | int, BeforeValidator(_window)] = FOREVER
    lookback: Span = 30 * _UNITS["d"]
    deadline: Span = 7 * _UNITS["d"]
    dispute: Span = 30 * _UNITS["d"]
    resolve: Span = 14 * _UNITS["d"]
    zone: Annotated[str, AfterValidator(checked_zone)] = "UTC"
    evidence: Evidence = Evidence()
    value: Value | None = None
    checks: list[Check] = Field(default_factory=list)
    attest: list[Attest] = Field(default_factory=list)
    minimum: Method = "silence"
    factors: dict[Method, Share] = Field(default_factory=dict)
    most: Annotated[int, BeforeValidator(_most)] = 0
    least_degree: Share = 0
    freeze: Literal["claimed", "verified"] = "verified"
    split: Split = "last"
    claims: list[ClaimRule] = Field(default_factory=list)
    clawback: Clawback | None = None
    sla: list[Sla] = Field(default_factory=list)

    @model_validator(mode="after")
    def _can_be_verified(self) -> "Document":
        _must_end(self)
        return self


def _must_end(document: Document) -> None:
    """A type that nothing can ever verify is a mistake, told before anybody works for it."""
    if not document.checks and not document.attest:
        raise ValueError("nothing verifies it: give it `checks`, `attest`, or both")
    ids = [check.id for check in document.checks]
    if "evidence" in ids:
        raise ValueError("`evidence` is the check that comes before all others; call yours something else")
    if len(set(ids)) < len(ids):
        raise ValueError("two checks have the same id")
    ways = [attest.by for attest in document.attest]
    if len(set(ways)) < len(ways):
        raise ValueError("two entries under `attest` are by the same; put them together")
    able: list[Method] = [*ways] if ways else [method_of(check) for check in document.checks]
    if all(STRENGTH.index(method) > STRENGTH.index(document.minimum) for method in able):
        raise ValueError(f"nothing here is as strong as `minimum: {document.minimum}`, so it is never verified")


def method_of(check: Check) -> Method:
    methods: dict[str, Method] = {"judge": "judge", "callback": "customer"}
    return methods.get(check.by, "deterministic")
