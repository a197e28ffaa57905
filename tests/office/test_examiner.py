"""From claim to verdict without anybody's help: checks, callbacks, judges, rules, silence, restarts."""

import pytest

from comptroller.core.facts import CLAIM, TYPES_LOADED
from comptroller.core.mistakes import FileErrors
from comptroller.office.post import Answer
from comptroller.office.verifiers.verdict import Hearing, Verdict
from tests.office.bench import Told, account, closed, office

CALLBACK = "[{id: record, by: callback, url: 'http://127.0.0.1:9/verify', secret_env: M2_SECRET, tries: 3}]"


@pytest.fixture(autouse=True)
def _shared_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("M2_SECRET", "shared")


def test_a_claim_that_meets_its_condition_is_pending_and_silence_verifies_it() -> None:
    with office() as here:
        key = here.claim()
        here.wait(1)
        assert (here[key].state, here[key].agents) == ("pending", ("clerk",))
        here.wait(25)
        assert (here[key].state, here[key].method) == ("verified", "silence")


def test_a_claim_that_does_not_meet_it_is_rejected_and_new_evidence_has_it_heard_again() -> None:
    with office() as here:
        key = here.claim(evidence={"note": "x"})
        here.wait(1)
        assert here[key].state == "rejected"
        digest = here.desk.ledger.keep([b'{"decision":"approved"}'], "default", "acme")[0]
        here.say("evidence", key, evidence=(digest,))
        here.wait(1)
        assert (here[key].state, here[key].attempts) == ("pending", 2)


def test_what_the_evidence_must_show_is_checked_before_all_else() -> None:
    shown = "{required: [decision], schema: {properties: {score: {type: integer}}}}"
    with office(evidence=shown, checks="[]") as here:
        keys = [here.claim(str(n), e) for n, e in enumerate(({}, {"decision": "x", "score": "no"}, {"decision": "x"}))]
        here.wait(1)
        assert [here[key].state for key in keys] == ["rejected", "rejected", "pending"]
        assert [here[key].because for key in keys[:2]] == [
            "its evidence does not say decision",
            "score breaks properties/score/type",
        ]


def test_a_fee_that_is_a_share_of_a_value_needs_the_value() -> None:
    with office(value="{of: amount, currency: EUR}", checks="[]") as here:
        keys = [here.claim(str(n), e) for n, e in enumerate(({}, {"amount": "12.50"}, {"amount": "many"}))]
        here.wait(1)
        assert [here[key].state for key in keys] == ["rejected", "pending", "rejected"]
        assert str(here[keys[1]].value) == "12.50 EUR"
        assert "the fee is a share of it" in here[keys[0]].because


def test_evidence_that_was_erased_proves_nothing() -> None:
    with office() as here:
        key = here.claim()
        here.desk.ledger.bodies.clear()
        here.wait(1)
        assert here[key].state == "rejected"


def test_the_customers_system_is_asked_with_a_signature_and_its_signed_word_counts() -> None:
    with office(checks=CALLBACK, attest="[]", minimum="customer") as here:
        key = here.claim()
        here.wait(1)
        assert (here[key].state, here[key].method) == ("verified", "customer")
        assert here.other.asked[0].id == f"{key}.record.1"


def test_a_callback_that_lies_is_refused_on_record_and_asked_again() -> None:
    with office(checks=CALLBACK, attest="[]", minimum="customer") as here:
        here.other.secret = b"somebody else's"
        key = here.claim()
        here.wait(1)
        assert here[key].state == "claimed"
        told = here.registry.events(key)[-1].event
        assert told.data["because"] == "an answer was refused: its signature was not made with the shared secret"
        here.other.secret = b"shared"
        here.wait(1)
        assert (here[key].state, here[key].attempts) == ("verified", 2)


def test_an_answer_to_another_question_counts_for_nothing() -> None:
    with office(checks=CALLBACK, attest="[]", minimum="customer") as here:
        here.other.says = [{"outcome": "another", "verdict": "pass"}]
        key = here.claim()
        here.wait(1)
        assert here.registry.events(key)[-1].event.data["because"].endswith("about another outcome")  # type: ignore[attr-defined]


