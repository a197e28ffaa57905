"""Shares that move: more outcomes by silence than before, and fewer runs claimed while all that is claimed passes."""

from collections.abc import Callable, Iterator

from comptroller.core.outcome import Outcome
from comptroller.office.fraud.history import DAY, Bounds, Finding, History, keys, moved, percent, share_of

Group = tuple[str, str, str, str]  # tenant, customer, type, who
EASY = 19, 20  # of what is claimed is verified: too good to be all that came in


def silence_drift(history: History, bounds: Bounds) -> Iterator[Finding]:
    """Outcomes that nobody confirmed are a growing share: conversations may be ended early to have them stay silent.

    Example: 10 % of a customer's outcomes were by silence, last month 60 %. Look at how those runs ended.
    """
    verified = [one for one in history.outcomes if one.verified_at and one.method]
    for by in (_everybody, _performer):
        for (tenant, customer, type, who), mine in sorted(_groups(verified, by).items()):
            now, before = _parted(mine, bounds)
            quiet, quiet_before = _silent(now), _silent(before)
            if not moved(len(quiet), len(now), len(quiet_before), len(before), bounds):
                continue
            shares = share_of(len(quiet), len(now)), share_of(len(quiet_before), len(before))
            yield Finding(
                "silence_drift", tenant, customer, type, who,
                f"{percent(shares[0])} of the outcomes{_by(who)} were verified by silence in the last "
                f"{bounds.window // DAY} days, and {percent(shares[1])} before. See how the runs ended, or cap it.",
                keys(quiet),
                {"silent": len(quiet), "verified": len(now), "silent_before": len(quiet_before),
                 "verified_before": len(before)},
            )  # fmt: skip


def cherry_picking(history: History, bounds: Bounds) -> Iterator[Finding]:
    """A falling share of a workflow's runs is claimed while nearly all that is claimed passes: the hard ones are left.

    Example: 90 of 100 runs were claimed and 70 passed; last month 40 of 100 were claimed and 40 passed.
    """
    claimed: dict[tuple[str, str, str], list[Outcome]] = {}
    for one in history.outcomes:
        claimed.setdefault((one.tenant, one.customer, one.workflow), []).append(one)
    for (tenant, customer, workflow), mine in sorted(claimed.items()):
        newest = max(one.claimed_at for one in mine)
        since = newest - bounds.window
        ran, ran_before = _runs(history, tenant, customer, workflow, since)
        now = [one for one in mine if one.claimed_at > since]
        left, left_before = (max(many - _distinct(some), 0) for many, some in
                             ((ran, now), (ran_before, [one for one in mine if one.claimed_at <= since])))  # fmt: skip
        if not moved(left, ran, left_before, ran_before, bounds):
            continue
        decided = [one for one in now if one.state not in ("claimed", "pending", "duplicate")]
        passed = [one for one in decided if one.verified_at]
        if len(decided) < bounds.least or len(passed) * EASY[1] < len(decided) * EASY[0]:
            continue
        yield Finding(
            "cherry_picking", tenant, customer, "", workflow,
            f"{percent(share_of(left, ran))} of the runs of {workflow} were left unclaimed in the last "
            f"{bounds.window // DAY} days, and {percent(share_of(left_before, ran_before))} before, while "
            f"{percent(share_of(len(passed), len(decided)))} of what was claimed passed. See what the rest was about.",
            keys(passed),
            {"unclaimed": left, "runs": ran, "unclaimed_before": left_before, "runs_before": ran_before},
        )  # fmt: skip


def _groups(outcomes: list[Outcome], by: Callable[[Outcome], str | None]) -> dict[Group, list[Outcome]]:
    found: dict[Group, list[Outcome]] = {}
    for one in outcomes:
        who = by(one)
        if who is not None:
            found.setdefault((one.tenant, one.customer, one.type, who), []).append(one)
    return found


def _everybody(outcome: Outcome) -> str:
    return ""


def _performer(outcome: Outcome) -> str | None:
    """Who finished it."""
    return outcome.agents[-1] if outcome.agents else None


def _parted(outcomes: list[Outcome], bounds: Bounds) -> tuple[list[Outcome], list[Outcome]]:
    """Those verified in the window that ends with the newest, and those before."""
    since = max(one.verified_at for one in outcomes) - bounds.window
    return [one for one in outcomes if one.verified_at > since], [one for one in outcomes if one.verified_at <= since]


def _silent(outcomes: list[Outcome]) -> list[Outcome]:
    return [one for one in outcomes if one.method == "silence"]


def _runs(history: History, tenant: str, customer: str, workflow: str, since: int) -> tuple[int, int]:
    now = before = 0
    for runs in history.runs:
        if (runs.tenant, runs.customer, runs.workflow) == (tenant, customer, workflow):
            if runs.day * DAY > since:
                now += runs.count
            else:
                before += runs.count
    return now, before


def _distinct(outcomes: list[Outcome]) -> int:
    return len({one.run or one.key for one in outcomes})


def _by(who: str) -> str:
    return f" of {who}" if who else ""
