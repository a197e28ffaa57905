"""Votes: what the answers of several judges come to. Never yes below what was asked for, and never by silence."""

from collections.abc import Sequence

from comptroller.core.judges import Manner, Result, Word

Cast = tuple[Word, int]  # and the weight of who says it


def tally(cast: Sequence[Cast], manner: Manner, need: int = 0) -> Result:
    """The result: yes or no where the votes suffice for it, else why they do not.

    Who was slow or is broken has not voted; that they might have is why there is no result then.
    """
    if manner != "weighted":
        cast = [(word, 1) for word, _ in cast]
    total = sum(weight for _, weight in cast)
    yes = sum(weight for word, weight in cast if word == "yes")
    no = sum(weight for word, weight in cast if word == "no")
    if _suffices(yes, total, manner, need):
        return "yes"
    if _forbids(no, total, manner, need):
        return "no"
    words = {word for word, _ in cast}
    return "broken" if "broken" in words else "slow" if "slow" in words else "split"


def _suffices(yes: int, total: int, manner: Manner, need: int) -> bool:
    if manner == "unanimous":
        return 0 < yes == total
    if manner == "number":
        return yes >= max(need, 1)
    if manner == "weighted" and need:
        return yes > 0 and yes * 1_000 >= need * total
    return yes * 2 > total


def _forbids(no: int, total: int, manner: Manner, need: int) -> bool:
    """Whether so many say no that it is one: all, most, or so many that yes is out of reach."""
    if manner == "unanimous":
        return 0 < no == total
    if manner == "number":
        return no > total - need
    if manner == "weighted" and need:
        return no > 0 and no * 1_000 > (1_000 - need) * total
    return no * 2 > total
