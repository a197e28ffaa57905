"""The life of an outcome, exit by exit."""

import pytest

from comptroller.core.money import Money
from comptroller.core.outcome import WHOLE, OutcomeEvent
from comptroller.metering.outcomes import credits
from tests.metering.lives import DAY, FEE, HOUR, NOW, Lives, made

BILLED = "verify_pass confirm invoice"


@pytest.mark.parametrize(
    ("words", "state"),
    [
        ("", "claimed"),
        ("verify_fail", "rejected"),
        ("takeover", "rejected"),
        ("reject", "rejected"),
        ("reopen", "rejected"),
        ("duplicate", "duplicate"),
        ("verify_pass", "pending"),
        ("verify_pass takeover", "rejected"),
        ("verify_pass reopen", "rejected"),
        ("verify_pass duplicate", "duplicate"),
        ("verify_pass confirm", "verified"),
        ("verify_pass human", "verified"),
        ("verify_pass third_party", "verified"),
        ("verify_pass judge", "verified"),
        ("verify_pass confirm reopen", "reversed"),
        ("verify_pass confirm duplicate", "reversed"),
        ("verify_pass confirm credit", "reversed"),
        ("verify_pass confirm dispute", "disputed_unbilled"),
        ("verify_pass confirm dispute upheld", "reversed"),
        ("verify_pass confirm dispute denied", "verified"),
        (BILLED, "billed"),
        (f"{BILLED} reopen", "reversed"),
        (f"{BILLED} duplicate", "reversed"),
        (f"{BILLED} credit", "reversed"),
        (f"{BILLED} dispute", "disputed"),
        (f"{BILLED} dispute upheld", "reversed"),
        (f"{BILLED} dispute denied", "billed"),
    ],
)
def test_every_way_leads_where_the_map_says(words: str, state: str) -> None:
    assert Lives().play(words).one.state == state


def test_a_deadline_without_a_verdict_expires_the_claim_and_nothing_brings_it_back() -> None:
    lives = Lives().play("")
    assert lives.do("deadline", at=NOW + 3 * DAY - 1) == "the deadline is not past"
    assert lives.do("deadline", at=NOW + 3 * DAY) == ""
    assert lives.do("verify_pass", at=NOW + 3 * DAY) == "it is expired"
    assert lives.one.state == "expired"
    assert lives.one.fee is None


def test_a_verdict_that_comes_after_the_deadline_counts_for_nothing_though_nobody_said_it_was_past() -> None:
    lives = Lives().play("")
    assert lives.do("verify_pass", at=NOW + 3 * DAY + 1) == "it came after the deadline"
    assert lives.one.state == "claimed"


def test_silence_verifies_only_once_it_has_lasted_and_pays_by_its_factor() -> None:
    lives = Lives().play("verify_pass")
    assert lives.do("silence", at=lives.one.due_at - 1) == "it has not been silent for long enough"
    assert lives.do("silence", at=lives.one.due_at) == ""
    assert (lives.one.state, lives.one.method, lives.one.fee) == ("verified", "silence", Money(5_000_000_000, "USD"))


def test_silence_is_capped_by_the_month_and_what_is_beyond_expires() -> None:
    lives = Lives(made(attest="[{by: silence, after: 24h, most: 1/month}]"))
    for key in ("a", "b"):
        lives.claim(key, key)
        lives.do("verify_pass", key)
    assert lives.do("silence", "a", NOW + 2 * DAY) == ""
    assert lives.do("silence", "b", NOW + 2 * DAY) == "as many as may be were verified by silence this month"
    assert lives.do("deadline", "b", NOW + 2 * DAY) == ""
    assert lives["b"].state == "expired"


def test_outcomes_of_a_type_are_capped_by_the_month() -> None:
    lives = Lives(made(most="1/month"))
    for key in ("a", "b"):
        lives.claim(key, key)
        lives.do("verify_pass", key)
    assert [lives.do("confirm", key) for key in ("a", "b")] == ["", "as many as may be were verified this month"]


