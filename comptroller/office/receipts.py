"""Receipts: a signed text for each verified outcome that the other organisation checks offline and counter-signs.

A receipt says what was achieved, who vouches for it, what it costs, and which evidence it stands on. A
counter-signature is a JWS of its own around the receipt: one text carries both, and each is checked by itself.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol, TypeVar

import msgspec

from comptroller.core import jws
from comptroller.core.clock import Clock
from comptroller.core.facts import RECEIPT, RECEIPT_COUNTERSIGNED, Fact
from comptroller.core.jws import Forged
from comptroller.core.money import decimal_text
from comptroller.core.outcome import Outcome
from comptroller.office import commitments
from comptroller.office.signing import Signer
from comptroller.store.publickey import PublicKey

KIND = "comptroller-receipt+jws"
COUNTER = "comptroller-countersigned-receipt+jws"
KINDS = "receipt"  # how the kinds of these facts begin
SECOND = 1_000_000_000
T = TypeVar("T")


class Ledger(Protocol):
    """What receipts need of a ledger."""

    def record(self, fact: Fact) -> None: ...
    def sync(self, fact: Fact) -> None: ...
    def digest(self, data: bytes) -> str: ...
    def fetch(self, digest: str) -> bytes | None: ...


@dataclass(frozen=True, slots=True)
class Receipt:
    """A receipt whose signatures were checked."""

    said: Mapping[str, Any]
    kid: str  # of the issuer
    text: str  # the receipt itself, without the counter-signature
    by: str = ""  # who counter-signed, as they call themselves
    countersigned: str = ""  # the kid of the counter-signature
    at: int = 0  # when, ns since 1970


@dataclass(slots=True)
class Drawer:
    """All receipts there are: the fold of their facts. The first of an outcome stands."""

    receipts: dict[str, str] = field(default_factory=dict)  # by outcome
    countersigned: dict[str, str] = field(default_factory=dict)

    def fold(self, facts: Iterable[Fact]) -> "Drawer":
        """Take these facts in, in order; again, they change nothing."""
        for fact in facts:
            outcome, text = str(fact.data.get("outcome", "")), str(fact.data.get("jws", ""))
            if fact.kind == RECEIPT:
                self.receipts.setdefault(outcome, text)
            elif fact.kind == RECEIPT_COUNTERSIGNED:
                self.countersigned.setdefault(outcome, text)
        return self


def issue(ledger: Ledger, clock: Clock, signer: Signer, outcome: Outcome, issuer: str, durable: bool = True) -> str:
    """Sign the receipt of a verified outcome and put it on record; the text is what the other side gets.

    Not `durable`, it is written and synced with the next fact that is.
    """
    if not outcome.verified_at:
        raise Forged(f"{outcome.key}: this outcome was never verified, it is {outcome.state}. There is no receipt.")
    text = jws.sign(jws.canonical(_said(ledger, outcome, issuer)), signer, KIND)
    data: dict[str, object] = {"outcome": outcome.key, "customer": outcome.customer, "tenant": outcome.tenant}
    data.update(kid=signer.kid, jws=text)
    put = ledger.sync if durable else ledger.record
    put(Fact(RECEIPT, f"{outcome.key}:receipt", clock.now_ns(), outcome.run, data=data))
    return text


def issue_missing(
    ledger: Ledger, clock: Clock, signer: Signer, outcomes: Iterable[Outcome], drawer: Drawer, issuer: str
) -> list[str]:
    """A receipt for each verified outcome that has none; returns those that are new."""
    lacking = [outcome for outcome in outcomes if outcome.verified_at and outcome.key not in drawer.receipts]
    for number, outcome in enumerate(lacking, 1):
        text = issue(ledger, clock, signer, outcome, issuer, durable=number == len(lacking))
        drawer.receipts[outcome.key] = text
    return [outcome.key for outcome in lacking]


def countersign(text: str, signer: Signer, by: str, at: int, issuer: PublicKey) -> str:
    """Sign a receipt as the other party: only one whose own signature holds."""
    check(text, lambda kid: issuer if kid == issuer.kid else None)
    return jws.sign(jws.canonical({"receipt": text, "by": by, "at": _moment(at)}), signer, COUNTER)


def keep(ledger: Ledger, clock: Clock, found: Receipt, text: str) -> None:
    """Put a counter-signed receipt that was checked on record."""
    outcome = str(found.said["outcome"])
    data: dict[str, object] = {"outcome": outcome, "kid": found.countersigned, "by": found.by, "jws": text}
    ledger.sync(
        Fact(RECEIPT_COUNTERSIGNED, f"{outcome}:countersigned:{found.countersigned}", clock.now_ns(), data=data)
    )


def check(text: str, key_of: Callable[[str], PublicKey | None]) -> Receipt:
    """A receipt, counter-signed or not, once every signature on it was shown to be right; raises Forged."""
    text = text.strip()
    if _kind(text) != COUNTER:
        return _receipt(text, key_of)
    counter = jws.read(text, COUNTER)
    about = _read(counter.prove(_known(counter.kid, key_of)), _Counter)
    inner = _receipt(about.receipt, key_of)
    if counter.kid == inner.kid:
        raise Forged("It is counter-signed with the key that issued it: nobody else has agreed to it.")
    at = _instant(about.at)
    return Receipt(inner.said, inner.kid, inner.text, about.by, counter.kid, at)


def evidence_fits(found: Receipt, body: bytes, salt: str) -> bool:
    """Whether this evidence, with the salt its issuer gave out for it, is one that the receipt stands on."""
    wanted = commitments.commit(salt, body)
    return any(item.get("sha256") == wanted for item in found.said.get("evidence", ()))


class _Counter(msgspec.Struct, forbid_unknown_fields=True):
    receipt: str
    by: str
    at: str


class _Body(msgspec.Struct):
    outcome: str
    issuer: str
    customer: str
    type: str
    verified_at: str
    evidence: list[dict[str, str]]


def _said(ledger: Ledger, outcome: Outcome, issuer: str) -> dict[str, object]:
    fee = outcome.fee
    return {
        "issuer": issuer,
        "outcome": outcome.key,
        "customer": outcome.customer,
        "type": outcome.type,
        "subject": outcome.subject,
        "contract": outcome.contract,
        "price": outcome.price,
        "fee": None if fee is None else {"amount": decimal_text(fee.nanos), "currency": fee.currency},
        "degree": decimal_text(outcome.degree, 0),
        "method": outcome.method,
        "attestor": outcome.attestor,
        "performed_by": list(outcome.agents),
        "run": outcome.run,
        "claimed_at": _moment(outcome.claimed_at),
        "verified_at": _moment(outcome.verified_at),
        "evidence": [commitments.described(ledger, digest) for digest in outcome.evidence],
    }


def _receipt(text: str, key_of: Callable[[str], PublicKey | None]) -> Receipt:
    signed = jws.read(text, KIND)
    payload = signed.prove(_known(signed.kid, key_of))
    _read(payload, _Body)
    return Receipt(msgspec.json.decode(payload), signed.kid, text)


def _known(kid: str, key_of: Callable[[str], PublicKey | None]) -> PublicKey:
    key = key_of(kid)
    if key is None:
        raise Forged(f"It was signed with the key {kid}, which is not among those given. Ask its owner for it.")
    return key


def _kind(text: str) -> str:
    for kind in (COUNTER, KIND):
        try:
            jws.read(text, kind)
        except Forged:
            continue
        return kind
    return KIND


def _read(payload: bytes, frame: type[T]) -> T:
    try:
        return msgspec.json.decode(payload, type=frame)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Forged(f"What was signed is no receipt: {error}.") from None


def _moment(at: int) -> str:
    whole, rest = divmod(at, SECOND)
    return f"{datetime.fromtimestamp(whole, UTC):%Y-%m-%dT%H:%M:%S}.{rest:09d}Z"


def _instant(text: str) -> int:
    try:
        whole, _, rest = text.removesuffix("Z").partition(".")
        return int(datetime.fromisoformat(whole).replace(tzinfo=UTC).timestamp()) * SECOND + int(rest.ljust(9, "0"))
    except ValueError:
        raise Forged(f"{text!r} is no time.") from None
