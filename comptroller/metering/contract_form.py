"""The frame of a contract as people write it in YAML."""

from datetime import date
from fractions import Fraction
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from comptroller.core.currencies import minor_places
from comptroller.core.money import parse_money
from comptroller.core.outcome import Method
from comptroller.metering.rating.frame import Amount, Frame, Percent, Size
from comptroller.metering.rating.rounding import Mode

LineKind = Literal["outcome", "seat", "overage", "token", "premium", "usage"]


def _day(value: Any) -> Any:
    try:
        return date.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        raise ValueError(f"{value!r} is not a day. Write it like 2026-11-01") from None


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"{name!r} is not a time zone. Write it like `Europe/Berlin`") from None
    return name


def _currency(code: str) -> str:
    minor_places(code)
    return code


def _money(text: str) -> str:
    if parse_money(text).nanos < 0:
        raise ValueError(f"{text!r} is less than nothing. Write an amount of 0 or more")
    return text


def _price(value: Any) -> Any:
    """`0.99` is all that most need to say."""
    return value if isinstance(value, (dict, list)) else {"model": "unit", "unit": value}


def _minimum(value: Any) -> Any:
    return {"amount": value} if isinstance(value, str) else value


def _lines(value: Any) -> Any:
    return value.splitlines() if isinstance(value, str) else value


Text = Annotated[str, Field(max_length=500)]
Name = Annotated[str, Field(min_length=1, max_length=200)]
Day = Annotated[date, BeforeValidator(_day)]
Money = Annotated[str, AfterValidator(_money)]
PriceValues = Annotated[dict[str, Any], BeforeValidator(_price)]
Days = Annotated[int, Field(ge=0, le=3660)]


class PartyForm(Frame):
    """Who sells or buys."""

    name: Name
    address: Annotated[list[Text], BeforeValidator(_lines), Field(max_length=10)] = Field(default_factory=list)
    tax_id: Text = ""
    email: Text = ""


class FeeForm(Frame):
    """What one type of outcome costs."""

    price: PriceValues
    title: Text = ""
    most: Money | None = None


class SeatsForm(Frame):
    """Agents by the seat."""

    name: Name
    count: Annotated[int, Field(ge=0)]
    price: Amount
    agents: Annotated[list[Name], Field(min_length=1)] = Field(default_factory=lambda: ["*"])
    holds: dict[Literal["calls", "runs", "tokens", "outcomes"], Size] = Field(default_factory=dict)
    overage: dict[Literal["calls", "runs", "tokens", "outcomes"], Amount] = Field(default_factory=dict)


class TokensForm(Frame):
    """Model calls at cost, with a mark-up or without."""

    markup_percent: Percent = Fraction(0)
    title: Name = "Model tokens"


class PremiumForm(Frame):
    """What orchestrating costs."""

    percent: Percent = Fraction(0)
    per_run: Amount = Fraction(0)
    title: Name = "Orchestration premium"


class MinimumForm(Frame):
    """At least so much."""

    amount: Money
    periods: Annotated[int, Field(ge=1, le=60)] = 1


class GrantForm(Frame):
    """Credit in advance."""

    id: Name
    amount: Money
    starts: Day = Field(alias="from")
    expires: Day | None = None
    priority: int = 0
    paid: Money | None = None
    kinds: list[LineKind] = Field(default_factory=list)


class DiscountForm(Frame):
    """What is taken off."""

    name: Name
    percent: Annotated[Percent, Field(le=100)] = Fraction(0)
    amount: Money | None = None
    kinds: list[LineKind] = Field(default_factory=list)
    until: Day | None = None

    @model_validator(mode="after")
    def _says_how_much(self) -> "DiscountForm":
        if bool(self.percent) == (self.amount is not None):
            raise ValueError("Say either `percent` or `amount`")
        return self


class TaxForm(Frame):
    """The tax on every line."""

    name: Text = ""
    percent: Annotated[Percent, Field(le=100)] = Fraction(0)
    note: Text = ""


class SlaForm(Frame):
    """Credit where too few outcomes came true."""

    id: Name
    outcome: Name
    least_percent: Annotated[Percent, Field(le=100)]
    credit_percent: Annotated[Percent, Field(le=100)]
    claims: Annotated[int, Field(ge=1)] = 1


class AttestationForm(Frame):
    """How strong a verdict has to be, and what it is worth."""

    minimum: Method = "silence"
    factors: dict[Method, Annotated[Percent, Field(le=1)]] = Field(default_factory=dict)
    silence_cap: Annotated[int, Field(ge=0)] | None = None


class ClawbackForm(Frame):
    """What may still come back after the dispute window."""

    reasons: list[Name] = Field(default_factory=list)
    percent: Annotated[Percent, Field(le=100)] = Fraction(100)
    days: Days | None = None


class ContractForm(Frame):
    """One version of a contract."""

    contract: Name
    customer: Name
    tenant: Name | None = None
    starts: Day = Field(alias="from")
    until: Day | None = None
    currency: Annotated[str, Field(pattern="^[A-Z]{3}$"), AfterValidator(_currency)]
    zone: Annotated[str, AfterValidator(_zone)] = "UTC"
    calendar: Literal["month", "quarter", "year", "anniversary"] = "month"
    buyer: PartyForm | None = None
    seller: PartyForm | None = None
    outcomes: dict[Name, Annotated[FeeForm, BeforeValidator(lambda value: _fee(value))]] = Field(default_factory=dict)
    usage: dict[Name, Annotated[FeeForm, BeforeValidator(lambda value: _fee(value))]] = Field(default_factory=dict)
    attestation: AttestationForm = AttestationForm()
    seats: list[SeatsForm] = Field(default_factory=list)
    tokens: TokensForm | None = None
    premium: PremiumForm | None = None
    minimum: Annotated[MinimumForm, BeforeValidator(_minimum)] | None = None
    most: Money | None = None
    grants: list[GrantForm] = Field(default_factory=list)
    discounts: list[DiscountForm] = Field(default_factory=list)
    tax: TaxForm = TaxForm()
    sla: list[SlaForm] = Field(default_factory=list)
    clawback: ClawbackForm = ClawbackForm()
    dispute_days: Days = 30
    grace_days: Days = 0
    due_days: Days = 30
    price_at: Literal["verified", "claimed"] = "verified"
    rounding: Mode = "half_up"

    @model_validator(mode="after")
    def _lasts(self) -> "ContractForm":
        if self.until is not None and self.until <= self.starts:
            raise ValueError(f"`until: {self.until}` is not after `from: {self.starts}`. Write a later day")
        return self

    @model_validator(mode="after")
    def _keeps_its_currency(self) -> "ContractForm":
        for text in self._amounts():
            if (money := parse_money(text)).currency != self.currency:
                raise ValueError(f"`{text}` is in {money.currency}, the contract in {self.currency}. Write one of them")
        return self

    def _amounts(self) -> list[str]:
        """Every amount that names its currency."""
        found = [self.most, self.minimum and self.minimum.amount]
        found += [fee.most for fee in (*self.outcomes.values(), *self.usage.values())]
        found += [amount for grant in self.grants for amount in (grant.amount, grant.paid)]
        found += [discount.amount for discount in self.discounts]
        return [text for text in found if text]


def _fee(value: Any) -> Any:
    if isinstance(value, dict) and "price" not in value and "model" in value:
        return {"price": value}
    return value if isinstance(value, dict) else {"price": value}
