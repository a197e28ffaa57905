import errno
import os
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comptroller.core.errors import StoreError
from comptroller.store import folder as layout
from comptroller.store import subjects, vault
from comptroller.store.bodies import Bodies
from comptroller.store.keys import Keys
from comptroller.store.vault import MAGIC, Vault, tag_of

KEYS = Keys("id", bytes(range(96)))


@pytest.fixture
def made(folder: Path) -> Path:
    layout.make(folder)
    return folder


def stored(ledger: Path) -> int:
    return sum(path.stat().st_size for path in (ledger / "vault").iterdir())


def test_a_body_comes_back_by_its_digest(made: Path) -> None:
    kept = Vault(made, KEYS)
    messages = [b"", b"hello", os.urandom(5000), b"hello"]
    digests = kept.keep(messages, "t", "acme")
    assert [Bodies(made, KEYS).fetch(digest) for digest in digests] == messages
    kept.close()


@given(messages=st.lists(st.binary(), max_size=5))
def test_equal_bodies_have_equal_digests_for_every_subject(
    messages: list[bytes], tmp_path_factory: pytest.TempPathFactory
) -> None:
    ledger = tmp_path_factory.mktemp("ledger")
    layout.make(ledger)
    kept = Vault(ledger, KEYS)
    assert kept.keep(messages, "t", "a") == kept.keep(messages, "t", "b") == [KEYS.digest(m) for m in messages]
    kept.close()


def test_a_conversation_stores_each_message_once(made: Path) -> None:
    kept = Vault(made, KEYS)
    turns = [os.urandom(500) for _ in range(50)]
    for turn in range(50):
        kept.keep(turns[: turn + 1], "t", "acme")
    assert stored(made) < 50 * 600
    kept.close()


def test_nothing_readable_lies_on_the_disk(made: Path) -> None:
    kept = Vault(made, KEYS)
    kept.keep([b"a very secret text" * 10], "tenant-one", "customer-acme")
    kept.close()
    data = b"".join(path.read_bytes() for path in made.rglob("*") if path.is_file())
    assert not any(word in data for word in (b"secret", b"tenant-one", b"customer-acme"))


def test_forgetting_a_subject_leaves_the_bodies_of_others(made: Path) -> None:
    kept, reader = Vault(made, KEYS), Bodies(made, KEYS)
    [theirs] = kept.keep([b"theirs"], "t", "acme")
    [shared], [_] = kept.keep([b"shared"], "t", "acme"), kept.keep([b"shared"], "t", "beta")
    assert subjects.destroy(made, tag_of(KEYS, "t", "acme")) == 1
    assert reader.fetch(theirs) is None
    assert reader.fetch(shared) == b"shared"
    kept.close()


def test_a_body_is_given_out_only_as_its_subject_has_it(made: Path) -> None:
    kept, reader = Vault(made, KEYS), Bodies(made, KEYS)
    acme, beta, other = (tag_of(KEYS, *whose) for whose in (("t", "acme"), ("t", "beta"), ("u", "acme")))
    [mine], [shared] = kept.keep([b"mine"], "t", "acme"), kept.keep([b"shared"], "t", "acme")
    kept.keep([b"shared"], "t", "beta")
    assert [reader.fetch(mine, tag) for tag in (acme, beta, other)] == [b"mine", None, None]
    subjects.destroy(made, acme)
    assert [reader.fetch(shared, tag) for tag in (acme, beta)] == [None, b"shared"]
    kept.close()


@pytest.mark.parametrize("seen", ["in time", "at once"])
def test_a_subject_that_comes_back_after_its_erasure_is_kept_anew(seen: str, made: Path) -> None:
    now = [0]
    kept = Vault(made, KEYS, lambda: now[0])
    kept.keep([b"again"], "t", "acme")
    subjects.destroy(made, tag_of(KEYS, "t", "acme"))
    if seen == "at once":
        kept.look()
    now[0] += 50_000_000 if seen == "in time" else 0
    [digest] = kept.keep([b"again"], "t", "acme")
    assert Bodies(made, KEYS).fetch(digest) == b"again"
    kept.close()


def test_what_is_kept_before_an_erasure_is_seen_cannot_be_read_either(made: Path) -> None:
    kept = Vault(made, KEYS, lambda: 0)
    kept.keep([b"before"], "t", "acme")
    subjects.destroy(made, tag_of(KEYS, "t", "acme"))
    [digest] = kept.keep([b"after"], "t", "acme")
    assert Bodies(made, KEYS).fetch(digest) is None
    kept.close()


@pytest.mark.parametrize("size", [0, 1, 8_191, 8_192, 8_193, 100_000])
def test_bodies_of_any_size_come_back(size: int, made: Path) -> None:
    kept = Vault(made, KEYS)
    text = b"the same words again and again, " * 4_000
    assert Bodies(made, KEYS).fetch(kept.keep([text[:size]], "t", "acme")[0]) == text[:size]
    kept.close()


