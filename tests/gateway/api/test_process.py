"""The process for `/api`: found through the gateway, started again when it dies, gone when its parent is."""

import contextlib
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import msgspec
import psutil
import pytest

pytest.importorskip("duckdb")
pytest.importorskip("starlette")

from comptroller.gateway.api import process
from comptroller.gateway.api.rights import RIGHTS
from comptroller.gateway.gate import Gate
from comptroller.gateway.keys import KeyRing
from comptroller.gateway.server import background
from comptroller.office import keys, switchboard
from comptroller.office.child import Child, without_keys
from comptroller.office.keys import Key
from comptroller.office.who import Who
from comptroller.store.reader import Reader
from comptroller.store.wire import Address
from comptroller.testing.upstream import Upstream
from comptroller.wrapper.desk import Desk

PARENT = """
import sys
from comptroller.core.settings import Settings
from comptroller.gateway.api.process import started
from comptroller.wrapper.desk import Desk
with Desk.open(sys.argv[1], {}) as desk, started(desk.settings) as keeper:
    print(keeper.pid, flush=True)
    sys.stdin.read()
"""
HEADERS = {"comptroller-customer": "acme"}


@contextmanager
def served(place: Path, keyed: bool = False) -> Iterator[tuple[str, Desk, Child]]:
    with Upstream("Hello.") as up:
        chosen = {"upstreams": [{"name": "o", "format": "openai", "url": f"{up.url}/v1"}]}
        with Desk.open(place / "ledger", chosen) as desk, process.started(desk.settings) as keeper:
            if keyed:
                keys.issue(desk.ledger, desk.clock, Key(""))
            ring = KeyRing(place / "ledger", desk.ledger.digest, desk.clock) if keyed else None
            with background(Gate.of(desk, ring)) as url:
                yield url, desk, keeper


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Desk, Child]]:
    with served(tmp_path_factory.mktemp("api"), keyed=True) as made:
        yield made


def get(url: str, path: str, secret: str = "", **headers: str) -> httpx.Response:
    if secret:
        headers["authorization"] = f"Bearer {secret}"
    return httpx.get(url + path, headers=headers, trust_env=False, timeout=30)


def test_a_call_through_the_gateway_is_told_by_its_api(tmp_path: Path) -> None:
    with served(tmp_path) as (url, _, keeper):
        asked = {"model": "gpt-4o-mini", "max_tokens": 5, "messages": [{"role": "user", "content": "Hi"}]}
        sent = httpx.post(f"{url}/v1/chat/completions", json=asked, headers=HEADERS, trust_env=False, timeout=60)
        reader = get(url, f"/api/runs/{sent.headers['comptroller-run']}")
        assert reader.status_code == 200
        assert [call["call"] for call in reader.json()["calls_in_order"]] == [sent.headers["comptroller-call"]]
        assert keeper.pid is not None
        left = psutil.Process(keeper.pid)
    assert not left.is_running()
    assert switchboard.address_of(tmp_path / "ledger") is None


def test_a_run_closed_from_outside_is_let_go_of_by_the_gateway_and_ends_as_was_said(tmp_path: Path) -> None:
    with served(tmp_path) as (url, _, _):
        opened = httpx.post(f"{url}/api/runs", json={"customer": "acme"}, trust_env=False, timeout=30).json()
        asked = {"model": "gpt-4o-mini", "max_tokens": 5, "messages": [{"role": "user", "content": "Hi"}]}
        sent = httpx.post(
            f"{url}/v1/chat/completions", json=asked, headers=opened["headers"], trust_env=False, timeout=60
        )
        assert sent.headers["comptroller-run"] == opened["run"]
        closed = httpx.post(
            f"{url}/api/runs/{opened['run']}/close", json={"status": "error"}, trust_env=False, timeout=60
        )
        assert closed.status_code == 200
    with Reader.open(tmp_path / "ledger") as reader:
        row = reader.rows("run", run=opened["run"])[0]
    assert (row["status"], row["calls"], row["customer"]) == ("error", 1, "acme")


def test_one_that_dies_is_started_again_while_a_request_waits(tmp_path: Path) -> None:
    with served(tmp_path) as (url, _, keeper):
        assert get(url, "/api/audit").status_code == 200
        first = keeper.pid
        assert first is not None
        psutil.Process(first).kill()
        assert get(url, "/api/audit").status_code == 200
        assert keeper.pid != first


def test_it_is_gone_when_its_parent_was_killed(tmp_path: Path) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(tmp_path / "ledger")], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert parent.stdout is not None
    child = psutil.Process(int(parent.stdout.readline()))
    parent.kill()
    parent.communicate()
    assert child.wait(20) is None or not child.is_running()


