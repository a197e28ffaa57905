"""The steps in the life of an outcome: for each event, what it changes, or why it may not happen now.

Money moves when an outcome becomes verified, billed, final, reversed or clawed back, so only those steps touch fee and
price; whoever looks for the way from one state to another finds it in `RULES`.
"""

import unicodedata
from collections.abc import Callable, Mapping
from typing import Any, Protocol, cast

from comptroller.core.money import Money
from comptroller.core.outcome import STRENGTH, WHOLE, Method, Outcome, OutcomeEvent, State, Terms

Change = dict[str, Any]
_BY_METHOD: dict[str, Method] = {  # events that attest, each by its method
    "confirm": "customer",
    "human": "human",
    "third_party": "third_party",
    "judge": "judge",
    "silence": "silence",
}
_RANK = {method: rank for rank, method in enumerate(STRENGTH)}
_OPEN = frozenset[State](("claimed", "pending"))
_OWED = frozenset[State](("verified", "billed"))


class Lookup(Protocol):
    """What a step must know of other outcomes."""

    def live(self, identity: str) -> str:
        """The key of the live outcome of this identity; empty where there is none."""
        ...

    def verified(self, outcome: Outcome, at: int, method: Method | None = None) -> int:
        """How many of its customer and type were verified in the month of `at`; by one method, or by any."""
        ...


class Ignored(Exception):
    """An event that may not happen; says why."""


# -- evidence and verdicts


def _evidence(known: Outcome, event: OutcomeEvent, existing: Lookup) -> Change:
    new = tuple(digest for digest in event.evidence if digest not in known.evidence)
    if not new:
        raise Ignored("it brings no new evidence")
    more: Change = {"evidence": known.evidence + new}
    if known.value is None and "value" in event.data:
        more["value"] = money_of(event.data["value"])
    if known.state in ("disputed", "disputed_unbilled"):
        if event.at > known.due_at:
            raise Ignored("the time for evidence in this dispute is over")
        return {"evidence": known.evidence + new}
    if known.state == "rejected":
        return more | _tried_again(known, event, existing)
    _must_be(known, _OPEN)
    _in_time(known, event)
    return more


def _tried_again(known: Outcome, event: OutcomeEvent, existing: Lookup) -> Change:
    """A verdict binds unless there is new evidence: then it is asked for once more, within the same deadline."""
    terms = _terms(known)
    due = known.claimed_at + terms.deadline_ns
    if not known.verdicts or known.verdicts[-1][1] != "fail":
        raise Ignored("it was rejected for good")
    if event.at > due:
        raise Ignored("the deadline is past")
    if live := existing.live(known.identity):
        raise Ignored(f"{live} is claimed in its place")
    return {"state": "claimed", "due_at": due, "because": ""}


def _pass(known: Outcome, event: OutcomeEvent, existing: Lookup) -> Change:
    verdicts = _verdict(known, event, "pass")
    terms = _terms(known)
    change: Change = {"verdicts": verdicts, "attempts": known.attempts + 1, "degree": _degree(known, event)}
    said = {verifier for verifier, verdict, _ in verdicts if verdict == "pass"}
    if not said.issuperset(terms.checks):
        return change
    method = event.method or "deterministic"
    if not terms.waits and _RANK[method] <= _RANK[terms.minimum]:
        return change | _verified(known, event, method, existing, change["degree"])
    due = event.at + (terms.silence_ns or terms.deadline_ns)
    return change | {"state": "pending", "pending_at": event.at, "due_at": due}


def _fail(known: Outcome, event: OutcomeEvent, existing: Lookup) -> Change:
    verdicts = _verdict(known, event, "fail")
    ended = _ended("rejected", event, f"{event.data.get('verifier', 'a verifier')} failed it")
    return ended | {"verdicts": verdicts, "attempts": known.attempts + 1}


def _unsure(known: Outcome, event: OutcomeEvent, existing: Lookup) -> Change:
    """A verdict that was asked for and did not come about: it counts as an attempt and binds nobody."""
    _must_be(known, frozenset[State](("claimed",)))
    return {"attempts": known.attempts + 1}


