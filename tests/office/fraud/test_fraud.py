"""Made histories that must be flagged, each beside an honest one that must not."""

import random
from dataclasses import dataclass, replace
from typing import Any

from comptroller.core.outcome import Outcome, OutcomeEvent, Terms
from comptroller.office.fraud import SIGNALS, Finding, History, Loaded, Runs, findings
from comptroller.office.fraud.history import DAY

JANUARY = 20_454 * DAY  # 2026-01-01
TERMS = Terms(deadline_ns=30 * DAY, lookback_ns=0, dispute_ns=30 * DAY, resolve_ns=30 * DAY)


@dataclass
class Said:
    """An event on record."""

    event: OutcomeEvent
    recorded_at: int
    ignored: str = ""


def outcome(number: int, day: int = 0, **more: Any) -> Outcome:
    at = JANUARY + day * DAY
    told = {
        "key": f"o{number:04}", "tenant": "default", "customer": "acme", "type": "ticket.solved",
        "subject": f"ticket-{1000 + number}", "state": "verified", "claim": f"o{number:04}", "run": f"r{number}",
        "workflow": "support", "agents": ("ada",), "claimed_at": at, "verified_at": at, "method": "customer",
        "evidence": (f"d{number}",), "terms": TERMS,
    }  # fmt: skip
    return Outcome(**{**told, **more})


def event(type: str, at: int, late: int = 0, ignored: str = "", **more: Any) -> Said:
    return Said(OutcomeEvent(f"e{at}{type}{more.get('attestor', '')}", "o", type, at, **more), at + late, ignored)


def found(*outcomes: Outcome, **more: Any) -> list[Finding]:
    return findings(History(outcomes, **more))


def signals(*outcomes: Outcome, **more: Any) -> list[str]:
    return [one.signal for one in found(*outcomes, **more)]


# -- silence


def month(quiet: int, of: int, since: int, first: int) -> list[Outcome]:
    return [
        outcome(first + n, since + n % 28, method="silence" if n < quiet else "customer", agents=("ada", f"a{n}"))
        for n in range(of)
    ]


def test_a_jump_of_silence_is_flagged_with_the_silent_outcomes_of_the_last_month() -> None:
    before, now = month(5, 50, 0, 0), month(30, 50, 60, 100)
    (one,) = found(*before, *now)
    assert one.signal == "silence_drift"
    assert sorted(one.outcomes) == sorted(known.key for known in now if known.method == "silence")
    assert "60 %" in one.message
    assert "10 %" in one.message


def test_a_lot_of_silence_that_was_always_there_is_not_flagged() -> None:
    assert signals(*month(30, 50, 0, 0), *month(32, 50, 60, 100)) == []


def test_few_outcomes_prove_no_drift() -> None:
    assert signals(*month(1, 10, 0, 0), *month(9, 10, 60, 100)) == []


def test_chance_alone_is_not_flagged() -> None:
    dice = random.Random(7)
    for _ in range(50):
        quiet = [sum(dice.random() < 0.3 for _ in range(60)) for _ in range(2)]
        assert signals(*month(quiet[0], 60, 0, 0), *month(quiet[1], 60, 60, 100)) == []


def test_one_agent_that_goes_silent_is_flagged_although_all_together_do_not_move() -> None:
    others = [outcome(1000 + n, n % 90, agents=("bo",)) for n in range(600)]
    ada = [replace(one, agents=("ada",)) for one in (*month(2, 40, 0, 0), *month(30, 40, 60, 100))]
    assert [(one.signal, one.who) for one in found(*others, *ada)] == [("silence_drift", "ada")]


# -- splitting


def test_parts_of_one_subject_within_a_day_are_flagged() -> None:
    parts = [outcome(n, subject=f"ticket-1042-{letter}", run="r") for n, letter in enumerate("abc")]
    (one,) = found(*parts)
    assert (one.signal, one.outcomes) == ("subject_splitting", ("o0000", "o0001", "o0002"))


def test_numbers_that_count_up_are_not_parts() -> None:
    assert signals(*[outcome(n, subject=f"ticket-{1000 + n}", run="batch") for n in range(200)]) == []
    assert signals(*[outcome(n, n, subject=f"order-2026-{10 + n}") for n in range(80)]) == []


def test_parts_that_come_on_different_days_are_not_flagged() -> None:
    assert signals(*[outcome(n, n * 2, subject=f"ticket-1042-{n}") for n in range(5)]) == []


