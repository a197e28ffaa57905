"""`comptroller console` and the console of `comptroller up`, as a person starts and stops them."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

pytest.importorskip("uvicorn")
pytest.importorskip("streamlit")

from comptroller.cli import console
from comptroller.core.settings import Settings
from comptroller.office.switchboard import address_of
from comptroller.store.folder import label
from comptroller.store.ledger import Ledger
from tests.dashboards.served import Console, until

POSIX = pytest.mark.skipif(sys.platform == "win32", reason="there is no such signal to send")


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    place = tmp_path / "ledger"
    Ledger.open(place, Settings(ledger=str(place))).close()
    return place


@contextmanager
def running(ledger: Path, *arguments: str) -> Iterator[tuple["subprocess.Popen[str]", str]]:
    """A command in a process of its own, and the console's address."""
    env = {name: text for name, text in os.environ.items() if not name.startswith(("COMPTROLLER_", "OTEL_"))}
    command = [sys.executable, "-m", "comptroller.cli", *arguments, "--ledger", str(ledger)]
    with subprocess.Popen(command, cwd=ledger.parent, env=env, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            url = next(line.split()[-1] for line in process.stdout if "console is on" in line)
            until(Console(url, None, None))  # type: ignore[arg-type]
            yield process, url
        finally:
            process.kill()


def children(process: "subprocess.Popen[str]") -> list[psutil.Process]:
    return psutil.Process(process.pid).children(recursive=True)


def gone(found: list[psutil.Process]) -> bool:
    return not psutil.wait_procs(found, timeout=20)[1]


@POSIX
def test_it_serves_with_an_api_of_its_own_until_it_is_told_to_stop(ledger: Path) -> None:
    with running(ledger, "console", "--port", "0") as (process, url):
        assert httpx.get(url, headers={"accept": "text/html"}, trust_env=False).status_code == 200
        found = children(process)
        assert len(found) == 2
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
        assert gone(found)
    assert address_of(ledger) is None


@POSIX
def test_nothing_is_left_of_it_when_it_is_killed(ledger: Path) -> None:
    with running(ledger, "console", "--port", "0") as (process, _):
        found = children(process)
        process.kill()
        process.wait(30)
        assert gone(found)


@POSIX
def test_up_brings_it_along_with_the_same_people_and_ends_it(ledger: Path) -> None:
    with running(ledger, "up", "--port", "0", "--console-port", "0") as (process, url):
        assert httpx.get(url, headers={"accept": "text/html"}, trust_env=False).status_code == 200
        found = children(process)
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
        assert gone(found)


def test_right_after_init_it_opens_on_an_empty_ledger_and_makes_none_elsewhere(
    cli: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[Path] = []

    def kept(found: console.Place) -> AbstractContextManager[None]:
        shown.append(Path(found.settings.ledger))
        return nullcontext()

    monkeypatch.setattr(console, "kept_console", kept)
    monkeypatch.setattr(console, "_wait", lambda: None)
    assert cli("console", "--port", "0").code == 2, "no settings name a ledger here"
    assert not Path(".comptroller").exists()
    cli("init")
    assert cli("console", "--port", "0", "--ledger", "mistyped").code == 2
    assert cli("console", "--port", "0").code == 0
    assert shown == [Path(".comptroller")]
    assert label(Path(".comptroller")) is not None
    assert not Path("mistyped").exists()


def test_beyond_this_machine_somebody_has_to_be_invited_first(cli: Callable[..., Any], ledger: Path) -> None:
    refused = cli("console", "--host", "0.0.0.0", "--port", "0", "--ledger", ledger)
    assert (refused.code, "comptroller people invite" in refused.err) == (2, True)
    (Path.cwd() / "comptroller.yaml").write_text("console: {url: https://console.example.com}\n")
    assert cli("console", "--port", "0", "--ledger", ledger).code == 2


def test_where_it_is_not_installed_it_says_how_to_get_it(
    cli: Callable[..., Any], ledger: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(console, "NEEDS", {"no_such_module": "Nothing"})
    refused = cli("console", "--ledger", ledger)
    assert (refused.code, "needs Nothing" in refused.err, "pip install" in refused.err) == (2, True, True)


def test_a_port_that_is_taken_is_said_at_once(cli: Callable[..., Any], ledger: Path) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        refused = cli("console", "--port", taken.getsockname()[1], "--ledger", ledger)
    assert (refused.code, "Name another with --port" in refused.err) == (2, True)
