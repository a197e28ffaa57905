"""Verifiers by themselves: values in evidence, schemas that fetch nothing, judges that are installed."""

from importlib.metadata import EntryPoint
from typing import Any

import pytest

from comptroller.core.money import Money
from comptroller.metering.outcome_frame import Value
from comptroller.office.verifiers import judge
from comptroller.office.verifiers.callback import FIRST_S, LONGEST_S, SECOND, next_try
from comptroller.office.verifiers.shown import BadSchema, Schema, value_of
from comptroller.office.verifiers.verdict import Hearing, Verdict

EUR = Value(of="amount", currency="EUR")


@pytest.mark.parametrize(
    ("said", "nanos"),
    [("12.50", 12_500_000_000), (7, 7_000_000_000), (0.1, 100_000_000), ("0.000000001", 1), (1e6, 10**15)],
)
def test_a_value_is_read_exactly(said: object, nanos: int) -> None:
    assert value_of(EUR, {"amount": said}) == Money(nanos, "EUR")


@pytest.mark.parametrize(
    "said", ["1" * 19, 1e300, None, True, "", "many", -1, 0, "1e9", [], {}, float("nan"), float("inf")]
)
def test_what_is_no_value_is_refused_in_words(said: object) -> None:
    with pytest.raises(ValueError, match="amount"):
        value_of(EUR, {"amount": said})


def test_the_currency_of_a_value_may_stand_in_the_evidence() -> None:
    value = Value(of="amount", currency_of="currency")
    assert value_of(value, {"amount": 1, "currency": "JPY"}) == Money(1_000_000_000, "JPY")
    for odd in (None, "yen", 3):
        with pytest.raises(ValueError, match="amount"):
            value_of(value, {"amount": 1, "currency": odd})


def test_a_schema_says_where_it_is_broken_and_never_what_was_said() -> None:
    schema = Schema({"type": "object", "properties": {"card": {"maxLength": 3}}})
    [told] = schema.mistakes({"card": "4111 1111 1111 1111"})
    assert told == "card breaks properties/card/maxLength"
    assert "4111" not in told
    assert schema.mistakes({"card": "x"}) == []


@pytest.mark.parametrize("odd", [{"type": "objekt"}, {"$ref": "http://127.0.0.1:1/x"}, {"$ref": "file:///etc/passwd"}])
def test_a_schema_that_cannot_be_used_or_leads_elsewhere_is_refused(odd: dict[str, Any]) -> None:
    with pytest.raises(BadSchema):
        Schema(odd)


def test_pauses_between_tries_double_up_to_a_bound() -> None:
    assert next_try(0, 5) == 0
    assert [next_try(n, 0) // SECOND for n in (1, 2, 3)] == [FIRST_S, 2 * FIRST_S, 4 * FIRST_S]
    assert next_try(40, 0) // SECOND == LONGEST_S


class Wise:
    name = "wise"

    def judge(self, hearing: Hearing, asks: str) -> Verdict:
        return Verdict(True)


def test_judges_are_found_by_their_entry_point(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = EntryPoint("wise", f"{__name__}:Wise", judge.GROUP)
    monkeypatch.setattr(EntryPoint, "load", lambda self: Wise)
    monkeypatch.setattr(judge, "entry_points", lambda group: [entry] if group == judge.GROUP else [])
    assert isinstance(judge.installed_judges()["wise"], Wise)
