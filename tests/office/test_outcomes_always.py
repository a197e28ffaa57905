"""A whole office under random days: claims, words, time, restarts, a second office; the journal alone decides."""

from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from comptroller.core.outcome import LIVE, OutcomeEvent
from comptroller.metering.outcomes import step
from comptroller.office.outcomes import event_of
from tests.office.bench import Office, office

CHECKS = "[{id: decided, by: cel, when: has(evidence.decision)}]"
WORDS = ["confirm", "human", "reject", "takeover", "reopen", "duplicate", "invoice", "dispute", "upheld", "denied"]
WORDS += ["credit", "window_end", "clawback", "silence", "deadline", "verify_pass", "verify_fail"]


class Days(RuleBasedStateMachine):
    """Two offices on one ledger; each may be gone and come back."""

    def __init__(self) -> None:
        super().__init__()
        self.context = office(checks=CHECKS)
        self.one = self.context.__enter__()
        self.two = self.one.again()
        self.claims: list[str] = []

    def teardown(self) -> None:
        self.context.__exit__(None, None, None)

    @rule(subject=st.sampled_from("xyz"), shown=st.booleans())
    def claim(self, subject: str, shown: bool) -> None:
        self.claims.append(self.one.claim(subject, {"decision": 1} if shown else {}))

    @precondition(lambda self: self.claims)
    @rule(
        word=st.sampled_from(WORDS),
        which=st.integers(0, 9),
        who=st.sampled_from(("acme", "clerk", "")),
        second=st.booleans(),
        twice=st.booleans(),
        amount=st.sampled_from((None, 1, 10**9)),
    )
    def say(self, word: str, which: int, who: str, second: bool, twice: bool, amount: int | None) -> None:
        at, key = self.two if second else self.one, self.claims[which % len(self.claims)]
        more: dict[str, Any] = {"reason": "fraud", "verifier": "decided"}
        if amount is not None:
            more["amount"] = amount
        id = f"{key}:{word}:{at.clock.new_id()}"
        for each in (at, self.one)[: 1 + twice]:
            each.say(word, key, id=id, actor=who, attestor=who, **more)

    @rule(hours=st.sampled_from((0, 1, 25, 80, 800)), second=st.booleans())
    def work(self, hours: int, second: bool) -> None:
        (self.two if second else self.one).wait(hours)

    @rule(second=st.booleans())
    def restart(self, second: bool) -> None:
        if second:
            self.two = self.two.again()
        else:
            self.one = self.one.again()

    @invariant()
    def both_read_the_same(self) -> None:
        self.one.registry.catch_up()
        self.two.registry.catch_up()
        assert self.one.registry.outcomes == self.two.registry.outcomes == replayed(self.one)

    @invariant()
    def one_live_outcome_has_an_identity(self) -> None:
        live = [each.identity for each in self.one.registry.outcomes.values() if each.state in LIVE]
        assert len(live) == len(set(live))

    @invariant()
    def every_event_is_on_record_once(self) -> None:
        ids = [fact.id for fact in self.one.desk.ledger.of("outcome")]
        assert len(ids) == len(set(ids))


def replayed(here: Office) -> dict[str, Any]:
    """All outcomes, folded from the facts by hand, each told twice."""
    fresh = here.again().registry
    found: dict[str, Any] = {}
    seen: set[str] = set()
    for fact in here.desk.ledger.of("outcome"):
        for event in [event_of(fact)] * 2:
            if event.id not in seen:
                seen.add(event.id)
                found[event.outcome] = _stepped(fresh, found, event)
    return {key: outcome for key, outcome in found.items() if outcome is not None}


def _stepped(registry: Any, found: dict[str, Any], event: OutcomeEvent) -> Any:
    class Others:
        def live(self, identity: str) -> str:
            return next((o.key for o in found.values() if o and o.identity == identity and o.state in LIVE), "")

        def verified(self, *_: object) -> int:
            return 0

    type = registry.types["loan.decided"]
    return step(found.get(event.outcome), event, type, Others())[0]


Days.TestCase.settings = settings(
    max_examples=25,
    stateful_step_count=20,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
TestDays = Days.TestCase
