"""Asking `/api` from another process: what is sent again, and what never is."""

import os
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import pytest

from comptroller.office.switchboard import LABEL, Declined, Switchboard
from comptroller.office.who import Who
from comptroller.store.wire import Address

REPLY = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}"


@dataclass
class Other:
    """The other side: hangs up on the first `deaf` who ask, answers nothing while `slow`."""

    listener: socket.socket
    deaf: int = 0
    slow: bool = False
    over: bool = False
    heard: list[bytes] = field(default_factory=list)
    held: list[socket.socket] = field(default_factory=list)

    def serve(self) -> None:
        while True:
            line, _ = self.listener.accept()
            if self.over:
                line.close()
                return
            self.heard.append(line.recv(4096).partition(b"\r\n")[0])
            if self.slow:
                self.held.append(line)
                continue
            if self.deaf < len(self.heard):
                line.sendall(REPLY)
            line.close()


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Other]:
    listener = socket.create_server(("127.0.0.1", 0))
    made = Other(listener)
    address = Address("tcp", "127.0.0.1", listener.getsockname()[1], "t", os.getpid())
    (tmp_path / LABEL).write_bytes(msgspec.json.encode(address))
    thread = threading.Thread(target=made.serve)
    thread.start()
    yield made
    made.over = True
    socket.create_connection(listener.getsockname()).close()
    thread.join()
    listener.close()
    for line in made.held:
        line.close()


def test_a_question_that_was_cut_off_is_asked_again(tmp_path: Path, other: Other) -> None:
    other.deaf = 1
    assert Switchboard(tmp_path).get(Who("a"), "/api/health") == {}
    assert len(other.heard) == 2


def test_a_question_that_takes_too_long_is_asked_once(tmp_path: Path, other: Other) -> None:
    other.slow = True
    with pytest.raises(Declined, match="took too long") as error:
        Switchboard(tmp_path, timeout_s=0.2).get(Who("a"), "/api/runs")
    assert error.value.status == 504
    assert other.heard == [b"GET /api/runs HTTP/1.1"]


def test_an_order_that_takes_too_long_may_have_been_carried_out(tmp_path: Path, other: Other) -> None:
    other.slow = True
    with pytest.raises(Declined, match="look whether it was done"):
        Switchboard(tmp_path, timeout_s=0.2).post(Who("a"), "/api/books/close")
    assert other.heard == [b"POST /api/books/close HTTP/1.1"]
