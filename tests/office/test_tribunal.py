"""The tribunal: judged rules on calls that are not made, with their judges really asked, or left open."""

import json
from collections.abc import Iterator

import pytest

from comptroller.core.call import Identity
from comptroller.core.settings import Settings
from comptroller.core.verdict import Case
from comptroller.guardrails.chain import Chain
from comptroller.office.backtest import NOT_ASKED, decided, given
from comptroller.office.hearing import hear
from comptroller.office.judging import Examiner
from comptroller.office.tribunal import asking
from comptroller.policies.book import Book
from comptroller.policies.load import load_policies
from comptroller.testing import Upstream
from comptroller.testing.script import Received

POLICY = """
policy: p
judges: {careful: {model: gpt-4o, tries: 1}}
rules:
  - {id: advice, on: reply, judge: {says: It advises.}, then: deny, because: No advice.}
"""
SUE = '{"run": "r", "event": "reply", "text": "You should sue."}'
HI = '{"run": "r", "event": "reply", "text": "Hello."}'


def says(asked: Received) -> str:
    word = "yes" if "You should sue." in asked.last else "no"
    return json.dumps({"because": "", "verdict": word})


@pytest.fixture(scope="module")
def up() -> Iterator[Upstream]:
    with Upstream(says) as made:
        yield made


@pytest.fixture
def settings(up: Upstream) -> Settings:
    up.requests.clear()
    return Settings.model_validate({"upstreams": [{"name": "o", "format": "openai", "url": f"{up.url}/v1"}]})


@pytest.fixture
def book() -> Book:
    return load_policies([("p.yaml", POLICY)])


def reply(text: str) -> Case:
    return Case("reply", Identity(), reply_text=lambda: text)


def test_a_transcript_is_left_open_where_nobody_is_asked(book: Book) -> None:
    (row,) = Examiner(book, Chain(())).judge([SUE])
    assert (row["decision"], row["rule"], row["judges"]) == ("ask", "advice", "not asked")


def test_a_transcript_is_judged_where_they_are(book: Book, settings: Settings) -> None:
    with asking(book, settings) as (asks, spent):
        rows = list(Examiner(asks, Chain(())).judge([SUE, HI]))
    assert [(row["decision"], "judges" in row) for row in rows] == [("deny", False), ("allow", False)]
    assert spent["USD"] > 0


def test_a_call_is_explained_with_one_question_however_many_ways_are_tried(
    book: Book, settings: Settings, up: Upstream
) -> None:
    with asking(book, settings) as (asks, _):
        told = hear(asks, reply("You should sue."), Chain(()))
    assert [(one.says, one.action) for one in told.reasons] == [("judged", "deny")]
    assert [str(way) for way in told.ways] == ["judges say no to `advice`"]
    assert len(up.requests) == 1


def test_a_draft_that_nobody_judged_turns_no_call(book: Book, settings: Settings) -> None:
    cases, before = [("1", reply("You should sue.")), ("2", reply("Hello."))], load_policies([])
    outcome = given(cases, before, book)
    assert (outcome.turned, dict(outcome.untold)) == (0, {NOT_ASKED: 2})
    with asking(book, settings) as (asks, _):
        assert given(cases, before, asks).turned == 1


def test_the_calls_of_judges_are_not_judged_in_a_backtest(book: Book) -> None:
    case = Case("reply", Identity(agent="judge:careful"), reply_text=lambda: "You should sue.")
    assert decided(book, case).action == "allow"
