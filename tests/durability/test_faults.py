"""Ledgers that are torn, damaged, too new or read-only, disks that are full, clocks that jump: as a user meets them."""

import errno
import itertools
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

import comptroller as ct
from comptroller.core.clock import FrozenClock
from comptroller.core.facts import CALL_CLOSED, CALL_OPENED, LEDGER_OPENED
from comptroller.store import journal
from comptroller.wrapper.desk import Desk, set_desk
from tests.durability.aftermath import check
from tests.durability.crew import ROOT

SAID = b'{"id":"x","choices":[{"index":0,"message":{"role":"assistant","content":"Hello."}}]}'
ASKED = {"model": "gpt-4o-mini", "max_tokens": 50, "messages": [{"role": "user", "content": "Hi"}]}


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A ledger with some calls in it; whatever desk a test opens is closed."""
    work(tmp_path / "ledger", calls=5)
    yield tmp_path / "ledger"
    desk = set_desk(None)
    if desk is not None:
        desk.close()


def work(folder: Path, calls: int = 1) -> list[str]:
    """Open, make some calls, close; the calls' ids."""
    transport = httpx2.MockTransport(lambda request: httpx2.Response(200, content=SAID))
    with ct.open(folder, {}), ct.run("w", budget="1 USD"), ct.wrap(httpx2.Client(transport=transport)) as client:
        replies = [client.post("http://up/v1/chat/completions", json=ASKED) for _ in range(calls)]
    return [reply.headers["comptroller-call"] for reply in replies]


def closed(folder: Path) -> list[str]:
    return [fact.call for _, fact in journal.read(folder) if fact.kind == CALL_CLOSED]


def newest(folder: Path) -> Path:
    return sorted((folder / "journal").glob("*.ndjson"))[-1]


@pytest.mark.parametrize("torn", [b'{"n":99,"k":"call.op', b"\x00" * 5000, b"x"], ids=["half a record", "zeros", "x"])
def test_a_torn_last_record_is_cut_off_and_said(folder: Path, torn: bytes) -> None:
    before = closed(folder)
    with newest(folder).open("ab") as file:
        file.write(torn)
    after = work(folder)
    assert closed(folder) == before + after
    opened = [fact for _, fact in journal.read(folder) if fact.kind == LEDGER_OPENED]
    assert opened[-1].data["recovered"]["cut"] == len(torn)  # type: ignore[index]
    check(folder, folder / "none", 0)


def test_a_last_record_cut_short_takes_only_itself(folder: Path) -> None:
    path, before = newest(folder), closed(folder)
    path.write_bytes(path.read_bytes()[:-20])
    assert closed(folder) == before
    after = work(folder)
    assert closed(folder) == before + after


def test_a_corrupt_middle_record_refuses_to_go_on_and_names_the_place(folder: Path) -> None:
    path = newest(folder)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(ct.StoreError, match=r"00000001\.ndjson.* byte \d+, record \d+.*Restore this segment"):
        ct.open(folder, {})
    assert path.read_bytes() == data
    assert not journal.verify(folder).ok


def test_a_ledger_of_a_newer_version_is_left_alone(folder: Path) -> None:
    label = json.loads((folder / "ledger.json").read_bytes())
    (folder / "ledger.json").write_text(json.dumps({**label, "format": 2}))
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    with pytest.raises(ct.StoreError, match=r"format 2, this version reads up to 1\. Upgrade"):
        ct.open(folder, {})
    assert {path: path.read_bytes() for path in before} == before


def test_a_directory_that_cannot_be_written_says_so_before_any_call(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opening = os.open

    def read_only(path: Any, flags: int, *args: Any, **kwargs: Any) -> int:
        if flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT) and str(folder) in str(path):
            raise OSError(errno.EROFS, "Read-only file system", str(path))
        return opening(path, flags, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", read_only)
        with pytest.raises(ct.StoreError, match=r"Read-only file system.*writable for this user, or name another"):
            ct.open(folder, {})
    work(folder)


def test_a_directory_that_cannot_be_made_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ct.StoreError, match="file"):
        ct.open(tmp_path / "file" / "ledger", {})


class Jumping(FrozenClock):
    """A clock that goes a second on with each look, and jumps back an hour at every seventh."""

    looks = 0

    def now_ns(self) -> int:
        self.looks += 1
        self.tick(-3600 if self.looks % 7 == 0 else 1)
        return super().now_ns()


def test_a_clock_that_jumps_back_leaves_ids_and_chain_in_order(tmp_path: Path) -> None:
    transport = httpx2.MockTransport(lambda request: httpx2.Response(200, content=SAID))
    clock, calls = Jumping(), []
    for _ in range(2):
        desk = Desk.open(tmp_path / "ledger", {}, clock)
        set_desk(desk)
        with desk, ct.run("w", budget="1 USD"), ct.wrap(httpx2.Client(transport=transport)) as client:
            for _ in range(20):
                reply = client.post("http://up/v1/chat/completions", json=ASKED)
                calls.append(reply.headers["comptroller-call"])
    set_desk(None)
    assert calls == sorted(calls)
    assert closed(tmp_path / "ledger") == calls
    facts = [fact for _, fact in journal.read(tmp_path / "ledger")]
    assert any(later.at < earlier.at for earlier, later in itertools.pairwise(facts))
    check(tmp_path / "ledger", tmp_path / "none", 0)


FULL = """
import json, resource, sys, httpx2, comptroller as ct
from pathlib import Path
ledger, setting = Path(sys.argv[1]), sys.argv[2]
sent, said = 0, []

def reply(request):
    global sent
    sent += 1
    return httpx2.Response(200, content=json.dumps({"id": "x", "choices": [
        {"index": 0, "message": {"role": "assistant", "content": "Hello."}}]}).encode())

def call(number):
    words = f"Call {number}: " + "how are you? " * 20
    body = {"model": "gpt-4o-mini", "max_tokens": 50, "messages": [{"role": "user", "content": words}]}
    return client.post("http://up/v1/chat/completions", json=body)

with ct.open(ledger, {"on_store_failure": setting}), ct.run("w", budget="1 USD"):
    client = ct.wrap(httpx2.Client(transport=httpx2.MockTransport(reply)))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, hard))
    for number in range(60):
        try:
            call(number)
        except (ct.Denied, ct.StoreError) as error:
            said.append(str(error))
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    last = call(60).headers["comptroller-call"]
print(json.dumps({"sent": sent, "said": said, "last": last}))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="limits files as POSIX does")
@pytest.mark.parametrize("setting", ["closed", "open"])
def test_a_file_that_may_not_grow_stops_calls_or_lets_them_pass_as_the_setting_says(
    tmp_path: Path, setting: str
) -> None:
    command = [sys.executable, "-W", "ignore", "-c", FULL, str(tmp_path / "ledger"), setting]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60)
    told = json.loads(done.stdout)
    facts = [fact for _, fact in journal.read(tmp_path / "ledger")]
    opened = sum(fact.kind == CALL_OPENED for fact in facts)
    assert told["last"] in closed(tmp_path / "ledger")
    if setting == "closed":
        assert len(told["said"]) > 10
        assert all("Raise the file size limit of this process" in said for said in told["said"])
        check(tmp_path / "ledger", tmp_path / "none", told["sent"])
    else:
        assert (told["said"], told["sent"]) == ([], 61)
        assert opened < 61
        assert done.stderr.count("The ledger cannot be written") == 1
        assert journal.verify(tmp_path / "ledger").ok
