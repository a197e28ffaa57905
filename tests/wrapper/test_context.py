"""Where code stands: the scope follows tasks, threads, executors and generators, and leaks into none of them."""

import asyncio
import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import comptroller as ct
from comptroller.testing import TestDesk, desk
from comptroller.wrapper.context import current


@pytest.fixture(autouse=True)
def office() -> Iterator[TestDesk]:
    with desk() as made:
        yield made


def here() -> str:
    scope = current()
    return scope.identity.agent if scope else "nowhere"


def test_a_thread_inherits_the_scope_it_was_started_in() -> None:
    seen: list[str] = []
    with ct.run("w") as run, run.agent("clerk"):
        thread = threading.Thread(target=lambda: seen.append(here()))
        thread.start()
        thread.join()
    assert seen == ["clerk"]


def test_an_executor_runs_each_task_in_the_scope_that_submitted_it() -> None:
    with ThreadPoolExecutor(1) as pool:
        with ct.run("w") as run:
            with run.agent("first"):
                first = pool.submit(here)
            with run.agent("second"):
                second = pool.submit(here)
        assert (first.result(), second.result(), pool.submit(here).result()) == ("first", "second", "nowhere")


def test_tasks_of_a_gather_keep_their_own_scopes() -> None:
    async def work(run: ct.Run, name: str) -> str:
        async with run.agent(name):
            await asyncio.sleep(0)
            return here()

    async def main() -> list[str]:
        async with ct.run("w") as run:
            return await asyncio.gather(*(work(run, name) for name in "abc"))

    assert asyncio.run(main()) == ["a", "b", "c"]


def test_run_in_executor_and_to_thread_keep_the_scope() -> None:
    async def main() -> list[str]:
        with ct.run("w") as run, run.agent("clerk"):
            loop = asyncio.get_running_loop()
            return [await loop.run_in_executor(None, here), await asyncio.to_thread(here)]

    assert asyncio.run(main()) == ["clerk", "clerk"]


def test_a_decorated_generator_runs_in_its_run_and_its_consumer_does_not() -> None:
    @ct.run("w")
    def numbers() -> Iterator[str]:
        yield current().identity.workflow  # type: ignore[union-attr]
        yield current().identity.workflow  # type: ignore[union-attr]

    seen = []
    for inside in numbers():
        seen.append((inside, here()))
    assert seen == [("w", "nowhere"), ("w", "nowhere")]


def test_each_call_of_a_decorated_function_is_a_run_of_its_own(office: TestDesk) -> None:
    @ct.run("w", customer="acme")
    def work() -> str:
        return current().run.id  # type: ignore[union-attr]

    assert work() != work()
    assert [data["status"] for data in office.facts("run.closed")] == ["ok", "ok"]


def test_a_run_that_raises_is_closed_with_the_kind_of_error_and_without_its_text(office: TestDesk) -> None:
    with pytest.raises(ValueError, match="secret"), ct.run("w"):
        raise ValueError("secret")
    error = office.facts("run.closed")[-1]["error"]
    assert set(error) == {"type", "place"}
    assert error["type"] == "ValueError"


def test_a_run_that_raises_says_in_which_line_of_the_users_own_code(office: TestDesk) -> None:
    with pytest.raises(json.JSONDecodeError), ct.run("w"):
        json.loads("{")  # raised inside Python's own library
    file, _, line = office.facts("run.closed")[-1]["error"]["place"].partition(":")
    assert file == "test_context.py"
    assert "json.loads" in Path(__file__).read_text(encoding="utf-8").splitlines()[int(line) - 1]


def test_scopes_shrink_down_the_tree_and_never_grow() -> None:
    with ct.run("w") as run, run.agent("a", scopes=["x", "y"]) as outer, outer.agent("b", scopes=["y", "z"]):
        assert current().identity.scopes == frozenset({"y"})  # type: ignore[union-attr]


def test_an_agent_without_a_run_is_an_error_with_a_remedy() -> None:
    run = ct.run("w")
    with pytest.raises(ct.SettingsError, match=r"Open it inside `with ct.run"), run.agent("clerk"):
        pass


def test_a_traceparent_that_comes_in_is_the_trace_of_the_run(office: TestDesk) -> None:
    with ct.run("w", traceparent="00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"):
        pass
    assert office.facts("run.opened")[-1]["trace"] == "4bf92f3577b34da6a3ce929d0e0e4736"


def test_a_claim_is_durable_and_names_its_evidence_by_digest(office: TestDesk) -> None:
    with ct.run("w") as run:
        run.claim("loan.decided", subject="app-123", evidence={"decision": "approved"})
    claim = office.facts("claim")[-1]
    assert (claim["type"], claim["subject"], claim["degree"]) == ("loan.decided", "app-123", "1")
    assert office.ledger.bodies[str(claim["evidence"])] == b'{"decision":"approved"}'
    assert office.ledger.synced[-1].kind == "claim"


@pytest.mark.parametrize("degree", [0, 1.5, "much"])
def test_a_claim_to_no_degree_is_refused_in_words(degree: float) -> None:
    with ct.run("w") as run, pytest.raises(ct.SettingsError, match="above 0 and at most 1"):
        run.claim("x", subject="s", degree=degree)


def test_a_budget_that_is_no_money_is_refused_in_words() -> None:
    with pytest.raises(ct.SettingsError, match=r"Write it like `2.50 USD`"):
        ct.run("w", budget="lots")