def test_one_proof_for_several_subjects_is_flagged() -> None:
    pair = [outcome(n, subject=f"s{n}", evidence=("same",)) for n in range(2)]
    (one,) = found(*pair, *(outcome(n) for n in range(10, 20)))
    assert (one.signal, one.outcomes) == ("subject_splitting", ("o0000", "o0001"))


def test_evidence_that_nearly_every_claim_brings_is_a_form_and_not_flagged() -> None:
    assert signals(*[outcome(n, evidence=("empty",)) for n in range(30)]) == []


def test_claims_that_were_refused_as_duplicates_cost_nothing_and_are_not_flagged() -> None:
    parts = [outcome(n, subject=f"t-1-{n}", run="r", state="duplicate", verified_at=0) for n in range(4)]
    assert signals(*parts) == []


# -- verdicts


def test_a_verdict_asked_for_until_it_passed_is_flagged() -> None:
    told = [event("verify_fail", JANUARY), event("verify_fail", JANUARY + 1), event("verify_pass", JANUARY + 2)]
    assert signals(outcome(1), entries={"o0001": told}) == ["judge_retries"]


def test_asking_again_without_new_evidence_counts_as_well() -> None:
    again = "the first verdict of quality binds unless there is new evidence"
    told = [event("verify_fail", JANUARY), event("verify_pass", JANUARY + 1, ignored=again)]
    told += [event("verify_pass", JANUARY + 2)]
    assert signals(outcome(1), entries={"o0001": told}) == ["judge_retries"]


def test_one_failure_mended_by_new_evidence_is_honest() -> None:
    told = [event("verify_fail", JANUARY), event("evidence", JANUARY + 1), event("verify_pass", JANUARY + 2)]
    assert signals(outcome(1), *(outcome(n) for n in range(2, 12)), entries={"o0001": told}) == []


def test_a_judge_that_was_down_is_nobodys_retry() -> None:
    told = [event("verify_unsure", JANUARY + n) for n in range(5)] + [event("verify_pass", JANUARY + 9)]
    assert signals(outcome(1), entries={"o0001": told}) == []


def test_failures_after_it_passed_are_no_retries() -> None:
    told = [event("verify_pass", JANUARY)] + [
        event("verify_fail", JANUARY + n, ignored="it is verified") for n in (1, 2)
    ]
    assert signals(outcome(1), entries={"o0001": told}) == []


def test_a_rejected_subject_claimed_anew_until_it_passed_is_flagged() -> None:
    tried = [
        outcome(n, n, subject="t", state="rejected", verified_at=0, verdicts=(("quality", "fail", 1),)) for n in (1, 2)
    ]
    (one,) = found(*tried, outcome(3, 3, subject="t"))
    assert (one.signal, one.outcomes) == ("judge_retries", ("o0001", "o0002", "o0003"))


def test_an_agent_that_often_passes_at_the_second_try_is_flagged() -> None:
    told = {f"o{n:04}": [event("verify_fail", JANUARY), event("verify_pass", JANUARY + 1)] for n in range(6)}
    (one,) = found(*(outcome(n) for n in range(12)), entries=told)
    assert (one.signal, one.who, len(one.outcomes)) == ("judge_retries", "ada", 6)
    assert signals(*(outcome(n) for n in range(60)), entries=told) == []


# -- self-dealing


def test_attesting_ones_own_work_is_flagged_also_where_it_was_refused() -> None:
    tried = event("confirm", JANUARY, ignored="ada performed it and cannot attest it", attestor="ada")
    (one,) = found(outcome(1), entries={"o0001": [tried]})
    assert (one.signal, one.who) == ("self_dealing", "ada")
    assert "refused" in one.message


def test_attesting_with_the_key_that_claimed_is_flagged() -> None:
    told = event("confirm", JANUARY, attestor="mail@acme", data={"key": "k1"})
    assert signals(outcome(1, claimant="k1"), entries={"o0001": [told]}) == ["self_dealing"]


def test_an_agent_that_confirms_as_a_customer_is_flagged() -> None:
    told = event("confirm", JANUARY, attestor="bo")
    assert signals(outcome(1), outcome(2, agents=("bo",)), entries={"o0001": [told]}) == ["self_dealing"]


def test_a_customer_who_confirms_is_honest_and_so_is_a_judge_that_works_elsewhere() -> None:
    told = {
        "o0001": [event("confirm", JANUARY, attestor="mail@acme")],
        "o0002": [event("judge", JANUARY, attestor="bo")],
    }
    assert signals(outcome(1), outcome(2), outcome(3, agents=("bo",)), entries=told) == []


