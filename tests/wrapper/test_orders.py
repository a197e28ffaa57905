"""A call that is stopped takes along all that is done inside it, however deep, and nothing beside it."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

import comptroller as ct
from comptroller.core.clock import SYSTEM
from comptroller.office.orders import Target, kill
from comptroller.testing import TestDesk, desk
from comptroller.wrapper.context import current
from comptroller.wrapper.run import Agent


@pytest.fixture
def at() -> Iterator[TestDesk]:
    with desk("policy: p\ntools: {outer: {effect: read}, middle: {effect: read}, inner: {effect: read}}") as made:
        yield made


def stop(at: TestDesk, call: str) -> None:
    kill(at.ledger, SYSTEM, Target("call", call, "default"), "ann", "")


@contextmanager
def plain(at: TestDesk) -> Iterator[None]:
    yield


@contextmanager
def under_an_agent(at: TestDesk) -> Iterator[None]:
    with Agent(at, "helper", None):
        yield


@contextmanager
def in_a_run_of_its_own(at: TestDesk) -> Iterator[None]:
    with ct.run("helper"):
        yield


@pytest.mark.parametrize("around", [plain, under_an_agent, in_a_run_of_its_own])
def test_what_is_under_way_inside_a_stopped_call_gets_no_further(at: TestDesk, around: object) -> None:
    done: list[int] = []

    @ct.tool
    def inner(number: int) -> None:
        done.append(number)

    @ct.tool
    def middle(number: int) -> None:
        with around(at):  # type: ignore[operator]
            inner(number)
            stop(at, calls[0])
            inner(number + 1)

    @ct.tool
    def outer(number: int) -> None:
        scope = current()
        assert scope is not None
        calls.append(scope.identity.parent)
        middle(number)

    calls: list[str] = []
    with ct.run("w"):
        with pytest.raises(ct.Denied, match="was stopped by ann"):
            outer(1)
        inner(3)  # beside it
    assert done == [1, 3]
