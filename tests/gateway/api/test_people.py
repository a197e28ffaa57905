"""People over HTTP: nobody gives more than they have, and only the console's own process lets anybody in."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

pytest.importorskip("duckdb")
pytest.importorskip("starlette")

from comptroller.office.people import ENTER
from tests.gateway.api.house import OURS, THEIRS, Api, api


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with api(tmp_path_factory.mktemp("people")) as made:
        yield made


def test_somebody_is_invited_let_in_changed_and_removed(house: Api) -> None:
    told = house.post("/api/people", {"name": "Ada", "role": "finance"})
    assert told.status == 201
    door = replace(OURS, rights=(ENTER,))
    assert house.post("/api/console/enter", {"token": told["token"], "hours": 1}, door).status == 200
    again = house.post("/api/console/enter", {"token": told["token"], "hours": 1}, door)
    assert (again.status, again.error["code"]) == (403, "not_let_in")
    one = f"/api/people/{told['person']}"
    assert house.post(f"{one}/role", {"role": "viewer"})["role"] == "viewer"
    assert house.post(f"{one}/remove", {}, THEIRS).status == 404
    assert house.post(f"{one}/remove", {})["status"] == "removed"
    assert "Ada" in [row["name"] for row in house.get("/api/people")["people"]]
    assert house.get("/api/people", THEIRS)["people"] == []


@pytest.mark.parametrize("path", ["enter", "vouch", "leave"])
def test_no_right_of_a_key_lets_anybody_in(house: Api, path: str) -> None:
    told = house.post(f"/api/console/{path}", {}, OURS)
    assert (told.status, told.error["code"]) == (403, "not_allowed")


def test_nobody_gives_a_role_with_more_rights_than_their_own(house: Api) -> None:
    clerk = replace(OURS, rights=("api:keys", "api:read"))
    assert house.post("/api/people", {"name": "Eve", "role": "admin"}, clerk).status == 403
    assert house.post("/api/people", {"name": "Eve", "role": "viewer"}, clerk).status == 201