def test_a_callback_is_tried_again_later_and_later_under_one_id_and_at_last_given_up() -> None:
    with office(checks=CALLBACK, deadline="9d", attest="[]", minimum="customer") as here:
        here.other.says = [Answer(0, error="no answer in time"), Answer(500), Answer(202), Answer(200)]
        key = here.claim()
        here.examiner.work()
        here.examiner.work()
        assert len(here.other.asked) == 1
        for _ in range(5):
            here.wait(1)
        assert {letter.id for letter in here.other.asked} == {f"{key}.record.1"}
        assert len(here.other.asked) == 3
        assert (here[key].state, here[key].attempts) == ("claimed", 3)
        here.wait(9 * 24)
        assert here[key].state == "expired"


def test_a_restart_forgets_neither_tries_nor_deadlines() -> None:
    with office(checks=CALLBACK, attest="[]", minimum="customer") as here:
        here.other.says = [Answer(500)]
        key = here.claim()
        here.examiner.work()
        here.again().examiner.work()
        assert len(here.other.asked) == 1
        here.clock.tick(4 * 24 * 3600)
        after = here.again()
        after.examiner.work()
        assert after[key].state == "expired"
        assert after[key].due_at == 0


def test_without_its_secret_nothing_is_asked_and_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("M2_SECRET")
    with office(checks=CALLBACK, attest="[]", minimum="customer") as here:
        key = here.claim()
        here.wait(1)
        assert here.other.asked == []
        assert "holds no secret" in str(here.registry.events(key)[-1].event.data["because"])


class Solomon:
    name = "wise"

    def __init__(self) -> None:
        self.verdicts = [Verdict(None, "not sure"), Verdict(True, "fair", degree=500_000_000, attestor="judge wise")]

    def judge(self, hearing: Hearing, asks: str) -> Verdict:
        if not self.verdicts:
            raise RuntimeError("tired")
        return self.verdicts.pop(0)


JUDGED = "[{id: wise, by: judge, judge: wise, asks: 'Was it good?'}]"


def test_a_judge_that_is_not_sure_is_asked_again_and_every_attempt_counts() -> None:
    with office(judges={"wise": Solomon()}, checks=JUDGED, attest="[]", minimum="judge") as here:
        key = here.claim()
        here.wait(1)
        assert (here[key].state, here[key].attempts) == ("claimed", 1)
        here.wait(1)
        assert (here[key].state, here[key].attempts, here[key].degree) == ("verified", 2, 500_000_000)
        assert (here[key].method, here[key].attestor) == ("judge", "judge wise")


def test_a_judge_that_fails_or_is_not_there_decides_nothing() -> None:
    tired = Solomon()
    tired.verdicts = []
    for judges, told in (({"wise": tired}, "RuntimeError"), ({}, "no judge 'wise' is installed")):
        with office(judges=judges, checks=JUDGED, attest="[]", minimum="judge") as here:
            key = here.claim()
            here.wait(1)
            assert here[key].state == "claimed"
            assert told in str(here.registry.events(key)[-1].event.data["because"])


def test_a_condition_on_the_run_waits_until_the_books_know_it() -> None:
    books = Told()
    checks = "[{id: cheap, by: cel, when: 'run.status == \"ok\" && run.cost < 1.0'}]"
    with office(checks=checks, books=books) as here:
        key = here.claim()
        here.wait(1)
        assert here.history(key) == ["claim"]
        books.runs[here[key].run] = account(here[key].run, status="open")
        here.wait(1)
        assert here.history(key) == ["claim"]
        books.runs[here[key].run] = account(here[key].run)
        here.wait(1)
        assert here[key].state == "pending"


def test_runs_are_claimed_by_rule_once_and_only_those_that_meet_it() -> None:
    books = Told()
    claims = "[{workflow: 'support*', when: '!(\"hand_over\" in run.tools)', subject: run}]"
    with office(claims=claims, checks="[]", books=books) as here:
        books.runs = {"r1": account("r1"), "r2": account("r2", tools=["hand_over"]), "r3": account("r3")}
        for run in ("r1", "r2", "r4"):
            closed(here, run)
        closed(here, "r3", "sales")
        here.wait(1)
        books.runs["r4"] = account("r4")
        here.wait(1)
        here.again().examiner.work()
        assert [(o.run, o.state) for o in here.registry.outcomes.values()] == [("r1", "pending"), ("r4", "pending")]
        assert len(here.desk.ledger.of(CLAIM)) == 2


