"""Other HTTP: what the journal says of it in clear."""

from collections.abc import Iterator

import httpx2
import pytest

import comptroller as ct
from comptroller.core.facts import CALL_CLOSED
from comptroller.testing import TestDesk, desk
from comptroller.wrapper import external


@pytest.fixture
def office() -> Iterator[TestDesk]:
    with desk("") as at:
        yield at


def name_of(office: TestDesk, path: str) -> object:
    client = ct.wrap(httpx2.Client(transport=httpx2.MockTransport(lambda _: httpx2.Response(200))))
    with ct.run("w"), client:
        client.get(f"http://api.example{path}")
    return office.facts(CALL_CLOSED)[-1]["name"]


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("/services/T00000000/B00000000/XXXXXXXXXXXXXXXXXXXXXXXX", "/services/T00000000/B00000000/[...]"),
        ("/bot110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw/getMe", "/bot110201543:[...]/getMe"),
        ("/users/jane.doe@acme.com/orders", "/users/[email]/orders"),
        ("/users/jane.doe%40acme.com", "/users/[email]"),
        ("/keys/AKIAQYLPMN5HFIQR7BBB.json", "/keys/[secret:aws-access-key].json"),
        ("/v1/orders/1042/list-of-all-open-refunds", "/v1/orders/1042/list-of-all-open-refunds"),
        (
            "/webhooks/123456789012345678901/getChatAdministratorsNow",
            "/webhooks/123456789012345678901/getChatAdministratorsNow",
        ),
    ],
)
def test_a_path_is_recorded_without_what_it_gives_away(office: TestDesk, path: str, told: str) -> None:
    assert name_of(office, path) == f"GET api.example{told}"


def test_a_place_is_looked_at_once_and_not_too_many_are_kept(office: TestDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(external, "PLACES", 2)
    looked: list[str] = []
    inspect = office.chain.inspect
    monkeypatch.setattr(office.chain, "inspect", lambda text, plan: looked.append(text) or inspect(text, plan))
    for path in ("/a", "/a", "/b", "/b", "/c", "/a"):
        name_of(office, path)
    assert looked == ["/a", "/b", "/c", "/a"]
