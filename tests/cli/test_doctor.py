"""`doctor`: each thing that can be wrong is named with its remedy."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("duckdb")

from comptroller.cli import doctor
from comptroller.core.clock import FrozenClock
from comptroller.core.facts import Fact
from comptroller.core.settings import Limits, Settings
from comptroller.store import segment
from comptroller.store.ledger import Ledger

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
def test_an_upstream_whose_key_is_not_there_is_named(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("uvicorn")
    one = {"name": "here", "format": "openai", "url": "http://h/v1", "key_env": "HERE_KEY"}
    Path("comptroller.yaml").write_text(json.dumps({"upstreams": [one]}))
    monkeypatch.delenv("HERE_KEY", raising=False)
    state, found, remedy = states(cli)["upstreams"]
    assert (state, "HERE_KEY" in found, bool(remedy)) == ("warn", True, True)
    monkeypatch.setenv("HERE_KEY", "sk-here")
    assert states(cli)["upstreams"][:2] == ("ok", "here (openai)")
    Path("comptroller.yaml").write_text(json.dumps({"upstreams": [{**one, "key_file": "none.key"}]}))
    assert states(cli)["upstreams"][0] == "fail"


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


def test_a_ledger_that_is_named_and_not_there_fails(cli: Cli, tmp_path: Path) -> None:
    state, found, remedy = states(cli, "--ledger", tmp_path / "typo")["ledger"]
    assert (state, found) == ("fail", f"{tmp_path / 'typo'}: there is no ledger here")
    assert "--ledger" in remedy


def test_a_directory_of_other_things_is_no_ledger(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "repo").mkdir()
    (tmp_path / "repo" / "setup.py").touch()
    assert states(cli, "--ledger", tmp_path / "repo")["ledger"][0] == "fail"


def test_a_damaged_journal_fails_with_its_place(cli: Cli, world: Any, refund: str) -> None:
    assert states(cli, "--ledger", world.path)["journal"][1].startswith("its one segment is whole, ")
    world.ledger.close()
    path = segment.path_of(world.path, 1)
    path.write_bytes(path.read_bytes().replace(b'"cost":1500000', b'"cost":1500001', 1))
    state, found, remedy = states(cli, "--ledger", world.path)["journal"]
    assert state == "fail"
    assert "its hash does not follow" in found
    assert "audit verify" in remedy


def test_the_newest_of_many_segments_is_looked_at(cli: Cli, tmp_path: Path) -> None:
    path, clock = tmp_path / "ledger", FrozenClock()
    ledger = Ledger.open(path, Settings(limits=Limits(segment_mb=1)), clock)
    for _ in range(30):
        ledger.record(Fact("claim", clock.new_id(), clock.now_ns(), data={"text": "x" * 80_000}))
    ledger.close()
    count = len(segment.numbers(path))
    assert count > 1
    assert states(cli, "--ledger", path)["journal"][1].startswith(f"the newest of {count} segments is whole, ")
    last = segment.path_of(path, count)
    last.write_bytes(last.read_bytes().replace(b"xx", b"xy", 1))
    assert states(cli, "--ledger", path)["journal"][0] == "fail"
    segment.path_of(path, count - 1).write_bytes(b"")
    assert states(cli, "--ledger", path)["journal"][0] == "fail"


def test_a_read_only_ledger_is_looked_at_without_a_failure(
    cli: Cli, world: Any, refund: str, read_only: Callable[[Path], None]
) -> None:
    world.ledger.close()
    read_only(world.path)
    found = states(cli, "--ledger", world.path)
    assert "read-only for this user" in found["ledger"][1]
    assert {found[name][0] for name in ("journal", "locks", "owner", "keys", "books")} == {"ok"}
    assert "temporary directory" in found["books"][1]


def test_outcome_types_are_looked_at_with_their_secrets_and_judges(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def said(*names: str) -> tuple[str, str]:
        Path("comptroller.yaml").write_text(json.dumps({"outcomes": list(names)}))
        state, found, _ = states(cli)["outcomes"]
        return state, found

    assert said("template:lead-qualified") == ("ok", "lead.qualified")
    assert said("nowhere.yaml")[0] == "fail"
    assert "no judge resolution is installed" in said("template:ticket-judged")[1]
    monkeypatch.delenv("COMPTROLLER_CALLBACK_SECRET", raising=False)
    assert "no secret in COMPTROLLER_CALLBACK_SECRET" in said("template:action-done")[1]
    monkeypatch.setenv("COMPTROLLER_CALLBACK_SECRET", "x")
    assert said("template:action-done")[0] == "ok"


def test_each_guard_from_elsewhere_is_started_and_asked(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "their_guards.py").write_text(
        "class Quiet:\n    name = 'quiet'\n    def inspect(self, text):\n        return []\n"
    )
    about = tmp_path / "their_guards-2.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: their-guards\nVersion: 2.0\n")
    offers = "[comptroller.guards]\nquiet = their_guards:Quiet\nloud = their_guards:Loud\n"
    (about / "entry_points.txt").write_text(offers)
    monkeypatch.syspath_prepend(str(tmp_path))
    found = states(cli)
    assert found["guard quiet"][0] == "ok"
    assert found["guard quiet"][1].startswith("their-guards 2.0: started and answered in ")
    assert found["guard loud"][0] == "fail"
    assert "The guard loud failed: it could not be loaded: AttributeError" in found["guard loud"][1]
    assert found["guard loud"][2].startswith("Mend or uninstall their-guards 2.0.")
    (about / "entry_points.txt").write_text("[comptroller.guards]\nsecrets = their_guards:Quiet\n")
    assert states(cli)["guards"][0] == "fail"
