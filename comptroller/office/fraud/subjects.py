"""One subject claimed as many: by parts of its name, or with one piece of evidence for all."""

import re
from collections.abc import Iterator

from comptroller.core.outcome import LIVE, Outcome
from comptroller.office.fraud.history import Bounds, Finding, History, keys

# A short end behind a separator: 1042-a, 1042/2, 1042#03. What stays must still name something.
_PART = re.compile(r"^(?P<stem>.*\d.*?)[\s/#:._()-]{1,3}(?:part[\s._-]?)?(?:[a-z]|\d{1,2})\)?$", re.IGNORECASE)
_LENGTH = 200  # of a subject that is looked at for parts
_COUNTED = (*LIVE, "reversed", "clawed_back")
Group = tuple[str, str, str, str]


def subject_splitting(history: History, bounds: Bounds) -> Iterator[Finding]:
    """Several fees for one thing: parts of one ticket claimed apart, or one proof shown for several subjects.

    Example: `T-1042-a`, `T-1042-b` and `T-1042-c` within an hour. Merge them: dispute or credit all but one.
    """
    counted = sorted(
        (one for one in history.outcomes if one.state in _COUNTED), key=lambda one: (one.claimed_at, one.key)
    )
    told: set[str] = set()
    for finding in (*_by_name(counted, bounds), *_by_evidence(counted)):
        if not told.issuperset(finding.outcomes):
            told.update(finding.outcomes)
            yield finding


def _by_name(outcomes: list[Outcome], bounds: Bounds) -> Iterator[Finding]:
    groups: dict[Group, list[Outcome]] = {}
    for one in outcomes:
        if len(one.subject) <= _LENGTH and (match := _PART.match(one.subject)):
            groups.setdefault((one.tenant, one.customer, one.type, match["stem"].rstrip().casefold()), []).append(one)
    for (tenant, customer, type, stem), mine in sorted(groups.items()):
        for burst in _bursts(mine, bounds.pieces_within):
            subjects = sorted({one.subject for one in burst})
            if len(subjects) >= bounds.pieces and _alike(burst):
                yield _finding(tenant, customer, type, burst, subjects, f"look like parts of {stem}")


def _alike(burst: list[Outcome]) -> bool:
    """Numbers that count up may name things of their own: the parts of one thing have one run, or the same agents."""
    return len({one.run for one in burst}) == 1 or len({one.agents for one in burst}) == 1


def _bursts(outcomes: list[Outcome], within: int) -> Iterator[list[Outcome]]:
    """Outcomes that were claimed close to the first of them."""
    burst: list[Outcome] = []
    for one in outcomes:
        if burst and one.claimed_at - burst[0].claimed_at > within:
            yield burst
            burst = []
        burst.append(one)
    if burst:
        yield burst


def _by_evidence(outcomes: list[Outcome]) -> Iterator[Finding]:
    groups: dict[Group, list[Outcome]] = {}
    totals: dict[tuple[str, str, str], int] = {}
    for one in outcomes:
        kind = (one.tenant, one.customer, one.type)
        totals[kind] = totals.get(kind, 0) + 1
        for digest in sorted(set(one.evidence) - {""}):
            groups.setdefault((*kind, digest), []).append(one)
    for (tenant, customer, type, _), mine in sorted(groups.items()):
        subjects = sorted({one.subject for one in mine})
        if len(subjects) > 1 and not _is_a_form(len(mine), totals[tenant, customer, type]):
            yield _finding(tenant, customer, type, mine, subjects, "were claimed with one and the same evidence")


def _is_a_form(shown: int, of: int) -> bool:
    """What most claims of a type bring (such as nothing at all) proves nothing about two of them."""
    return of >= 5 and shown * 2 > of


def _finding(tenant: str, customer: str, type: str, mine: list[Outcome], subjects: list[str], why: str) -> Finding:
    some = ", ".join(subjects[:3]) + (" and others" if len(subjects) > 3 else "")
    agents = sorted({one.agents[-1] for one in mine if one.agents})
    message = f"{some} {why}. Where they are one, let all but one be disputed or credited."
    return Finding("subject_splitting", tenant, customer, type, agents[0] if len(agents) == 1 else "", message,
                   keys(mine), {"subjects": len(subjects)})  # fmt: skip
