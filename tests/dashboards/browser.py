"""A real browser in front of a Streamlit process: what every test of a screen needs, and what it must never see."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    # A page that a test answers itself comes from no address: its websocket to this machine would be refused.
    "--disable-features=LocalNetworkAccessChecks",
]
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
WAIT_MS = 20_000
# The address changes as with a click (`components/navigator.js`).
GO = """path => { history.pushState({}, "", path); dispatchEvent(new PopStateEvent("popstate", { state: {} })) }"""
LOCAL = {"127.0.0.1", "localhost", "", None}


def executable() -> str | None:
    """Where the machine's Chromium is; None where there is none."""
    return os.environ.get("CHROMIUM") or next((found for name in NAMES if (found := shutil.which(name))), None)


def require_browser() -> str:
    """The Chromium; without one the test is skipped, or fails where CI promised one."""
    if found := executable():
        return found
    if os.environ.get("CI") == "true":
        pytest.fail("There is no Chromium on this machine, and CI must try the screens: install `chromium` (.ci/run).")
    pytest.skip("NO BROWSER: install `chromium`, or name one in CHROMIUM, to try the console's screens.")


@dataclass
class Screen:
    """A page of the browser, and what went wrong in it behind the test's back."""

    page: Any
    home: str
    strangers: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    socket: Any = None  # of the session

    def open(self, path: str = "/") -> "Screen":
        self.page.goto(self.home + path, wait_until="domcontentloaded")
        return self.settle()

    def go(self, path: str) -> "Screen":
        """Follow a link of the console, as a click on one does: the session stays."""
        with self.run():
            self.page.evaluate(GO, path)
        return self

    @contextmanager
    def run(self) -> Iterator[None]:
        """Do something that makes the script run, and wait until it has come to its end."""
        with self.socket.expect_event("framereceived", _is_end, timeout=WAIT_MS):
            yield
        self.settle()

    def settle(self) -> "Screen":
        """Wait until the script has run to its end and nothing on the page is old."""
        self.page.wait_for_selector('[data-testid="stApp"][data-test-script-state="notRunning"]', timeout=WAIT_MS)
        self.page.wait_for_selector('[data-stale="true"]', state="detached", timeout=WAIT_MS)
        return self

    def check(self) -> None:
        """Fail where the page broke, or asked anybody but this machine for anything."""
        assert self.page.locator('[data-testid="stException"]').count() == 0, self.page.inner_text("body")
        assert self.strangers == []
        assert self.errors == []

    def _listen(self) -> None:
        self.page.on("request", self._note)
        self.page.on("websocket", self._connected)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))

    def _connected(self, socket: Any) -> None:
        if "/_stcore/stream" in socket.url:
            self.socket = socket

    def _note(self, request: Any) -> None:
        parts = urlsplit(request.url)
        if parts.scheme not in ("data", "blob") and parts.hostname not in LOCAL:
            self.strangers.append(request.url)


def _is_end(frame: Any) -> bool:
    """True for the message that a script has run to its end."""
    from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

    if isinstance(frame, str):
        return False
    return bool(ForwardMsg.FromString(frame).WhichOneof("type") == "script_finished")


@contextmanager
def chromium() -> Iterator[Any]:
    """The browser, started once for a module: a page of it costs a fraction of that."""
    path = require_browser()
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def screen(browser: Any, home: str, **options: Any) -> Iterator[Screen]:
    """A fresh page (width=, height=, color_scheme=, locale=), checked for strangers and errors at the end."""
    size = {"width": options.pop("width", 1200), "height": options.pop("height", 900)}
    context = browser.new_context(viewport=size, service_workers="block", **{"locale": "en-US", **options})
    try:
        shown = Screen(context.new_page(), home)
        shown._listen()
        yield shown
        shown.check()
    finally:
        context.close()


@contextmanager
def streamlit(script: Path, more: Sequence[str] = (), env: Mapping[str, str] | None = None) -> Iterator[str]:
    """A Streamlit process with this script on a free port of the loopback; gives its address."""
    port = free_port()
    command = [
        sys.executable,
        "-m",
        "streamlit",
        "run",
        str(script),
        f"--server.port={port}",
        "--server.address=127.0.0.1",
        "--server.headless=true",
        "--server.fileWatcherType=none",
        "--browser.gatherUsageStats=false",
        *more,
    ]
    with serving(command, f"http://127.0.0.1:{port}", "/_stcore/health", env) as home:
        yield home


@contextmanager
def serving(command: Sequence[str], home: str, health: str, env: Mapping[str, str] | None = None) -> Iterator[str]:
    """Any process that serves pages, from the moment it answers until the test is through."""
    process = subprocess.Popen(
        command, env={**os.environ, **(env or {})}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        _await_answer(process, home + health)
        yield home
    finally:
        process.terminate()
        try:
            process.communicate(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _await_answer(process: "subprocess.Popen[str]", url: str) -> None:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if process.poll() is not None:
            pytest.fail(f"The process ended before it served a page:\n{process.communicate()[0]}")
        try:
            with opener.open(url, timeout=2):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.05)  # nothing tells when a port of another process begins to answer
    pytest.fail(f"{url} did not answer within a minute.")
