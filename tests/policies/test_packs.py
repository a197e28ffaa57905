"""The packs that ship with us: they load, say what they are for, and refuse nothing harmless."""

import re
from pathlib import Path

import pytest

from comptroller.core.call import Identity
from comptroller.core.verdict import STRICTNESS, Case
from comptroller.guardrails.chain import Chain
from comptroller.policies.evidence import evidence_in, needs_in
from comptroller.policies.load import PACKS, load_policies, packs
from comptroller.policies.trial import run_tests, unreached

HARMLESS = (Path(__file__).parent / "harmless.txt").read_text(encoding="utf-8").splitlines()
HEADINGS = ["What it does", "Why it matters", "Example", "Use instead", "Switch"]
SCHEMES = ["owasp-agentic", "eu-ai-act", "iso-42001", "soc2", "nist-ai-rmf"]
ALL = load_policies([f"pack:{name}" for name in packs()])
ENTRY = re.compile(r"^  (?:- id: \S+|- \{per: .*|\w+: \{(?:in|out): .*)$")


def entries(name: str) -> list[tuple[str, list[str]]]:
    """Each rule, guard and budget of a pack's file, with the headings of the comment above it."""
    found, above = [], list[str]()
    for line in (PACKS / f"{name}.yaml").read_text(encoding="utf-8").splitlines():
        heading = re.match(r"  # ([A-Z][\w ]+): \S", line)
        above = [*above, heading[1]] if heading else above
        if ENTRY.match(line):
            found.append((line.strip(), above))
            above = []
    return found


@pytest.mark.parametrize("name", packs())
def test_everything_a_pack_says_documents_itself_under_five_headings(name: str) -> None:
    assert entries(name)
    for line, headings in entries(name):
        assert headings == HEADINGS, line


@pytest.mark.parametrize("name", packs())
def test_everything_a_pack_says_names_the_controls_it_is_evidence_for(name: str) -> None:
    book = load_policies([f"pack:{name}"])
    assert len(list(evidence_in(book))) == len(entries(name))


@pytest.mark.parametrize("name", packs())
def test_a_packs_own_tests_pass_and_reach_each_of_its_rules(name: str) -> None:
    book = load_policies([f"pack:{name}"])
    outcomes = run_tests(book)
    assert [outcome for outcome in outcomes if not outcome.passed] == []
    assert unreached(book, outcomes) == []


@pytest.mark.parametrize("name", SCHEMES)
def test_a_pack_for_a_scheme_says_what_no_rule_can_give(name: str) -> None:
    book = load_policies([f"pack:{name}"])
    (scheme,) = {control.split(".")[0] for one in evidence_in(book) for control in one.controls}
    assert needs_in(book)
    assert {control.split(".")[0] for control in needs_in(book)} == {scheme}


def cases(text: str) -> list[Case]:
    """A harmless text wherever agents meet one."""
    who = Identity(agent="helper", customer="acme", run="r")
    known = {"run.tainted": False, "run.labels": ["trusted", "public"]}
    return [
        Case("model", who, text=lambda: text, max_tokens=500, known=known),
        Case("reply", who, text=lambda: text, reply_text=lambda: text, max_tokens=500, known=known),
        Case("result", who, kind="tool", tool="read_page", text=lambda: text, known=known),
        Case("tool", who, kind="tool", tool="search", args={"query": text}, known=known),
    ]


def test_harmless_texts_are_denied_by_no_rule_of_any_pack() -> None:
    assert len(HARMLESS) >= 200
    denied = [
        (text, decision.verdict.rule)
        for text in HARMLESS
        for case in cases(text)
        if (decision := ALL.decide(case)).verdict is not None and decision.action == "deny"
    ]
    assert denied == []


def test_without_the_pack_that_asks_for_unlisted_tools_nobody_is_asked_about_them_either() -> None:
    book = load_policies([f"pack:{name}" for name in packs() if name != "tools-least-privilege"])
    asked = [text for text in HARMLESS for case in cases(text) if STRICTNESS[book.decide(case).action] >= 4]
    assert asked == []


def test_guards_of_the_packs_find_no_secret_in_ordinary_prose_and_refuse_none_of_it() -> None:
    chain, who = Chain(), Identity()
    for text in [*HARMLESS, "\n".join(HARMLESS)]:
        found = chain.inspect(text, {"secrets": "deny"})
        assert found.findings == (), text
        for way in ("in", "out"):
            assert chain.inspect(text, ALL.guards(who, way)).action != "deny", text  # type: ignore[arg-type]


def test_what_the_packs_are_there_for_is_not_harmless() -> None:
    book = load_policies(["pack:soc2"])
    case = Case("tool", Identity(agent="a"), kind="tool", tool="read_file", args={"path": "/root/.ssh/id_rsa"})
    assert book.decide(case).action == "deny"
    key = "AKIA" + "IOSFODNN7EXAMPLQ"
    assert Chain().inspect(f"use {key}", book.guards(Identity(), "out")).action == "deny"