def _verdict(known: Outcome, event: OutcomeEvent, verdict: str) -> tuple[tuple[str, str, int], ...]:
    _must_be(known, frozenset[State](("claimed",)))
    _in_time(known, event)
    verifier, pieces = str(event.data.get("verifier", "")), len(known.evidence)
    for other, _, seen in known.verdicts:
        if other == verifier and seen >= pieces:
            raise Ignored(f"the first verdict of {verifier or 'this verifier'} binds unless there is new evidence")
    # With new evidence its verdict before no longer counts.
    return (*(row for row in known.verdicts if row[0] != verifier), (verifier, verdict, pieces))


def _attested(known: Outcome, event: OutcomeEvent, existing: Lookup) -> Change:
    method = _BY_METHOD[event.type]
    _must_be(known, frozenset[State](("pending",)))
    terms = _terms(known)
    if terms.ways and method not in terms.ways:
        raise Ignored(f"an outcome of this type is not attested by {method}")
    if method == "silence":
        if not terms.silence_ns or event.at < known.pending_at + terms.silence_ns:
            raise Ignored("it has not been silent for long enough")
        if terms.silence_most and existing.verified(known, event.at, "silence") >= terms.silence_most:
            raise Ignored("as many as may be were verified by silence this month")
    else:
        if not event.attestor:
            raise Ignored("nobody vouches for it")
        if not terms.silence_ns:
            _in_time(known, event)
    return _verified(known, event, method, existing, _degree(known, event))


def _verified(known: Outcome, event: OutcomeEvent, method: Method, existing: Lookup, degree: int) -> Change:
    terms = _terms(known)
    if _RANK[method] > _RANK[terms.minimum]:
        raise Ignored(f"{method} is weaker than {terms.minimum}, which is the least that counts")
    if terms.most and existing.verified(known, event.at) >= terms.most:
        raise Ignored("as many as may be were verified this month")
    frozen = quoted(event.data) if terms.freeze == "verified" else {"fee": known.fee}
    fee, factor = frozen.get("fee"), dict(terms.factors).get(method, WHOLE)
    return {
        "state": "verified",
        "method": method,
        "attestor": event.attestor,
        "verified_at": event.at,
        "degree": degree,
        "due_at": 0,
        "evidence": known.evidence + tuple(digest for digest in event.evidence if digest not in known.evidence),
        "weights": _weights(known, event),
        "because": str(event.data.get("because", "")),
        **frozen,
        "fee": fee and due(fee, degree, factor),
    }


