"""A console in a test: a ledger read and written in this process, a person, and one page at a time."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import pyarrow
from starlette.testclient import TestClient
from streamlit.testing.v1 import AppTest

from comptroller.core.settings import load_settings
from comptroller.dashboards import session, source
from comptroller.dashboards.source import Document
from comptroller.gateway.api.app import application
from comptroller.gateway.api.bureau import Bureau
from comptroller.office.people import Person
from comptroller.office.switchboard import TOKEN, WHO, Declined
from comptroller.office.who import Who, packed

TIMEOUT_S = 30


class Here:
    """A connection without processes: the books in this one, and `/api` called as a function."""

    def __init__(self, ledger: Path, config: Mapping[str, object] | None = None) -> None:
        self.bureau = Bureau(load_settings(dict(config or {}), ledger))
        self._api = TestClient(application(self.bureau, "test"), raise_server_exceptions=False)

    def query(self, name: str, params: Mapping[str, object]) -> pyarrow.Table:
        return self.bureau.reader.query(name, **params)

    def call(self, who: Who, method: str, path: str, query: Mapping[str, object], body: object | None) -> Any:
        return self._asked(who, method, path, query, body).json()

    def fetch(self, who: Who, path: str, query: Mapping[str, object]) -> Document:
        reply = self._asked(who, "GET", path, query, None)
        return Document(reply.content, reply.headers["content-type"], path.rpartition("/")[2])

    def refresh(self) -> None:
        self.bureau.reader.refresh()

    def close(self) -> None:
        self._api.close()
        self.bureau.close()

    def _asked(self, who: Who, method: str, path: str, query: Mapping[str, object], body: object | None) -> Any:
        head = {TOKEN: "test", WHO: packed(who).decode()}
        said = {name: value for name, value in query.items() if value is not None}
        reply = self._api.request(method, path, params=said, headers=head, json=body)
        if reply.status_code >= 400:
            error = reply.json()["error"]
            raise Declined(reply.status_code, error["code"], f"{error['message']} {error.get('remedy', '')}".strip())
        return reply


@contextmanager
def connected(ledger: Path, config: Mapping[str, object] | None = None) -> Iterator[Here]:
    """Connect the console to a ledger, for as long as the block lasts."""
    here = Here(ledger, config)
    source.connect(here)
    try:
        yield here
    finally:
        source.connect(None)
        here.close()


def somebody(role: str = "admin", name: str = "maria", tenant: str = "default", customer: str = "") -> Person:
    """A person in a role."""
    return Person(name, name, role, tenant, customer)


def look(key: str, person: Person | None = None, **query: str) -> AppTest:
    """One page as a person sees it at an address; what went wrong in the script is in `.exception`."""
    page = AppTest.from_function(_draw, args=(key,), default_timeout=TIMEOUT_S)
    for name, value in query.items():
        page.query_params[name] = value
    return again(page, person)


def again(page: AppTest, person: Person | None = None) -> AppTest:
    """The same page once more, after something was said to its widgets."""
    with session.as_person(person or somebody()), _no_search():
        return page.run()


def _no_search() -> Any:
    """Each run of a test would look through all installed packages for parts of pages; ours are none of those."""
    return mock.patch("streamlit.components.v2.manifest_scanner.scan_component_manifests", return_value=[])


def html(page: AppTest) -> str:
    """All markup of a page."""
    return "\n".join(str(each.proto.body) for each in page.get("html"))


def parts(page: AppTest, name: str) -> list[dict[str, Any]]:
    """The data of the custom parts of one kind on a page, such as `table`."""
    import json

    found = [each.proto for each in page.get("bidi_component")]
    return [json.loads(one.json) for one in found if one.component_name == f"comptroller.{name}"]


def texts(page: AppTest) -> list[str]:
    """What stands in the cells of all tables of a page."""
    return [cell["t"] for table in parts(page, "table") for row in table["rows"] for cell in row]


def _draw(key: str) -> None:
    from comptroller.dashboards import frame, session
    from comptroller.dashboards.map import BY_KEY

    session.require(key)
    frame.begin()
    BY_KEY[key].draw()
    frame.foot()
