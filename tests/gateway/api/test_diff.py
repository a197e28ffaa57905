"""Two runs laid side by side over HTTP: for their own tenant, with the texts of calls told apart and never shown."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

pytest.importorskip("duckdb")
pytest.importorskip("starlette")

from tests.gateway.api.house import OURS, THEIRS, Api, api


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with api(tmp_path_factory.mktemp("api")) as made:
        yield made


def test_two_runs_are_told_call_by_call_with_the_place_where_they_part(house: Api) -> None:
    told = house.get(f"/api/runs/{house.runs[1]}/diff?good={house.runs[0]}")
    assert (told["kind"], told["first"]["at"], told["course"]) == ("input", 0, None)
    (row,) = told["rows"]
    assert (row["path"], row["bad"]["agent"], row["good"]["status"]) == (["agent clerk"], "clerk", "ok")
    assert [(change["what"], change["message"]) for change in row["changes"]] == [("prompt", 1)]
    assert "Hello" not in str(told)


def test_the_last_good_run_is_found_where_none_is_named(house: Api) -> None:
    assert house.get(f"/api/runs/{house.runs[1]}/diff")["good"] == house.runs[0]
    assert house.get(f"/api/runs/{house.runs[0]}/diff").error["code"] == "nothing_to_compare"


def test_a_run_is_not_compared_with_itself(house: Api) -> None:
    assert house.get(f"/api/runs/{house.runs[0]}/diff?good={house.runs[0]}").status == 400


def test_runs_of_somebody_else_are_not_there_on_either_side(house: Api) -> None:
    ours, theirs = house.runs[0], house.runs[2]
    assert house.get(f"/api/runs/{theirs}/diff?good={ours}").status == 404
    assert house.get(f"/api/runs/{ours}/diff?good={theirs}").status == 404
    assert house.get(f"/api/runs/{theirs}/diff", THEIRS).error["code"] == "nothing_to_compare"
    assert house.get(f"/api/runs/{house.runs[1]}/diff", replace(OURS, customer="bolt")).status == 404


def test_a_long_comparison_is_read_page_by_page(house: Api) -> None:
    path = f"/api/runs/{house.runs[1]}/diff?differences=true&limit=1"
    assert [house.get(f"{path}&{more}")["offset"] for more in ("around=0", "offset=0", "offset=5")] == [0, 0, 5]
    assert house.get(f"{path}&offset=5")["rows"] == []
    assert house.get(path)["total"] == 1
