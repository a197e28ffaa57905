"""The compiled database is cached for its owner only, and a bad cache is never trusted."""

import os
import stat
import sys
from pathlib import Path

import pytest

from comptroller.guardrails import database
from comptroller.guardrails.scanner import PATTERNS, Scanner

FEW = PATTERNS[:4]


def only(folder: Path) -> Path:
    (path,) = folder.glob("*.bin")
    return path


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How often the patterns were compiled."""
    calls: list[int] = []
    compile_patterns = database.compile_patterns
    monkeypatch.setattr(
        database, "compile_patterns", lambda patterns: calls.append(len(patterns)) or compile_patterns(patterns)
    )
    return calls


def test_a_second_start_reads_what_the_first_compiled(tmp_path: Path, counted: list[int]) -> None:
    folder = tmp_path / "cache"
    for _ in range(3):
        assert database.load(FEW, folder).size() > 0
    assert counted == [4]


def test_other_patterns_have_another_file(tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    database.load(FEW, folder)
    database.load(PATTERNS[:5], folder)
    assert len(list(folder.glob("*.bin"))) == 2


@pytest.mark.parametrize(
    "harm", [lambda b: b"", lambda b: b[:-1], lambda b: b[:200] + b"X" + b[201:], lambda b: b"junk" * 99]
)
def test_a_damaged_cache_is_compiled_again(tmp_path: Path, counted: list[int], harm: object) -> None:
    folder = tmp_path / "cache"
    database.load(FEW, folder)
    only(folder).write_bytes(harm(only(folder).read_bytes()))  # type: ignore[operator]
    database.load(FEW, folder)
    assert counted == [4, 4]


@pytest.mark.skipif(sys.platform == "win32", reason="modes of Unix")
def test_the_cache_is_the_users_alone(tmp_path: Path, counted: list[int]) -> None:
    folder = tmp_path / "cache"
    database.load(FEW, folder)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    only(folder).chmod(0o666)  # anybody could have written it
    database.load(FEW, folder)
    assert counted == [4, 4]


def test_where_nothing_can_be_written_it_still_works(tmp_path: Path, counted: list[int]) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    assert database.load(FEW, blocked / "cache").size() > 0
    assert counted == [4]


def test_the_cache_lives_where_the_system_keeps_caches(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path))
    assert str(database.cache_folder()).startswith(str(tmp_path))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_scans_on() -> None:
    import subprocess

    code = (
        "import os\n"
        "from comptroller.guardrails.scanner import SCANNER\n"
        "look = lambda: len(SCANNER.find('jane@acme.com', frozenset({'privacy'})))\n"
        "assert look() == 1\n"
        "pid = os.fork()\n"
        "if pid == 0: os._exit(0 if look() == 1 else 1)\n"
        "raise SystemExit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))\n"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_a_scanner_of_a_few_patterns_works_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path))
    assert Scanner(FEW).find("nothing", frozenset({"secrets"})) == []
