"""Keys as lists and machines show them: what a key fixes and how it stands, never what opens it."""

from datetime import UTC, datetime

from comptroller.core.money import decimal_text, is_money
from comptroller.core.verdict import Cap
from comptroller.office.keys import Entry

SECOND = 1_000_000_000


def described(entry: Entry, now_ns: int) -> dict[str, object]:
    """All that may be said of a key."""
    key = entry.key
    return {
        "key": key.id,
        "name": key.name,
        "status": entry.status(now_ns),
        **{name: getattr(key, name) for name in ("tenant", "agent", "customer", "user", "workflow")},
        "scopes": None if key.scopes is None else sorted(key.scopes),
        "budgets": [amount(cap) for cap in key.budgets],
        "issued": moment(entry.issued),
        "expires": moment(key.expires),
        "rotated": moment(entry.rotated),
        "revoked": moment(entry.revoked),
        "by": entry.by,
    }


def amount(cap: Cap) -> str:
    """A cap as people write it: `50 USD/month`."""
    limit = decimal_text(cap.limit) if is_money(cap.unit) else str(cap.limit)
    return f"{limit} {cap.unit}" + (f"/{cap.every}" if cap.every else "")


def moment(at: int) -> str | None:
    """A time in ISO 8601, UTC; None for none."""
    return datetime.fromtimestamp(at // SECOND, UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if at else None
