"""A worker that has nobody to ask: it goes on with what is its own, and refuses what only all together can know."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from comptroller.core.call import Identity
from comptroller.core.clock import FrozenClock
from comptroller.core.facts import RUN_CLOSED, RUN_OPENED
from comptroller.gateway.caller import Caller
from comptroller.gateway.channel import Apart
from comptroller.gateway.member import SharedRepeats, SharedRuns
from comptroller.gateway.repeats import Slot, Told
from comptroller.gateway.stitch import Thread
from comptroller.gateway.stop import Stop
from comptroller.testing import TestDesk, desk

WHO = Caller(Identity(tenant="default"))
TOLD = Told(200, [(b"content-type", b"text/plain")], b"Hello.")


class Line:
    """A channel to a supervisor that answers as it is told to, or is gone."""

    def __init__(self, **answers: Any) -> None:
        self.answers, self.open = {"look": None, **answers}, bool(answers)
        self.asked: list[str] = []
        self.told: list[tuple[Any, ...]] = []

    async def ask(self, name: str, *args: Any) -> Any:
        self.asked.append(name)
        if not self.open:
            raise Apart
        return self.answers[name]

    def tell(self, name: str, *args: Any) -> None:
        if self.open:
            self.told.append((name, *args))


@pytest.fixture
def at() -> Iterator[TestDesk]:
    with desk() as made:
        yield made


def runs(at: TestDesk, line: Line) -> SharedRuns:
    return SharedRuns(at, 100, 60, line)  # type: ignore[arg-type]


def repeats(line: Line) -> SharedRepeats:
    return SharedRepeats(10, FrozenClock(), line, lambda data: data.hex())  # type: ignore[arg-type]


def prepared(shared: SharedRuns, run: str, thread: Thread | None = None) -> str:
    return asyncio.run(shared.prepare(WHO, run, thread, "", "", None))


def test_a_known_run_is_asked_for_once(at: TestDesk) -> None:
    line = Line(enter=["r", ["default", "", "", ""], "r", {}, [], True])
    shared = runs(at, line)
    for _ in range(3):
        assert prepared(shared, "r") == "r"
        shared.enter(WHO, "r", "", "")
    assert line.asked == ["look", "enter"]
    assert not at.ledger.of(RUN_OPENED)


def test_a_conversation_that_begins_asks_nobody(at: TestDesk) -> None:
    line = Line(enter=None)
    assert prepared(runs(at, line), "new", Thread("", [1])) == "new"
    assert line.asked == []
    assert [said[:3] for said in line.told] == [("enter", 1, "new")]
    assert [fact.run for fact in at.ledger.of(RUN_OPENED)] == ["new"]


def test_a_conversation_of_another_worker_gets_its_run(at: TestDesk) -> None:
    line = Line(enter=["theirs", ["default", "", "", ""], "theirs", {"USD": 7}, [], False])
    shared = runs(at, line)
    assert prepared(shared, "mine", Thread("", [2], [1])) == "theirs"
    [cap] = shared.enter(WHO, "theirs", "", "").state.caps
    assert (cap.limit, cap.unit) == (7, "USD")


def test_a_run_that_api_closed_is_refused_to_who_names_it_and_replaced_for_who_goes_on(at: TestDesk) -> None:
    class Closed(Line):
        async def ask(self, name: str, *args: Any) -> Any:
            await super().ask(name, *args)
            return (
                []
                if args[:1] == ("r",) or args[1:2] == ("r",)
                else [args[1], ["default", "", "", ""], "t", {}, [], True]
            )

    shared = runs(at, Closed(enter=None))
    with pytest.raises(Stop) as refused:
        prepared(shared, "r")
    assert (refused.value.status, refused.value.code) == (409, "run_closed")
    assert prepared(shared, "r", Thread("r", [1])) not in ("", "r")


def test_a_run_that_api_closes_while_a_call_enters_it_is_not_opened_again(at: TestDesk) -> None:
    line = Line(enter=["r", ["default", "", "", ""], "r", {}, [], False], agent=["s", False])
    shared = runs(at, line)

    async def closed_on_the_way() -> None:
        enter, ask = line.answers["enter"], line.ask

        async def asked(name: str, *args: Any) -> Any:
            if name == "agent":
                await shared.finished("r")
                line.answers["enter"] = []
            return await ask(name, *args)

        line.ask = asked  # type: ignore[method-assign]
        assert enter
        with pytest.raises(Stop):
            await shared.prepare(WHO, "r", None, "", "desk", None)

    asyncio.run(closed_on_the_way())
    assert not at.ledger.of(RUN_OPENED)


def test_without_a_supervisor_a_call_has_a_run_of_its_own(at: TestDesk) -> None:
    shared = runs(at, Line())
    assert prepared(shared, "r") == "r"
    shared.enter(WHO, "r", "", "")
    shared.close()
    assert [len(at.ledger.of(kind)) for kind in (RUN_OPENED, RUN_CLOSED)] == [1, 1]


def test_without_a_supervisor_only_the_heir_ends_a_run(at: TestDesk) -> None:
    line = Line(enter=["r", ["default", "", "", ""], "r", {}, [], False])
    shared = runs(at, line)
    prepared(shared, "r")
    line.open = False
    shared.close()
    assert not at.ledger.of(RUN_CLOSED)


def test_without_a_supervisor_an_unknown_idempotency_key_is_refused() -> None:
    with pytest.raises(Stop) as refused:
        asyncio.run(repeats(Line()).claim(("t", "k"), b"body"))
    assert (refused.value.status, refused.value.code) == (503, "repeats_unavailable")
    assert (b"retry-after", b"1") in refused.value.headers


def test_a_reply_kept_elsewhere_is_kept_here_too() -> None:
    async def work() -> None:
        line = Line(claim=["told", 200, [list(pair) for pair in TOLD.headers], TOLD.body])
        shared = repeats(line)
        assert [await shared.claim(("t", "k"), b"body") for _ in range(2)] == [TOLD, TOLD]
        assert line.asked == ["claim"]

    asyncio.run(work())


def test_a_reply_given_here_is_told_to_the_others() -> None:
    async def work() -> None:
        line = Line(claim=["yours"])
        shared = repeats(line)
        assert isinstance(await shared.claim(("t", "k"), b"body"), Slot)
        shared.keep(("t", "k"), TOLD)
        assert line.told == [("keep", b"t\0k".hex(), [200, TOLD.headers, TOLD.body])]

    asyncio.run(work())
