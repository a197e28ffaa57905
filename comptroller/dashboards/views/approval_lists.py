"""All approvals with what became of them, and how often each rule asks or would."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from comptroller.dashboards import frame, listing
from comptroller.dashboards.components.table import Cell, status
from comptroller.dashboards.listing import Column, Filter, Found, Listing, Row, Wanted
from comptroller.dashboards.look.markup import tag
from comptroller.dashboards.views import approvals, runs

MOST = 1_000  # the latest
STATES = ("pending", "approved", "denied", "expired", "void", "used")
STATE_WORDS = {"pending": "Pending", "approved": "Approved", "denied": "Denied", "expired": "Expired", "void": "Void",
               "used": "Approved and made"}  # fmt: skip
AGREED, UNANSWERED, EDITED = "agreed", "unanswered", "edited"  # how several states, or a part of one, are called
BECAME = STATE_WORDS | {AGREED: "Approved, made or not", UNANSWERED: "Unanswered", EDITED: "With other arguments"}
EXPORTED = (
    "approval", "state", "asked", "decided", "until", "rule", "policy", "because", "stage", "name", "run", "call",
    "customer", "user", "workflow", "agent", "of", "quorum", "people", "votes", "edited", "escalated", "ended",
    "version", "digest", "used_in",
)  # fmt: skip
ASKED_FOR = ("rule", "name", "customer", "workflow", "agent")  # what `/api` narrows by itself
NOBODY = (
    "No approval yet",
    "Whatever a rule with then: ask held is listed here with who answered it, when and why.",
    "What waits now is also shown under Waiting.",
)
NO_RULE = (
    "No rule has asked",
    "A rule with then: ask is counted here; in shadow it asks nobody and counts how often it would have.",
    "Write mode: shadow beside the rule to try it first.",
)


def everything() -> None:
    """The list."""
    if (period := frame.query("period")) in listing.PERIODS:
        kept = {name: frame.query(name) for name in ("state", "rule", "name", "agent")}
        whole = frame.link("Show all", frame.address("approvals", view=approvals.ALL, **kept))
        frame.put(tag("p", f"Only those asked for in the last {period}. ", whole, cls="ct-sub"))
    known = _rows({})
    listing.show(
        Listing(
            "Approvals", _columns(), lambda wanted: _page(_matching(_rows(wanted.said), wanted), wanted),
            [
                Filter("search", "Search", "search", hint="Id, run, person or reason"),
                Filter("state", "Became", "one", tuple(BECAME), BECAME),
                *(
                    Filter(name, title, "one", sorted({row[name] for row in known if row[name]}))
                    for name, title in (("rule", "Rule"), ("name", "Call"), ("agent", "Agent"))
                ),
            ],
            sort="-asked", exports=EXPORTED, nothing=NOBODY,
        )
    )  # fmt: skip
    if len(known) == MOST:
        frame.put(frame.link(f"These are the latest {MOST:,}. `comptroller approvals ls` lists all.", "", cls="ct-sub"))


def rules() -> None:
    """How often each rule asks, or would."""
    since, until = listing.period("30d")
    bounds = {"since": since.isoformat(), "until": until.isoformat()}
    listing.show(
        Listing(
            "Rules that ask", _rule_columns(),
            lambda wanted: _page(frame.source().get("/api/approvals/rules", **bounds)["rules"], wanted),
            sort="-asked", name="r_", nothing=NO_RULE,
        )
    )  # fmt: skip


def _rows(said: Mapping[str, Any]) -> list[Row]:
    narrowed = {name: said[name] for name in ASKED_FOR if name in said}
    state = str(said.get("state", ""))
    if state in STATES:
        narrowed["state"] = state
    found: list[Row] = frame.source().get("/api/approvals", limit=MOST, **narrowed)["approvals"]
    first = listing.PERIODS.get(frame.query("period"))  # named by a link from where they are counted
    begun = frame.today() - first if first else None
    return [row for row in found if _became(row, state) and _since(row, begun)]


def _became(row: Row, state: str) -> bool:
    """Whether it is one of those that are called so."""
    agreed = row["state"] in ("approved", "used") or (row["state"] == "expired" and bool(row["people"]))
    if state == AGREED:
        return agreed
    if state == UNANSWERED:
        return row["state"] == "expired" and not agreed
    return bool(row["edited"]) if state == EDITED else True


def _since(row: Row, begun: datetime | None) -> bool:
    asked = approvals.moment(row["asked"])
    return begun is None or asked is None or asked >= begun


def _matching(rows: Sequence[Row], wanted: Wanted) -> list[Row]:
    text = str(wanted.said.get("search", "")).casefold()
    return [row for row in rows if text in _words(row)]


def _words(row: Row) -> str:
    votes = (f"{vote['person']} {vote['because']}" for vote in row["votes"])
    return " ".join([row["approval"], row["run"], row["because"], row["user"], row["customer"], *votes]).casefold()


def _page(rows: Sequence[Row], wanted: Wanted) -> Found:
    ordered = sorted(rows, key=lambda row: _rank(row.get(wanted.sort)), reverse=wanted.falling)
    return Found(ordered[wanted.offset : wanted.offset + wanted.limit], len(ordered))


def _rank(value: Any) -> tuple[bool, Any]:
    return (value is not None, value if value is not None else 0)


def _columns() -> list[Column]:
    return [
        Column("approval", "Request", lambda row: _named(row)),
        Column("state", "Became", lambda row: status(row["state"])),
        Column("name", "Call", lambda row: Cell(row["name"] or row["stage"], below=row["agent"])),
        Column("rule", "Rule", lambda row: Cell(row["rule"], row["place"], _rule(row["rule"]))),
        Column("asked", "Asked", lambda row: runs.when(approvals.moment(row["asked"])), sorts=True),
        Column("decided", "Decided", lambda row: runs.when(approvals.moment(row["decided"])), sorts=True),
        Column("people", "By", _by, wide=True),
        Column("run", "Run", lambda row: runs.named(row["run"], row["call"])),
    ]  # fmt: skip


def _rule_columns() -> list[Column]:
    count = frame.viewer().count

    def number(name: str) -> Callable[[Row], Cell]:
        return lambda row: Cell(count(row[name]), link=_states(row, name))

    titles = {"asked": ("Asked", ""), "would_ask": ("Would ask", "In shadow: nobody was asked."),
              "pending": ("Waiting", ""), AGREED: ("Approved", "By people, whether the call was made then or not."),
              "used": ("Made", "Approved, and the call was made."), "denied": ("Denied", ""),
              UNANSWERED: ("Unanswered", "Its time was over."), "void": ("Void", ""),
              EDITED: ("Edited", "Approved with other arguments.")}  # fmt: skip
    return [
        Column("rule", "Rule", lambda row: Cell(row["rule"] or "a guard", link=_rule(row["rule"])), sorts=True),
        *(
            Column(name, title, number(name), right=True, sorts=True, about=about)
            for name, (title, about) in titles.items()
        ),
        Column("median_answer_s", "Answered within", _took, right=True, sorts=True, about="Half of them were faster."),
    ]


def _states(row: Row, name: str) -> str:
    """Where those that are counted are listed."""
    if not row[name]:
        return ""
    period = frame.query("period", "30d")
    if name == "would_ask":
        return frame.address("audit", rule=row["rule"], action="ask", shadow="true", period=period)
    state = "" if name == "asked" else name
    return frame.address("approvals", view=approvals.ALL, rule=row["rule"], state=state, period=period)


def _took(row: Row) -> Cell:
    return Cell(frame.viewer().lasted(row["median_answer_s"]))


def _rule(rule: str) -> str:
    return frame.address("policies", rule=rule) if rule else ""


def _named(row: Row) -> Cell:
    id = row["approval"]
    return Cell(f"…{id[-8:]}", id, frame.address("approvals", id=id), code=True)


def _by(row: Row) -> Cell:
    names = ", ".join(dict.fromkeys(vote["person"] for vote in row["votes"]))
    names += ", with other arguments" if names and row["edited"] else ""
    because = next((vote["because"] for vote in reversed(row["votes"]) if vote["because"]), row["ended"])
    return Cell(names or "–", below=because)
