import socket
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from comptroller.core.errors import StoreError
from comptroller.store import client, wire
from comptroller.store.ledger import Ledger
from comptroller.store.wire import Reply, Request

Open = Callable[..., Ledger]


def knock(folder: Path) -> socket.socket:
    return wire.connect(wire.read_address(folder), 10)


def hello(folder: Path, token: str = "") -> bytes:
    return wire.frame(Request(wire.HELLO, name="s", unit=token or wire.read_address(folder).token))


def answer(connection: socket.socket) -> Reply:
    buffer = bytearray()
    while True:
        data = connection.recv(4096)
        if not data:
            raise wire.Gone
        buffer += data
        if frames := wire.split(buffer):
            return wire.read_reply(frames[0])


@pytest.mark.parametrize(
    "sent",
    [
        struct.pack("<I", 2**32 - 1),
        struct.pack("<I", 4) + b"nope",
        struct.pack("<I", 2) + b"\xff\xff",
        wire.frame(Request(wire.COUNTER, name="k", unit="USD")),
        wire.frame(Request(wire.HELLO, name="s", unit="wrong token")),
        wire.frame(Request(wire.HELLO)),
    ],
    ids=["too long", "not JSON", "not UTF-8", "no hello", "wrong token", "no name"],
)
def test_a_stranger_is_hung_up_on_and_the_others_are_served(
    sent: bytes, open_ledger: Open, folder: Path, facts
) -> None:
    open_ledger()
    with knock(folder) as stranger:
        stranger.sendall(sent)
        with pytest.raises(wire.Gone):
            answer(stranger)
    second = open_ledger()
    second.record(facts.claim("served"))
    assert not second.local


def test_an_unknown_request_and_an_unreadable_fact_are_answered_with_a_reason(open_ledger: Open, folder: Path) -> None:
    open_ledger()
    with knock(folder) as connection:
        connection.sendall(hello(folder))
        assert answer(connection).error == ""
        connection.sendall(wire.frame(Request("dance")))
        assert "does not know 'dance': use one version in all processes" in answer(connection).error
        connection.sendall(wire.frame(Request(wire.RECORD, wire.msgspec.Raw(b'{"k":1}'))))
        assert "cannot read this fact" in answer(connection).error


def test_a_request_in_pieces_and_many_at_once_are_both_understood(open_ledger: Open, folder: Path) -> None:
    open_ledger()
    with knock(folder) as connection:
        for byte in hello(folder):
            connection.sendall(bytes([byte]))
        assert answer(connection).error == ""
        connection.sendall(wire.frame(Request(wire.COUNTER, name="k", unit="USD")) * 50)
        buffer, replies = bytearray(), 0
        while replies < 50:
            buffer += connection.recv(4096)
            replies += len(wire.split(buffer))
        assert replies == 50


def test_an_owner_that_is_stuck_is_named(open_ledger: Open, facts, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = open_ledger(), open_ledger()
    second.record(facts.claim("before"))
    monkeypatch.setattr(client, "_ANSWER_S", 0.05)
    second._client._idle.pop().close()  # so that the next request makes a connection with the shorter patience
    assert first._owner is not None
    with first._owner._lock, pytest.raises(StoreError, match=r"Process \d+ owns the ledger and has not answered"):
        second.record(facts.claim("waits"))
    assert not second.local


def test_a_fact_larger_than_any_fact_is_refused_before_it_is_sent(
    open_ledger: Open, facts, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_ledger()
    second = open_ledger()
    monkeypatch.setattr(wire, "MOST", 1000)
    with pytest.raises(StoreError, match=r"too large for the journal\. Keep bodies in the vault"):
        second.record(facts.claim("big", text="x" * 2000))
