"""The register of approvals: whatever is said in whatever order, nothing passes that was not approved, nor twice."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comptroller.core.clock import FrozenClock
from comptroller.core.errors import StoreError
from comptroller.core.facts import (
    APPROVAL_ANSWERED,
    APPROVAL_DELEGATED,
    APPROVAL_ESCALATED,
    APPROVAL_USED,
    APPROVAL_VOIDED,
    ASK,
    Fact,
)
from comptroller.policies.approval_steps import state_at, usable
from comptroller.policies.approvals import Approvals
from comptroller.policies.load import load_policies
from comptroller.policies.mistakes import PolicyErrors

HOUR = 3_600_000_000_000
CALLS, PEOPLE, EDITS = ("d1", "d2"), ("jane", "bob", "kim"), ("", "e1")


class Office:
    """A register with a clock, and what a ledger's owner does with both."""

    def __init__(self, **asked: object) -> None:
        self.clock, self.register, self.asked = FrozenClock(), Approvals(history=True), asked
        self.passed: list[str] = []

    def fact(self, kind: str, **data: object) -> Fact:
        return Fact(kind, self.clock.new_id(), self.clock.now_ns(), "r", "c", data)

    def ask(self, digest: str = "d1", version: str = "v1") -> str:
        """Make a call that needs approval; it goes out where it may. Returns the approval's id."""
        now = self.clock.now_ns()
        data = {"rule": "big", "digest": digest, "version": version, "within": HOUR, "until": now + HOUR, **self.asked}
        facts, told = self.register.look(self.fact(ASK, **data), now, self.clock)
        self.register.fold(facts)
        if told.passes:
            use = self.fact(APPROVAL_USED, approvals=[told.approval])
            assert self.register.may_use(use, now) == ""
            self.register.apply(use)
            self.passed.append(told.approval)
        return told.approval

    def say(self, id: str, **data: object) -> None:
        self.register.apply(self.fact(APPROVAL_ANSWERED, approval=id, **data))

    def state(self, id: str) -> str:
        return state_at(self.register.approvals[id], self.clock.now_ns())

    def ignored(self, id: str) -> str:
        return self.register.said[id][-1].ignored


STEPS = st.one_of(
    st.tuples(st.just("ask"), st.sampled_from(CALLS), st.sampled_from(("v1", "v2"))),
    st.tuples(st.just("say"), st.integers(0, 5), st.sampled_from(PEOPLE), st.booleans(), st.sampled_from(EDITS)),
    st.tuples(st.just("tick"), st.sampled_from((60, 1800, 3601))),
    st.tuples(st.just("sweep")),
    st.tuples(st.just("void"), st.integers(0, 5)),
)


@given(st.lists(STEPS, max_size=40), st.integers(1, 2))
def test_nothing_passes_twice_nor_unapproved_whatever_happens(steps: list[tuple[object, ...]], quorum: int) -> None:
    office = Office(quorum=quorum)
    for word, *rest in steps:
        ids = list(office.register.approvals)
        if word == "ask":
            office.ask(*rest)  # type: ignore[arg-type]
        elif word == "tick":
            office.clock.tick(rest[0])  # type: ignore[arg-type]
        elif word == "sweep":
            office.register.fold(list(office.register.due(office.clock.now_ns(), office.clock)))
        elif ids and word == "say":
            at, person, yes, edit = rest
            office.say(ids[at % len(ids)], by=person, answer="approve" if yes else "deny", edit=edit if yes else "")  # type: ignore[operator]
        elif ids:
            office.register.apply(office.fact(APPROVAL_VOIDED, approval=ids[rest[0] % len(ids)], because="x"))  # type: ignore[operator]
    assert len(office.passed) == len(set(office.passed))
    for id in office.passed:
        approval = office.register.approvals[id]
        assert approval.state == "used"
        assert len(approval.people) >= quorum
        assert not any(vote.answer == "deny" for vote in approval.votes)


@given(st.lists(STEPS, max_size=40))
def test_told_again_from_the_beginning_the_register_is_the_same(steps: list[tuple[object, ...]]) -> None:
    office, facts = Office(), list[Fact]()
    plain = office.register.apply

    class Noting(Approvals):
        def apply(self, fact: Fact) -> None:
            facts.append(fact)
            super().apply(fact)

    del plain
    office.register = Noting(history=True)
    for word, *rest in steps:
        ids = list(office.register.approvals)
        if word == "ask":
            office.ask(*rest)  # type: ignore[arg-type]
        elif word == "tick":
            office.clock.tick(rest[0])  # type: ignore[arg-type]
        elif ids and word == "say":
            at, person, yes, edit = rest
            office.say(ids[at % len(ids)], by=person, answer="approve" if yes else "deny", edit=edit)  # type: ignore[operator]
    assert Approvals(history=True).fold(facts).approvals == office.register.approvals


def test_an_approval_for_other_arguments_counts_towards_no_quorum_but_its_own() -> None:
    office = Office(quorum=2)
    id = office.ask()
    office.say(id, by="jane", answer="approve")
    office.say(id, by="bob", answer="approve", edit="e1")
    assert office.state(id) == "pending"
    office.say(id, by="jane", answer="approve", edit="e1")
    assert (office.state(id), office.register.approvals[id].people) == ("approved", ("bob", "jane"))


