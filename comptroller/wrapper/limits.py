"""Limits on the path of a call: what it takes of them, how long it may wait, how it is told that there is no room."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from comptroller.core.errors import RateLimited, Refused
from comptroller.core.facts import LIVE, Line, Shortfall
from comptroller.core.verdict import Limit, Verdict
from comptroller.metering.limits import lines_of, rates_of
from comptroller.metering.window import SECOND
from comptroller.wrapper.entry import Entry

SOON_MS = 1_000  # what is said of calls under way, of which nobody knows when they end
PATIENT_MS = 60_000  # an SDK does not heed a longer `retry-after`, or waits for less
MS = 1_000_000


def draw(entry: Entry, limits: Sequence[Limit], tokens: int = 0) -> list[Line]:
    """What a call takes of its limits: rates are put on the entry, lines for calls under way returned."""
    # A rate in tokens that was overrun must not refuse a call that takes none of it.
    entry.rates = [row for row in rates_of(limits, tokens) if row[2]]
    return lines_of(limits)


def limit_of(limits: Iterable[Limit], line: Line) -> Limit | None:
    """The limit that a line stands for; None for a line of a cap."""
    same = (limit for limit in limits if (limit.key, limit.unit, limit.most) == (line.key, line.unit, line.cap))
    return next(same, None)


def patience_of(limit: Limit, short: Shortfall, waited_s: float) -> float:
    """How long a call may wait in all for a limit; 0 where it would wait in vain."""
    if short.line.amount > limit.most:
        return 0.0
    # Time alone gives requests back; what tokens a call did not use comes back when it ends.
    too_late = limit.unit == "requests" and short.wait_ns > (limit.queue_s - waited_s) * SECOND
    return 0.0 if too_late else limit.queue_s


# -- how it is told


def refuse(entry: Entry, limit: Limit, short: Shortfall) -> RateLimited:
    """The refusal, put on record: which limit, how much of it is used, and when to come back."""
    details = limit_details(limit, short, entry.desk.clock.now_ns())
    because = limit_reason(limit, short)
    verdict = Verdict("deny", f"limit.{limit.per}", "", because, limit.place)
    entry.say("limit", verdict, limit={name: details[name] for name in ("scope", "limit", "used", "resets_at")})
    return RateLimited(because, details)


def limit_reason(limit: Limit, short: Shortfall) -> str:
    """Who is too fast, by which limit, and what helps."""
    who = f"{limit.per} {limit.who!r}"
    raising = f"raise it in {limit.place}"
    if limit.unit == LIVE:
        calls = f"{limit.most} call{'' if limit.most == 1 else 's'}"
        return f"{who} has {calls} under way, as many as its limit. Try again when one has ended, or {raising}."
    rate, asked = _rate(limit), short.line.amount
    if asked > limit.most:
        return (
            f"This call may take {asked} tokens, and {who} may never have more than {rate}. Ask for less, or {raising}."
        )
    wait_s = -(-short.wait_ns // SECOND)
    return (
        f"{who} would pass its limit of {rate} ({short.settled} in the last {_span(limit)}, this call may take "
        f"{asked}). Try again in {wait_s} s, or {raising}."
    )


def limit_details(limit: Limit, short: Shortfall, now_ns: int) -> dict[str, object]:
    """The same for machines."""
    never = short.line.amount > limit.most
    wait_ms = max(-(-short.wait_ns // MS), 1) if short.wait_ns else SOON_MS
    used = short.settled + short.held
    return {
        "rule": f"limit.{limit.per}",
        "scope": f"{limit.per}:{limit.who}",
        "limit": _rate(limit),
        "used": used,
        "asked": short.line.amount,
        "resets_at": _moment(now_ns + short.wait_ns) if short.wait_ns else None,
        "retry_after_ms": None if never else wait_ms,
        "remedy": f"Raise it in {limit.place}." if never else f"Try again in {wait_ms} ms.",
    }


def retry_headers(refused: Refused) -> dict[str, str]:
    """What tells a client when to try again; official SDKs do so by themselves."""
    wait_ms = refused.details.get("retry_after_ms") if isinstance(refused, RateLimited) else None
    if not isinstance(wait_ms, int):
        return {}
    return {
        "retry-after": str(-(-wait_ms // 1000)),
        "retry-after-ms": str(wait_ms),
        "x-should-retry": "true" if wait_ms <= PATIENT_MS else "false",
    }


def _rate(limit: Limit) -> str:
    if limit.unit == LIVE:
        return f"{limit.most} at a time"
    unit = limit.unit.removesuffix("s") if limit.most == 1 else limit.unit
    return f"{limit.most} {unit}/{limit.span}"


def _span(limit: Limit) -> str:
    return {"s": "second", "min": "minute"}.get(limit.span, limit.span)


def _moment(at_ns: int) -> str:
    whole, part = divmod(at_ns // MS, 1000)
    return f"{datetime.fromtimestamp(whole, UTC):%Y-%m-%dT%H:%M:%S}.{part:03d}Z"
