"""Whom to ask, from a frame to the noun that the call path knows."""

from dataclasses import replace
from typing import TYPE_CHECKING

from comptroller.core.verdict import AskFor

if TYPE_CHECKING:
    from comptroller.policies.frame import Ask


def needed(votes: str, seats: int) -> int:
    """How many of so many must approve."""
    return {"majority": seats // 2 + 1, "unanimous": seats}.get(votes) or int(votes)


def ask_for(ask: "Ask | None") -> AskFor:
    """Whom a file asks; anybody who may answer, where it does not say."""
    if ask is None:
        return AskFor()
    to, after_s = (tuple(ask.escalate.to), ask.escalate.after) if ask.escalate is not None else ((), 0.0)
    asked = AskFor(tuple(ask.of), ask.quorum, ask.wait, ask.within, ask.otherwise)
    if ask.votes is not None:
        quorum = needed(ask.votes, len(ask.of))
        asked = replace(asked, quorum=quorum, counted=ask.votes, split=tuple(ask.split))
    return replace(asked, benefits=tuple(ask.benefits), remind_s=ask.remind, escalate=to, after_s=after_s)
