import errno
import subprocess
import sys
from pathlib import Path

import pytest

from comptroller.core.errors import StoreError
from comptroller.store import locks
from comptroller.store.locks import Lock

posix = pytest.mark.skipif(sys.platform == "win32", reason="flock is POSIX")
HOLDER = """
import sys
from pathlib import Path
from comptroller.store.locks import Lock
lock = Lock(Path(sys.argv[1]))
print(lock.take(), flush=True)
sys.stdin.read()
"""


def test_one_holder_at_a_time(tmp_path: Path) -> None:
    first, second = Lock(tmp_path / "l"), Lock(tmp_path / "l")
    assert first.take()
    assert not second.take()
    first.drop()
    assert second.take()
    second.drop()


@posix
def test_a_shared_lock_has_many_holders_and_none_beside_it(tmp_path: Path) -> None:
    first, second, alone = (Lock(tmp_path / "l") for _ in range(3))
    assert first.take(shared=True)
    assert second.take(shared=True)
    assert not alone.take()
    first.drop()
    assert second.take()
    second.drop()


def test_a_killed_process_leaves_a_stale_file_and_no_lock(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLDER, str(tmp_path / "l")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "True\n"
        lock = Lock(tmp_path / "l")
        assert not lock.take()
        holder.kill()
    assert lock.take()
    lock.drop()


@posix
def test_a_file_system_that_grants_a_lock_twice_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = Lock(tmp_path / "l")
    assert lock.take()
    lock.prove()
    monkeypatch.setattr(locks, "_lock", lambda *_: None)
    with pytest.raises(StoreError, match=r"no locks that hold \(it grants one lock twice\).* Put the ledger on"):
        lock.prove()
    lock.drop()


def test_a_file_system_without_locks_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(locks, "_lock", none)
    with pytest.raises(StoreError, match=r"No locks available.* local disk"):
        Lock(tmp_path / "l").take()


def test_a_lock_that_cannot_be_opened_says_where(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"missing.l: cannot be opened: .* writable for this user"):
        Lock(tmp_path / "missing" / "l").take()
