"""Receipts: issued once for each verified outcome, checked offline, counter-signed by another."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from comptroller.core import jws
from comptroller.core.clock import FrozenClock
from comptroller.core.jws import Forged
from comptroller.core.money import Money
from comptroller.core.outcome import Outcome
from comptroller.office import commitments, receipts
from comptroller.office.receipts import Drawer
from comptroller.office.signing import Signer
from comptroller.store.publickey import PublicKey
from comptroller.testing.memory import MemoryLedger

SELLER, BUYER = Signer(b"s" * 32), Signer(b"b" * 32)
KEYS = {key.kid: key.public for key in (SELLER, BUYER)}
CLOCK = FrozenClock()
VERIFIED = Outcome(
    key="o1",
    tenant="default",
    customer="acme",
    type="loan.decided",
    subject="app-1",
    state="verified",
    claim="c1",
    run="r1",
    workflow="loans",
    agents=("fraud", "desk"),
    claimed_at=CLOCK.now_ns() - 5,
    verified_at=CLOCK.now_ns(),
    fee=Money(990_000_000, "USD"),
    method="customer",
    attestor="acme/crm",
)


def key_of(kid: str) -> PublicKey | None:
    return KEYS.get(kid)


def issued(ledger: MemoryLedger | None = None, outcome: Outcome = VERIFIED) -> str:
    return receipts.issue(ledger or MemoryLedger(CLOCK), CLOCK, SELLER, outcome, "Agents Inc")


def test_a_receipt_says_what_was_achieved_by_whom_and_for_how_much() -> None:
    said = receipts.check(issued(), key_of).said
    assert said["type"] == "loan.decided"
    assert said["fee"] == {"amount": "0.99", "currency": "USD"}
    assert said["verified_at"] == "2026-01-01T00:00:00.000000000Z"
    assert said["attestor"] == "acme/crm"


def test_an_outcome_that_was_never_verified_has_no_receipt() -> None:
    with pytest.raises(Forged, match="never verified"):
        issued(outcome=replace(VERIFIED, verified_at=0, state="claimed"))


def test_each_verified_outcome_gets_one_receipt_however_often_we_look() -> None:
    ledger, drawer = MemoryLedger(CLOCK), Drawer()
    outcomes = [VERIFIED, replace(VERIFIED, key="o2"), replace(VERIFIED, key="o3", verified_at=0)]
    assert receipts.issue_missing(ledger, CLOCK, SELLER, outcomes, drawer, "Agents Inc") == ["o1", "o2"]
    again = Drawer().fold([*ledger.facts, *ledger.facts])
    assert receipts.issue_missing(ledger, CLOCK, SELLER, outcomes, again, "Agents Inc") == []
    assert again.receipts == drawer.receipts
    assert len(ledger.facts) == 2
    assert ledger.synced == ledger.facts[-1:]


def test_a_counter_signature_is_checked_with_the_other_key_and_the_receipt_with_its_own() -> None:
    text = receipts.countersign(issued(), BUYER, "Acme Ltd", CLOCK.now_ns(), SELLER.public)
    found = receipts.check(text, key_of)
    assert (found.kid, found.countersigned, found.by) == (SELLER.kid, BUYER.kid, "Acme Ltd")
    assert found.at == CLOCK.now_ns()
    with pytest.raises(Forged, match="not among those given"):
        receipts.check(text, lambda kid: KEYS[kid] if kid == BUYER.kid else None)
    with pytest.raises(Forged, match="not among those given"):
        receipts.check(text, lambda kid: KEYS[kid] if kid == SELLER.kid else None)


def test_the_issuer_cannot_counter_sign_its_own_receipt() -> None:
    text = receipts.countersign(issued(), SELLER, "Agents Inc", 0, SELLER.public)
    with pytest.raises(Forged, match="nobody else has agreed"):
        receipts.check(text, key_of)


def test_what_was_not_issued_by_the_seller_is_not_counter_signed() -> None:
    forged = receipts.issue(MemoryLedger(), CLOCK, Signer(b"x" * 32), VERIFIED, "Agents Inc")
    with pytest.raises(Forged):
        receipts.countersign(forged, BUYER, "Acme Ltd", 0, SELLER.public)


@settings(max_examples=200)
@given(st.data())
def test_a_changed_character_of_a_counter_signed_receipt_is_found(data: st.DataObject) -> None:
    text = receipts.countersign(issued(), BUYER, "Acme Ltd", CLOCK.now_ns(), SELLER.public)
    at = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.characters(exclude_characters=text[at], exclude_categories=["Zs", "Cc"], max_codepoint=0x17F))
    with pytest.raises(Forged):
        receipts.check(text[:at] + other + text[at + 1 :], key_of)


def test_evidence_is_held_against_its_receipt_with_the_salt_and_guessed_by_nobody_without_it() -> None:
    ledger = MemoryLedger(CLOCK)
    (digest,) = ledger.keep([b'{"decision":"approved"}'], "default", "acme")
    found = receipts.check(issued(ledger, replace(VERIFIED, evidence=(digest,))), key_of)
    salt = commitments.salt_of(ledger, digest)
    assert receipts.evidence_fits(found, b'{"decision":"approved"}', salt)
    assert not receipts.evidence_fits(found, b'{"decision":"refused"}', salt)
    assert not receipts.evidence_fits(found, b'{"decision":"approved"}', "")


def test_erased_evidence_leaves_its_digest_and_nothing_to_compare_with() -> None:
    found = receipts.check(issued(outcome=replace(VERIFIED, evidence=("d1",))), key_of)
    assert found.said["evidence"] == [{"digest": "d1"}]


def test_something_else_that_was_signed_is_no_receipt() -> None:
    with pytest.raises(Forged, match="no receipt"):
        receipts.check(jws.sign(b"[]", SELLER, receipts.KIND), key_of)


def test_a_counter_signed_receipt_is_kept_on_record_once() -> None:
    ledger = MemoryLedger(CLOCK)
    text = receipts.countersign(issued(ledger), BUYER, "Acme Ltd", CLOCK.now_ns(), SELLER.public)
    for _ in range(2):
        receipts.keep(ledger, CLOCK, receipts.check(text, key_of), text)
    assert Drawer().fold(ledger.facts).countersigned == {"o1": text}