def test_two_that_judge_each_other_are_flagged_and_one_way_is_not() -> None:
    ada = [outcome(n) for n in range(3)]
    bo = [outcome(n, agents=("bo",)) for n in range(10, 13)]
    by_bo = {one.key: [event("judge", JANUARY, attestor="bo")] for one in ada}
    by_ada = {one.key: [event("judge", JANUARY, attestor="ada")] for one in bo}
    (one,) = found(*ada, *bo, entries=by_bo | by_ada)
    assert (one.signal, one.who, len(one.outcomes)) == ("self_dealing", "ada, bo", 6)
    assert signals(*ada, *bo, entries=by_bo) == []


# -- cherry-picking


def picked(now: int, passed: int) -> list[Outcome]:
    before = [outcome(n, n % 28) for n in range(90)]
    rest = {"state": "rejected", "verified_at": 0}
    return before + [outcome(200 + n, 60 + n % 28, **(rest if n >= passed else {})) for n in range(now)]


RAN = [Runs("default", "acme", "support", 20_454 + day, 100) for day in (10, 70)]


def test_claiming_only_what_passes_is_flagged() -> None:
    (one,) = found(*picked(40, 40), runs=RAN)
    assert (one.signal, one.who, len(one.outcomes)) == ("cherry_picking", "support", 40)


def test_claiming_less_because_less_was_reached_is_not_flagged() -> None:
    assert signals(*picked(40, 25), runs=RAN) == []


def test_claiming_as_much_as_ever_is_not_flagged() -> None:
    assert signals(*picked(88, 88), runs=RAN) == []


# -- dates


def test_a_verdict_told_after_the_deadline_and_dated_before_it_is_flagged() -> None:
    told = event("confirm", JANUARY + 29 * DAY, late=3 * DAY, attestor="mail@acme")
    (one,) = found(outcome(1), entries={"o0001": [told]})
    assert one.signal == "back_dating"
    assert "before the deadline on 2026-01-31" in one.message


def test_a_verdict_moved_into_the_month_before_is_flagged() -> None:
    told = event("confirm", JANUARY + 30 * DAY, late=2 * DAY, attestor="mail@acme")
    terms = replace(TERMS, deadline_ns=90 * DAY)
    assert signals(outcome(1, terms=terms), entries={"o0001": [told]}) == ["back_dating"]


def test_a_verdict_dated_before_its_claim_is_flagged() -> None:
    assert signals(outcome(1, 5), entries={"o0001": [event("confirm", JANUARY)]}) == ["back_dating"]


def test_what_comes_late_and_makes_no_difference_is_not_flagged() -> None:
    told = event("confirm", JANUARY + 5 * DAY, late=3 * DAY, attestor="mail@acme")
    assert signals(outcome(1), entries={"o0001": [told]}) == []


def test_our_own_clocks_may_come_late() -> None:
    told = [event("silence", JANUARY + 20 * DAY, late=40 * DAY), event("deadline", JANUARY + 30 * DAY, late=9 * DAY)]
    assert signals(outcome(1), entries={"o0001": told}) == []


def loaded(version: str, starts: int, at: int) -> Loaded:
    return Loaded("default", "acme", "acme-1", version, JANUARY + starts * DAY, JANUARY + at * DAY)


def test_a_price_that_begins_before_it_was_on_record_is_flagged_with_what_it_touches() -> None:
    versions = [loaded("v1", 0, 0), loaded("v2", 10, 20)]
    (one,) = found(outcome(1, 5), outcome(2, 15), outcome(3, 25), contracts=versions)
    assert (one.signal, one.outcomes) == ("back_dating", ("o0002",))


def test_the_first_contract_of_a_customer_and_one_agreed_in_time_are_not_flagged() -> None:
    assert signals(outcome(1, 5), contracts=[loaded("v1", 0, 30)]) == []
    assert signals(outcome(1, 25), contracts=[loaded("v1", 0, 0), loaded("v2", 20, 10)]) == []


# -- all of them


def test_the_order_of_a_history_changes_no_finding() -> None:
    history = [*month(5, 50, 0, 0), *month(30, 50, 60, 100)]
    history += [outcome(500 + n, subject=f"ticket-1042-{letter}", run="r") for n, letter in enumerate("abc")]
    straight = found(*history)
    random.Random(3).shuffle(history)
    assert found(*history) == straight
    assert len(straight) == 2


def test_every_signal_is_documented_where_it_is_found() -> None:
    assert all(find.__doc__ and "\n\n" in find.__doc__ for find in SIGNALS.values())
