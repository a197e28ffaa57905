"""Verdicts that were fished for, and verdicts by those who should not give them."""

from collections.abc import Iterator, Sequence

from comptroller.core.outcome import Outcome
from comptroller.office.fraud.history import Bounds, Entry, Finding, History, Signal, keys, percent, share_of

_ATTESTS = frozenset(("verify_pass", "confirm", "human", "third_party", "judge"))
_VERDICTS = frozenset(("verify_pass", "verify_fail", "judge"))
_PEOPLE = frozenset(("confirm", "human", "third_party"))


def judge_retries(history: History, bounds: Bounds) -> Iterator[Finding]:
    """A verdict was asked for until it passed: by asking again, or by claiming the rejected subject anew.

    Example: two verdicts failed, the third passed. Verdicts that never came about (a judge that was down) count not.
    """
    for one in history.outcomes:
        failed = _failed(history.entries.get(one.key, ()))
        if one.verified_at and failed >= bounds.retries:
            told = f"passed after {failed} verdicts that did not. Look at the evidence that was added between them."
            yield _about(one, "judge_retries", f"{one.subject} {told}", {"failed": failed})
    yield from _claimed_anew(history, bounds)
    yield from _habit(history, bounds)


def _failed(entries: Sequence[Entry]) -> int:
    """Verdicts against it, and those asked for although one stood, before it passed."""
    failed = 0
    for entry in entries:
        if entry.event.type not in _VERDICTS:
            continue
        if entry.event.type == "verify_fail" or "binds unless" in entry.ignored:
            failed += 1
        elif not entry.ignored:
            return failed
    return failed


def _claimed_anew(history: History, bounds: Bounds) -> Iterator[Finding]:
    groups: dict[tuple[str, str, str, str, int], list[Outcome]] = {}
    for one in history.outcomes:
        groups.setdefault((one.tenant, one.customer, one.type, one.subject, one.window), []).append(one)
    for (tenant, customer, type, subject, _), mine in sorted(groups.items()):
        mine.sort(key=lambda one: (one.claimed_at, one.key))
        passed = next((n for n, one in enumerate(mine) if one.verified_at), 0)
        tried = [one for one in mine[:passed] if one.state == "rejected" and one.verdicts]
        if len(tried) >= bounds.retries:
            yield Finding("judge_retries", tenant, customer, type, "",
                          f"{subject} was claimed anew after {len(tried)} rejections and passed. Compare the evidence.",
                          keys([*tried, mine[passed]]), {"failed": len(tried)})  # fmt: skip


def _habit(history: History, bounds: Bounds) -> Iterator[Finding]:
    """An agent many of whose outcomes pass only at a second try."""
    groups: dict[tuple[str, str, str, str], list[Outcome]] = {}
    for one in history.outcomes:
        if one.verified_at and one.agents:
            groups.setdefault((one.tenant, one.customer, one.type, one.agents[-1]), []).append(one)
    for (tenant, customer, type, agent), mine in sorted(groups.items()):
        again = [one for one in mine if _failed(history.entries.get(one.key, ()))]
        share = share_of(len(again), len(mine))
        if len(again) >= bounds.retried_least and share > bounds.retried_share:
            yield Finding("judge_retries", tenant, customer, type, agent,
                          f"{percent(share)} of the outcomes of {agent} passed only at a later try. "
                          "Ask for stronger attestation, or look at what was added.",
                          keys(again), {"retried": len(again), "verified": len(mine)})  # fmt: skip


def self_dealing(history: History, bounds: Bounds) -> Iterator[Finding]:
    """Work attested by who performed it, or by agents in the name of people, or by two for each other.

    What the fold refused is told as well: somebody tried.
    """
    agents: dict[str, set[str]] = {}
    for one in history.outcomes:
        agents.setdefault(one.tenant, set()).update(one.agents)
    pairs: dict[tuple[str, str, str], list[Outcome]] = {}
    for one in sorted(history.outcomes, key=lambda one: one.key):
        for entry in history.entries.get(one.key, ()):
            if entry.event.type not in _ATTESTS:
                continue
            if finding := _own(one, entry) or _disguised(one, entry, agents[one.tenant]):
                yield finding
                break
            who = entry.event.attestor
            if who and not entry.ignored and one.agents:
                pairs.setdefault((one.tenant, who, one.agents[-1]), []).append(one)
    yield from _returned(pairs, bounds)


def _own(one: Outcome, entry: Entry) -> Finding | None:
    event = entry.event
    name = next((who for who in (event.attestor, event.actor) if who and who in one.agents), "")
    with_key = bool(one.claimant) and event.data.get("key") == one.claimant
    if not name and not with_key:
        return None
    told = (
        f"{name} performed {one.subject} and attested it"
        if name
        else f"{one.subject} was attested with the key that claimed it"
    )
    end = "; the verdict was refused." if entry.ignored else ". Have it attested by somebody else."
    return _about(one, "self_dealing", told + end, {"event": event.id}, name)


def _disguised(one: Outcome, entry: Entry, agents: set[str]) -> Finding | None:
    event = entry.event
    if event.type not in _PEOPLE or event.attestor not in agents:
        return None
    told = f"{event.attestor}, an agent, attested {one.subject} as if it were a person. Have a person look at it."
    return _about(one, "self_dealing", told, {"event": event.id}, event.attestor)


def _returned(pairs: dict[tuple[str, str, str], list[Outcome]], bounds: Bounds) -> Iterator[Finding]:
    for (tenant, one, other), mine in sorted(pairs.items()):
        theirs = pairs.get((tenant, other, one), [])
        if one < other and min(len(mine), len(theirs)) >= bounds.returns:
            yield Finding("self_dealing", tenant, "", "", f"{one}, {other}",
                          f"{one} and {other} attest each other's work. Have it attested by somebody else.",
                          keys({known.key: known for known in (*mine, *theirs)}.values()),
                          {"one_way": len(mine), "other_way": len(theirs)})  # fmt: skip


def _about(one: Outcome, signal: Signal, message: str, figures: dict[str, int | str], who: str = "") -> Finding:
    last = one.agents[-1] if one.agents else ""
    return Finding(signal, one.tenant, one.customer, one.type, who or last, message, (one.key,), figures)
