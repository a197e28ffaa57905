"""The rules of a version: where they stand, what they say, and how often they spoke."""

from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from comptroller.dashboards import frame, listing
from comptroller.dashboards.components.table import Cell, status
from comptroller.dashboards.listing import Column, Filter, Listing, Row
from comptroller.dashboards.look.words import word_for
from comptroller.dashboards.views import runs
from comptroller.dashboards.views.narrowing import found

MODES = {"enforce": "Enforced", "shadow": "In shadow"}
EXPORTED = (
    "id", "kind", "policy", "place", "stage", "about", "when", "then", "mode", "because", "spoke", "would", "latest",
)  # fmt: skip


def draw(told: dict[str, Any], version: str, tab: str) -> None:
    """The tab: rules with budgets and limits, or guards."""
    since, until = listing.period("30d")
    rows = rules(version, since, until, guards=tab == "guards")
    listing.show(
        Listing(
            "Guards" if tab == "guards" else "Rules",
            _columns(version),
            lambda wanted: found(rows, wanted, ("id", "policy", "because", "when", "place", "then")),
            [
                Filter("search", "Search", "search", hint="Rule, reason, condition or file"),
                Filter("policy", "Policy", "one", sorted({row["policy"] for row in rows})),
                Filter("mode", "Mode", "one", tuple(MODES), MODES),
                Filter("kind", "Kind", "one", sorted({row["kind"] for row in rows})),
            ],
            sort="-spoke",
            exports=EXPORTED,
            nothing=(
                "No guard is on" if tab == "guards" else "No rule in this version",
                "Guards look for secrets and personal data in what goes out and comes back."
                if tab == "guards"
                else "Its files say nothing of this kind.",
                "docs/policies.md says how to write one.",
            ),
        )
    )


def rules(version: str, since: datetime, until: datetime, guards: bool = False) -> list[dict[str, Any]]:
    """What a version says, with how often each spoke in a period."""
    source = frame.source()
    said = source.get(f"/api/policies/versions/{version}/rules")["rules"]
    spoken = source.rows("console_rules", since=listing.as_date(since), until=until.isoformat(), limit=2_000)
    return [{**row, **_spoke(row, spoken)} for row in said if (row["kind"] == "guard") == guards]


def _spoke(row: Mapping[str, Any], spoken: list[dict[str, Any]]) -> dict[str, Any]:
    """How often it was enforced, and how often it would have been."""
    mine = [each for each in spoken if _is_of(row, each)]
    counts: Counter[bool] = Counter()
    for each in mine:
        counts[each["shadow"]] += each["decisions"]
    latest = max((each["latest"] for each in mine), default=None)
    errors = sum(each["errors"] for each in mine)
    return {"spoke": counts[False], "would": counts[True], "latest": latest, "errors": errors}


def _is_of(row: Mapping[str, Any], spoken: Mapping[str, Any]) -> bool:
    if row["kind"] == "guard":  # whichever policy switched it on, its findings are told under one name
        return str(spoken["rule"]) == spoken_as(row)
    return (spoken["policy"], spoken["rule"]) == (row["policy"], row["id"])


def spoken_as(row: Mapping[str, Any]) -> str:
    """The name under which decisions tell of it."""
    return f"guards.{row['id']}" if row["kind"] == "guard" else str(row["id"])


def _columns(version: str) -> list[Column]:
    viewer = frame.viewer()
    return [
        Column("id", "Rule", lambda row: named(row, version), sorts=True),
        Column("then", "Says", _then),
        Column("because", "Because", lambda row: Cell(row["because"], below=row["when"]), wide=True),
        Column("stage", "Looks at", lambda row: Cell(row["stage"], below=row["about"])),
        Column("mode", "Mode", _mode),
        Column("place", "Stands in", lambda row: Cell(_short(row["place"]), row["place"], code=True)),
        Column("spoke", "Spoke", lambda row: _count(row, "spoke", version), right=True, sorts=True),
        Column("would", "Would have", lambda row: _count(row, "would", version), right=True, sorts=True,
               about="What a rule in shadow would have done"),
        Column("latest", "Latest", lambda row: runs.when(row["latest"]) if row["latest"] else Cell(viewer.time(None)),
               sorts=True),
    ]  # fmt: skip


def named(row: Row, version: str) -> Cell:
    """A rule, leading to its own page."""
    if row["kind"] in ("budget", "limit"):  # what they refuse is told under the name of the budget's scope
        return Cell(row["id"], row["place"], below=row["policy"])
    to = frame.address(
        "policies", version=version, rule=spoken_as(row), policy=row["policy"], period=frame.query("period")
    )
    return Cell(row["id"], row["place"], to, below=row["policy"])


def _then(row: Row) -> Cell:
    action = row["then"].partition(" ")[0]
    if row["kind"] != "rule":
        return Cell(row["then"], below=row["kind"])
    said = word_for(action)
    who = row["then"].partition(" ")[2].strip("()")
    return Cell(action, tone=said.tone, mark=said.mark, below=who)


def _mode(row: Row) -> Cell:
    return status("shadow", "In shadow", "Only noted") if row["mode"] == "shadow" else Cell("Enforced")


def _count(row: Row, name: str, version: str) -> Cell:
    number = row[name]
    shadow = "true" if name == "would" else "false"
    to = frame.address("audit", rule=spoken_as(row), shadow=shadow, period=frame.query("period")) if number else ""
    below = f"{row['errors']} failed" if row["errors"] and name == "spoke" else ""
    return Cell(frame.viewer().count(number), "", to if row["kind"] in ("rule", "guard") else "", below=below)


def _short(place: str) -> str:
    return place.replace("\\", "/").rpartition("/")[2]