def test_the_window_ends_no_sooner_than_it_ends_and_then_only_a_claw_back_is_left() -> None:
    lives = Lives().play(BILLED)
    assert lives.do("window_end", at=lives.one.due_at - 1) == "its dispute window is not over"
    assert lives.do("window_end", at=lives.one.due_at) == ""
    later = NOW + 40 * DAY
    for word in ("reopen", "dispute", "credit", "duplicate", "upheld", "invoice"):
        assert lives.do(word, at=later) == "it is final"
    assert lives.do("clawback", at=later, reason="regret") == "the contract claws nothing back for 'regret'"
    assert lives.do("clawback", at=later, reason="fraud", amount=6_000_000_000) == "it is more than can be clawed back"
    assert lives.do("clawback", at=later, reason="fraud", amount=2_000_000_000) == ""
    assert (lives.one.state, lives.one.reversed_nanos) == ("final", 2_000_000_000)
    assert lives.do("clawback", at=later, reason="fraud") == ""
    assert (lives.one.state, lives.one.reversed_nanos) == ("clawed_back", 5_000_000_000)


def test_a_subject_that_comes_back_after_the_look_back_takes_nothing_away() -> None:
    lives = Lives().play(BILLED)
    late = lives.one.verified_at + 10 * DAY
    assert lives.do("reopen", at=late + 1) == "the subject came back after the look-back"
    assert lives.do("reopen", at=late) == ""
    assert (lives.one.state, lives.one.reopened) == ("reversed", 1)


def test_a_dispute_can_be_upheld_for_an_amount_and_the_rest_is_still_owed() -> None:
    lives = Lives().play(f"{BILLED} dispute")
    assert lives.do("upheld", amount=11_000_000_000) == "it is more than is left of the fee"
    assert lives.do("upheld", amount=0) == "an amount must be above zero"
    assert lives.do("upheld", amount=4_000_000_000) == ""
    assert (lives.one.state, lives.one.reversed_nanos) == ("billed", 4_000_000_000)
    assert lives.do("credit") == ""
    assert (lives.one.state, lives.one.reversed_nanos) == ("reversed", 10_000_000_000)


def test_a_dispute_takes_evidence_from_both_sides_until_its_time_is_over_and_is_decided_once() -> None:
    lives = Lives().play(f"{BILLED} dispute")
    assert lives.do("evidence", at=lives.one.due_at, evidence=("e7",)) == ""
    assert lives.do("evidence", at=lives.one.due_at + 1, evidence=("e8",)).startswith("the time for evidence")
    assert lives.do("denied", at=lives.one.due_at + HOUR) == ""
    assert lives.do("dispute", at=NOW + 10 * DAY) == "it was disputed before, and decided"
    assert lives.one.evidence == ("e0", "e7")


def test_a_dispute_decided_after_the_window_ends_lets_the_window_end_at_once() -> None:
    lives = Lives().play(BILLED)
    window = lives.one.due_at
    lives.do("dispute", at=window)
    lives.do("denied", at=window + DAY)
    assert lives.one.due_at == window + DAY
    assert lives.do("window_end", at=window + DAY) == ""


def test_a_dispute_after_its_window_comes_too_late() -> None:
    lives = Lives().play(BILLED)
    assert lives.do("dispute", at=lives.one.due_at + 1) == "its dispute window is over"


def test_the_price_is_the_one_of_when_it_was_verified_whatever_comes_later() -> None:
    lives = Lives().play("verify_pass confirm")
    lives.do("invoice", price="p2", fee=[1, "USD"], invoice="i1")
    assert (lives.one.price, lives.one.fee, lives.one.invoice) == ("p1", Money(10_000_000_000, "USD"), "i1")


def test_the_price_is_the_one_of_the_claim_where_the_contract_says_so() -> None:
    lives = Lives(made(freeze="claimed"))
    lives.claim(price="p0", fee=[7_000_000_000, "USD"])
    lives.do("verify_pass")
    lives.do("confirm", at=NOW + 2 * HOUR)
    assert (lives.one.price, lives.one.fee) == ("p0", Money(7_000_000_000, "USD"))


