"""Work that several agents attempt, one after the other."""

import asyncio
import json

import httpx
import pytest

import comptroller as ct
from comptroller.core.errors import SettingsError
from comptroller.core.facts import AGENT_CLOSED, AGENT_HANDED_OVER, AGENT_OPENED, KILLED, Fact
from comptroller.testing import Upstream, desk
from comptroller.wrapper.context import current
from comptroller.wrapper.fallback import Tally
from tests.wrapper.bodies import ask


def who() -> str:
    scope = current()
    assert scope is not None
    return scope.identity.agent


def only_senior() -> str:
    if who() != "senior":
        raise ValueError("I cannot.")
    return "done"


def test_the_next_agent_does_what_the_first_could_not() -> None:
    with desk() as made, ct.run("w") as run:
        assert run.attempt(["junior", "senior"], only_senior) == "done"
        assert [data["agent"] for data in made.facts(AGENT_OPENED)] == ["junior", "senior"]
        assert [data["status"] for data in made.facts(AGENT_CLOSED)] == ["error", "ok"]


def test_who_took_over_from_whom_is_on_record_without_the_words_of_the_error() -> None:
    with desk() as made, ct.run("w") as run:
        run.attempt(["junior", "senior"], only_senior)
        (handed,) = made.facts(AGENT_HANDED_OVER)
        assert (handed["agent"], handed["to"], handed["because"]) == ("junior", "senior", "junior failed (ValueError).")
        assert "junior failed" in str(made.facts(AGENT_OPENED)[-1]["because"])


def test_nobody_else_is_asked_once_it_is_done() -> None:
    with desk() as made, ct.run("w") as run:
        assert run.attempt(["senior", "junior"], only_senior) == "done"
        assert len(made.facts(AGENT_OPENED)) == 1


def test_the_last_ones_error_is_the_callers() -> None:
    with desk(), ct.run("w") as run, pytest.raises(ValueError, match="I cannot"):
        run.attempt(["junior", "clerk"], only_senior)


def test_async_work_is_awaited() -> None:
    async def work() -> str:
        await asyncio.sleep(0)
        return only_senior()

    async def main() -> str:
        async with ct.run("w") as run:
            return str(await run.attempt(["junior", "senior"], work))

    with desk():
        assert asyncio.run(main()) == "done"


def test_a_run_that_was_stopped_is_not_gone_on_with() -> None:
    with desk() as made, ct.run("w") as run:

        def work() -> None:
            data: dict[str, object] = {
                "scope": "run",
                "who": run.id,
                "tenant": "default",
                "by": "ops",
                "because": "enough",
            }
            made.ledger.sync(Fact(KILLED, made.clock.new_id(), made.clock.now_ns(), run.id, data=data))
            raise ValueError("stopped")

        with pytest.raises(ValueError, match="stopped"):
            run.attempt(["junior", "senior"], work)
        assert len(made.facts(AGENT_OPENED)) == 1


@pytest.mark.parametrize("agents", [[], ["junior", "senior"]])
def test_work_that_cannot_be_attempted_is_said_to_be_so(agents: list[str]) -> None:
    async def nothing() -> None: ...

    with desk(), ct.run("w") as run, pytest.raises(SettingsError):
        run.attempt(agents, lambda: nothing())


def test_an_agent_told_to_hand_over_hands_over() -> None:
    policy = "policy: p\nagents: {junior: {fallback: {agent: senior, after: 2}}}"
    with (
        Upstream("Hello") as up,
        desk(policy) as made,
        ct.run("w") as run,
        ct.wrap(httpx.Client(base_url=up.url)) as client,
    ):
        scope = current()
        assert scope is not None

        def work() -> str:
            if who() == "junior":
                scope.run.tallies["junior"] = Tally(failed=2)
            answer = client.post("/v1/chat/completions", content=ask(max_tokens=5))
            return str(json.loads(answer.content)["choices"][0]["message"]["content"])

        assert run.attempt(["junior", "senior"], work) == "Hello"
        assert {data["to"] for data in made.facts(AGENT_HANDED_OVER)} == {"senior"}
        assert len(up.requests) == 1


def test_nobody_goes_past_what_waits_for_a_person() -> None:
    policy = (
        "policy: p\nunlisted: allow\nrules:\n  - {id: r, on: tool, tool: pay, when: agent == 'junior', then: ask}\n"
    )
    paid: list[str] = []

    @ct.tool
    def pay() -> None:
        paid.append(who())

    with desk(policy), ct.run("w") as run:
        with pytest.raises(ct.NotApproved):
            run.attempt(["junior", "senior"], pay)
        assert paid == []
