"""Calls while the ledger cannot be written: closed refuses with a remedy, open passes and says so, nothing hangs."""

import errno
import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest

import comptroller as ct
from comptroller.core.facts import CALL_CLOSED, CALL_OPENED
from comptroller.store import journal, tail, vault
from comptroller.testing import Upstream
from comptroller.wrapper.desk import set_desk

HI: list[Any] = [{"role": "user", "content": "Hi"}]
BODY: dict[str, Any] = {"model": "gpt-4o-mini", "max_tokens": 50, "messages": HI}
TEXT = "Hello there, how are you today?"


class Disk:
    """The `os` that a module of the store sees: it takes so many more writes, then half of one, then none."""

    def __init__(self) -> None:
        self.room = -1  # -1: as much as you like

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)

    def write(self, fd: int, data: bytes) -> int:
        if self.room == 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        self.room -= self.room > 0
        return os.write(fd, data)


@pytest.fixture
def disks(monkeypatch: pytest.MonkeyPatch) -> dict[str, Disk]:
    made = {"journal": Disk(), "vault": Disk()}
    monkeypatch.setattr(tail, "os", made["journal"])
    monkeypatch.setattr(vault, "os", made["vault"])
    return made


@pytest.fixture
def up() -> Iterator[Upstream]:
    with Upstream(TEXT) as made:
        yield made


@pytest.fixture
def opened() -> Iterator[Callable[..., None]]:
    desks: list[ct.Desk] = []
    yield lambda *args: desks.append(ct.open(*args))
    for desk in desks:
        desk.close()
    set_desk(None)


class Clients:
    """One client of each kind for all tests: to make one takes longer than a call."""

    def __init__(self) -> None:
        self.http = ct.wrap(httpx2.Client())
        self.openai = ct.wrap(openai.OpenAI(api_key="k"))

    def through_httpx(self, up: Upstream, stream: bool) -> str:
        reply = self.http.post(up.url + "/v1/chat/completions", json={**BODY, "stream": stream})
        assert reply.status_code == 200
        if stream:
            assert reply.content.endswith(b"data: [DONE]\n\n")
            return TEXT
        return str(reply.json()["choices"][0]["message"]["content"])

    def through_openai(self, up: Upstream, stream: bool) -> str:
        made = self.openai.with_options(base_url=up.url + "/v1").chat.completions
        if stream:
            chunks = made.create(**BODY, stream=True)
            return "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
        return str(made.create(**BODY).choices[0].message.content)

    def close(self) -> None:
        self.http.close()
        self.openai.close()


@pytest.fixture(scope="module")
def clients() -> Iterator[Clients]:
    made = Clients()
    yield made
    made.close()


@pytest.fixture(params=["through_httpx", "through_openai"])
def call(request: pytest.FixtureRequest, clients: Clients) -> Any:
    return getattr(clients, request.param)


@ct.tool
def look_up(order: str) -> str:
    return f"found {order}"


streams = pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
failures = pytest.mark.parametrize(
    ("what", "room", "sent"),
    [("journal", 0, 0), ("vault", 0, 0), ("journal", 1, 1), ("vault", 1, 1)],
    ids=["journal full at once", "vault full at once", "journal full at the end", "vault full at the end"],
)


@streams
@failures
@pytest.mark.parametrize("mode", ["closed", "by default under a cap"])
def test_closed_refuses_what_cannot_be_recorded(
    tmp_path: Path,
    up: Upstream,
    opened: Any,
    disks: Any,
    call: Any,
    stream: bool,
    what: str,
    room: int,
    sent: int,
    mode: str,
) -> None:
    opened(tmp_path / "ledger", {"on_store_failure": "closed"} if mode == "closed" else {})
    with ct.run("w", budget="1 USD"):
        disks[what].room = room
        with pytest.raises((ct.Denied, ct.StoreError), match="Free some space"):
            call(up, stream)
        disks[what].room = -1
        assert len(up.requests) == sent
        assert call(up, stream) == TEXT
    opened_calls = [fact for _, fact in journal.read(tmp_path / "ledger") if fact.kind == CALL_OPENED]
    assert len(up.requests) <= len(opened_calls)


@streams
@failures
@pytest.mark.parametrize("mode", ["open", "by default without a cap"])
def test_open_passes_and_says_so_loudly_once(
    tmp_path: Path,
    up: Upstream,
    opened: Any,
    disks: Any,
    caplog: pytest.LogCaptureFixture,
    call: Any,
    stream: bool,
    what: str,
    room: int,
    sent: int,
    mode: str,
) -> None:
    opened(tmp_path / "ledger", {"on_store_failure": "open"} if mode == "open" else {})
    with ct.run("w", budget="1 USD" if mode == "open" else ""):
        disks[what].room = room
        assert call(up, stream) == TEXT
        assert call(up, stream) == TEXT
        disks[what].room = -1
        assert call(up, stream) == TEXT
    [said] = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert "cannot be written" in said.getMessage()
    assert "Free some space" in said.getMessage()
    assert len(up.requests) == 3
    closed = [fact for _, fact in journal.read(tmp_path / "ledger") if fact.kind == CALL_CLOSED]
    assert closed[-1].data["status"] == "ok"


@pytest.mark.parametrize("settings", [{"on_store_failure": "open"}, {}])
def test_open_lets_a_whole_run_pass(
    tmp_path: Path,
    up: Upstream,
    opened: Any,
    disks: Any,
    clients: Clients,
    caplog: pytest.LogCaptureFixture,
    settings: Any,
) -> None:
    opened(tmp_path / "ledger", settings)
    disks["journal"].room = disks["vault"].room = 0
    with ct.run("w") as run, run.agent("clerk"):
        assert clients.through_httpx(up, stream=False) == TEXT
        assert look_up("1") == "found 1"
    [said] = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert "cannot be written" in said.getMessage()


@pytest.mark.parametrize(("settings", "budget"), [({"on_store_failure": "closed"}, ""), ({}, "1 USD")])
def test_closed_does_not_even_open_a_run(tmp_path: Path, opened: Any, disks: Any, settings: Any, budget: str) -> None:
    opened(tmp_path / "ledger", settings)
    disks["journal"].room = 0
    with pytest.raises(ct.StoreError, match="Free some space"), ct.run("w", budget=budget):
        raise AssertionError("this must not run")


def test_closed_withholds_what_a_tool_returned_unrecorded(tmp_path: Path, opened: Any, disks: Any) -> None:
    opened(tmp_path / "ledger", {"on_store_failure": "closed"})
    with ct.run("w"):
        disks["journal"].room = 0
        with pytest.raises(ct.Denied, match="Free some space"):
            look_up("1")


def test_a_refused_call_stays_refused_for_its_own_reason_on_a_full_disk(
    tmp_path: Path, up: Upstream, opened: Any, disks: Any, call: Any
) -> None:
    rule = "{id: never, on: model, when: 'true', then: deny, because: Never.}"
    (tmp_path / "p.yaml").write_text(f"policy: p\nrules:\n  - {rule}\n")
    opened(tmp_path / "ledger", {"on_store_failure": "closed", "policies": [str(tmp_path / "p.yaml")]})
    with ct.run("w"):
        disks["journal"].room = disks["vault"].room = 0
        with pytest.raises(ct.Denied, match="Never"):
            call(up, stream=False)
    assert up.requests == []