def test_a_degree_is_paid_in_part_and_a_verdict_only_ever_lowers_it() -> None:
    lives = Lives()
    lives.claim(degree=WHOLE * 8 // 10)
    lives.do("verify_pass", degree=WHOLE // 2)
    lives.do("confirm", at=NOW + 2 * HOUR, degree=WHOLE)
    assert (lives.one.degree, lives.one.fee) == (WHOLE // 2, Money(5_000_000_000, "USD"))


def test_who_performed_it_attests_nothing_of_it() -> None:
    lives = Lives()
    lives.claim(key="c1", subject="s1")
    assert lives.do("verify_pass", attestor="clerk") == "clerk performed it and cannot attest it"
    lives.do("verify_pass")
    assert lives.do("human", attestor="clerk") == "clerk performed it and cannot attest it"
    assert lives.do("human", actor="clerk") == "clerk performed it and cannot attest it"
    assert lives.do("human", attestor=" Clerk") == " Clerk performed it and cannot attest it"
    assert lives.do("confirm", attestor="") == "nobody vouches for it"
    assert lives.one.state == "pending"


def test_the_key_that_claimed_it_does_not_attest_it_either() -> None:
    lives = Lives()
    lives.tell(OutcomeEvent("x", "c1", "claim", NOW, data={"key": "key_1", "identity": "i", "agents": []}))
    lives.do("verify_pass")
    assert lives.do("confirm", attestor="boss") == ""
    other = Lives()
    other.tell(OutcomeEvent("x", "c1", "claim", NOW, data={"key": "key_1", "identity": "i", "agents": []}))
    other.do("verify_pass")
    event = OutcomeEvent("y", "c1", "confirm", NOW + HOUR, attestor="boss", data={"key": "key_1"})
    assert other.tell(event) == "the key that claimed it cannot attest it"


def test_what_is_weaker_than_the_minimum_verifies_nothing() -> None:
    lives = Lives(made(minimum="human")).play("verify_pass")
    assert lives.do("silence", at=NOW + 3 * DAY) == "silence is weaker than human, which is the least that counts"
    assert lives.do("judge") == "judge is weaker than human, which is the least that counts"
    assert lives.do("human") == ""


def test_a_type_that_waits_for_nobody_is_verified_by_its_checks() -> None:
    assert Lives(made(attest="[]")).play("verify_pass").one.state == "verified"


def test_all_checks_must_pass_before_it_is_pending() -> None:
    checks = "[{id: one, by: cel, when: 'true'}, {id: two, by: cel, when: 'true'}]"
    lives = Lives(made(checks=checks))
    lives.claim()
    lives.do("verify_pass", verifier="two")
    assert (lives.one.state, lives.one.attempts) == ("claimed", 1)
    lives.do("verify_pass", verifier="one", at=NOW + 2 * HOUR)
    assert (lives.one.state, lives.one.attempts) == ("pending", 2)


def test_the_first_verdict_binds_unless_there_is_new_evidence() -> None:
    lives = Lives(made(checks="[{id: one, by: cel, when: 'true'}, {id: two, by: cel, when: 'true'}]"))
    lives.claim()
    lives.do("verify_pass", verifier="one")
    assert lives.do("verify_fail", verifier="one").startswith("the first verdict of one binds")
    assert lives.do("verify_unsure", verifier="two") == ""
    assert lives.do("verify_fail", verifier="two") == ""
    assert lives.do("verify_pass", verifier="two") == "it is rejected"
    assert lives.do("evidence", evidence=("e0",)) == "it brings no new evidence"
    assert lives.do("evidence", evidence=("e1",)) == ""
    assert lives.do("verify_pass", verifier="two") == ""
    assert (lives.one.state, lives.one.attempts) == ("pending", 4)


def test_new_evidence_does_not_bring_back_what_a_person_rejected_nor_what_was_claimed_anew() -> None:
    lives = Lives().play("reject")
    assert lives.do("evidence", evidence=("e1",)) == "it was rejected for good"
    other = Lives().play("verify_fail")
    other.claim("c2")
    assert other.do("evidence", evidence=("e1",)) == "c2 is claimed in its place"


def test_a_second_claim_of_one_subject_is_a_duplicate_and_linked_until_the_first_is_over() -> None:
    lives = Lives().play("verify_pass")
    lives.claim("c2")
    assert (lives["c2"].state, lives["c2"].duplicate_of) == ("duplicate", "c1")
    lives.do("reject")
    lives.claim("c3")
    assert lives["c3"].state == "claimed"


def test_an_event_of_nothing_or_of_no_kind_is_ignored_with_its_reason() -> None:
    lives = Lives()
    assert lives.do("confirm") == "there is no such outcome"
    lives.play("")
    assert lives.claim() == "told before"
    assert lives.do("claim") == "it was claimed before"
    assert lives.do("cheer") == "there is no event 'cheer'"
    assert lives.do("verify_pass", refused="the signature is wrong") == "the signature is wrong"
    assert (lives.one.state, lives.one.ignored) == ("claimed", 3)


def test_what_took_too_long_is_credited_by_its_service_level() -> None:
    slow = made(sla="[{id: fast, within: 1h, credit: 0.1}, {id: whole, within: 2d, credit: 0.5}]")
    lives = Lives(slow).play("verify_pass confirm")
    assert credits(lives.one, slow) == {"fast": 1_000_000_000}
    assert FEE[0] == 10_000_000_000
