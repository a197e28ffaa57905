"""The console's real process in a test, with a script of three lines in place of its pages."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from comptroller.core.settings import Settings
from comptroller.dashboards import process
from comptroller.gateway.api import process as api
from comptroller.office import people
from comptroller.office.follower import Follower
from comptroller.office.people import HOUR_NS, Person, Register
from comptroller.wrapper.desk import Desk
from tests.dashboards.browser import Screen

SCRIPT = """
import streamlit as st
from comptroller.dashboards import session
person = session.person()
st.text(f"here is {person.name} as {person.role}")
st.download_button("file", b"the books", "books.txt")
"""
HTML = {"accept": "text/html"}
WAIT_S = 30.0


@dataclass
class Console:
    """A console that runs, and what a test does to its ledger behind its back."""

    url: str
    desk: Desk
    pid: int | None

    @property
    def register(self) -> Register:
        return Register().fold(Follower(Path(self.desk.settings.ledger), people.KINDS).read())

    def invite(self, name: str, role: str = "viewer", hours: int = 24) -> str:
        wanted = Person("", name, role, "default")
        return people.invite(self.desk.ledger, self.desk.clock, self.register, wanted, hours * HOUR_NS, "root")[1]

    def browser(self) -> httpx.Client:
        """A browser nobody signed in with."""
        return httpx.Client(base_url=self.url, headers=HTML, trust_env=False, timeout=WAIT_S)

    def let_in(self, screen: Screen, name: str, role: str) -> Screen:
        """Sign somebody in at a screen, by a link."""
        screen.page.goto(f"{self.url}/enter/{self.invite(name, role)}")
        screen.page.get_by_role("button", name="Enter").click()
        return screen.settle()

    def post(self, browser: httpx.Client, path: str, origin: str = "", **fields: str) -> httpx.Response:
        return browser.post(path, data=fields, headers={"origin": origin or self.url})

    @contextmanager
    def signed_in(self, name: str, role: str = "viewer") -> Iterator[httpx.Client]:
        """A browser with somebody's session."""
        with self.browser() as browser:
            told = self.post(browser, "/enter", token=self.invite(name, role))
            assert told.status_code == 303, told.text
            yield browser


@contextmanager
def console(place: Path, config: Mapping[str, Any] | None = None, first: str = "Root") -> Iterator[Console]:
    """A console on a new ledger; `first` is invited before it starts, so that it asks for sign-in."""
    script = place / "page.py"
    script.write_text(SCRIPT)
    with over(place / "ledger", config, first, str(script)) as made:
        yield made


@contextmanager
def over(
    ledger: Path, config: Mapping[str, Any] | None = None, first: str = "Root", script: str = ""
) -> Iterator[Console]:
    """The console of a ledger, with its own pages where no `script` is named."""
    with Desk.open(ledger, dict(config or {})) as desk:
        settings: Settings = desk.settings
        port = process.free_port("127.0.0.1", 0, "--port")
        made = Console(process.address_of("127.0.0.1", port), desk, None)
        if first:
            made.invite(first, "admin")
        with (
            api.started(settings),
            process.started(settings, "127.0.0.1", port, script=script) as child,
        ):
            made.pid = child.pid
            until(made)
            yield made


def until(console: Console) -> None:
    """Wait for the first answer."""
    transport = httpx.HTTPTransport(retries=0)
    with httpx.Client(transport=transport, trust_env=False, timeout=60) as client:
        for _ in range(600):
            try:
                client.get(f"{console.url}/signin")
            except httpx.TransportError:
                threading.Event().wait(0.05)
            else:
                return
    raise AssertionError("the console never answered")
