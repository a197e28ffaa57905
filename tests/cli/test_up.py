"""`comptroller up`, as a person starts and stops it."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from comptroller.cli.up import _seen
from comptroller.testing.upstream import Upstream

pytest.importorskip("uvicorn")
ASK = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hi"}]}
SECRET = "sk-" + "house" * 8


@contextmanager
def up(folder: Path, *arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The command in a process of its own: yields it and its address; what it logs is in log.txt."""
    env = {name: text for name, text in os.environ.items() if not name.startswith(("COMPTROLLER_", "OTEL_"))}
    command = [sys.executable, "-W", "error", "-m", "comptroller.cli", "up", "--port", "0", "--no-console", *arguments]
    with (
        (folder / "log.txt").open("w") as log,
        subprocess.Popen(
            command, cwd=folder, env={**env, "HOUSE_KEY": SECRET}, stdout=subprocess.PIPE, stderr=log, text=True
        ) as process,
    ):
        assert process.stdout is not None
        try:
            yield process, process.stdout.readline().split()[-1]
        finally:
            process.kill()


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    with Upstream("Hello.") as model:
        upstreams = [{"name": "o", "format": "openai", "url": f"{model.url}/v1", "key_env": "HOUSE_KEY"}]
        (tmp_path / "comptroller.yaml").write_text(json.dumps({"upstreams": upstreams}), encoding="utf-8")
        yield tmp_path


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGTERM to send")
def test_it_serves_until_it_is_told_to_stop_and_leaves_a_run_that_can_be_read(place: Path) -> None:
    with up(place) as (process, url):
        reply = httpx.post(f"{url}/v1/chat/completions", json=ASK, trust_env=False)
        assert reply.json()["choices"][0]["message"]["content"] == "Hello."
        assert httpx.get(f"{url}/readyz", trust_env=False).json()["ready"] is True
        process.send_signal(signal.SIGTERM)
        assert process.stdout is not None
        out = process.stdout.read()
        assert process.wait(30) == 0
    err = (place / "log.txt").read_text()
    assert "No Comptroller key was issued" in out
    assert SECRET not in out + err
    assert all(json.loads(line)["level"] for line in err.splitlines())
    listed = subprocess.run(
        [sys.executable, "-m", "comptroller.cli", "runs", "ls", "--json"], cwd=place, capture_output=True, text=True
    )
    assert [(row["calls"], row["status"]) for row in json.loads(listed.stdout)] == [(1, "ok")]


@pytest.mark.parametrize(
    ("url", "seen"),
    [
        ("http://127.0.0.1:4141", "http://127.0.0.1:4141"),
        ("http://[::1]:4141", "http://[::1]:4141"),
        ("https://0.0.0.0:4141", f"https://{socket.gethostname()}:4141"),
        ("http://[::]:4141", f"http://{socket.gethostname()}:4141"),
    ],
)
def test_clients_are_told_an_address_that_leads_here(url: str, seen: str) -> None:
    assert _seen(url) == seen


def test_without_a_key_no_address_beyond_this_machine_is_served(cli: Callable[..., Any]) -> None:
    refused = cli("up", "--host", "0.0.0.0", "--port", "0")
    assert refused.code == 2
    assert "comptroller keys issue" in refused.err


def test_a_stand_in_nobody_knows_is_refused_with_its_place(cli: Callable[..., Any], tmp_path: Path) -> None:
    upstreams = [{"name": "a", "format": "openai", "url": "http://h/v1", "fallback": ["b"]}]
    (tmp_path / "c.yaml").write_text(json.dumps({"upstreams": upstreams}), encoding="utf-8")
    refused = cli("up", "--config", tmp_path / "c.yaml", "--port", "0")
    assert refused.code == 2
    assert "fallback: b" in refused.err


def test_a_key_file_is_looked_for_beside_the_settings(cli: Callable[..., Any], tmp_path: Path) -> None:
    upstreams = [{"name": "a", "format": "openai", "url": "http://h/v1", "key_file": "none.key"}]
    (tmp_path / "c.yaml").write_text(json.dumps({"upstreams": upstreams}), encoding="utf-8")
    assert str(tmp_path / "none.key") in cli("up", "--config", tmp_path / "c.yaml", "--port", "0").err


def test_a_port_that_cannot_be_is_wrong_use(cli: Callable[..., Any]) -> None:
    refused = cli("up", "--port", "99999")
    assert refused.code == 2
    assert "--port" in refused.err


def test_a_certificate_that_is_not_there_is_named_without_the_key_file_that_was_not_said(
    cli: Callable[..., Any],
) -> None:
    refused = cli("up", "--certfile", "none.pem", "--port", "0")
    assert refused.code == 2
    assert refused.err.startswith("--certfile none.pem: TLS cannot be served")


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGTERM to send")
def test_where_keys_were_issued_it_does_not_say_that_the_clients_own_is_passed_on(
    place: Path, cli: Callable[..., Any]
) -> None:
    assert cli("keys", "issue", "--ledger", place / ".comptroller").code == 0
    with up(place) as (process, _):
        assert process.stdout is not None
        said = [process.stdout.readline()]
        while "ck_..." not in said[-1]:
            said.append(process.stdout.readline())
            assert said[-1], "it ended"
        assert "key from HOUSE_KEY" in "".join(said)
    settings = json.loads((place / "comptroller.yaml").read_text())
    settings["upstreams"][0]["key_env"] = "NOT_SET_ANYWHERE"
    (place / "comptroller.yaml").write_text(json.dumps(settings))
    with up(place) as (process, _):
        assert process.stdout is not None
        line = ""
        while "NOT_SET_ANYWHERE" not in line:
            line = process.stdout.readline()
            assert line, "it ended"
        assert "calls go without one" in line