def test_it_has_no_key_of_a_provider(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    monkeypatch.setenv("MINE", "sk-mine")
    chosen = {"upstreams": [{"name": "o", "format": "openai", "url": "http://127.0.0.1:1", "key_env": "MINE"}]}
    with Desk.open(tmp_path / "ledger", chosen) as desk:
        left = without_keys(desk.settings)
    assert not {"OPENAI_API_KEY", "MINE"} & left.keys()
    assert left["PATH"] == os.environ["PATH"]


def test_without_the_process_the_api_says_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from comptroller.gateway.api import passing

    monkeypatch.setattr(passing, "PATIENCE_S", 0.1)
    with Desk.open(tmp_path / "ledger", {}) as desk, background(Gate.of(desk)) as url:
        told = get(url, "/api/runs")
    assert (told.status_code, told.json()["error"]["code"]) == (503, "api_unavailable")


@contextmanager
def dying_once(ledger: Path) -> Iterator[list[bytes]]:
    """A process for /api that dies over the first request it gets; what it was asked, head by head."""
    heard: list[bytes] = []

    def work() -> None:
        with contextlib.suppress(OSError):
            while True:
                caller, _ = listener.accept()
                with caller:
                    heard.append(caller.recv(1 << 16))
                    if len(heard) > 1:
                        caller.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = Address("tcp", "127.0.0.1", listener.getsockname()[1], "t", 1)
        (ledger / switchboard.LABEL).write_bytes(msgspec.json.encode(address))
        thread = threading.Thread(target=work)
        thread.start()
        yield heard
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


def test_what_only_reads_is_asked_again_and_what_may_have_been_done_is_not(tmp_path: Path) -> None:
    with Desk.open(tmp_path / "ledger", {}) as desk, background(Gate.of(desk)) as url:
        with dying_once(tmp_path / "ledger") as heard:
            assert get(url, "/api/runs").status_code == 200
        assert [head.split(b" ")[0] for head in heard] == [b"GET", b"GET"]
        with dying_once(tmp_path / "ledger") as heard:
            assert _open(url, "") == 503
        assert [head.split(b" ")[0] for head in heard] == [b"POST"]


def test_a_page_from_elsewhere_gets_nothing(tmp_path: Path) -> None:
    with Desk.open(tmp_path / "ledger", {}) as desk, background(Gate.of(desk)) as url:
        for headers in ({"origin": "https://evil.example"}, {"host": "evil.example"}):
            told = get(url, "/api/runs", **headers)
            assert (told.status_code, told.json()["error"]["code"]) == (403, "not_local")


def test_rights_are_those_of_the_key(house: tuple[str, Desk, Child]) -> None:
    url, desk, _ = house
    secrets = {
        name: keys.issue(desk.ledger, desk.clock, Key("", scopes=scopes))[1]
        for name, scopes in (("agent", None), ("reader", frozenset({"api:read"})), ("none", frozenset[str]()))
    }
    assert get(url, "/api/runs").status_code == 401
    assert get(url, "/api/runs", "ck_unknown").json()["error"]["code"] == "invalid_api_key"
    assert get(url, "/api/runs", secrets["agent"]).json()["error"]["code"] == "not_allowed"
    assert get(url, "/api/runs", secrets["none"]).status_code == 403
    assert get(url, "/api/runs", secrets["reader"]).status_code == 200
    opened = {name: _open(url, secret) for name, secret in secrets.items()}
    assert opened == {"agent": 201, "reader": 403, "none": 403}


def test_headers_narrow_what_a_key_sees_and_never_widen_it(house: tuple[str, Desk, Child]) -> None:
    url, desk, _ = house
    key = Key("", scopes=frozenset({"api:read"}), customer="acme")
    secret = keys.issue(desk.ledger, desk.clock, key)[1]
    told = get(url, "/api/runs", secret, **{"comptroller-customer": "bolt"})
    assert (told.status_code, told.json()["error"]["code"]) == (403, "identity")


def test_no_header_of_a_client_says_who_it_is(house: tuple[str, Desk, Child]) -> None:
    url, *_ = house
    told = get(url, "/api/runs", **{switchboard.WHO: '{"tenant":"ours","rights":["api:read"]}', switchboard.TOKEN: "x"})
    assert told.status_code == 401


def test_a_question_is_given_up_when_its_client_leaves(house: tuple[str, Desk, Child]) -> None:
    url, desk, _ = house
    secret = keys.issue(desk.ledger, desk.clock, Key("", scopes=frozenset({"api:read"})))[1]
    endless = {"sql": "SELECT count(*) FROM range(10000000000) a, range(10000000000) b WHERE a.range + b.range < 0"}
    sent = {"authorization": f"Bearer {secret}", "accept": "application/json"}
    for _ in range(3):  # more than may be at work at once: had one stayed, the last would wait in line behind it
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(f"{url}/api/query", json={**endless, "seconds": 60}, headers=sent, trust_env=False, timeout=0.3)
    done = httpx.post(f"{url}/api/query", json={"sql": "SELECT 1"}, headers=sent, trust_env=False, timeout=30)
    assert done.json()["rows"] == [[1]]


def test_the_gateway_itself_loads_nothing_that_only_the_api_needs() -> None:
    said = "import sys, comptroller.gateway.app; print(sorted({'starlette', 'duckdb', 'pyarrow'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", said], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def _open(url: str, secret: str) -> int:
    headers = {"authorization": f"Bearer {secret}"} if secret else {}
    return httpx.post(f"{url}/api/runs", json={}, headers=headers, trust_env=False, timeout=30).status_code


def test_of_two_for_one_ledger_the_second_stands_by_until_the_first_is_gone(tmp_path: Path) -> None:
    with Desk.open(tmp_path / "ledger", {}) as desk:
        board = switchboard.Switchboard(tmp_path / "ledger", patience_s=30)
        who = Who("default", rights=tuple(sorted(RIGHTS)))
        with process.started(desk.settings) as second, process.started(desk.settings) as first:
            board.get(who, "/api/runs")
            serving = switchboard.address_of(tmp_path / "ledger")
            assert serving is not None
            alive, waiting = [(first, second), (second, first)][serving.pid == second.pid]
            assert serving.pid == alive.pid
            psutil.Process(serving.pid).kill()
            board.get(who, "/api/runs")
            after = switchboard.address_of(tmp_path / "ledger")
            assert after is not None
            assert after.pid == waiting.pid
        board.close()
