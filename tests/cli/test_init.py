"""`init`: a start that works at once, and overwrites nothing."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from comptroller.core.settings import load_settings

Cli = Callable[..., Any]


def test_what_init_writes_loads_and_passes_its_own_tests(cli: Cli) -> None:
    assert cli("init").code == 0
    assert load_settings("comptroller.yaml").policies == ["policies"]
    said = cli("policy", "test")
    assert said.code == 0
    assert "2 tests, 0 failed" in said.out


def test_init_says_what_it_wrote_and_what_comes_next(cli: Cli) -> None:
    out = cli("init", "new/project").out
    for part in (
        "wrote new/project/comptroller.yaml",
        "cd new/project",
        "comptroller policy test",
        "runs tree last",
        "comptroller up",
    ):
        assert part in out.replace("\\", "/")


def test_init_overwrites_nothing(cli: Cli) -> None:
    Path("comptroller.yaml").write_text("ledger: mine\n")
    said = cli("init")
    assert said.code == 2
    assert "nothing is overwritten" in said.err
    assert Path("comptroller.yaml").read_text() == "ledger: mine\n"
    assert not Path("policies").exists()


def test_the_ledger_is_kept_out_of_version_control_once(cli: Cli) -> None:
    Path(".gitignore").write_text("*.pyc")
    cli("init")
    assert Path(".gitignore").read_text() == "*.pyc\n.comptroller/\n"
    Path("comptroller.yaml").unlink()
    Path("policies/starter.yaml").unlink()
    cli("init")
    assert Path(".gitignore").read_text() == "*.pyc\n.comptroller/\n"
