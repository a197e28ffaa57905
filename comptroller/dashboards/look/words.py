"""One word and one mark for each status, so that colour never says anything alone."""

from typing import NamedTuple

from comptroller.dashboards.look.markup import Markup, tag


class Word(NamedTuple):
    """What a status is called, the mark before it, and its tone (a class of the style)."""

    word: str
    mark: str
    tone: str


OK, FAILED, ASKED, REDACTED, PLAIN = "ok", "failed", "asked", "redacted", "plain"

# Statuses of calls and runs, actions of rules, states of outcomes and invoices: each word has one meaning only.
WORDS = {
    "ok": Word("Succeeded", "✓", OK),
    "error": Word("Failed", "✕", FAILED),
    "open": Word("Running", "…", PLAIN),
    "abandoned": Word("Abandoned", "✕", FAILED),
    "denied": Word("Denied", "⊘", FAILED),
    "over_budget": Word("Over budget", "⊘", FAILED),
    "rate_limited": Word("Rate limited", "⊘", ASKED),
    "pending": Word("Pending", "?", ASKED),
    "cut": Word("Cut off", "✕", FAILED),
    "cancelled": Word("Cancelled", "✕", ASKED),
    "expired": Word("Expired", "✕", FAILED),
    "allow": Word("Allowed", "✓", OK),
    "deny": Word("Denied", "⊘", FAILED),
    "ask": Word("Asked a person", "?", ASKED),
    "redact": Word("Redacted", "▒", REDACTED),
    "downgrade": Word("Downgraded", "↓", ASKED),
    "note": Word("Noted", "•", PLAIN),
    "claimed": Word("Claimed", "•", PLAIN),
    "verified": Word("Verified", "✓", OK),
    "rejected": Word("Rejected", "✕", FAILED),
    "disputed": Word("Disputed", "?", ASKED),
    "billed": Word("Billed", "✓", OK),
    "final": Word("Final", "✓", OK),
    "duplicate": Word("Duplicate", "✕", PLAIN),
    "disputed_unbilled": Word("Disputed", "?", ASKED),
    "part_paid": Word("Part paid", "•", ASKED),
    "in_force": Word("In force", "✓", OK),
    "ended": Word("Ended", "•", PLAIN),
    "to_come": Word("To come", "…", ASKED),
    "credited": Word("Credited", "↩", ASKED),
    "reversed": Word("Reversed", "↩", ASKED),
    "clawed_back": Word("Clawed back", "↩", ASKED),
    "draft": Word("Draft", "•", ASKED),
    "drafted": Word("Draft", "•", ASKED),
    "finalised": Word("Finalised", "✓", OK),
    "paid": Word("Paid", "✓", OK),
    "voided": Word("Voided", "✕", PLAIN),
    "uncollectible": Word("Uncollectible", "✕", FAILED),
    "overdue": Word("Overdue", "!", FAILED),
    "approved": Word("Approved", "✓", OK),
    "used": Word("Approved and made", "✓", OK),
    "void": Word("Void", "✕", PLAIN),
    "active": Word("Active", "✓", OK),
    "revoked": Word("Revoked", "✕", FAILED),
    "shadow": Word("Shadow", "◌", PLAIN),
}


def word_for(status: str) -> Word:
    """The word for a status; an unknown one is its own word."""
    return WORDS.get(status) or Word(status.replace("_", " ").capitalize() or "–", "", PLAIN)


def badge(status: str, text: str = "") -> Markup:
    """A status as word and mark on its tone."""
    word = word_for(status)
    return tag("span", f"{word.mark} {text or word.word}".strip(), cls=f"ct-badge ct-{word.tone}")
