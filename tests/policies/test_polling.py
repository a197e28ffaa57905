"""Votes on an approval: agents and people have one each, nothing passes below what was asked for, people decide."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comptroller.core.approval import Approval, told
from comptroller.core.clock import FrozenClock
from comptroller.core.facts import APPROVAL_ANSWERED, APPROVAL_DELEGATED, APPROVAL_ESCALATED, ASK, Fact
from comptroller.policies.approval_steps import is_let_pass
from comptroller.policies.approvals import Approvals
from comptroller.policies.load import load_policies
from comptroller.policies.people import ask_for, needed

SEATS = ("a", "b", "c")


class Poll:
    """An approval that keys a, b and c vote on, and jane decides."""

    def __init__(self, counted: str = "majority", split: Sequence[str] = ("cfo",), **asked: object) -> None:
        self.clock, self.register = FrozenClock(), Approvals(history=True)
        data = {"rule": "r", "digest": "d", "version": "v", "of": list(SEATS), "counted": counted, "split": list(split)}
        data |= {"quorum": needed(counted, len(SEATS)), **asked}
        self.id = self.fact(ASK, **data).id

    def fact(self, kind: str, **data: object) -> Fact:
        fact = Fact(kind, self.clock.new_id(), self.clock.now_ns(), "r", "c", data)
        self.register.apply(fact)
        for due in list(self.register.due(self.clock.now_ns(), self.clock)):
            self.register.apply(due)
        return fact

    def vote(self, name: str, answer: str = "approve", **more: object) -> "Poll":
        said = {"by_key": f"k-{name}", "roles": [name], **more}
        self.fact(APPROVAL_ANSWERED, approval=self.id, answer=answer, by=f"key:{name}", **said)
        return self

    def say(self, person: str, answer: str, *roles: str) -> "Poll":
        self.fact(APPROVAL_ANSWERED, approval=self.id, answer=answer, by=person, roles=list(roles))
        return self

    @property
    def now(self) -> Approval:
        return self.register.approvals[self.id]

    @property
    def ignored(self) -> str:
        return self.register.said[self.id][-1].ignored


@pytest.mark.parametrize(
    ("counted", "votes", "state", "undecided"),
    [
        ("majority", "yy", "approved", False),
        ("majority", "nn", "denied", False),
        ("majority", "yn", "pending", False),
        ("majority", "yny", "approved", False),
        ("unanimous", "yyy", "approved", False),
        ("unanimous", "nnn", "denied", False),
        ("unanimous", "yn", "pending", True),
        ("1", "ny", "approved", False),
        ("2", "yn", "pending", False),
        ("2", "ynn", "pending", True),
        ("3", "yn", "pending", True),
    ],
)
def test_votes_decide_or_disagree(counted: str, votes: str, state: str, undecided: bool) -> None:
    poll = Poll(counted)
    for name, word in zip(SEATS, votes, strict=False):
        poll.vote(name, "approve" if word == "y" else "deny")
    assert (poll.now.state, poll.now.undecided) == (state, undecided)


def test_where_votes_disagree_a_person_decides_and_every_vote_stays_on_record() -> None:
    poll = Poll("unanimous").vote("a").vote("b", "deny")
    assert poll.register.said[poll.id][-1].fact.kind == APPROVAL_ESCALATED
    assert (poll.now.of, poll.now.state) == (("cfo",), "pending")
    assert poll.vote("c").ignored.startswith("the votes are over")
    assert poll.say("jane", "approve", "cfo").now.state == "approved"
    assert poll.now.people == ("jane",)
    assert [(vote.seat, vote.answer) for vote in poll.now.votes] == [("a", "approve"), ("b", "deny"), ("", "approve")]


def test_a_person_who_denies_ends_it_whether_or_not_they_vote() -> None:
    assert Poll().vote("a").say("jane", "deny", "admin").now.state == "denied"
    assert Poll(of=["a", "b", "finance"]).say("kim", "deny", "finance").now.state == "denied"


def test_a_person_without_a_vote_approves_nothing_while_others_vote() -> None:
    poll = Poll().say("jane", "approve", "admin")
    assert (poll.now.state, poll.ignored) == (
        "pending",
        "a, b, c vote on it. Deny it, or escalate it to decide in their place",
    )


def test_whoever_answers_twice_has_one_vote() -> None:
    assert Poll().vote("a").vote("a").ignored == "key:a has said so already"
    assert Poll().vote("a").vote("a", "deny").vote("b", "deny").now.state == "denied"  # until it is decided


def test_two_keys_of_one_name_have_one_vote() -> None:
    poll = Poll().vote("a")
    poll.fact(APPROVAL_ANSWERED, approval=poll.id, answer="approve", by="key:other", by_key="k2", roles=["a"])
    assert (poll.now.state, poll.ignored) == ("pending", "the vote of a is cast, by key:a")


def test_nobody_has_two_votes_whatever_they_go_by() -> None:
    poll = Poll().vote("a", roles=["a", "b"]).vote("a", roles=["a", "b"])
    assert (poll.now.state, poll.ignored) == ("pending", "key:a has said so already")


def test_who_has_a_seat_of_their_own_leaves_that_of_their_role_to_others() -> None:
    poll = Poll("unanimous", of=["finance", "jane"], quorum=2)
    poll.say("jane", "approve", "finance").say("kim", "approve", "finance")
    assert poll.now.state == "approved"


def test_silence_lets_nothing_pass_that_somebody_voted_against() -> None:
    for answer, passes in (("approve", True), ("deny", False)):
        until = FrozenClock().now_ns() + 100
        now = Poll(otherwise="allow", within=100, until=until).vote("a", answer).now
        assert now.state == "pending"
        assert is_let_pass(now, until + 1) is passes
        assert told(now, "expired").passes is passes


def test_votes_are_on_the_call_as_it_is() -> None:
    assert Poll().vote("a", edit="e1").ignored == "votes are on the call as it is, so nobody can edit it"


def test_votes_that_do_not_come_may_be_escalated_too() -> None:
    poll = Poll()
    poll.fact(APPROVAL_ESCALATED, approval=poll.id, to=["legal"], by="jane")
    assert (poll.now.of, poll.now.undecided) == (("legal",), True)
    assert poll.vote("a").vote("b").now.state == "pending"
    assert poll.say("kim", "approve", "legal").now.state == "approved"


def test_whom_a_rule_names_decides_from_the_vote_on_that_parts_the_others() -> None:
    poll = Poll("unanimous").vote("a")
    said = {"approval": poll.id, "answer": "deny", "by": "key:b", "by_key": "k-b", "roles": ["b"]}
    poll.register.apply(Fact(APPROVAL_ANSWERED, "x", poll.clock.now_ns(), "r", "c", said))  # and nothing sweeps
    assert (poll.now.of, poll.now.undecided) == (("cfo",), True)
    assert poll.say("jane", "approve", "cfo").now.state == "approved"


def test_a_person_who_escalates_after_the_votes_adds_to_who_decides_and_a_key_does_not() -> None:
    poll = Poll("unanimous").vote("a").vote("b", "deny")
    poll.fact(APPROVAL_ESCALATED, approval=poll.id, to=["mallory"], by="key:a", by_key="k-a")
    assert poll.now.of == ("cfo",)
    poll.fact(APPROVAL_ESCALATED, approval=poll.id, to=["legal"], by="jane")
    assert poll.now.of == ("cfo", "legal")
    assert [said.fact.kind for said in poll.register.said[poll.id]].count(APPROVAL_ESCALATED) == 3


def test_a_key_that_votes_neither_escalates_nor_hands_over_what_people_decide() -> None:
    poll = Poll()
    poll.fact(APPROVAL_ESCALATED, approval=poll.id, to=["mallory"], by="key:a", by_key="k-a")
    assert (poll.now.of, poll.now.undecided) == (SEATS, False)
    poll.fact(APPROVAL_DELEGATED, approval=poll.id, to="mallory", by="key:a", by_key="k-a")
    assert poll.ignored == "the vote of a key cannot be handed over"
    poll.fact(APPROVAL_DELEGATED, approval=poll.id, to="mallory", by="kim")
    poll.fact(APPROVAL_ESCALATED, approval=poll.id, to=["legal"], by="jane")
    assert (poll.now.of, poll.now.delegates) == (("legal",), {})  # what kim might have said is for others now


def test_a_restart_forgets_no_vote() -> None:
    poll = Poll().vote("a")
    poll.register = Approvals.restore(poll.register.snapshot())  # type: ignore[arg-type]
    assert poll.vote("b").now.state == "approved"


SAID = st.lists(st.tuples(st.sampled_from([*SEATS, "jane", "cfo"]), st.sampled_from(["approve", "deny"])), max_size=8)


@given(st.sampled_from(["majority", "unanimous", "1", "2", "3"]), SAID)
def test_nothing_passes_below_its_votes_but_by_a_person_they_left_it_to(
    counted: str, said: list[tuple[str, str]]
) -> None:
    poll = Poll(counted)
    for name, answer in said:
        if name in SEATS:
            poll.vote(name, answer)
        else:
            poll.say(name, answer, name)
    now = poll.now
    yes = {vote.seat for vote in now.votes if vote.seat and vote.answer == "approve"}
    if now.state == "approved":
        decided = any(not vote.seat and vote.answer == "approve" for vote in now.votes) and now.undecided
        assert decided or len(yes) >= needed(counted, 3)
    persons = [index for index, (name, answer) in enumerate(said) if name not in SEATS and answer == "deny"]
    if persons:
        assert now.state in ("denied", "approved")  # approved only where it was so before
    assert len([vote for vote in now.votes if vote.seat]) <= len(SEATS)


def test_a_rule_says_who_votes() -> None:
    text = """
policy: p
rules:
  - {id: r, on: model, then: ask, ask: {of: [a, b, c], votes: majority, split: [cfo]}}
"""
    ask = load_policies([("p.yaml", text)]).policies[0].document.rules[0].ask
    told = ask_for(ask)
    assert (told.quorum, told.counted, told.split) == (2, "majority", ("cfo",))
