"""The yard keeps its promises: one command from a bare machine, thin by default, one version everywhere."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import comptroller

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
needs_make = pytest.mark.skipif(not shutil.which("make"), reason="no make on this machine")


def make(folder: Path, *args: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("MAKE") and name != "MFLAGS"}
    return subprocess.run(["make", *args], cwd=folder, capture_output=True, text=True, env=clean, check=False)


@pytest.fixture
def yard(tmp_path: Path) -> Path:
    """A folder with nothing but the Makefile and what it installs from."""
    for name in ("Makefile", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


@needs_make
def test_a_machine_without_a_fitting_python_is_told_so_and_what_to_do(yard: Path) -> None:
    done = make(yard, "test", "CANDIDATES=no-such-python")
    assert done.returncode != 0
    assert "3.11, 3.12 or 3.13" in done.stderr
    assert "make PYTHON=" in done.stderr


@needs_make
def test_a_python_that_is_too_new_is_passed_over(yard: Path) -> None:
    new = yard / "python-new"
    new.write_text("#!/bin/sh\nexit 1\n")  # what ours answers when asked whether it is in range
    new.chmod(0o755)
    assert "none was found" in make(yard, ".venv/.made", f"CANDIDATES={new}").stderr


@needs_make
def test_an_installed_yard_installs_again_only_when_the_project_file_changes(yard: Path) -> None:
    stamps = [yard / ".venv" / name for name in (".made", ".for-test", ".for-run")]
    stamps[0].parent.mkdir()
    for number, path in enumerate([yard / "pyproject.toml", *stamps]):
        path.touch()
        os.utime(path, (number + 1, number + 1))
    assert make(yard, "-q", ".venv/.for-test", ".venv/.for-run").returncode == 0
    os.utime(yard / "pyproject.toml", (9, 9))
    assert make(yard, "-q", ".venv/.for-test").returncode == 1


@needs_make
def test_make_test_checks_first_and_ends_with_the_whole_suite() -> None:
    recipe = make(ROOT, "-n", "test").stdout.strip().splitlines()
    assert [line for line in recipe if "pytest" in line][-1] == recipe[-1]
    assert any("ruff format --check" in line for line in recipe)


def test_the_script_of_the_ci_machine_can_be_run_and_ends_in_make_test() -> None:
    script = ROOT / ".ci/run"
    assert script.read_text(encoding="utf-8").strip().endswith("exec make test")
    if os.name == "posix":
        assert os.access(script, os.X_OK)


def test_the_version_is_the_same_wherever_it_is_said() -> None:
    assert PROJECT["version"] == comptroller.__version__
    assert f"## {comptroller.__version__}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_importing_the_package_loads_nothing_that_only_the_server_needs() -> None:
    heavy = ["streamlit", "polars", "duckdb", "openai", "anthropic", "typer", "genai_prices", "phonenumbers"]
    code = f"import comptroller, sys; print(*[name for name in {heavy!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_the_thin_install_asks_for_no_provider_and_no_database() -> None:
    names = {re.split(r"[^a-z0-9-]", item)[0] for item in PROJECT["dependencies"]}
    assert names.isdisjoint({"duckdb", "polars", "pyarrow", "streamlit", "openai", "anthropic", "httpx", "httpx2"})


def test_every_lint_rule_we_ignore_has_its_reason() -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    ignored = re.search(r"^ignore = \[\n(.*?)^\]", text, re.MULTILINE | re.DOTALL)
    assert ignored
    assert all("#" in line for line in ignored[1].splitlines())
