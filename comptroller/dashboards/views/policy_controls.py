"""Controls: which rule, guard or cap is evidence for which control, how often it decided, and what nothing answers."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from comptroller.dashboards import frame, listing
from comptroller.dashboards.components.table import Cell
from comptroller.dashboards.frame import Figure
from comptroller.dashboards.listing import Column, Filter, Listing, Row
from comptroller.dashboards.look.markup import tag
from comptroller.dashboards.look.viewer import exact_time
from comptroller.dashboards.views import runs
from comptroller.dashboards.views.narrowing import found

DECIDED, SILENT, SHADOW, GAP = "decided", "silent", "shadow", "gap"
STATES = {DECIDED: "Decided", SILENT: "In force, had nothing to say", SHADOW: "Only in shadow", GAP: "No rule"}
EXPORTED = ("control", "state", "kind", "rule", "policy", "place", "in_force", "versions", "decisions",
            "shadow_decisions", "latest", "needs")  # fmt: skip
LOOKED = ("control", "rule", "policy", "needs")
SHARED = (
    "How often it decided in this time. Caps and limits are told by their scope: those of one scope share a figure."
)
NOTHING = (
    "No rule says which control it is evidence for",
    "A rule, guard, budget or limit names controls under evidences:; under needs: a file says what no rule can give.",
    tag("span", "The packs ", tag("code", "pack:soc2"), ", ", tag("code", "pack:eu-ai-act"), ", ",
        tag("code", "pack:iso-42001"), " and others do; docs/policies.md has more."),
)  # fmt: skip


def draw(told: dict[str, Any], version: str, tab: str) -> None:
    """The tab: of a period, so also of versions that were in force in it."""
    since, _ = listing.period("30d")  # up to now: what is in force has no end
    account = frame.source().get("/api/policies/evidence", since=since.isoformat())
    if account["unread"]:
        count = len(account["unread"])
        which = f"{count} versions were" if count > 1 else f"Version {account['unread'][0][:12]} was"
        frame.banner(
            "asked", f"{which} in force and no longer loads here.", "What its rules decided is not counted.", "!"
        )
    rows = list(_rows(account))
    _figures(account, rows)
    listing.show(
        Listing(
            "Controls",
            _columns(),
            lambda wanted: found(rows, wanted, LOOKED),
            [
                Filter("search", "Search", "search", hint="Control, rule or need"),
                Filter("scheme", "Scheme", "one", sorted({row["scheme"] for row in rows})),
                Filter("state", "In this time", "one", tuple(STATES), STATES),
            ],
            sort="control",
            name="k_",
            exports=EXPORTED,
            nothing=NOTHING,
        )
    )


def _rows(account: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """A row for each rule of a control, and one for a control that has none."""
    for control in account["controls"]:
        for rule in control["rules"]:
            yield {**rule, "control": control["control"], "needs": control["needs"], "state": _state(rule),
                   "scheme": _scheme(control["control"])}  # fmt: skip
    for gap in account["without_rules"]:
        yield {"control": gap["control"], "needs": gap["needs"], "state": GAP, "scheme": _scheme(gap["control"]),
               "kind": "", "rule": "", "policy": "", "place": "", "in_force": [], "versions": [], "decisions": 0,
               "shadow_decisions": 0, "latest": None}  # fmt: skip


def _state(rule: Mapping[str, Any]) -> str:
    if rule["decisions"]:
        return DECIDED
    return SHADOW if rule["shadow"] else SILENT


def _scheme(control: str) -> str:
    return control.partition(".")[0]


def _figures(account: Mapping[str, Any], rows: list[dict[str, Any]]) -> None:
    viewer, kept = frame.viewer(), {"tab": "controls", "period": frame.query("period")}
    by_control: dict[str, set[str]] = {}
    for row in rows:
        by_control.setdefault(row["control"], set()).add(row["state"])
    shown = [Figure("Controls named", viewer.count(len(by_control)), link=frame.address("policies", **kept))]
    for state, name in ((DECIDED, "With a decision"), (GAP, "Without a rule")):
        count = sum(state in states for states in by_control.values())
        shown.append(Figure(name, viewer.count(count), link=frame.address("policies", **kept, k_state=state)))
    quiet = sum(not states & {DECIDED, GAP} for states in by_control.values())
    shown.append(Figure("In force, nothing to say", viewer.count(quiet),
                        link=frame.address("policies", **kept, k_state=SILENT)))  # fmt: skip
    frame.figures(shown, plain=True)


def _columns() -> list[Column]:
    count = frame.viewer().count
    return [
        Column("control", "Control", lambda row: Cell(row["control"]), sorts=True),
        Column("rule", "Evidence", _rule, sorts=True),
        Column("in_force", "In force", _in_force),
        Column("decisions", "Decided", lambda row: Cell(count(row["decisions"]), link=_to(row, "false")), right=True,
               sorts=True, about=SHARED),
        Column("shadow_decisions", "In shadow", lambda row: Cell(count(row["shadow_decisions"]), link=_to(row, "true")),
               right=True, sorts=True),
        Column("latest", "Last", lambda row: runs.when(_moment(row["latest"])), sorts=True),
        Column("needs", "Needs besides", lambda row: Cell(" ".join(row["needs"].split())), wide=True),
    ]  # fmt: skip


def _rule(row: Row) -> Cell:
    if row["state"] == GAP:
        return Cell("No rule", tone="asked", mark="!")
    to = frame.address("policies", rule=row["rule"], policy=row["policy"], version=row["versions"][-1],
                       period=frame.query("period")) if row["kind"] in ("rule", "guard") else ""  # fmt: skip
    shadow = ", in shadow" if row["shadow"] else ""
    return Cell(row["rule"], row["place"], to, below=f"{row['kind']} of {row['policy']}{shadow}")


def _in_force(row: Row) -> Cell:
    """Since when, or how many times; all of them on hover."""
    spans = row["in_force"]
    if not spans:
        return Cell("–")
    told = "; ".join(f"{exact_time(_moment(one['since']))} to {exact_time(_moment(one['until']))}" for one in spans)
    now = "" if spans[-1]["until"] is None else "not any more"
    more = f"{len(spans)} times" if len(spans) > 1 else now
    return Cell(frame.viewer().time(_moment(spans[0]["since"])), told, below=more)


def _to(row: Row, shadow: str) -> str:
    """The list of what is counted."""
    if not row["decisions" if shadow == "false" else "shadow_decisions"]:
        return ""
    policy = row["policy"] if row["kind"] == "rule" else ""
    return frame.address("audit", rule=row["rule"], policy=policy, shadow=shadow, period=frame.query("period"))


def _moment(said: str | None) -> datetime | None:
    return datetime.fromisoformat(said) if said else None
