"""Several workers: what they share is one, what they cannot lose is not lost, and they stop together."""

import json
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from comptroller.core.errors import SettingsError
from comptroller.core.facts import (
    AGENT_CLOSED,
    AGENT_OPENED,
    CALL_CLOSED,
    CALL_OPENED,
    RUN_CLOSED,
    RUN_OPENED,
)
from comptroller.gateway.crew import Crew, run_crew
from comptroller.gateway.gate import Gate
from comptroller.gateway.server import background, bind
from comptroller.store import journal
from comptroller.testing import Upstream
from comptroller.testing.script import Received, Say, Use
from comptroller.wrapper.desk import Desk
from tests.gateway.yard import CHAT, HI, PATIENCE_S, Yard, yard

pytestmark = pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="children are looked up in /proc")
BODY: dict[str, Any] = {"model": "gpt-4o-mini", "messages": HI, "max_tokens": 50}


class Two:
    """Two clients, each of whose connections is served by another worker."""

    def __init__(self, at: Yard) -> None:
        self.at = at
        self.clients: dict[int, httpx.Client] = {}
        spare = []
        while len(self.clients) < 2:
            client = at.client()
            pid = _worker_of(at, client)
            if self.clients.setdefault(pid, client) is not client:
                spare.append(client)  # kept open until both are found: its worker has one more to serve
        for client in spare:
            client.close()

    def post(self, number: int, body: Any = None, **headers: str) -> httpx.Response:
        client = list(self.clients.values())[number]
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return client.post(CHAT, json=body or BODY, headers=named)

    def close(self) -> None:
        for client in self.clients.values():
            client.close()


def _access(at: Yard) -> list[dict[str, Any]]:
    return [line for line in map(json.loads, at.errors.read_text().splitlines()) if "route" in line]


def _worker_of(at: Yard, client: httpx.Client) -> int:
    """Who serves a connection; its line comes just after its reply."""
    before = len(_access(at))
    client.get("/healthz")
    while len(lines := _access(at)) == before:
        pass
    return int(lines[-1]["worker"])


@pytest.fixture(scope="module")
def at() -> Iterator[Yard]:
    policy = {
        "budgets": [{"per": "customer", "every": "day", "cap": "100 calls", "over": "deny"}],
        "tools": {"look": {"effect": "read", "args": {"what": "string"}}},
    }
    with yard(_answer, policy) as made:
        yield made


@pytest.fixture
def two(at: Yard) -> Iterator[Two]:
    made = Two(at)
    yield made
    made.close()


def _answer(asked: Received) -> Say:
    if asked.last == "use it" and asked.messages[-1].get("role") == "user":
        return Say("", calls=[Use("look", {"what": "x"}, id="call_look")])
    return Say("Hello.")


def _of_run(at: Yard, run: str, *kinds: str) -> Counter[str]:
    return Counter(fact.kind for fact in at.facts(*kinds) if fact.run == run)


def test_calls_of_one_run_at_both_workers_are_one_run_and_keep_one_cap_exactly(at: Yard, two: Two) -> None:
    with ThreadPoolExecutor(16) as pool:
        replies = list(
            pool.map(
                lambda number: two.post(
                    number % 2, comptroller_run="shared", comptroller_agent="a", comptroller_customer="acme"
                ),
                range(200),
            )
        )
    assert Counter(reply.status_code for reply in replies) == {200: 100, 402: 100}
    served = Counter(line["worker"] for line in _access(at) if line.get("run") == "shared")
    assert len(served) == 2
    assert _of_run(at, "shared", RUN_OPENED, AGENT_OPENED) == {RUN_OPENED: 1, AGENT_OPENED: 1}
    calls = [fact for fact in at.facts(CALL_CLOSED) if fact.run == "shared"]
    assert len({fact.call for fact in calls}) == len(calls) == 200
    [span] = {fact.data["parent"] for fact in calls}
    assert [fact.id for fact in at.facts(AGENT_OPENED) if fact.run == "shared"] == [span]


def test_a_session_seen_by_one_worker_goes_on_at_the_other(two: Two) -> None:
    first = two.post(0, x_session_id="s-1")
    assert two.post(1, x_session_id="s-1").headers["comptroller-run"] == first.headers["comptroller-run"]


def test_a_conversation_begun_at_one_worker_goes_on_at_the_other(two: Two) -> None:
    begun = [{"role": "user", "content": "Tell me about cats."}]
    first = two.post(0, {**BODY, "messages": begun})
    longer = [*begun, {"role": "assistant", "content": "Hello."}, {"role": "user", "content": "And dogs?"}]
    second = two.post(1, {**BODY, "messages": longer})
    assert second.headers["comptroller-run"] == first.headers["comptroller-run"]


def test_a_repeat_at_the_other_worker_gets_the_kept_reply(at: Yard, two: Two) -> None:
    sent = len(at.up.requests)
    first = two.post(0, idempotency_key="once")
    again = two.post(1, idempotency_key="once")
    assert again.headers["comptroller-replayed"] == "true"
    assert again.headers["comptroller-call"] == first.headers["comptroller-call"]
    assert len(at.up.requests) == sent + 1
    assert two.post(1, {**BODY, "max_tokens": 9}, idempotency_key="once").status_code == 400


