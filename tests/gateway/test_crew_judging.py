"""Judges and further tries with several workers: asked at each of them, paid and counted as one."""

import json
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from comptroller.core.facts import CALL_CLOSED, Fact
from comptroller.testing.script import Received, Say
from tests.gateway.test_crew import Two, _access
from tests.gateway.yard import Yard, yard

BUDGET = 20_000_000  # nanos
pytestmark = pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="children are looked up in /proc")
POLICY: dict[str, Any] = {
    "judges": {"careful": {"model": "gpt-4o", "tries": 1, "time": "30s", "budget": "0.02 USD", "every": "day"}},
    "rules": [
        {"id": "promise", "on": "reply", "when": 'reply.text.contains("promise")', "then": "deny",
         "because": "We promise nothing.", "retry": {"times": 1, "hint": "Say what we will try."}},
        {"id": "advice", "on": "reply", "when": 'run.workflow == "judged"',
         "judge": {"says": "It advises."}, "then": "deny", "because": "No advice."},
    ],
}  # fmt: skip


def answers(asked: Received) -> Say:
    """A judge who sees advice where somebody should sue; a model that says what it is told to, once."""
    if "response_format" in asked.json:
        word = "yes" if "should sue" in asked.last else "no"
        return Say(json.dumps({"because": "", "verdict": word}))
    return Say("We try." if "promise nothing" in asked.last else asked.last)


@pytest.fixture(scope="module")
def at() -> Iterator[Yard]:
    with yard(answers, POLICY) as made:
        yield made


@pytest.fixture
def two(at: Yard) -> Iterator[Two]:
    made = Two(at)
    yield made
    made.close()


def say(text: str) -> dict[str, Any]:
    return {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": text}], "max_tokens": 50}


def closed(at: Yard, run: str) -> list[Fact]:
    return [fact for fact in at.facts(CALL_CLOSED) if fact.run == run]


def test_a_refused_reply_is_asked_for_again_at_either_worker(at: Yard, two: Two) -> None:
    for number in (0, 1):
        told = two.post(number, say("I promise."), comptroller_run=f"again-{number}")
        assert told.json()["choices"][0]["message"]["content"] == "We try."
        tries = closed(at, f"again-{number}")
        assert [fact.data["status"] for fact in tries] == ["denied", "ok"]
        costs = sum(cost_of(fact) for fact in tries)
        assert told.headers["comptroller-tries"] == "2"
        assert Decimal(told.headers["comptroller-cost"].split()[0]) * 10**9 == costs


def test_judges_are_asked_at_both_workers_and_keep_one_budget(at: Yard, two: Two) -> None:
    who = {"comptroller_run": "judged", "comptroller_workflow": "judged"}
    refused = [two.post(number, say("You should sue."), **who) for number in (0, 1)]
    assert [told.json()["error"]["rule"] for told in refused] == ["advice", "advice"]
    with ThreadPoolExecutor(8) as pool:
        told = list(pool.map(lambda number: two.post(number % 2, say(f"Hello {number:02}."), **who), range(16)))
    alone: list[int] = []
    while alone[-2:] != [403, 403]:  # what one worker spent the other has not
        alone.append(two.post(len(alone) % 2, say(f"Good evening {len(alone):02}."), **who).status_code)
    judged = [fact for fact in closed(at, "judged") if fact.data.get("agent") == "judge:careful"]
    heard = [fact for fact in judged if fact.data["status"] == "ok"]
    assert Counter(fact.data["status"] for fact in judged).keys() == {"ok", "over_budget"}
    passed = [*(reply.status_code for reply in told), *alone].count(200)
    assert passed == len(heard) - len(refused) > 0
    spent, more = sum(cost_of(fact) for fact in heard), max(int(str(fact.data["worst"])) for fact in judged)
    assert spent <= BUDGET < spent + more
    others = {fact.call for fact in closed(at, "judged") if not fact.data.get("agent")}
    assert {fact.data["parent"] for fact in judged} == others  # paid by the run whose calls they judge
    assert len({line["worker"] for line in _access(at) if line.get("run") == "judged"}) == 2
    held = [client.get("/metrics").text.count("comptroller_holds_live 0\n") for client in two.clients.values()]
    assert held == [1, 1]


def cost_of(fact: Fact) -> int:
    cost = fact.data["cost"]
    assert isinstance(cost, int)
    return cost
