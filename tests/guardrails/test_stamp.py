"""Stamps: what they say is known again, and only of the very content they were made for."""

import base64
import hashlib
import hmac
from typing import Any

import pytest

from comptroller.core.memory import Written
from comptroller.guardrails.stamp import MOST_FIELDS, digests_of, read_stamp, stamp

CONTENT = [("text", "Pays by invoice"), ("amount", 12.0), ("tags", ["a", 1]), ("deep", {"b": 2, "a": None})]


def vouch(data: bytes) -> str:
    return hmac.new(b"key", data, hashlib.sha256).hexdigest()


def made(id: str = "7", content: Any = CONTENT, **more: Any) -> str:
    said = Written("r1", "triage", "c", "t", "user", "internal", 5, fields=digests_of(id, content), **more)
    return stamp(said, vouch)


def test_a_stamp_says_again_what_was_put_into_it() -> None:
    state, said = read_stamp(made(), "7", CONTENT, vouch)
    assert state == "genuine"
    assert said is not None
    assert (said.run, said.agent, said.label, said.secrecy, said.at) == ("r1", "triage", "user", "internal", 5)


@pytest.mark.parametrize(
    "content",
    [
        CONTENT[:1],  # a store gives back what it was asked for
        [("amount", 12)],  # and writes whole numbers as it likes
        [("deep", {"a": None, "b": 2.0})],
        [],
    ],
)
def test_a_part_of_the_content_is_still_that_content(content: Any) -> None:
    assert read_stamp(made(), "7", content, vouch)[0] == "genuine"


@pytest.mark.parametrize(
    ("id", "content"),
    [
        ("8", CONTENT),  # moved to another entry
        ("7", [("text", "Pays by card")]),
        ("7", [*CONTENT, ("more", "x")]),
        ("7", [("title", "Pays by invoice")]),  # the same words under another name
    ],
)
def test_a_stamp_is_of_no_other_entry_and_of_no_other_words(id: str, content: Any) -> None:
    assert read_stamp(made(), id, content, vouch) == ("broken", None)


@pytest.mark.parametrize(
    "text", ["", "1.x.y", 7, {"a": 1}, ["1"], "1." + "A" * 20_000 + ".x", "2" + "x", "1.é.é", "..", "1.e30=.é"]
)
def test_what_is_no_stamp_is_broken_and_never_an_error(text: object) -> None:
    assert read_stamp(text, "7", CONTENT, vouch) == ("broken", None)


def test_a_stamp_whose_words_were_changed_or_that_another_ledger_made_is_broken() -> None:
    version, body, mac = made().split(".")
    said = base64.urlsafe_b64decode(body).replace(b'"user"', b'"system"')
    forged = f"{version}.{base64.urlsafe_b64encode(said).decode()}.{mac}"
    assert read_stamp(forged, "7", CONTENT, vouch)[0] == "broken"
    assert read_stamp(made(), "7", CONTENT, lambda data: "0" * 64)[0] == "broken"


def test_nothing_at_all_is_missing() -> None:
    assert read_stamp(None, "7", CONTENT, vouch) == ("missing", None)


def test_an_entry_of_more_fields_than_are_stamped_is_vouched_for_by_nobody() -> None:
    many = [(f"f{number}", "x") for number in range(MOST_FIELDS + 1)]
    assert read_stamp(made(content=many), "7", many, vouch)[0] == "broken"


def test_a_loose_stamp_tells_who_wrote_and_vouches_for_no_words() -> None:
    state, said = read_stamp(made(loose=True), "7", [("text", "anything")], vouch)
    assert state == "genuine"
    assert said is not None
    assert said.loose
