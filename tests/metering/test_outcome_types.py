"""Outcome types as files: what is read, what is refused and with which words, and the templates that come with us."""

import re
from pathlib import Path

import pytest

from comptroller.core.mistakes import FileErrors
from comptroller.core.outcome import WHOLE
from comptroller.metering.outcome_frame import Document
from comptroller.metering.outcome_types import load_types, read_terms, stricter, templates, write_terms
from tests.metering.lives import DAY, HOUR, made

PAGE = Path(__file__).parents[2] / "docs/outcomes.md"


def wrong(**changes: str) -> list[str]:
    with pytest.raises(FileErrors) as error:
        made(**changes)
    return error.value.mistakes


def test_a_type_becomes_the_terms_of_its_outcomes() -> None:
    terms = made().terms
    assert (terms.deadline_ns, terms.lookback_ns, terms.silence_ns) == (3 * DAY, 10 * DAY, 24 * HOUR)
    assert (terms.checks, terms.waits, terms.factors) == (("decided",), True, (("silence", WHOLE // 2),))


def test_terms_go_into_a_fact_and_come_out_of_it_the_same() -> None:
    terms = made().terms
    assert read_terms(write_terms(terms)) == terms


def test_a_contract_makes_terms_stricter_and_never_laxer() -> None:
    terms = made(minimum="human").terms
    assert stricter(terms, "judge").minimum == "human"
    assert stricter(terms, "customer", dispute_ns=1).minimum == "customer"


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"checks": "[]", "attest": "[]"}, "type.yaml:1: `outcome`: nothing verifies it"),
        ({"minimum": "human", "attest": "[{by: silence, after: 1h}]"}, "nothing here is as strong as `minimum: human`"),
        ({"attest": "[{by: silence}]"}, "silence needs `after`"),
        ({"attest": "[{by: human, after: 1h}]"}, "silence needs `after`"),
        ({"attest": "[{by: human}, {by: human}]"}, "by the same"),
        ({"checks": "[{id: a, by: cel}]"}, "a check by cel needs `when`"),
        ({"checks": "[{id: evidence, by: cel, when: 'true'}]"}, "comes before all others"),
        ({"checks": "[{id: a, by: cel, when: x}, {id: a, by: cel, when: x}]"}, "two checks have the same id"),
        ({"checks": "[{id: a, by: callback, url: 'https://x.example'}]"}, "a callback needs `secret_env`"),
        ({"value": "{of: amount}"}, "either `currency` or `currency_of`"),
        ({"deadline": "soon"}, "'soon' is not a time span"),
        ({"window": "fortnight"}, "'fortnight' is not a time span"),
        ({"zone": "Mars/Olympus"}, "`Mars/Olympus` is not a time zone"),
        ({"most": "many"}, "'many' is not a limit"),
        ({"factors": "{silence: 1.5}"}, "1.5 is not a share"),
        ({"factors": "{prayer: 0.5}"}, "Use one of"),
        ({"outcome": "a b"}, "'a b' is not a name"),
        ({"dedline": "3d"}, "There is no field `dedline` here. Did you mean `deadline`?"),
        ({"means": ""}, "The field `means` is missing"),
    ],
)
def test_a_mistake_is_told_with_its_line_and_remedy(changes: dict[str, str], told: str) -> None:
    mistakes = wrong(**changes)
    assert any(told in mistake for mistake in mistakes), mistakes
    assert all(re.match(r"type\.yaml:\d+: ", mistake) for mistake in mistakes)


def test_all_mistakes_of_all_files_are_told_together() -> None:
    text = "outcome: a\nmeans: b\nattest: [{by: customer}]\n"
    with pytest.raises(FileErrors) as error:
        load_types([("one.yaml", text), ("two.yaml", text), ("three.yaml", "x: 1\n"), "nowhere.yaml", "template:no"])
    files = {mistake.partition(":")[0] for mistake in error.value.mistakes}
    assert files == {"two.yaml", "three.yaml", "nowhere.yaml", "template"}


def test_every_template_loads_and_is_in_the_page() -> None:
    types = load_types([f"template:{name}" for name in templates()])
    assert len(types) == len(templates())
    page = PAGE.read_text(encoding="utf-8")
    assert not [name for name in templates() if f"template:{name}" not in page]


def test_every_key_of_a_type_is_in_the_page_and_its_example_loads() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert not [name for name in Document.model_fields if not re.search(rf"`{name}`", page)]
    example = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)[0]
    assert list(load_types([("page.yaml", example)])) == ["loan.decided"]
