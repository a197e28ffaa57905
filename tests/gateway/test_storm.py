"""The storms of `python -m tests.gateway.storm` at a size that a shared machine bears."""

import pytest

from tests.gateway import storm

pytest.importorskip("resource")


def test_a_storm_of_cancelled_calls_leaks_no_hold_and_charges_what_the_records_say() -> None:
    assert storm.cancels(250, at_once=125).wrong == []


def test_calls_at_once_on_one_cap_overspend_it_by_nothing() -> None:
    assert storm.cap(250, waves=2).wrong == []


def test_idle_connections_hold_nobody_up() -> None:
    assert storm.idle(300).wrong == []


def test_clients_that_dawdle_or_do_not_read_hold_nobody_up_and_fill_no_memory() -> None:
    assert storm.slow(30, deaf=3).wrong == []


def test_a_storm_of_torn_sockets_leaks_no_hold() -> None:
    assert storm.sockets(90, at_once=45).wrong == []
