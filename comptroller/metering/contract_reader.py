"""Reading contracts: from the text of YAML files to a book of contracts, or to every mistake in them with its line."""

import hashlib
import json
from collections.abc import Iterable, Iterator
from typing import Any

from pydantic import ValidationError

from comptroller.core.mistakes import FileErrors, Mistake
from comptroller.core.money import parse_money
from comptroller.core.source import Lines, Source, read_source
from comptroller.metering import contract_form as form
from comptroller.metering.contracts import (
    Attestation,
    Clawback,
    Contract,
    ContractBook,
    Discount,
    Fee,
    Grant,
    Minimum,
    Party,
    Premium,
    Seats,
    Sla,
    Tax,
    Tokens,
    overlaps,
    unlike,
)
from comptroller.metering.periods import Calendar
from comptroller.metering.rating.price import Price, price_digest
from comptroller.metering.rating.reader import OF_OUTCOMES, OF_UNITS, PriceError, read_price
from comptroller.metering.rating.terms import plain

_MONTHS = {"month": 1, "quarter": 3, "year": 12, "anniversary": 1}
_Path = tuple[str | int, ...]


def read_contracts(files: Iterable[tuple[str, str | bytes]], tenant: str = "default") -> ContractBook:
    """The contracts of some files, given as names and texts; FileErrors lists everything that is wrong with them."""
    mistakes: list[Mistake] = []
    found: list[Contract] = []
    for name, text in files:
        found += _file(read_source(name, text), tenant, mistakes)
    for before, after in overlaps(found):
        name, _, line = after.place.rpartition(":")
        until = f"from {before.starts} on" if before.until is None else f"until {before.until}"
        text = (
            f"The contract of {after.customer} from {after.starts} overlaps the one at {before.place}, which holds "
            f"{until}. End that one with `until: {after.starts}`, or begin this one later."
        )
        mistakes.append(Mistake(name, int(line), text))
    for contract, text in unlike(found):
        name, _, line = contract.place.rpartition(":")
        mistakes.append(Mistake(name, int(line), text))
    if mistakes:
        raise FileErrors(mistakes)
    return ContractBook(found)


def _file(source: Source, tenant: str, mistakes: list[Mistake]) -> Iterator[Contract]:
    """The contracts of one file: a single one, or several under `contracts`."""
    if source.mistakes:
        mistakes += source.mistakes
        return
    many = source.values.get("contracts")
    if many is None:
        yield from _one(source, source.values, source.lines, tenant, mistakes)
        return
    if set(source.values) != {"contracts"} or not isinstance(many, list):
        mistakes.append(Mistake(source.name, source.lines.line, "Beside `contracts` stands nothing, and it is a list."))
        return
    lines = source.lines.items.get("contracts", source.lines)
    for number, values in enumerate(many):
        yield from _one(source, values, lines.items.get(number, lines), tenant, mistakes)


def _one(source: Source, values: Any, lines: Lines, tenant: str, mistakes: list[Mistake]) -> Iterator[Contract]:
    try:
        read = form.ContractForm.model_validate(values)
        yield _contract(read, tenant, f"{source.name}:{lines.line}")
    except ValidationError as error:
        mistakes += [Mistake(source.name, lines.find(_kept(item["loc"])), _told(item)) for item in error.errors()]
    except _Misprice as wrong:
        for place, text in wrong.error.mistakes:
            mistakes.append(Mistake(source.name, lines.find((*wrong.place, *place)), text))


class _Misprice(Exception):
    """A price within a contract that cannot be used."""

    def __init__(self, place: _Path, error: PriceError) -> None:
        self.place, self.error = place, error


