"""What policies said in a run: every decision with its rule, shadows included."""

from collections.abc import Sequence

from comptroller.dashboards import frame, listing
from comptroller.dashboards.components.table import Cell
from comptroller.dashboards.listing import Column, Filter, Found, Listing, Row, Wanted
from comptroller.dashboards.views import audit, runs
from comptroller.dashboards.views.run_look import Looked

EXPORTED = (
    "happened", "agent", "kind", "name", "stage", "action", "shadow", "rule", "policy", "because", "findings", "votes",
    "version", "call",
)  # fmt: skip


def draw(shown: Looked) -> None:
    """The tab. What a reply repeats of the tool calls it asks for stands there once, with the call."""
    decided = [row for row in shown.decisions if not row["again"]]
    listing.show(
        Listing(
            "Decisions",
            columns(shown.id),
            lambda wanted: _find(decided, wanted),
            [
                Filter("action", "Decision", "one", sorted({row["action"] for row in decided})),
                Filter("rule", "Rule", "one", sorted({row["rule"] for row in decided if row["rule"]})),
                Filter("agent", "Agent", "one", sorted({row["agent"] for row in decided if row["agent"]})),
            ],
            name="d_",
            exports=EXPORTED,
            nothing=(
                "Nothing was decided",
                "No rule and no guard had anything to say of the calls of this run: all of them were allowed.",
                frame.link("See which policies are in force", frame.address("policies")),
            ),
        )
    )


def columns(run: str) -> list[Column]:
    """The columns of a list of decisions."""
    return [
        Column("happened", "When", lambda row: runs.when(row["happened"])),
        Column("action", "Decision", audit.action),
        Column("rule", "Rule", lambda row: _rule(row)),
        Column(
            "because", "Because", lambda row: Cell(row["because"], below=row["findings"] or row["votes"]), wide=True
        ),
        Column("stage", "At", lambda row: Cell(row["stage"])),
        Column("agent", "Agent", lambda row: Cell(row["agent"])),
        Column("name", "Call", lambda row: Cell(row["tool"] or row["name"], row["call"], _call(run, row))),
        Column("version", "Version", lambda row: Cell(row["version"][:8], row["version"], code=True)),
    ]


def _call(run: str, row: Row) -> str:
    return frame.address("run", id=run, span=row["call"])


def _rule(row: Row) -> Cell:
    return Cell(
        row["rule"],
        row["place"],
        frame.address("policies", rule=str(row["rule"]).removeprefix("retry."), version=row["version"]),
    )


def _find(rows: Sequence[Row], wanted: Wanted) -> Found:
    fitting = [row for row in rows if all(row[name] == value for name, value in wanted.said.items())]
    return Found(fitting[wanted.offset : wanted.offset + wanted.limit], len(fitting))
