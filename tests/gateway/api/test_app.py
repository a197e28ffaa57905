"""What is not a right request at `/api` gets one shape of error, and nothing of ours shows."""

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("duckdb")
pytest.importorskip("starlette")

from comptroller.gateway.api.frame import Route
from comptroller.gateway.api.rooms import ROUTES
from tests.gateway.api.house import Api, api


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with api(tmp_path_factory.mktemp("api")) as made:
        yield made


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "place"),
    [
        ("GET", "/api/nothing", None, 404, None),
        ("GET", "/api/", None, 404, None),
        ("DELETE", "/api/runs", None, 405, None),
        ("GET", "/api/runs?limit=0", None, 400, "query.limit"),
        ("GET", "/api/runs?limit=x", None, 400, "query.limit"),
        ("GET", "/api/runs?limit=1&limit=2", None, 400, "query.limit"),
        ("GET", "/api/runs?workflw=x", None, 400, "query.workflw"),
        ("GET", "/api/runs?since=never", None, 400, "query.since"),
        ("GET", "/api/runs?customer=a%00b", None, 400, "query.customer"),
        ("GET", "/api/runs/none", None, 404, None),
        ("POST", "/api/keys", b"{", 400, "body"),
        ("POST", "/api/keys", b"[]", 400, "body"),
        ("POST", "/api/keys", b'{"nme": 1}', 400, "body.nme"),
        ("POST", "/api/keys", b'{"budgets": ["much"]}', 400, "body.budgets.0"),
        ("POST", "/api/keys", b'{"name": "\\ud800"}', 400, "body"),
        ("POST", "/api/keys", b'{"scopes": ["api:reed"]}', 400, None),
        ("POST", "/api/runs", b'{"budget": "0 USD"}', 400, "body.budget"),
        ("POST", "/api/claims", b'{"run": "r", "type": "t", "subject": "s", "degree": "2"}', 400, "body.degree"),
        ("POST", "/api/query", b'{"sql": ""}', 400, "body.sql"),
        ("POST", "/api/query", b'{"sql": "x"' + b" " * (1 << 20) + b"}", 413, None),
    ],
)
def test_a_mistake_is_told_with_its_place(
    method: str, path: str, body: bytes | None, status: int, place: str | None, house: Api
) -> None:
    told = house.ask(method, path, body=body, **{"content-type": "application/json"})
    assert told.status == status, told.body
    assert told.error.get("place") == place
    assert told.error["message"]
    assert "Traceback" not in told.body.decode()


def test_a_body_that_is_not_said_to_be_json_is_refused(house: Api) -> None:
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
        told = house.ask("POST", "/api/keys", body=b"{}", **{"content-type": kind})
        assert (told.status, told.error["code"]) == (415, "unsupported_media_type")


def test_a_body_whose_kind_nobody_said_is_refused(house: Api) -> None:
    told = house.ask("POST", "/api/keys", body=b"{}")
    assert (told.status, told.error["code"]) == (415, "unsupported_media_type")


def test_where_nothing_need_be_said_no_body_will_do(house: Api) -> None:
    assert house.ask("POST", "/api/audit/verify").status == 202
    bare = house.ask("POST", "/api/query", **{"content-type": "application/json"})
    assert (bare.status, bare.error["place"]) == (400, "body.sql")


def test_who_has_no_token_is_told_nothing(house: Api) -> None:
    for headers in ({"comptroller-api-token": "x"}, {"comptroller-api-token": ""}):
        told = house.ask("GET", "/api/runs", **headers)
        assert (told.status, told.error["code"]) == (403, "not_the_gateway")


def test_a_mistake_of_our_own_is_logged_and_not_shown(house: Api, caplog: pytest.LogCaptureFixture) -> None:
    class Broken:
        def __getattr__(self, name: str) -> object:
            raise RuntimeError("a secret of ours")

    reader, house.bureau.reader = house.bureau.reader, Broken()  # type: ignore[assignment]
    try:
        with pytest.raises(RuntimeError):  # the framework raises it again for the server's log, after answering
            house.get("/api/runs")
    finally:
        house.bureau.reader = reader
    assert "GET /api/runs failed" in caplog.text


def test_the_document_describes_every_route_and_every_error(house: Api) -> None:
    told = house.get("/api/openapi.json")
    assert told.status == 200
    for path, methods in told["paths"].items():
        for method, said in methods.items():
            assert {"400", "401", "403", "503"} <= set(said["responses"]), (path, method)
            assert said["summary"].endswith("."), (path, method)
    assert told["paths"]["/api/query"]["post"]["responses"]["200"]["content"].keys() == {
        "application/json",
        "application/vnd.apache.arrow.stream",
    }


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
def test_every_route_is_in_the_page_about_the_api_with_its_scope(route: Route) -> None:
    page = (Path(__file__).parents[3] / "docs/api.md").read_text(encoding="utf-8")
    told = f"| `{route.method} {route.path.replace(':path', '')}` | `{route.right}` |"
    assert told in page