@pytest.mark.parametrize(
    ("before", "then", "why"),
    [
        ({"answer": "approve", "by": "jane"}, {"answer": "deny", "by": "bob"}, "it is approved already, by jane"),
        ({"answer": "deny", "by": "jane"}, {"answer": "approve", "by": "bob"}, "it is denied already, by jane"),
        (None, {"answer": "approve", "by": "bob", "digest": "other"}, "it was given for another call"),
        (None, {"answer": "approve", "by": "bob", "refused": "bob asked for it"}, "bob asked for it"),
    ],
)
def test_an_answer_that_does_not_count_says_why(
    before: Mapping[str, str] | None, then: Mapping[str, str], why: str
) -> None:
    office = Office()
    id = office.ask()
    if before:
        office.say(id, **before)
    state = office.state(id)
    office.say(id, **then)
    assert (office.ignored(id), office.state(id)) == (why, state)


def test_escalated_it_has_the_whole_time_again_and_more_who_may_answer() -> None:
    office = Office(of=["finance"])
    id = office.ask()
    office.clock.tick(3000)
    office.register.apply(
        office.fact(APPROVAL_ESCALATED, approval=id, to=["cfo"], by="jane", until=office.clock.now_ns() + HOUR)
    )
    office.clock.tick(3000)
    assert (office.state(id), office.register.approvals[id].of) == ("pending", ("finance", "cfo"))


def test_who_has_answered_cannot_hand_the_answer_over() -> None:
    office = Office(quorum=2)
    id = office.ask()
    office.say(id, by="jane", answer="approve")
    office.register.apply(office.fact(APPROVAL_DELEGATED, approval=id, by="jane", to="bob"))
    assert office.ignored(id) == "jane has answered already"


def test_the_owner_forgets_what_no_call_can_be_told_of_any_more() -> None:
    office = Office()
    office.say(office.ask(), by="jane", answer="approve")
    office.ask()
    office.clock.tick(7300)
    office.register.prune(office.clock.now_ns())
    assert not office.register.approvals
    pending = office.ask("d2")
    office.clock.tick(100_000)
    office.register.prune(office.clock.now_ns())
    assert list(office.register.approvals) == [pending]  # until its end is on record


def test_what_nobody_answered_passes_once_where_the_rule_lets_it_and_not_for_ever() -> None:
    office = Office(otherwise="allow")
    office.ask()
    office.clock.tick(3601)
    office.ask()
    office.ask()
    assert len(office.passed) == 1
    office = Office(otherwise="allow")
    id = office.ask()
    office.clock.tick(7300)
    assert not usable(office.register.approvals[id], office.clock.now_ns())
    office.ask()
    assert not office.passed


@pytest.mark.parametrize(
    ("ask", "cause"),
    [
        ("{wait: 2m, within: 1m}", "The call would wait longer than anybody may answer"),
        ("{remind: 1s}", "Nobody wants to be reminded so often"),
        ("{within: 0s}", "Nobody could answer within no time"),
        ("{escalate: {to: [cfo], after: 5h}}", "Nobody is asked as well once the time is over"),
        ("{escalate: {to: [], after: 1h}}", "must hold at least one item"),
        ("{of: [finance], benefits: [payee]}", "there are no arguments that could name who benefits"),
        ("{quorum: 0}", "must be at least 1"),
        ("{otherwise: maybe}", "`otherwise` cannot be `maybe`"),
        ("{whom: [finance]}", "There is no field `whom` here"),
    ],
)
def test_an_ask_that_cannot_be_answered_is_refused_when_it_loads(ask: str, cause: str) -> None:
    text = f"policy: p\nrules:\n  - {{id: r, on: model, then: ask, ask: {ask}}}\n"
    with pytest.raises(PolicyErrors) as errors:
        load_policies([("p.yaml", text)])
    assert cause in str(errors.value)


def test_a_call_that_waits_is_told_of_its_own_question_and_never_asks_twice() -> None:
    office = Office()
    now = office.clock.now_ns()
    data = {"rule": "big", "digest": "d1", "version": "v1", "within": HOUR, "until": now + HOUR}
    ask = office.fact(ASK, **data)
    office.register.fold(office.register.look(ask, now, office.clock)[0])
    office.clock.tick(3601)
    facts, told = office.register.look(ask, office.clock.now_ns(), office.clock)
    assert (facts, told.state, told.passes) == ([], "expired", False)


def test_more_calls_than_anybody_could_answer_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("comptroller.policies.approvals.MOST", 2)
    office = Office()
    office.ask("d1")
    office.ask("d2")
    with pytest.raises(StoreError, match="wait for a person"):
        office.ask("d3")
    assert office.ask("d1") in office.register.approvals


def test_what_was_approved_for_a_run_holds_in_all_of_it_and_in_no_other() -> None:
    office = Office(stage="result")
    office.say(office.ask(), by="jane", answer="approve")
    office.ask()
    assert len(office.passed) == 1
    now, data = office.clock.now_ns(), {"rule": "big", "digest": "d1", "version": "v1", "stage": "result"}
    told = [
        office.register.look(Fact(ASK, f"a-{run}", now, run, "c", data), now, office.clock)[1] for run in ("r", "other")
    ]
    assert [(each.again, each.passes) for each in told] == [(True, True), (False, False)]
