"""The journal from its end: every whole line once, from any record on, whatever the size of what is read at a time."""

from pathlib import Path

import pytest

from comptroller.store import backward as module
from comptroller.store import segment
from comptroller.store.backward import backward

COUNT = 40


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """Two segments of records of very different length, half a record at the end, one that cannot be read."""
    (tmp_path / segment.FOLDER).mkdir()
    lines = [b'{"n":%d,"k":"%b"}' % (n, b"x" * (n * 37 % 500)) for n in range(1, COUNT + 1)]
    segment.path_of(tmp_path, 1).write_bytes(b"\n".join(lines[:25]) + b"\n")
    segment.path_of(tmp_path, 2).write_bytes(b"\n".join(lines[25:]) + b'\n{"n":41,"k":"ha')
    return tmp_path


def numbers(journal: Path, before: int = 0) -> list[tuple[int, int]]:
    return [(at, module.number_of(stored)) for at, stored in backward(journal, before)]


@pytest.mark.parametrize("piece", [1, 7, 300, 1 << 18])
@pytest.mark.parametrize("before", [0, 1, 2, 25, 26, 27, 39, 40, 41, 1000])
def test_every_line_before_a_record_comes_once(
    journal: Path, piece: int, before: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_PIECE", piece)
    until = min(before - 1 if before else COUNT, COUNT)
    assert numbers(journal, before) == [(1 if n <= 25 else 2, n) for n in range(until, 0, -1)]


@pytest.mark.parametrize("piece", [1, 100, 1 << 18])
@pytest.mark.parametrize("before", [0, 10, 30])
def test_a_line_that_cannot_be_read_hides_no_other(
    journal: Path, piece: int, before: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = segment.path_of(journal, 1)
    path.write_bytes(path.read_bytes().replace(b'{"n":12,', b"############"))
    monkeypatch.setattr(module, "_PIECE", piece)
    until = before - 1 if before else COUNT
    assert [n for _, n in numbers(journal, before) if n] == [n for n in range(until, 0, -1) if n != 12]


def test_nothing_comes_of_no_whole_line(tmp_path: Path) -> None:
    (tmp_path / segment.FOLDER).mkdir()
    assert numbers(tmp_path) == []
    segment.path_of(tmp_path, 1).write_bytes(b'{"n":1,"k":"ha')
    assert numbers(tmp_path) == []