def test_a_smaller_budget_said_at_one_worker_holds_at_the_other(two: Two) -> None:
    assert two.post(1, comptroller_run="thrifty").status_code == 200
    assert two.post(0, comptroller_run="thrifty", comptroller_budget="0.000001 USD").status_code == 402
    assert two.post(1, comptroller_run="thrifty").status_code == 402


def test_a_tool_call_allowed_at_one_worker_is_answered_at_the_other(at: Yard, two: Two) -> None:
    begun = [{"role": "user", "content": "use it"}]
    asked = two.post(0, {**BODY, "messages": begun}, comptroller_run="tooled").json()["choices"][0]["message"]
    result = {"role": "tool", "tool_call_id": "call_look", "content": "seen"}
    assert two.post(1, {**BODY, "messages": [*begun, asked, result]}, comptroller_run="tooled").is_success
    two.post(0, comptroller_run="tooled")  # the worker that let it through has heard by now: it is told in order
    tools = [fact for fact in at.facts(CALL_CLOSED) if fact.run == "tooled" and fact.data["kind"] == "tool"]
    assert [fact.data["status"] for fact in tools] == ["ok"]


def test_any_worker_answers_for_all(at: Yard, two: Two) -> None:
    texts = [client.get("/metrics").text for client in two.clients.values()]
    counts = [_number(text, 'comptroller_calls_total{model="gpt-4o-mini",status="ok"}') for text in texts]
    assert (
        counts[0]
        == counts[1]
        == sum(fact.data["kind"] == "model" and fact.data["status"] == "ok" for fact in at.facts(CALL_CLOSED))
    )
    assert [_number(text, "comptroller_workers") for text in texts] == [2, 2]
    assert [_number(text, "comptroller_holds_live") for text in texts] == [0, 0]
    assert all(client.get("/readyz").json()["ready"] for client in two.clients.values())


def test_a_worker_that_dies_is_replaced(at: Yard, two: Two) -> None:
    """The last test here: it takes one of the two away."""
    pid = next(iter(two.clients))
    left = list(two.clients.values())[1]  # a new connection may still be given to the dead one
    at.kill(pid)
    while f"Worker {pid} ended (signal SIGKILL)" not in at.errors.read_text():
        pass
    while _number(left.get("/metrics").text, "comptroller_workers") < 2:
        pass
    assert len(at.workers) == 2
    with at.client() as client:
        assert client.post(CHAT, json=BODY, headers={"comptroller-run": "after"}).is_success


def test_stopping_lets_a_stream_end_and_closes_every_run_once() -> None:
    let = threading.Event()

    def slowly(asked: Received) -> Say:
        if asked.json.get("stream"):
            let.wait(PATIENCE_S)
        return Say("Here it is, all of it.")

    with yard(slowly) as at, at.client() as client, at.client() as other:
        assert other.post(CHAT, json=BODY, headers={"comptroller-run": "r2", "comptroller-agent": "a"}).is_success
        with ThreadPoolExecutor(1) as pool:
            body = {**BODY, "stream": True}
            asked = pool.submit(client.post, CHAT, json=body, headers={"comptroller-run": "r1"})
            while not at.facts(CALL_OPENED)[1:]:
                pass
            at.process.terminate()
            let.set()
            text = asked.result(PATIENCE_S).text
        assert at.process.wait(PATIENCE_S) == 0
        assert text.endswith("data: [DONE]\n\n")
        ends = at.facts(RUN_CLOSED, AGENT_CLOSED)
        assert Counter((fact.kind, fact.run) for fact in ends) == {
            (AGENT_CLOSED, "r2"): 1,
            (RUN_CLOSED, "r1"): 1,
            (RUN_CLOSED, "r2"): 1,
        }
        assert [fact.data["status"] for fact in at.facts(CALL_CLOSED)] == ["ok", "ok"]


def test_a_worker_that_cannot_start_makes_the_start_fail_with_words(tmp_path: Path) -> None:
    missing = tmp_path / "none.yaml"
    with (
        Desk.open(tmp_path / "ledger", {}) as desk,
        bind("127.0.0.1", 0) as listener,
        pytest.raises(SettingsError, match=r"none\.yaml: there is no such file"),
    ):
        run_crew(lambda: Crew(desk, listener, 2, config=str(missing)))


def test_a_single_gateway_beside_another_owner_of_its_ledger_has_its_record_before_its_client_has_the_reply(
    tmp_path: Path,
) -> None:
    with Upstream("Hello.") as up, Desk.open(tmp_path / "ledger", {}) as owner:
        settings = {"upstreams": [{"name": "openai", "format": "openai", "url": f"{up.url}/v1"}]}
        with Desk.open(tmp_path / "ledger", settings) as second, background(Gate.of(second)) as url:
            assert not second.ledger.local
            for number in range(5):
                reply = httpx.post(url + CHAT, json=BODY, trust_env=False, timeout=60)
                closed = [fact.call for _, fact in journal.read(tmp_path / "ledger") if fact.kind == CALL_CLOSED]
                assert closed[number:] == [reply.headers["comptroller-call"]]
        assert owner.ledger.held() == (0, {})


def _number(text: str, name: str) -> int:
    return next((int(line.rpartition(" ")[2]) for line in text.splitlines() if line.startswith(name + " ")), 0)
