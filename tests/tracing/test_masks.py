"""One cause is one text, whatever figures and ids stand in it, and Python and the books agree on it."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from comptroller.tracing.masks import KEPT, LONGEST, MASKS, masked, normalise

TOLD = {
    "429 rate_limit: Limit 30,000, used 29,001. Try again in 1.2s. (req_011CSHoE)": (
        "429 rate_limit: Limit #, used #. Try again in #. (req_#)"
    ),
    "order 123e4567-e89b-12d3-a456-426614174000 is gone": "order # is gone",
    "no key deadbeef beside abadcafe": "no key # beside #",
    "No tool 'send_money' on \"desk one\", only `read`": "No tool '...' on \"...\", only `...`",
    "it doesn't, and can't": "it doesn't, and can't",
    "GET https://api.example.com/v1/x?id=7 failed": "GET <url> failed",
    "bob.smith+x@acme.example was not found": "<email> was not found",
    "attempt 3/5 at 2026-01-01T10:00:00.5+00:00": "attempt # at #",
    "  two\n\tlines  ": "two lines",
    "HTTP 503 from erp, not 512, 4090 or 40a": "HTTP 503 from erp, not #, # or #",
    "409": "409",
    "": "",
}
hostile = st.text(st.sampled_from("ab9fZ045_-.@'\"`#: /\\\n\té\x00(+<>"), max_size=60) | st.text(max_size=40)


@pytest.mark.parametrize(("message", "cause"), TOLD.items())
def test_what_changes_from_time_to_time_is_masked(message: str, cause: str) -> None:
    assert normalise(message) == cause


def test_two_tellings_of_one_failure_are_one_cause() -> None:
    first, second = "Timeout after 980ms (attempt 1 of 3)", "Timeout after 1.2s (attempt 12 of 30)"
    assert normalise(first) == normalise(second)


def test_a_cause_is_no_longer_than_a_row_can_show() -> None:
    assert len(normalise("no " * 4_000)) <= KEPT
    assert normalise("x " * LONGEST + "one") == normalise("x " * LONGEST + "two")


def test_no_pattern_needs_what_the_books_cannot_do() -> None:
    assert not [pattern for pattern, _ in MASKS if "(?=" in pattern or "(?!" in pattern or "(?<" in pattern]


def test_the_books_group_by_the_same_words_as_python() -> None:
    duckdb = pytest.importorskip("duckdb")
    with duckdb.connect() as books:

        def in_sql(messages: list[str]) -> list[str]:
            found = books.execute(f"SELECT {masked('m')} FROM (SELECT unnest($said) AS m)", {"said": messages})
            return [str(row[0]) for row in found.fetchall()]

        @given(st.lists(hostile, max_size=40))
        @settings(max_examples=60, deadline=None)
        def agree(messages: list[str]) -> None:
            assert in_sql(messages) == [normalise(message) for message in messages]

        assert in_sql(list(TOLD)) == list(TOLD.values())
        agree()
