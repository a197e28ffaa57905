"""The command itself: exit codes, one line where it is not installed, and a quick start."""

import runpy
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

import comptroller.cli

Cli = Callable[..., Any]


def test_help_lists_every_command(cli: Cli) -> None:
    said = cli("--help")
    assert said.code == 0
    for name in ("init", "doctor", "demo", "policy", "runs", "audit"):
        assert f"\n  {name} " in said.out


def test_version_is_that_of_the_package(cli: Cli) -> None:
    assert cli("--version").out == f"comptroller {comptroller.__version__}\n"


@pytest.mark.parametrize(
    "line", [("nope",), ("runs", "nope"), ("runs", "ls", "--nope"), ("runs", "ls", "--limit", "0")]
)
def test_what_does_not_exist_is_wrong_use(cli: Cli, line: tuple[str, ...]) -> None:
    said = cli(*line)
    assert said.code == 2
    assert "Traceback" not in said.err


def test_policy_commands_are_reached_through_the_door(cli: Cli) -> None:
    said = cli("policy", "--help")
    assert "check" in said.out
    assert "test" in said.out


def test_settings_that_cannot_be_read_are_wrong_use(cli: Cli, tmp_path: Any) -> None:
    (tmp_path / "here" / "comptroller.yaml").write_text("legder: x\n")
    said = cli("runs", "ls")
    assert said.code == 2
    assert "legder: there is no such setting" in said.err


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("policies: [a\n", "comptroller.yaml:2: this is no YAML"),
        ("upstreams: [{name: a, format: openai}]\n", "upstreams.0.url: this is not said"),
        ('upstreams: [{name: a, format: openai, url: "api"}]\n', "upstreams.0.url: write it like https://"),
    ],
)
def test_a_mistake_in_the_settings_is_told_in_our_words(cli: Cli, tmp_path: Any, text: str, said: str) -> None:
    (tmp_path / "here" / "comptroller.yaml").write_text(text)
    refused = cli("runs", "ls")
    assert refused.code == 2
    assert said in refused.err
    assert "Value error" not in refused.err
    assert "unicode string" not in refused.err


def test_help_loads_neither_the_books_nor_the_policies() -> None:
    heavy = ("duckdb", "pyarrow", "pydantic", "rich", "comptroller.store", "comptroller.policies")
    look = f"print([name for name in {heavy} if name in sys.modules])"
    code = f"import sys; from comptroller.cli.main import run; run(['--help']); {look}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_a_thin_install_says_in_one_line_what_is_missing(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.delitem(sys.modules, "comptroller.cli.main", raising=False)
    monkeypatch.setitem(sys.modules, "typer", None)
    # The package's own `main` gives way to the module of that name as soon as anybody imports it: read it anew.
    door = runpy.run_path(comptroller.cli.__file__)["main"]
    with pytest.raises(SystemExit) as left:
        door()
    assert left.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_a_reader_that_has_seen_enough_is_no_trouble(world: Any) -> None:
    for _ in range(40):
        world.run("w" * 20)
    line = [sys.executable, "-m", "comptroller.cli", "runs", "ls", "--ledger", str(world.path)]
    with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.close()
        assert b"Traceback" not in process.stderr.read()
