"""The tests inside the policy files, run just now under the version in force."""

from typing import Any

from comptroller.dashboards import frame, listing
from comptroller.dashboards.components.table import Cell
from comptroller.dashboards.listing import Column, Filter, Listing, Row
from comptroller.dashboards.look.markup import tag
from comptroller.dashboards.views.narrowing import found

RESULTS = {"failed": "Failed", "passed": "Passed"}


def draw(told: dict[str, Any], version: str, tab: str) -> None:
    """The tab."""
    said = frame.source().get("/api/policies/tests")
    viewer = frame.viewer()
    if said["failed"]:
        more = "A policy does not do what its own tests say: mend one of the two before you trust it."
        frame.banner("failed", f"{viewer.count(said['failed'])} of its tests fail.", more, "✕")
    elif said["tests"]:
        frame.banner("ok", f"All {viewer.count(said['passed'])} tests pass.", "Under the version in force.", "✓")
    rows = [{**row, "result": "passed" if row["passed"] else "failed"} for row in said["tests"]]
    listing.show(
        Listing(
            "Policy tests",
            _columns(),
            lambda wanted: found(rows, wanted),
            [
                Filter("result", "Result", "one", tuple(RESULTS), RESULTS),
                Filter("policy", "Policy", "one", sorted({row["policy"] for row in rows})),
            ],
            exports=("policy", "place", "expected", "got", "rule", "result", "why"),
            name="t_",
            nothing=(
                "No test stands in the files",
                "A test says what a call must come to, so that a change that breaks it is noticed.",
                tag("span", "Add some under ", tag("code", "tests:"), "; docs/policies.md shows how."),
            ),
        )
    )


def _columns() -> list[Column]:
    return [
        Column("result", "Result", _result),
        Column("place", "Test", lambda row: Cell(_short(row["place"]), row["place"], code=True)),
        Column("policy", "Policy", lambda row: Cell(row["policy"])),
        Column("expected", "Expected", lambda row: Cell(row["expected"])),
        Column("got", "Got", lambda row: Cell(row["got"], below=row["rule"])),
        Column("why", "Why", lambda row: Cell(row["why"]), wide=True),
    ]


def _result(row: Row) -> Cell:
    return Cell("Passed", tone="ok", mark="✓") if row["passed"] else Cell("Failed", tone="failed", mark="✕")


def _short(place: str) -> str:
    return place.replace("\\", "/").rpartition("/")[2]
