"""A private gateway: whoever has its key is in its run, whatever else they say; nobody else is."""

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from comptroller.core.settings import Provider
from comptroller.gateway.private import private_gateway
from comptroller.testing.testdesk import TestDesk, desk
from comptroller.testing.upstream import Upstream
from comptroller.wrapper.run import Run

pytest.importorskip("uvicorn")
ASKED = {"model": "gpt-4o-mini", "max_tokens": 10, "messages": [{"role": "user", "content": "hi"}]}


class Door:
    """A private gateway in front of a scripted provider, and the run it is for."""

    def __init__(self, made: TestDesk, url: str, secret: str, run: str) -> None:
        self.desk, self.url, self.secret, self.run = made, url, secret, run

    def ask(self, secret: str = "", **headers: str) -> tuple[int, dict[str, str], dict[str, Any]]:
        said = {"authorization": f"Bearer {secret or self.secret}", "content-type": "application/json"}
        said |= {f"comptroller-{name}": value for name, value in headers.items()}
        request = urllib.request.Request(f"{self.url}/v1/chat/completions", json.dumps(ASKED).encode(), said)
        try:
            with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request) as reply:
                return reply.status, dict(reply.headers), json.loads(reply.read())
        except urllib.error.HTTPError as error:
            with error:
                return error.code, dict(error.headers), json.loads(error.read())


@pytest.fixture
def door() -> Iterator[Door]:
    with Upstream("Hello.") as up, desk() as made, Run("work", customer="acme", budget="0.0001 USD", desk=made) as run:
        assert run.scope is not None
        upstreams = [Provider(name="up", format="openai", url=f"{up.url}/v1")]
        with private_gateway(made, run.scope, "bot", upstreams) as (url, secret):
            yield Door(made, url, secret, run.id)
        assert not made.facts("run.closed")  # that is for whoever opened it


def test_every_call_is_in_the_one_run(door: Door) -> None:
    for session in ("a", "b"):
        status, headers, _ = door.ask(**{"session": session})
        assert (status, headers["comptroller-run"]) == (200, door.run)
    closed = door.desk.ledger.of("call.closed")
    assert {fact.run for fact in closed} == {door.run}
    assert {(fact.data["workflow"], fact.data["customer"], fact.data["agent"]) for fact in closed} == {
        ("work", "acme", "bot")
    }
    assert len(door.desk.facts("run.opened")) == 1


def test_another_key_opens_nothing(door: Door) -> None:
    assert door.ask(secret="ck_" + "a" * 42)[0] == 401
    assert door.ask(secret="sk-whatever")[0] == 401


@pytest.mark.parametrize("header", [{"run": "another"}, {"customer": "globex"}, {"workflow": "x"}, {"agent": "boss"}])
def test_a_header_that_contradicts_the_key_is_refused_and_on_record(door: Door, header: dict[str, str]) -> None:
    status, _, body = door.ask(**header)
    assert (status, body["error"]["code"]) == (403, "denied")
    assert [fact["status"] for fact in door.desk.facts("call.closed")] == ["denied"]


def test_naming_the_run_it_is_in_is_harmless(door: Door) -> None:
    assert door.ask(run=door.run, customer="acme")[0] == 200


def test_a_budget_header_only_narrows_the_runs_budget(door: Door) -> None:
    assert door.ask(budget="1000 USD")[0] == 200
    caps = [line[3] for fact in door.desk.facts("call.opened") for line in fact["hold"]["lines"] if line[3]]  # type: ignore[index, call-overload]
    assert caps == [100_000]
    assert door.ask(budget="0.000000001 USD")[0] == 402


def test_agents_are_closed_with_the_gateway() -> None:
    with Upstream("Hello.") as up, desk() as made, Run("work", desk=made) as run:
        assert run.scope is not None
        upstreams = [Provider(name="up", format="openai", url=f"{up.url}/v1")]
        with private_gateway(made, run.scope, "bot", upstreams) as (url, secret):
            Door(made, url, secret, run.id).ask()
            assert not made.facts("agent.closed")
        assert [fact["agent"] for fact in made.facts("agent.closed")] == ["bot"]