def _contract(read: form.ContractForm, tenant: str, place: str) -> Contract:
    anniversary = read.calendar == "anniversary"
    calendar = Calendar(
        read.zone,
        read.starts.day if anniversary else 1,
        _MONTHS[read.calendar],
        read.starts.month if anniversary else 1,
    )
    return Contract(
        id=read.contract,
        tenant=read.tenant or tenant,
        customer=read.customer,
        version=_digest(read),
        starts=read.starts,
        until=read.until,
        currency=read.currency,
        calendar=calendar,
        fees={name: _fee("outcomes", name, fee, read.currency) for name, fee in read.outcomes.items()},
        usage={name: _fee("usage", name, fee, read.currency) for name, fee in read.usage.items()},
        buyer=_party(read.buyer, read.customer),
        seller=_party(read.seller, read.tenant or tenant),
        attestation=Attestation(
            read.attestation.minimum,
            {str(method): factor for method, factor in read.attestation.factors.items()},
            read.attestation.silence_cap,
        ),
        seats=tuple(_seats(number, seats, read.currency) for number, seats in enumerate(read.seats)),
        tokens=Tokens(read.tokens.markup_percent, read.tokens.title) if read.tokens else None,
        premium=Premium(read.premium.percent, read.premium.per_run, read.premium.title) if read.premium else None,
        minimum=Minimum(_nanos(read.minimum.amount), read.minimum.periods) if read.minimum else None,
        most=_nanos(read.most) if read.most else None,
        grants=tuple(_grant(grant) for grant in read.grants),
        discounts=tuple(_discount(discount) for discount in read.discounts),
        tax=Tax(read.tax.name, read.tax.percent, read.tax.note),
        slas=tuple(Sla(sla.id, sla.outcome, sla.least_percent, sla.credit_percent, sla.claims) for sla in read.sla),
        clawback=Clawback(tuple(read.clawback.reasons), read.clawback.percent, read.clawback.days),
        dispute_days=read.dispute_days,
        grace_days=read.grace_days,
        due_days=read.due_days,
        frozen_at_claim=read.price_at == "claimed",
        rounding=read.rounding,
        place=place,
    )


def _fee(key: str, type: str, fee: form.FeeForm, currency: str) -> Fee:
    models = OF_OUTCOMES if key == "outcomes" else OF_UNITS
    price = _price(fee.price, currency, (key, type, "price"), models)
    return Fee(type, price, price_digest(price)[:16], fee.title, _nanos(fee.most) if fee.most else None)


def _seats(number: int, seats: form.SeatsForm, currency: str) -> Seats:
    values: dict[str, Any] = {"model": "seats", "unit": plain(seats.price)}
    values["throughput"] = {meter: plain(most) for meter, most in seats.holds.items()}
    values["overage"] = {meter: plain(price) for meter, price in seats.overage.items()}
    price = _price(values, currency, ("seats", number), ("seats",))
    return Seats(seats.name, seats.count, price, price_digest(price)[:16], tuple(seats.agents), tuple(seats.holds))


def _price(values: dict[str, Any], currency: str, place: _Path, models: tuple[str, ...]) -> Price:
    try:
        price = read_price(values, currency, models)
    except PriceError as error:
        raise _Misprice(place, error) from None
    if price.currency != currency:
        text = f"The price is in {price.currency}, the contract in {currency}. Write one of them."
        raise _Misprice(place, PriceError([(("currency",), text)]))
    return price


def _party(party: form.PartyForm | None, name: str) -> Party:
    if party is None:
        return Party(name)
    return Party(party.name, tuple(party.address), party.tax_id, party.email)


def _grant(grant: form.GrantForm) -> Grant:
    paid = _nanos(grant.paid) if grant.paid else 0
    kinds = tuple(str(kind) for kind in grant.kinds)
    return Grant(grant.id, _nanos(grant.amount), grant.starts, grant.expires, grant.priority, paid, kinds)


def _discount(discount: form.DiscountForm) -> Discount:
    nanos = _nanos(discount.amount) if discount.amount else 0
    kinds = tuple(str(kind) for kind in discount.kinds)
    return Discount(discount.name, discount.percent, nanos, kinds, discount.until)


def _nanos(text: str) -> int:
    return parse_money(text).nanos


def _digest(read: form.ContractForm) -> str:
    """The same for two contracts exactly when every term of them is the same."""
    terms = read.model_dump(mode="python", by_alias=True)
    text = json.dumps(terms, sort_keys=True, default=str, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _kept(place: tuple[int | str, ...]) -> _Path:
    """The part of pydantic's place that stands in the file."""
    return tuple(step for step in place if not (isinstance(step, str) and step.startswith("function-")))


def _told(item: Any) -> str:
    path = ".".join(str(step) for step in _kept(item["loc"]))
    named = f"{path}: " if path else ""
    if item["type"] == "extra_forbidden":
        return f"{named}A contract has no such key. Remove it or check its spelling."
    if item["type"] == "missing":
        return f"{named}This is missing. Add it."
    return f"{named}{str(item['msg']).removeprefix('Value error, ').rstrip('.')}."
