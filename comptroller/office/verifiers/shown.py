"""The check that comes before all others: a claim shows what its type asks for."""

from collections.abc import Mapping
from typing import Any

import jsonschema_rs

from comptroller.core.money import Money, parse_money
from comptroller.core.outcome import WHOLE
from comptroller.metering.outcome_frame import Value
from comptroller.office.verifiers.verdict import Hearing, Verdict

MOST = 3  # mistakes told


class BadSchema(ValueError):
    """A JSON schema that cannot be used."""


class Schema:
    """A compiled JSON schema. It never fetches what it refers to elsewhere."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        try:
            self._validator = jsonschema_rs.validator_for(dict(schema), retriever=_nothing)
        except (ValueError, TypeError) as error:
            raise BadSchema(f"the schema cannot be used: {str(error).splitlines()[0]}") from None

    def mistakes(self, value: object) -> list[str]:
        """What is wrong with a value; never the value itself, which may be anybody's secret."""
        found = []
        for error in self._validator.iter_errors(value):
            place = ".".join(str(step) for step in error.instance_path)
            rule = "/".join(str(step) for step in error.schema_path)
            found.append(f"{place or 'the evidence'} breaks {rule}")
            if len(found) == MOST:
                break
        return found


def shows(hearing: Hearing, schema: Schema | None) -> Verdict:
    """Whether the evidence is there, has its form, and tells the value that the fee is a share of."""
    document = hearing.type.document
    if hearing.lost:
        return Verdict(False, "some of its evidence was erased or was never kept, so that nobody can look at it")
    missing = [name for name in document.evidence.required if hearing.evidence.get(name) is None]
    if missing:
        return Verdict(False, f"its evidence does not say {', '.join(missing)}")
    if hearing.outcome.degree < document.least_degree:
        return Verdict(False, f"its degree is below {document.least_degree / WHOLE:g}, the least that counts")
    if schema is not None and (wrong := schema.mistakes(dict(hearing.evidence))):
        return Verdict(False, "; ".join(wrong))
    if document.value is not None:
        try:
            value_of(document.value, hearing.evidence)
        except ValueError as error:
            return Verdict(False, str(error))
    return Verdict(True)


def value_of(value: Value, evidence: Mapping[str, object]) -> Money:
    """What the outcome is worth, as the evidence says; ValueError where it does not say so in full."""
    said = evidence.get(value.of)
    if said is None or isinstance(said, bool) or not isinstance(said, (str, int, float)):
        raise ValueError(f"its evidence says no `{value.of}`, and the fee is a share of it")
    currency = value.currency or evidence.get(value.currency_of or "")
    if not isinstance(currency, str):
        raise ValueError(f"its evidence says no `{value.currency_of}`, the currency of `{value.of}`")
    text = f"{said:.9f}".rstrip("0").rstrip(".") if isinstance(said, float) else str(said)
    try:
        money = parse_money(f"{text} {currency}")
    except ValueError:
        raise ValueError(f'`{value.of}` is not an amount in a currency; write it like "120.50"') from None
    if money.nanos <= 0:
        raise ValueError(f"`{value.of}` is not above zero")
    return money


def _nothing(uri: str) -> Any:
    raise ValueError(f"a schema may not refer to {uri}: nothing is fetched")
