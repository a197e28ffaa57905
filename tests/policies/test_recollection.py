"""Policies of memory off the path of a call: tests inside files, explanations and transcripts say what a call meets."""

from dataclasses import replace
from typing import Any

import pytest

from comptroller.core.verdict import Case, Decision, Verdict
from comptroller.policies.book import Book
from comptroller.policies.document import ExampleCall
from comptroller.policies.load import load_policies
from comptroller.policies.reasons import passing, reasons
from comptroller.policies.recollection import decided
from comptroller.policies.trial import case_of, run_tests

POLICY = """
policy: notes
memories:
  support-notes: {write: {agents: [triage], when_tainted: ask}, read: {agents: ["*"]}}
  "pc/*": {read: {agents: [reader]}, write: {when_tainted: deny}}
  files: {tools: {write: [memory], read: [memory], delete: [memory]}}
rules:
  - {id: long, on: tool, tool: memory.write, when: size(args.text) > 3, then: deny}
"""
TAINTED = {"provenance.args.text": "untrusted"}


@pytest.fixture(scope="module")
def book() -> Book:
    return load_policies([("notes.yaml", POLICY)])


def said(book: Book, tool: str, agent: str = "", known: dict[str, Any] | None = None, **args: object) -> Decision:
    return decided(book, case(tool, agent, known, **args))


def case(tool: str, agent: str = "", known: dict[str, Any] | None = None, **args: object) -> Case:
    return case_of(ExampleCall(tool=tool, agent=agent, args=args, known=known or {}))


def rule_of(decision: Decision) -> str:
    return decision.verdict.rule if decision.verdict is not None else ""


def test_who_may_write_and_read_is_said(book: Book) -> None:
    assert (
        rule_of(said(book, "memory.write", "payer", store="support-notes", text="x")) == "memories.support-notes.write"
    )
    assert said(book, "memory.write", "triage", store="support-notes", text="x") == Decision()
    assert said(book, "memory.read", "payer", store="support-notes").action == "allow"
    assert rule_of(said(book, "memory.read", "payer", store="pc", collection="notes")) == "memories.pc/*.read"
    assert said(book, "memory.read", "payer", store="pc2", collection="notes").action == "allow"


def test_a_store_that_is_not_named_may_be_any_of_them(book: Book) -> None:
    assert said(book, "memory.read", "payer").action == "deny"
    assert said(book, "memory.write", "reader", text="x").action == "deny"


@pytest.mark.parametrize("known", [TAINTED, {"run.tainted": True}])
def test_what_untrusted_text_had_a_hand_in_is_asked_about(book: Book, known: dict[str, Any]) -> None:
    decision = said(book, "memory.write", "triage", known, store="support-notes", text="x")
    assert (decision.action, rule_of(decision)) == ("ask", "memories.support-notes.when_tainted")


def test_the_users_own_words_are_written_in_a_tainted_run(book: Book) -> None:
    known = {"run.tainted": True, "provenance.args.text": "user"}
    assert said(book, "memory.write", "triage", known, store="support-notes", text="x").action == "allow"
    assert said(book, "memory.read", "triage", TAINTED, store="support-notes", text="x").action == "allow"


def test_the_strictest_wins_and_the_other_is_told_beside_it(book: Book) -> None:
    decision = said(book, "memory.write", "triage", TAINTED, store="support-notes", text="long text")
    assert (rule_of(decision), [note.rule for note in decision.notes]) == (
        "long",
        ["memories.support-notes.when_tainted"],
    )
    decision = said(book, "memory.write", "payer", store="support-notes", text="long text")
    assert {rule_of(decision), *(note.rule for note in decision.notes)} == {"long", "memories.support-notes.write"}


def test_a_tool_that_is_a_way_to_a_memory_is_held_to_it(book: Book) -> None:
    known = {"provenance.args.file_text": "untrusted"}
    assert said(book, "memory", "", known, command="create", file_text="x").action == "deny"
    assert said(book, "memory", "", known, command="view", file_text="x").action == "allow"
    assert said(book, "other", "", known, command="create", file_text="x").action == "allow"


def test_it_is_among_the_reasons_and_no_way_past_it_is_made_up(book: Book) -> None:
    asked = case("memory.write", "payer", store="support-notes", text="long text")
    assert {reason.rule for reason in reasons(book, asked)} == {"long", "memories.support-notes.write"}
    assert passing(book, asked) == []
    asked = case("memory.write", "triage", TAINTED, store="support-notes", text="x")
    assert [str(way) for way in passing(book, asked)] == ["a person approves"]


def test_tests_inside_policies_try_it() -> None:
    test = (
        "tests: [{call: {tool: memory.write, agent: payer, args: {store: support-notes, text: x}}, expect: EXPECTED}]"
    )
    for expected, passed in (("deny", True), ("allow", False)):
        (outcome,) = run_tests(load_policies([("notes.yaml", POLICY + test.replace("EXPECTED", expected))]))
        assert outcome.passed is passed


def test_a_weaker_verdict_of_a_rule_stays_beside_it(book: Book) -> None:
    noting = POLICY.replace("then: deny}\n", "then: note}\n")
    decision = said(
        load_policies([("n.yaml", noting)]), "memory.write", "payer", store="support-notes", text="long text"
    )
    assert replace(decision, notes=()).action == "deny"
    assert [note.rule for note in decision.notes if isinstance(note, Verdict)] == ["long"]
