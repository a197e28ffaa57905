"""Votes on an approval: those a rule names have one each, agents among them, and people have the last word.

A name under `of` is a seat, whoever sits there: a key of that name, a person, or somebody in that role. What the votes
come to is fixed by their number. Where neither side can have it any more, they disagree, and people decide.
"""

from collections.abc import Sequence
from dataclasses import replace

from comptroller.core.approval import Approval, Vote
from comptroller.core.settings import ROLES


def voted(approval: Approval, vote: Vote, names: Sequence[str], is_person: bool) -> tuple[Approval, str]:
    """What a vote makes of an approval, and why it changed nothing where it did not. `names`: all the voter goes by."""
    if vote.edit:
        return approval, "votes are on the call as it is, so nobody can edit it"
    seat, why = _seat(approval, vote, names)
    if not seat and not (is_person and vote.answer == "deny"):
        return approval, why
    vote = replace(vote, seat=seat)
    others = (each for each in approval.votes if not (each.seat and each.seat == seat))
    approval = replace(approval, votes=(*others, vote))
    if is_person and vote.answer == "deny":
        return replace(approval, state="denied", decided=vote.at), ""
    return _counted(approval, vote.at), ""


def _seat(approval: Approval, vote: Vote, names: Sequence[str]) -> tuple[str, str]:
    """Whose vote it is; nothing, and why, where it is nobody's."""
    mine = sorted(
        (seat for seat in approval.seats if seat in names), key=ROLES.__contains__
    )  # a seat of one's own first
    cast = {each.seat: each for each in approval.votes if each.seat}
    own = next((seat for seat, each in cast.items() if each.person == vote.person), "")
    if own:  # nobody has two votes, whatever they go by
        same = cast[own].answer == vote.answer
        return ("", f"{vote.person} has said so already") if same else (own, "")
    free = next((seat for seat in mine if seat not in cast), "")
    if free:
        return free, ""
    if mine:
        return "", f"the vote of {mine[0]} is cast, by {cast[mine[0]].person}"
    return "", f"{', '.join(approval.seats)} vote on it. Deny it, or escalate it to decide in their place"


def _counted(approval: Approval, at: int) -> Approval:
    seats = len(approval.seats)
    yes = sum(1 for each in approval.votes if each.seat and each.answer == "approve")
    no = sum(1 for each in approval.votes if each.seat and each.answer == "deny")
    left = seats - yes - no
    against = approval.quorum if approval.counted == "majority" else seats
    if yes >= approval.quorum:
        return replace(approval, state="approved", decided=at, until=at + approval.within if approval.within else 0)
    if no >= against:
        return replace(approval, state="denied", decided=at)
    if yes + left < approval.quorum and no + left < against:
        return left_to_people(approval, approval.split or approval.escalate)
    return approval


def left_to_people(approval: Approval, whom: Sequence[str]) -> Approval:
    """From votes to people, at once: whom it names, or whoever may answer. To whom a voter handed its vote has one no
    more.
    """
    return replace(approval, of=tuple(whom), undecided=True, delegates={})
