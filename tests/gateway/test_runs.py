"""Runs at the gateway: opened once, closed once, what one says binds all its calls."""

from typing import Any

import pytest

from comptroller.core.call import Identity
from comptroller.core.clock import FrozenClock
from comptroller.core.facts import AGENT_CLOSED, AGENT_OPENED, RUN_CLOSED, RUN_OPENED
from comptroller.gateway.caller import Caller
from comptroller.gateway.runs import MOST_AGENTS, Runs
from comptroller.gateway.stop import Stop
from comptroller.office.keys import Key
from comptroller.policies.load import load_policies
from comptroller.testing import TestDesk, desk
from tests.gateway.house import house

NO_ROGUES = """
policy: p
rules:
  - {id: rogues, on: agent, when: 'agent == "rogue"', then: deny, because: We know it.}
"""


def who(said: dict[str, str] | None = None, key: Key | None = None, **fields: Any) -> Caller:
    return Caller(Identity(**fields), key, said or {})


@pytest.fixture
def office() -> Any:
    with desk(clock=FrozenClock()) as made:
        yield made


def runs(office: TestDesk, most: int = 10, idle_s: int = 60) -> Runs:
    return Runs(office, most, idle_s)


def test_a_run_is_opened_once_and_closed_once(office: TestDesk) -> None:
    open_runs = runs(office)
    first, second = open_runs.enter(who(), "r1", "", ""), open_runs.enter(who(), "r1", "", "")
    assert first.state is second.state
    open_runs.close()
    open_runs.close()
    assert [len(office.facts(kind)) for kind in (RUN_OPENED, RUN_CLOSED)] == [1, 1]


def test_what_the_first_call_says_of_a_run_holds_for_those_that_say_nothing(office: TestDesk) -> None:
    open_runs = runs(office)
    open_runs.enter(who(customer="acme", workflow="loans"), "r1", "", "")
    later = open_runs.enter(who(), "r1", "", "")
    assert (later.identity.customer, later.identity.workflow, later.identity.run) == ("acme", "loans", "r1")


@pytest.mark.parametrize("field", ["customer", "user", "workflow", "tenant"])
def test_a_call_that_says_otherwise_is_a_conflict(office: TestDesk, field: str) -> None:
    open_runs = runs(office)
    open_runs.enter(who(**{field: "one"}), "r1", "", "")
    assert open_runs.enter(who(**{field: "two"}), "r1", "", "").conflict is not None


def test_a_run_of_another_tenant_tells_nothing_of_itself(office: TestDesk) -> None:
    open_runs = runs(office)
    open_runs.enter(who(tenant="t1", customer="acme"), "r1", "", "")
    place = open_runs.enter(who(tenant="t2"), "r1", "", "")
    assert place.conflict is not None
    assert "acme" not in str(place.conflict)
    assert place.identity.customer == ""
    assert place.state.id != "r1"


def test_the_smallest_budget_said_is_the_runs_and_says_so_in_the_fact(office: TestDesk) -> None:
    open_runs = runs(office)
    limits = []
    for text in ("2 USD", "5 USD", "1.50 USD"):
        place = open_runs.enter(who({"budget": text}), "r1", "", "")
        limits.append([cap.limit for cap in place.state.caps])
    assert limits == [[2_000_000_000], [2_000_000_000], [1_500_000_000]]
    assert office.facts(RUN_OPENED)[0]["budget"] == [2_000_000_000, "USD"]


def test_a_budget_lowered_by_one_binds_those_who_asked_before(office: TestDesk) -> None:
    open_runs = runs(office)
    key = Key("k", budgets=())
    early = who(key=key)
    open_runs.enter(early, "r1", "", "")
    open_runs.enter(who({"budget": "1 USD"}), "r1", "", "")
    assert [cap.limit for cap in open_runs.enter(early, "r1", "", "").state.caps] == [1_000_000_000]


@pytest.mark.parametrize("text", ["much", "0 USD", "-1 USD", "1"])
def test_a_budget_that_is_none_is_400_and_opens_nothing(office: TestDesk, text: str) -> None:
    with pytest.raises(Stop) as stopped:
        runs(office).enter(who({"budget": text}), "r1", "", "")
    assert stopped.value.status == 400
    assert office.facts(RUN_OPENED) == []


def test_an_agent_has_one_span_a_run_which_its_calls_name(office: TestDesk) -> None:
    open_runs = runs(office)
    places = [open_runs.enter(who(agent=name), "r1", "", "") for name in ("a", "b", "a")]
    spans = [place.identity.parent for place in places]
    assert spans[0] == spans[2] != spans[1]
    assert [fact.id for fact in office.ledger.of(AGENT_OPENED)] == [spans[0], spans[1]]
    open_runs.close()
    assert [fact["span"] for fact in office.facts(AGENT_CLOSED)] == [spans[0], spans[1]]


def test_rules_on_agents_refuse_and_a_policy_that_changes_is_heard_within_a_run(office: TestDesk) -> None:
    open_runs = runs(office)
    rogue = who(agent="rogue")
    assert open_runs.enter(rogue, "r1", "", "").conflict is None
    office.book = load_policies([("p.yaml", NO_ROGUES)])
    assert str(open_runs.enter(rogue, "r1", "", "").conflict) == "We know it."


def test_made_up_agents_cannot_fill_memory(office: TestDesk) -> None:
    open_runs = runs(office)
    places = [open_runs.enter(who(agent=f"a{number}"), "r1", "", "") for number in range(MOST_AGENTS + 1)]
    assert places[-2].conflict is None
    assert places[-1].conflict is not None


def test_a_silent_run_is_closed_and_one_with_a_call_under_way_is_not(office: TestDesk) -> None:
    clock = office.clock
    assert isinstance(clock, FrozenClock)
    open_runs = runs(office, idle_s=60)
    open_runs.enter(who(), "quiet", "", "")
    open_runs.enter(who(), "busy", "", "").run.busy = 1
    clock.tick(61)
    open_runs.enter(who(), "new", "", "")
    open_runs.sweep()
    assert [fact.run for fact in office.ledger.of(RUN_CLOSED)] == ["quiet"]


def test_beyond_the_most_the_one_silent_for_longest_is_closed(office: TestDesk) -> None:
    open_runs = runs(office, most=2)
    open_runs.enter(who(), "a", "", "").run.busy = 1
    for name in ("b", "c"):
        open_runs.enter(who(), name, "", "")
    assert [fact.run for fact in office.ledger.of(RUN_CLOSED)] == ["b"]
    assert len(open_runs) == 2


# -- through the door


def test_headers_name_the_run_and_the_reply_says_it_again() -> None:
    with house() as at:
        headers = {"comptroller-run": "r1", "comptroller-agent": "clerk", "comptroller-customer": "acme"}
        assert at.post(headers=headers).headers["comptroller-run"] == "r1"
        assert (at.last["agent"], at.last["customer"]) == ("clerk", "acme")
        assert at.desk.ledger.of(RUN_OPENED)[0].run == "r1"
    assert len(at.desk.facts(RUN_CLOSED)) == 1


def test_a_budget_header_refuses_what_would_pass_it() -> None:
    with house() as at:
        reply = at.post(headers={"comptroller-budget": "0.000001 USD"})
        assert reply.status_code == 402
        assert "comptroller-budget header" in reply.json()["error"]["message"]