def test_a_rule_does_not_claim_what_is_older_than_its_deadline() -> None:
    books = Told({"r1": account("r1")})
    claims = "[{workflow: '*', when: 'true', subject: run}]"
    with office(claims=claims, checks="[]", books=books) as here:
        closed(here, "r1")
        here.wait(4 * 24)
        assert here.registry.outcomes == {}


def test_a_claim_of_no_known_type_waits_until_there_is_one() -> None:
    with office() as here:
        types = dict(here.registry.types)
        here.registry.types = {}
        key = here.claim()
        here.wait(1)
        assert list(here.examiner.intake.unknown) == [key]
        here.registry.types = types
        after = here.again()
        after.examiner.work()
        assert after[key].state == "pending"


def test_a_fee_is_split_by_what_each_agent_cost_in_the_currency_most_was_spent_in() -> None:
    rows = [
        {"agent": "a", "currency": "USD", "cost": 3, "latest": None},
        {"agent": "b", "currency": "USD", "cost": 1, "latest": None},
        {"agent": "b", "currency": "EUR", "cost": 2, "latest": None},
    ]
    with office(split="cost", attest="[]", books=Told(work=rows)) as here:
        from comptroller.wrapper.run import Run

        with Run("loans", customer="acme", desk=here.desk) as run:
            for name in ("a", "b"):
                with run.agent(name):
                    pass
            key = run.claim("loan.decided", subject="s", evidence={"decision": "x"})
        here.wait(1)
        assert here[key].weights == (("a", 3 * 10**9), ("b", 10**9))


def test_a_fee_is_split_as_the_claims_evidence_declares() -> None:
    with office(split="declared", attest="[]") as here:
        key = here.claim(evidence={"decision": 1, "shares": {"a": 3, "b": "1.5", "c": "x", "d": -1}})
        here.wait(1)
        assert here[key].weights == (("a", 3 * 10**9), ("b", 15 * 10**8))


def test_subjects_that_differ_in_spaces_or_by_type_in_case_are_one() -> None:
    with office(subject="caseless") as here:
        first = here.claim("APP-É1")
        others = [here.claim(said) for said in ("  app-é1 ", "APP-E\u03011", "ＡＰＰ-é1", "app-\u200bé\u00ad1")]
        here.wait(1)
        assert [here[other].duplicate_of for other in others] == [first] * 4


@pytest.mark.parametrize(
    ("part", "told"),
    [
        ({"checks": "[{id: a, by: cel, when: evidense.x}]"}, "`when`"),
        ({"checks": "[{id: a, by: schema, schema: {type: objekt}}]"}, "the schema cannot be used"),
        ({"checks": "[{id: a, by: callback, url: 'http://example.com/x', secret_env: S}]"}, "must be https"),
        ({"claims": "[{workflow: x, when: 'true', subject: runn}]"}, "`subject` cannot be `runn`"),
        ({"evidence": "{schema: {$ref: 'http://127.0.0.1:1/x'}}"}, "the schema cannot be used"),
    ],
)
def test_a_verifier_that_cannot_work_is_refused_at_load_with_its_line(part: dict[str, str], told: str) -> None:
    with pytest.raises(FileErrors) as error, office(**part):
        pass
    assert told in str(error.value)
    assert "type.yaml:" in str(error.value)


def test_a_type_is_on_record_with_its_text_once_before_anything_is_judged_by_it() -> None:
    with office() as here:
        for subject in "xyz":
            here.claim(subject)
            here.again().examiner.work()
        [told] = here.desk.ledger.of(TYPES_LOADED)
        kinds = [fact.kind for fact in here.desk.ledger.facts]
        assert kinds.index(TYPES_LOADED) < kinds.index("outcome")
        assert "outcome: loan.decided" in told.data["files"][0]["text"]  # type: ignore[index]