def due(fee: Money, degree: int, factor: int) -> Money:
    """The fee for a degree, by how it was attested; to the nano, a half up."""
    share = WHOLE * WHOLE
    return Money((fee.nanos * degree * factor + share // 2) // share, fee.currency)


def quoted(data: Mapping[str, object]) -> Change:
    return {"price": str(data.get("price", "")), "fee": money_of(data.get("fee"))}


def _weights(known: Outcome, event: OutcomeEvent) -> tuple[tuple[str, int], ...]:
    return declared(event.data) or known.weights


def declared(data: Mapping[str, object]) -> tuple[tuple[str, int], ...]:
    said = data.get("weights") or ()
    return tuple((str(agent), int(weight)) for agent, weight in cast(Any, said))


def _degree(known: Outcome, event: OutcomeEvent) -> int:
    """A verdict may find that less was reached than was claimed, never more."""
    said = event.data.get("degree")
    return known.degree if said is None else max(1, min(known.degree, int(cast(int, said))))


# -- the exits before money


def _rejected(known: Outcome, event: OutcomeEvent, existing: Lookup) -> Change:
    _must_be(known, _OPEN)
    return _ended("rejected", event, "it was rejected")


def _takeover(known: Outcome, event: OutcomeEvent, existing: Lookup) -> Change:
    _must_be(known, _OPEN)
    return _ended("rejected", event, "a person took over")


def _deadline(known: Outcome, event: OutcomeEvent, existing: Lookup) -> Change:
    _must_be(known, _OPEN)
    if event.at < known.due_at:
        raise Ignored("the deadline is not past")
    return _ended("expired", event, "no verdict came within its deadline")


def _duplicate(known: Outcome, event: OutcomeEvent, existing: Lookup) -> Change:
    of = str(event.data.get("of", ""))
    if known.state in _OPEN:
        return _ended("duplicate", event, "it is a duplicate") | {"duplicate_of": of}
    _must_be(known, _OWED)
    return _undone(known, event, "it was a duplicate") | {"duplicate_of": of}


def _reopen(known: Outcome, event: OutcomeEvent, existing: Lookup) -> Change:
    """The subject came back within the look-back: whatever was agreed, it was not solved."""
    if known.state in _OPEN:
        return _ended("rejected", event, "the subject came back") | {"reopened": known.reopened + 1}
    _must_be(known, _OWED)
    if event.at > known.verified_at + _terms(known).lookback_ns:
        raise Ignored("the subject came back after the look-back")
    return _undone(known, event, "the subject came back") | {"reopened": known.reopened + 1}


# -- money


def _invoiced(known: Outcome, event: OutcomeEvent, existing: Lookup) -> Change:
    if known.invoice and event.data.get("instead") == known.invoice:
        return _invoiced_anew(known, event)
    _must_be(known, frozenset[State](("verified",)))
    due_at = event.at + _terms(known).dispute_ns
    return {"state": "billed", "billed_at": event.at, "invoice": str(event.data.get("invoice", "")), "due_at": due_at}


def _invoiced_anew(known: Outcome, event: OutcomeEvent) -> Change:
    """The invoice it was on was taken back, and another one took its place; what was final stays so."""
    _must_be(known, frozenset[State](("billed", "final", "verified")))
    change: Change = {"invoice": str(event.data.get("invoice", ""))}
    if known.state == "final":
        return change
    return change | {"state": "billed", "billed_at": event.at, "due_at": event.at + _terms(known).dispute_ns}


def _disputed(known: Outcome, event: OutcomeEvent, existing: Lookup) -> Change:
    _must_be(known, _OWED)
    if known.disputes:
        raise Ignored("it was disputed before, and decided")
    if known.state == "billed" and event.at > known.due_at:
        raise Ignored("its dispute window is over")
    return {
        "state": "disputed" if known.state == "billed" else "disputed_unbilled",
        "disputed_at": event.at,
        "disputes": 1,
        "due_at": event.at + _terms(known).resolve_ns,
        "because": str(event.data.get("because", "")),
    }


def _upheld(known: Outcome, event: OutcomeEvent, existing: Lookup) -> Change:
    _must_be(known, frozenset[State](("disputed", "disputed_unbilled")))
    return _back(known) | _reversed(known, event, "the dispute was upheld")


def _denied(known: Outcome, event: OutcomeEvent, existing: Lookup) -> Change:
    _must_be(known, frozenset[State](("disputed", "disputed_unbilled")))
    change = _back(known) | {"because": str(event.data.get("because", "the dispute was denied"))}
    if known.state == "disputed":  # the decision leaves no time before the window's end where that is past
        change["due_at"] = max(change["due_at"], event.at)
    return change


def _back(known: Outcome) -> Change:
    """Where a dispute leaves an outcome of which something is still owed."""
    if known.state == "disputed":
        return {"state": "billed", "due_at": known.billed_at + _terms(known).dispute_ns}
    return {"state": "verified", "due_at": 0}


def _credit(known: Outcome, event: OutcomeEvent, existing: Lookup) -> Change:
    """So much of the fee is given back, or all of it."""
    _must_be(known, _OWED)
    return _reversed(known, event, "it was credited")


def _final(known: Outcome, event: OutcomeEvent, existing: Lookup) -> Change:
    _must_be(known, frozenset[State](("billed",)))
    if event.at < known.due_at:
        raise Ignored("its dispute window is not over")
    return {"state": "final", "due_at": 0}


def _clawback(known: Outcome, event: OutcomeEvent, existing: Lookup) -> Change:
    _must_be(known, frozenset[State](("final",)))
    terms, reason = _terms(known), str(event.data.get("reason", ""))
    if reason not in terms.clawback_for:
        raise Ignored(f"the contract claws nothing back for {reason!r}")
    fee = known.fee.nanos if known.fee else 0
    most = fee * terms.clawback // WHOLE
    left = most - known.reversed_nanos
    amount = _amount(event, left)
    if amount > left:
        raise Ignored("it is more than can be clawed back")
    whole = known.reversed_nanos + amount >= most
    change = _ended("clawed_back", event, reason) if whole else {"because": reason}
    return change | {"reversed_nanos": known.reversed_nanos + amount}


def _undone(known: Outcome, event: OutcomeEvent, because: str) -> Change:
    """Nothing was achieved after all, so all that is left of the fee comes back."""
    return _ended("reversed", event, because) | {"reversed_nanos": known.fee.nanos if known.fee else 0}


def _reversed(known: Outcome, event: OutcomeEvent, because: str) -> Change:
    """Take the fee back, whole or in part; of a part the outcome lives on."""
    fee = known.fee.nanos if known.fee else 0
    left = fee - known.reversed_nanos
    amount = _amount(event, left)
    if amount > left:
        raise Ignored("it is more than is left of the fee")
    if amount == left:
        return _ended("reversed", event, because) | {"reversed_nanos": fee}
    return {"reversed_nanos": known.reversed_nanos + amount, "because": str(event.data.get("because", because))}


def _amount(event: OutcomeEvent, left: int) -> int:
    said = event.data.get("amount")
    if said is None:
        return left
    amount = int(cast(int, said))
    if amount <= 0:
        raise Ignored("an amount must be above zero")
    return amount


# -- what all share


def _ended(state: State, event: OutcomeEvent, because: str) -> Change:
    return {"state": state, "due_at": 0, "because": str(event.data.get("because") or because)}


def _called(name: str) -> str:
    """A name as people hear it, so that nobody is somebody else by another spelling."""
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())


def must_be_another(known: Outcome, event: OutcomeEvent) -> None:
    """Who performed it attests nothing of it, under whatever name: as agent, or with the key that claimed it."""
    performers = {_called(agent) for agent in known.agents}
    for who in (event.attestor, event.actor):
        if who and _called(who) in performers:
            raise Ignored(f"{who} performed it and cannot attest it")
    if known.claimant and event.data.get("key") == known.claimant:
        raise Ignored("the key that claimed it cannot attest it")


def _must_be(known: Outcome, states: frozenset[State]) -> None:
    if known.state not in states:
        raise Ignored(f"it is {known.state.replace('_', ' ')}")


def _in_time(known: Outcome, event: OutcomeEvent) -> None:
    if event.at > known.due_at:
        raise Ignored("it came after the deadline")


def _terms(known: Outcome) -> Terms:
    assert known.terms is not None, "a claim freezes the terms"
    return known.terms


def money_of(said: object) -> Money | None:
    if said is None or isinstance(said, Money):
        return said
    nanos, currency = cast(tuple[int, str], said)
    return Money(int(nanos), str(currency))


RULES: dict[str, Callable[[Outcome, OutcomeEvent, Lookup], Change]] = {
    "evidence": _evidence,
    "verify_pass": _pass,
    "verify_fail": _fail,
    "verify_unsure": _unsure,
    **dict.fromkeys(_BY_METHOD, _attested),
    "reject": _rejected,
    "takeover": _takeover,
    "deadline": _deadline,
    "duplicate": _duplicate,
    "reopen": _reopen,
    "invoice": _invoiced,
    "dispute": _disputed,
    "upheld": _upheld,
    "denied": _denied,
    "credit": _credit,
    "window_end": _final,
    "clawback": _clawback,
}
ATTESTS = frozenset((*_BY_METHOD, "verify_pass"))  # events that may verify: they carry a quote of the price
