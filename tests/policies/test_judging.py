"""Judged rules: what files say of judges, and what comes of their answers."""

from typing import Any

import pytest

from comptroller.core.call import Identity
from comptroller.core.judges import Opinion, Question, Reach
from comptroller.core.verdict import Case, Decision, Verdict
from comptroller.policies.book import Book
from comptroller.policies.compare import compare
from comptroller.policies.judging import left_open, matters, verdict_of
from comptroller.policies.listing import listed
from comptroller.policies.load import load_policies
from comptroller.policies.mistakes import PolicyErrors
from comptroller.policies.reasons import passing, reasons
from comptroller.policies.trial import run_tests

RULE = "  - {id: advice, on: reply, judge: {says: It advises.}, then: deny, because: No advice.}\n"
HEAD = "policy: p\njudges:\n  careful: {model: gpt-4o}\n"


def book(rules: str = RULE, head: str = HEAD, more: str = "") -> Book:
    return load_policies([("p.yaml", f"{head}rules:\n{rules}{more}")])


def case(**known: Any) -> Case:
    return Case("reply", Identity(), reply_text=lambda: "Sue them.", known={f"judge.{n}": w for n, w in known.items()})


def question(of: Book, number: int = 0) -> Question:
    found = of.policies[0].rules[number].question
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("word", "action"),
    [
        ("yes", "deny"),
        ("no", "allow"),
        ("unsure", "ask"),
        ("slow", "deny"),
        ("broken", "deny"),
        (True, "deny"),
        (4, "deny"),
    ],
)
def test_what_its_judges_say_decides(word: object, action: str) -> None:
    decision = book().decide(case(advice=word))
    assert (decision.action, decision.unasked) == (action, None)


def test_without_judges_nothing_passes_by_silence() -> None:
    decision = book().decide(case())
    assert decision.action == "ask"
    assert [one.rule for one in left_open(decision)] == ["advice"]


def test_a_condition_that_does_not_hold_asks_nobody() -> None:
    rule = '  - {id: advice, on: reply, when: agent == "x", judge: {says: It advises.}, then: deny}\n'
    assert book(rule).decide(case()) == Decision()


def test_what_is_not_said_is_no_stricter_than_the_rule() -> None:
    kinds = {word: question(book(RULE.replace("deny", word))).otherwise for word in ("ask", "note", "redact")}
    assert kinds == {word: dict.fromkeys(("split", "slow", "broken"), word) for word in kinds}


def test_no_judge_is_asked_where_a_deny_stands() -> None:
    decision = book(RULE + "  - {id: never, on: reply, then: deny}\n").decide(case())
    assert (decision.action, left_open(decision)) == ("deny", [])


def test_no_judge_is_asked_whose_rule_is_weaker_than_what_is_decided() -> None:
    weak = question(book(RULE.replace("deny", "note")))
    redact = Verdict("redact", "other", "p", "")
    assert not matters(weak, Decision("redact", redact))
    assert matters(weak, Decision())
    strong = question(book(RULE.replace("deny", "redact")))
    assert matters(strong, Decision("ask", Verdict("ask", "other", "p", "")))  # approved, it would still be redacted


def test_a_shadow_decides_nothing() -> None:
    decision = book(RULE.replace("then: deny", "then: deny, mode: shadow")).decide(case(advice="yes"))
    assert (decision.action, [said.action for said in decision.shadows]) == ("allow", ["deny"])


def test_a_broken_principle_is_named() -> None:
    rule = "  - {id: good, on: reply, judge: {constitution: [Be kind., Be true.]}, then: deny, because: Be good.}\n"
    opinions = [Opinion("careful", "yes", (2,))]
    assert verdict_of(question(book(rule)), "yes", opinions).because == "Be good. (Broken: Be true.)"


def test_a_test_has_to_say_what_judges_would() -> None:
    tests = "tests:\n  - {call: {reply: Sue.}, expect: deny}\n"
    (outcome,) = run_tests(book(more=tests))
    assert outcome.why == (
        "`advice` is decided by judges, whom no test asks. Write `known: {judge.advice: yes}`, or no"
    )
    (outcome,) = run_tests(book(more=tests.replace("Sue.", "Sue., known: {judge.advice: yes}")))
    assert (outcome.passed, outcome.reached) == (True, ("advice",))


def test_a_no_reaches_no_rule() -> None:
    tests = "tests:\n  - {call: {reply: Hi, known: {judge.advice: no}}, expect: allow}\n"
    (outcome,) = run_tests(book(more=tests))
    assert (outcome.passed, outcome.reached) == (True, ())


def test_reasons_say_that_nobody_was_asked_and_what_would_let_it_pass() -> None:
    (reason,) = reasons(book(), case())
    assert (reason.says, reason.action) == ("not judged", "ask")
    assert [str(way) for way in passing(book(), case())] == ["judges say no to `advice`", "a person approves"]
    (reason,) = reasons(book(), case(advice="yes"))
    assert (reason.says, reason.action) == ("judged", "deny")


def test_judges_are_listed_and_compared() -> None:
    rows = {(said.kind, said.id): (said.when, said.then) for said in listed(book())}
    assert rows[("rule", "advice")] == ("judged: It advises.", "deny")
    assert ("judge", "careful") in rows
    other = book(head=HEAD.replace("gpt-4o", "gpt-4o-mini"))
    assert [(one.kind, one.id, one.what) for one in compare(book(), other)] == [("judge", "careful", "changed")]


def test_a_judge_out_of_reach_is_a_mistake() -> None:
    def wrong(reach: Reach, head: str = HEAD) -> list[str]:
        with pytest.raises(PolicyErrors) as caught:
            load_policies([("p.yaml", f"{head}rules:\n{RULE}")], reach=reach)
        return caught.value.mistakes

    openai = ("openai", "openai", ("gpt-4o*",))
    assert wrong(Reach(())) == [
        "p.yaml:3: No upstream of the format openai takes the model `gpt-4o`. Add one in comptroller.yaml."
    ]
    gemini = HEAD.replace("gpt-4o", "gpt-4o, upstream: gemini")
    assert "`gemini` does not speak the format openai" in wrong(Reach((("gemini", "gemini", ("*",)),)), gemini)[0]
    assert "Did you mean `openai`?" in wrong(Reach((openai,)), gemini.replace("gemini", "openia"))[0]
    llama = HEAD.replace("gpt-4o", "llama, upstream: openai")
    assert "does not take the model `llama`" in wrong(Reach((openai,)), llama)[0]
    assert "pip install 'comptroller[judges]'" in wrong(Reach((openai,), client=False))[0]
    load_policies([("p.yaml", f"{HEAD}rules:\n{RULE}")], reach=Reach((openai,)))
