import errno
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from comptroller.core.errors import StoreError
from comptroller.core.facts import Fact
from comptroller.store import folder as layout
from comptroller.store import segment
from comptroller.store import tail as tails
from comptroller.store.segment import Position
from comptroller.store.tail import Tail

MIDDLE = segment.encode(Fact("claim", "i", 1, data={"text": "x" * 50}))[1]


@pytest.fixture
def tail(folder: Path) -> Tail:
    layout.make(folder)
    return Tail(folder, Position(1, 0, 0, ""))


def content(tail: Tail) -> bytes:
    return segment.path_of(tail.ledger, 1).read_bytes()


def failing(number: int, text: str, before: Callable[..., object] | None = None) -> Callable[..., int]:
    def fail(*arguments: object) -> int:
        if before:
            before(*arguments)
        raise OSError(number, text)

    return fail


def test_records_of_one_append_reach_the_file_with_one_write(tail: Tail, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes, write = [], os.write
    monkeypatch.setattr(tails.os, "write", lambda fd, data: sizes.append(len(data)) or write(fd, data))
    tail.append([MIDDLE, MIDDLE, MIDDLE])
    assert sizes == [len(content(tail))] == [tail.at.offset]
    assert tail.at.sequence == 3
    tail.close()


def test_a_full_disk_takes_nothing_and_says_so(tail: Tail, monkeypatch: pytest.MonkeyPatch) -> None:
    tail.append([MIDDLE])
    before, at, write = content(tail), tail.at, os.write
    with monkeypatch.context() as patch:
        half = failing(errno.ENOSPC, "No space left on device", lambda fd, data: write(fd, data[:40]))
        patch.setattr(tails.os, "write", half)
        with pytest.raises(StoreError, match=r"No space left on device\. Free some space .* nothing recorded so far"):
            tail.append([MIDDLE])
    assert (content(tail), tail.at) == (before, at)
    tail.append([MIDDLE])
    assert content(tail).count(b"\n") == 2
    tail.close()


def test_half_a_record_that_cannot_be_taken_back_is_taken_back_before_the_next(
    tail: Tail, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = os.write
    with monkeypatch.context() as patch:
        patch.setattr(tails.os, "write", failing(errno.EIO, "I/O error", lambda fd, data: write(fd, data[:40])))
        patch.setattr(tails.os, "ftruncate", failing(errno.EIO, "I/O error"))
        for _ in range(2):
            with pytest.raises(StoreError, match="I/O error"):
                tail.append([MIDDLE])
    tail.append([MIDDLE])
    assert content(tail).startswith(b'{"n":1,')
    assert content(tail).count(b"\n") == 1
    tail.close()


def test_a_write_interrupted_behind_the_kernel_is_taken_back(tail: Tail, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write

    def interrupted(fd: int, data: bytes) -> int:
        write(fd, data)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(tails.os, "write", interrupted)
        with pytest.raises(KeyboardInterrupt):
            tail.append([MIDDLE])
    tail.append([MIDDLE])
    assert content(tail).count(b'{"n":1,') == content(tail).count(b"\n") == 1
    tail.close()


def test_after_a_failed_flush_nothing_is_promised_any_more(tail: Tail, monkeypatch: pytest.MonkeyPatch) -> None:
    tail.append([MIDDLE])
    with monkeypatch.context() as patch:
        patch.setattr(tails, "_flush", failing(errno.EIO, "I/O error"))
        with pytest.raises(StoreError, match="the disk did not keep what was written"):
            tail.sync(1)
    for attempt in (lambda: tail.sync(1), lambda: tail.append([MIDDLE])):
        with pytest.raises(StoreError, match="the disk did not keep what was written"):
            attempt()
    tail.close()


def test_many_who_wait_share_few_flushes(tail: Tail, monkeypatch: pytest.MonkeyPatch) -> None:
    flushes, flush, lock = [], tails._flush, threading.Lock()
    monkeypatch.setattr(tails, "_flush", lambda fd: flushes.append(1) or flush(fd))
    failures: list[BaseException] = []

    def write() -> None:
        try:
            for _ in range(50):
                with lock:
                    tail.append([MIDDLE])
                    sequence = tail.at.sequence
                tail.sync(sequence)
                assert tail.durable >= sequence
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=write) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert tail.durable == 800
    assert len(flushes) < 800
    tail.close()


def test_an_interrupted_leader_leaves_the_lead_to_another(tail: Tail, monkeypatch: pytest.MonkeyPatch) -> None:
    tail.append([MIDDLE])
    flush, waits, go = tails._flush, threading.Event(), threading.Event()

    def interrupted(fd: int) -> None:
        monkeypatch.setattr(tails, "_flush", flush)
        waits.set()
        go.wait()
        raise KeyboardInterrupt

    monkeypatch.setattr(tails, "_flush", interrupted)
    caught: list[BaseException] = []

    def lead() -> None:
        try:
            tail.sync(1)
        except KeyboardInterrupt as error:
            caught.append(error)

    leader, follower = threading.Thread(target=lead), threading.Thread(target=tail.sync, args=(1,))
    leader.start()
    waits.wait()
    follower.start()
    while not tail._waiters:
        threading.Event().wait(0.001)
    go.set()
    leader.join()
    follower.join()
    assert len(caught) == 1
    assert tail.durable == 1
    tail.close()


def test_a_roll_makes_the_old_segment_durable_and_goes_on_in_the_next(tail: Tail) -> None:
    tail.append([MIDDLE])
    chain = tail.at.chain
    tail.roll()
    assert (tail.durable, tail.at) == (1, Position(2, 0, 1, chain))
    tail.append([MIDDLE])
    stored = segment.path_of(tail.ledger, 2).read_bytes()[:-1]
    assert segment.hash_of(stored) == segment.link(chain, stored)
    tail.close()


@pytest.mark.skipif(sys.platform == "win32", reason="limits of POSIX")
@pytest.mark.parametrize(
    ("number", "remedy"),
    [
        (errno.EROFS, "Make the directory writable"),
        (errno.EACCES, "Make the directory writable"),
        (errno.EDQUOT, "Free some space"),
        (errno.EFBIG, "Raise the file size limit"),
        (errno.EEXIST, "A file stands where a directory should be"),
        (errno.EIO, "Check the disk"),
    ],
)
def test_each_reason_has_its_remedy(number: int, remedy: str) -> None:
    assert remedy in tails.unwritable(Path("x"), OSError(number, os.strerror(number)))
