"""The cases other billing systems publish: all of them, where their file is at hand."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from comptroller.metering.rating import RatingError
from comptroller.office.cases.file import read_cases, try_cases
from comptroller.office.cases.published import _MODELS, answer_published

# Beside the checkout, not in it.
PUBLISHED = Path(__file__).parents[4] / "shared/vectors/pricing.json"


OWN = read_cases(Path(__file__).parent / "own.json")
TIERS = [{"up_to": 10, "unit": "2"}, {"up_to": None, "unit": "1"}]


@pytest.mark.parametrize("case", OWN, ids=lambda case: case["id"])
def test_a_case_in_the_words_of_others_is_priced_as_they_do(case: Mapping[str, Any]) -> None:
    (result,) = try_cases([case])
    assert result.got == case["expected"], result.because


def test_every_kind_of_published_case_is_tried_here() -> None:
    aliases = {"volume_delta_late", "volume_delta_flat", "volume_delta_flat_to_unit", "capacity_tier", "grant_void",
               "grant_expired", "grant_future", "grant_reset_rollover", "grant_reset_overage"}  # fmt: skip
    assert {case["model"].partition("+")[0] for case in OWN} >= _MODELS.keys() - aliases


def test_every_published_case_is_priced_exactly(capsys: pytest.CaptureFixture[str]) -> None:
    if not PUBLISHED.is_file():
        with capsys.disabled():
            print(f"\nNOT TRIED: the published pricing cases are not at {PUBLISHED}")
        pytest.skip("the published pricing cases are not beside the checkout")
    results = list(try_cases(read_cases(PUBLISHED)))
    assert len(results) >= 177
    assert [(one.id, one.expected, one.got) for one in results if one.wrong] == []


def test_a_case_that_names_no_known_model_is_told_what_there_is() -> None:
    with pytest.raises(RatingError, match=r"`gradated` is not a model of published cases. Did you mean `graduated`"):
        answer_published({"model": "gradated"})


@pytest.mark.parametrize(
    ("params", "usage", "words"),
    [
        ({}, {}, "The case says nothing of `tiers`"),
        ({"tiers": 5}, {"quantity": "1"}, "The case cannot be read"),
        ({"tiers": TIERS}, {"quantity": "some"}, "'some' is not a number"),
        ({"tiers": TIERS}, None, "The case has no `usage`"),
        ({"tiers": [{"up_to": -1, "unit": "1"}]}, {"quantity": "1"}, "tiers[1].up_to: -1 is not more than nothing"),
    ],
)
def test_a_case_that_makes_no_sense_says_so_and_stops_no_other(params: Any, usage: Any, words: str) -> None:
    case = {"id": "broken", "model": "graduated", "currency": "USD", "params": params, "usage": usage, "expected": "1"}
    broken, sound = try_cases([case, OWN[0]])
    assert (words in broken.got, broken.wrong, sound.wrong) == (True, True, False)
