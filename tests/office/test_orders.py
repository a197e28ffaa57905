"""Orders by library: stopped calls are refused in words, raised caps let a run go on, in every process of a ledger."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from comptroller.core.clock import SYSTEM
from comptroller.core.errors import Denied, OverBudget, SettingsError
from comptroller.core.settings import Settings
from comptroller.office import orders
from comptroller.office.orders import Standing, Target, orders_of
from comptroller.store.ledger import Ledger
from comptroller.testing.script import Say
from comptroller.testing.upstream import Upstream
from comptroller.wrapper.desk import Desk, set_desk
from comptroller.wrapper.run import Run
from comptroller.wrapper.wrap import wrap

ASKED: dict[str, Any] = {"model": "gpt-4o-mini", "max_tokens": 50, "messages": [{"role": "user", "content": "Hi"}]}
RUN_CAP = "policy: p\nbudgets: [{per: run, cap: 0.00001 USD}]\n"


@pytest.fixture
def up() -> Iterator[Upstream]:
    with Upstream(Say("word " * 20)) as made:
        yield made


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    (tmp_path / "p.yaml").write_text(RUN_CAP)
    with Desk.open(tmp_path / "ledger", {"policies": [str(tmp_path / "p.yaml")]}) as made:
        before = set_desk(made)
        yield made
        set_desk(before)


def call(up: Upstream) -> httpx.Response:
    with wrap(httpx.Client(base_url=up.url, trust_env=False)) as client:
        return client.post("/v1/chat/completions", json=ASKED)


def raised(desk: Desk, run: str, cap: str = "1 USD") -> None:
    orders.set_cap(desk.ledger, SYSTEM, run, cap, "Ann", "It is worth it.")


def test_a_run_past_its_cap_goes_on_once_somebody_raised_it(desk: Desk, up: Upstream) -> None:
    with Run("loans", desk=desk) as run:
        with pytest.raises(OverBudget):
            call(up)
        raised(desk, run.id)
        assert call(up).status_code == 200
        raised(desk, run.id, "0.000011 USD")
        with pytest.raises(OverBudget, match=f"comptroller budgets set --run {run.id}"):
            call(up)


def test_a_stopped_run_is_refused_in_words_and_revived(desk: Desk, up: Upstream) -> None:
    with Run("loans", desk=desk) as run:
        raised(desk, run.id)
        target = Target("run", run.id, "default")
        orders.kill(desk.ledger, SYSTEM, target, "Ann", "It loops.")
        with pytest.raises(Denied, match="was stopped by Ann: It loops") as told:
            call(up)
        assert told.value.details["rule"] == "kill.run"
        with Run("inner", desk=desk), pytest.raises(Denied):  # it is part of the stopped one
            call(up)
        orders.revive(desk.ledger, SYSTEM, target, "Ann", "")
        assert call(up).status_code == 200
    assert len(up.requests) == 1


def test_orders_hold_after_a_restart_and_in_processes_that_do_not_own_the_ledger(tmp_path: Path) -> None:
    place, settings = tmp_path / "ledger", Settings()
    owner = Ledger.open(place, settings)
    member = Ledger.open(place, settings)
    orders.kill(member, SYSTEM, Target("tenant", "t", "t"), "Ann", "")
    assert [stop.who for stop in owner.stops.values()] == ["t"]
    owner.close()
    late = Ledger.open(place, settings)
    for one in (member, late):
        one.counter("any", "USD")  # it has found the next owner, or become it
        assert list(one.stops) == ["tenant:t"]
    member.close()
    late.close()
    standing = Standing().fold(orders_of(place).read())
    assert [(stop.scope, stop.by) for stop in standing.stops.values()] == [("tenant", "Ann")]


def test_a_member_is_told_of_a_stop_without_asking(tmp_path: Path) -> None:
    place, settings, told = tmp_path / "ledger", Settings(), threading.Event()
    owner, member = Ledger.open(place, settings), Ledger.open(place, settings)
    member.on_stops = told.set
    orders.kill(owner, SYSTEM, Target("agent", "ada", "t"), "Ann", "")
    assert told.wait(10)
    assert list(member.stops) == ["agent:t/ada"]
    member.close()
    owner.close()


def test_a_cap_in_what_the_run_does_not_count_is_refused(desk: Desk) -> None:
    with pytest.raises(SettingsError, match="Write the cap in USD or calls"):
        orders.set_cap(desk.ledger, SYSTEM, "r", "5 CHF", "Ann", "")
    with pytest.raises(SettingsError, match="cap: "):
        orders.set_cap(desk.ledger, SYSTEM, "r", "five", "Ann", "")
