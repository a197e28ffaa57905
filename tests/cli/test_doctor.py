"""`doctor`: each thing that can be wrong is named with its remedy."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("duckdb")

from comptroller.cli import doctor

Cli = Callable[..., Any]


def states(cli: Cli, *arguments: object) -> dict[str, tuple[str, str, str]]:
    said = cli("doctor", "--json", *arguments)
    checks = json.loads(said.out)["checks"]
    assert said.code == (1 if any(check["state"] == "fail" for check in checks) else 0)
    return {check["name"]: (check["state"], check["found"], check["remedy"]) for check in checks}


def test_a_sound_set_up_is_ok_throughout(cli: Cli, world: Any, refund: str) -> None:
    cli("init")
    cli("runs", "ls", "--ledger", world.path)
    found = states(cli, "--ledger", world.path)
    assert {state for state, _, _ in found.values()} <= {"ok", "warn"}  # a small disk may warn
    assert found["policies"][1].startswith("1 file, 2 rules")
    assert "were" in found["books"][1]
    assert found["owner"][0] in ("ok", "warn")


def test_it_reads_for_people_too(cli: Cli, world: Any) -> None:
    out = cli("doctor", "--ledger", world.path).out
    assert "ok    python" in out
    assert out.splitlines()[-1].startswith("0 failed, ")


def test_before_the_first_call_nothing_is_wrong(cli: Cli) -> None:
    found = states(cli)
    assert found["ledger"][:2] == ("ok", f"{Path('.comptroller')}: not there yet; the first governed call makes it")
    assert found["policies"][0] == "warn"
    assert found["settings"] == ("warn", "no comptroller.yaml here, so all defaults", "Run `comptroller init`.")


def test_mistakes_in_settings_and_policies_fail(cli: Cli) -> None:
    cli("init")
    Path("policies/starter.yaml").write_text("policy: x\nrulez: []\n")
    assert states(cli)["policies"][0] == "fail"
    Path("comptroller.yaml").write_text("nope: 1\n")
    assert states(cli)["settings"][0] == "fail"


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX")
def test_a_key_that_others_can_read_fails(cli: Cli, world: Any) -> None:
    key = next((world.path / "keys").glob("master*"))
    key.chmod(0o644)
    state, _, remedy = states(cli, "--ledger", world.path)["keys"]
    assert (state, remedy) == ("fail", f"chmod 600 {key}")


def test_a_master_key_that_is_not_the_ledgers_fails(cli: Cli, world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMPTROLLER_MASTER_KEY", "ab" * 32)
    assert states(cli, "--ledger", world.path)["keys"][0] == "fail"


def test_a_missing_library_says_how_to_get_it(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> object:
        raise ImportError(f"No module named {name!r}")

    monkeypatch.setattr(doctor, "import_module", absent)
    found = states(cli)
    assert found["hyperscan"][0] == "fail"
    assert found["duckdb"] == (
        "warn",
        "reading a ledger: No module named 'duckdb'",
        "pip install 'comptroller[server]'.",
    )


def test_locks_that_do_not_hold_fail(cli: Cli, world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from comptroller.store import locks

    monkeypatch.setattr(locks, "_lock", lambda *_: None)
    state, found, _ = states(cli, "--ledger", world.path)["locks"]
    assert state == "fail"
    assert "no locks that hold" in found


def test_a_full_disk_fails(cli: Cli, world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = doctor.shutil.disk_usage("/")._replace(free=1000)
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda _: usage)
    assert states(cli, "--ledger", world.path)["disk"][0] == "fail"


def test_spans_without_an_exporter_are_a_warning(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://localhost:4318")
    real = doctor.import_module
    absent = ImportError("no exporter")

    def without(name: str) -> object:
        if name.startswith("opentelemetry"):
            raise absent
        return real(name)

    monkeypatch.setattr(doctor, "import_module", without)
    assert states(cli)["telemetry"][0] == "warn"