def test_a_full_disk_is_an_error_and_the_next_body_is_readable(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept, write = Vault(made, KEYS), os.write
    [before] = kept.keep([b"before"], "t", "s")

    def full(fd: int, data: bytes) -> int:
        if len(data) < 20:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(fd, data[: len(data) // 2])

    with monkeypatch.context() as patch:
        patch.setattr(vault.os, "write", full)
        with pytest.raises(StoreError, match=r"\.seg: cannot be written: No space left on device\. Free some space"):
            kept.keep([b"lost" * 50], "t", "s")
    [after] = kept.keep([b"after"], "t", "s")
    reader = Bodies(made, KEYS)
    assert [reader.fetch(before), reader.fetch(after)] == [b"before", b"after"]
    assert reader.fetch(KEYS.digest(b"lost" * 50)) is None
    kept.close()


def test_where_half_a_record_cannot_be_taken_back_another_file_is_begun(
    made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept, write = Vault(made, KEYS), os.write
    kept.keep([b"before"], "t", "s")

    def broken(*_: object) -> int:
        raise OSError(errno.EIO, "Input/output error")

    def half(fd: int, data: bytes) -> int:
        return write(fd, data[:30]) if len(data) > 40 else broken()

    with monkeypatch.context() as patch:
        patch.setattr(vault.os, "write", half)
        patch.setattr(vault.os, "ftruncate", broken)
        with pytest.raises(StoreError, match="Input/output error"):
            kept.keep([b"lost"], "t", "s")
    [after] = kept.keep([b"after"], "t", "s")
    assert Bodies(made, KEYS).fetch(after) == b"after"
    kept.close()


def test_a_reader_beside_the_writer_sees_what_was_just_kept(made: Path) -> None:
    kept, reader = Vault(made, KEYS), Bodies(made, KEYS)
    for number in range(5):
        [digest] = kept.keep([b"%d" % number], "t", "s")
        assert reader.fetch(digest) == b"%d" % number
    kept.close()


def test_a_torn_last_body_hides_no_other(made: Path) -> None:
    kept = Vault(made, KEYS)
    [first] = kept.keep([b"first"], "t", "s")
    [last] = kept.keep([b"last"], "t", "s")
    kept.close()
    [path] = (made / "vault").iterdir()
    path.write_bytes(path.read_bytes()[:-1])
    reader = Bodies(made, KEYS)
    assert (reader.fetch(first), reader.fetch(last)) == (b"first", None)


def flip(path: Path, place: int) -> None:
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("place", "reason"),
    [(len(MAGIC) + 20, "cannot be opened: its key is missing"), (-1, "is not what was written")],
)
def test_a_damaged_body_is_named_and_never_handed_out(place: int, reason: str, made: Path) -> None:
    kept = Vault(made, KEYS)
    [digest] = kept.keep([b"body" * 100], "t", "s")
    kept.close()
    flip(*(made / "vault").iterdir(), place)
    with pytest.raises(StoreError, match=rf"byte 20: this body {reason}\. Restore"):
        Bodies(made, KEYS).fetch(digest)


def test_a_damaged_key_is_not_taken_for_an_erasure(made: Path) -> None:
    kept = Vault(made, KEYS)
    [digest] = kept.keep([b"body"], "t", "s")
    kept.close()
    flip(*(made / "keys").glob("*.keys"), -1)
    with pytest.raises(StoreError, match="cannot be opened: its key is damaged"):
        Bodies(made, KEYS).fetch(digest)


def test_what_is_no_vault_file_is_named(made: Path) -> None:
    (made / "vault" / "x.seg").write_bytes(b"something else, and long enough")
    with pytest.raises(StoreError, match=r"x\.seg, byte 0: it does not begin as a vault segment does"):
        Bodies(made, KEYS).fetch("00" * 16)


def test_an_unknown_digest_is_no_body(made: Path) -> None:
    assert Bodies(made, KEYS).fetch("00" * 16) is None
    assert Bodies(made, KEYS).fetch("no digest") is None


def test_threads_keep_the_same_messages_without_harm(made: Path) -> None:
    kept = Vault(made, KEYS)
    messages = [b"%d" % number * 20 for number in range(50)]
    threads = [threading.Thread(target=kept.keep, args=(messages, "t", "s")) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    kept.close()
    reader = Bodies(made, KEYS)
    assert [reader.fetch(KEYS.digest(message)) for message in messages] == messages
    assert stored(made) < 50 * 200


def test_a_full_file_is_followed_by_another(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vault, "_FULL", 500)
    kept = Vault(made, KEYS)
    messages = [os.urandom(300) for _ in range(6)]
    digests = [kept.keep([message], "t", "s")[0] for message in messages]
    kept.sync()
    kept.close()
    assert len(list((made / "vault").iterdir())) == 3
    reader = Bodies(made, KEYS)
    assert [reader.fetch(digest) for digest in digests] == messages


def test_more_subjects_than_are_remembered_stay_readable(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subjects, "_MOST", 2)
    kept = Vault(made, KEYS)
    digests = [kept.keep([b"%d" % n], "t", f"s{n % 4}")[0] for n in range(12)]
    kept.close()
    reader = Bodies(made, KEYS)
    assert [reader.fetch(digest) for digest in digests] == [b"%d" % n for n in range(12)]
