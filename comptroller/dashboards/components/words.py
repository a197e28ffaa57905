"""What becomes of a call in words and tones: a badge is a word and a mark, never a colour alone."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

SHOWN_TEXT = 300  # as long as a row's name or note can be of use; the call's own page has all of it


@dataclass(frozen=True, slots=True)
class Badge:
    """A word on a row; its tone (failed, asked, redacted, ok, plain) chooses mark and colour."""

    word: str
    tone: str = "plain"
    title: str = ""


STATUS = {
    "denied": Badge("Denied", "failed"),
    "over_budget": Badge("Over budget", "failed"),
    "rate_limited": Badge("Rate limited", "failed"),
    "pending": Badge("Awaits approval", "asked"),
    "error": Badge("Failed", "failed"),
    "cut": Badge("Cut off", "failed"),
    "cancelled": Badge("Cancelled", "plain"),
    "expired": Badge("Lost", "failed"),
    "abandoned": Badge("Lost", "failed"),
    "open": Badge("Open", "open"),
}
ACTION = {
    "deny": Badge("Denied", "failed"),
    "ask": Badge("Asked", "asked"),
    "downgrade": Badge("Downgraded", "asked"),
    "redact": Badge("Redacted", "redacted"),
    "note": Badge("Noted", "plain"),
    "error": Badge("Rule failed", "failed"),
}
WOULD = {"deny": "Would deny", "ask": "Would ask", "downgrade": "Would downgrade", "redact": "Would redact"}
FAILED = frozenset({"denied", "over_budget", "rate_limited", "error", "cut", "expired", "abandoned"})
PROBLEMS = FAILED | {"pending"}  # what somebody has to look at


def badges_of(row: Mapping[str, Any]) -> list[Badge]:
    """What a call's status and its decision say, each thing once."""
    found = [STATUS.get(str(row.get("status") or "")), ACTION.get(str(row.get("action") or ""))]
    because = cut(row.get("because") or row.get("error"))
    seen: dict[str, Badge] = {}
    for badge in found:
        if badge:
            seen.setdefault(badge.word, Badge(badge.word, badge.tone, because))
    if "Awaits approval" in seen:
        seen.pop("Asked", None)
    return list(seen.values())


def badge_of_shadow(decision: Mapping[str, Any]) -> Badge | None:
    """What a shadow rule would have done, had it been enforced."""
    word = WOULD.get(str(decision.get("action") or ""))
    return Badge(word, "shadow", cut(decision.get("because"))) if word and decision.get("shadow") else None


def cut(text: object, most: int = SHOWN_TEXT) -> str:
    """As much of a text as a row can show."""
    whole = "" if text is None else str(text)
    return whole if len(whole) <= most else whole[: most - 1] + "…"
