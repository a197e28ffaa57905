"""Audit: what was decided, and is the record intact?"""

import json
from datetime import datetime
from typing import Any

import streamlit as st

from comptroller.dashboards import frame, listing
from comptroller.dashboards.components.table import Cell, status
from comptroller.dashboards.frame import Figure
from comptroller.dashboards.listing import Column, Filter, Found, Listing, Row, Wanted
from comptroller.dashboards.look.markup import as_text, join, tag
from comptroller.dashboards.look.words import word_for
from comptroller.dashboards.views import audit_record, runs

VIEWS = {"decisions": "Decisions", "record": "Record"}
ACTIONS = ("deny", "ask", "downgrade", "redact", "note", "allow", "error")
TRIAL = {"false": "Enforced", "true": "In shadow"}
ONLY = ("policy", "workflow")  # what links narrow by
EXPORTED = (
    "seq", "happened", "action", "shadow", "rule", "policy", "version", "place", "because", "findings", "stage",
    "workflow", "customer", "agent", "run", "call", "kind", "name", "tool", "error",
)  # fmt: skip
NOTHING = (
    "Nothing was decided yet",
    "No rule and no guard has had anything to say in this period: every call was allowed as it was.",
    tag("span", "Write a rule, try it with ", tag("code", "comptroller policy check PATH"), " and look again."),
)


def page() -> None:
    """The page."""
    title, when = st.columns([3, 2], vertical_alignment="center")
    with title:
        frame.heading("Audit", "What policies decided, and the record that proves it.")
    with when:
        since, until = listing.period("30d")
    with frame.guarded():
        _chain()
    view = chosen("view", VIEWS)
    if view == "record":
        audit_record.draw()
    else:
        _decisions(since, until)


def chosen(name: str, options: dict[str, str]) -> str:
    """Which part of a page is looked at; lives in the address."""
    first = next(iter(options))
    now = frame.query(name, first)
    widget = st.segmented_control(
        "Part",
        list(options),
        default=now if now in options else first,
        format_func=lambda option: as_text(options[option]),
        key=frame.key(name),
        label_visibility="collapsed",
    )
    said = widget or first
    frame.remember(**{name: "" if said == first else said})
    return said


def state() -> dict[str, Any]:
    """The record's head and the last check, which ends without a record."""
    return fresh("/api/audit")


def fresh(path: str) -> dict[str, Any]:
    """What `/api` says just now; never remembered, as what is asked changes although nothing is put on record."""
    found: dict[str, Any] = json.loads(frame.source().fetch(path).data)
    return found


def _chain() -> None:
    """Whether the record is what was written."""
    told = state()
    said, act = st.columns([6, 1], vertical_alignment="center")
    with act:
        if st.button("Check now", key="check", disabled=told["verifying"], help="Reads every record anew."):
            frame.source().post("/api/audit/verify")
            st.rerun()
    with said:
        if told["verifying"]:
            _checking()
        else:
            _told(told)


@st.fragment(run_every=1.0)
def _checking() -> None:
    """Until the check has ended."""
    if not state()["verifying"]:
        st.rerun()
    frame.banner("plain", "The record is being checked.", "Every record, its hash and its place are read anew.", "…")


def _told(told: dict[str, Any]) -> None:
    viewer, last = frame.viewer(), told["verified"]
    head = tag("code", told["head"][:16], title=told["head"])
    if last is None:
        more = join(
            f"{viewer.count(told['records'])} records, head ", head, ". Press Check now: nobody has looked yet."
        )
        frame.banner("asked", "The chain was not checked since the console started.", more, "?")
        return
    at = viewer.time(datetime.fromisoformat(last["at"]))
    if not last["ok"]:
        first = last["faults"][0]
        place = join(f"{first['fault']}. ", tag("code", first["place"]), f" {first['remedy']}")
        frame.banner("failed", f"The record is not what was written. Checked {at}.", place, "✕")
        return
    since = told["records"] - last["records"]
    newer = f" {viewer.count(since)} came since." if since > 0 else ""
    seals = f"Seals vouch up to record {viewer.count(last['sealed'])}. " if last["keyed"] and last["sealed"] else ""
    unkeyed = "" if last["keyed"] else "No master key at hand: seals were counted, not checked. "
    more = join(
        f"{viewer.count(last['records'])} records checked {at}, each hash covers the record before it. {seals}{unkeyed}"
        "Head ",
        tag("code", last["head"][:16], title=last["head"]),
        f".{newer}",
    )
    frame.banner("ok" if last["keyed"] else "asked", "Chain intact.", more, "✓")


def _decisions(since: datetime, until: datetime) -> None:
    source = frame.source()
    bounds: dict[str, Any] = {"since": since.isoformat(), "until": until.isoformat()}
    only = {name: frame.query(name) for name in ONLY if frame.query(name)}
    bounds |= only
    if only:
        _narrowed(only)

    def asked(said: dict[str, Any]) -> dict[str, Any]:
        return {**said, "shadow": said["shadow"] == "true"} if "shadow" in said else said

    def find(wanted: Wanted) -> Found:
        page = {**bounds, **asked(dict(wanted.said)), "limit": wanted.limit, "offset": wanted.offset}
        counts = source.rows("console_decisions_count", **bounds, **asked(dict(wanted.said)))
        return Found(source.rows("console_decisions", **page), sum(row["decisions"] for row in counts))

    counted = {name: frame.query(name) for name in ("rule", "run", "agent", "customer", "search")}
    _counts(source.rows("console_decisions_count", **bounds, **{k: v for k, v in counted.items() if v}))
    listing.show(
        Listing(
            "Decisions",
            columns(),
            find,
            _filters(since, until),
            exports=EXPORTED,
            nothing=NOTHING,
            lines=True,
        )
    )


def _narrowed(only: dict[str, str]) -> None:
    """Say what a link narrowed the list to that no filter shows, and how to have all."""
    kept = {name: value for name, value in st.query_params.to_dict().items() if name not in (*ONLY, "page")}
    told = ", ".join(f"{name} {value}" for name, value in only.items())
    frame.put(tag("p", f"Only those of {told}. ", frame.link("Show all", frame.address("audit", **kept)), cls="ct-sub"))


def _counts(rows: list[dict[str, Any]]) -> None:
    """How often each was decided; what rules on trial would have done stands apart."""
    viewer = frame.viewer()
    kept = {
        name: value for name, value in st.query_params.to_dict().items() if name not in ("action", "shadow", "page")
    }
    shown = []
    for action in ACTIONS:
        count = sum(row["decisions"] for row in rows if row["action"] == action and not row["shadow"])
        if count:
            to = frame.address("audit", **kept, action=action, shadow="false")
            shown.append(Figure(word_for(action).word, viewer.count(count), link=to))
    trial = sum(row["decisions"] for row in rows if row["shadow"])
    if trial:
        to = frame.address("audit", **kept, shadow="true")
        shown.append(Figure("By rules in shadow", viewer.count(trial), "Only noted, never enforced.", link=to))
    if shown:
        frame.figures(shown, plain=True)


def _filters(since: datetime, until: datetime) -> list[Filter]:
    options = runs.options_of(since, until)
    return [
        Filter("search", "Search", "search", hint="Reason, finding, customer"),
        Filter("action", "Decision", "one", ACTIONS, {name: word_for(name).word for name in ACTIONS}),
        Filter("shadow", "Mode", "one", tuple(TRIAL), TRIAL),
        Filter("rule", "Rule", "one", options.get("rule", ())),
        Filter("agent", "Agent", "one", options.get("agent", ())),
        Filter("customer", "Customer", "one", options.get("customer", ())),
        Filter("run", "Run", "text", hint="Whole id"),
    ]


def columns() -> list[Column]:
    """The columns of a list of decisions of many runs."""
    return [
        Column("happened", "When", lambda row: runs.when(row["happened"])),
        Column("action", "Decision", action),
        Column("rule", "Rule", rule),
        Column("because", "What happened", lambda row: Cell(row["because"] or "", below=_findings(row)), wide=True),
        Column("agent", "Agent", lambda row: Cell(row["agent"] or "", below=_customer(row))),
        Column("call", "Call and run", _call),
        Column("seq", "Record", _record, right=True, about="Its place in the journal, with its proof"),
    ]


def action(row: Row) -> Cell:
    """What was decided; what a rule on trial would have done says so."""
    if row["shadow"]:
        return status("shadow", f"Would {_verb(row['action'])}", "Only noted: the rule is on trial.")
    return status(row["action"])


def rule(row: Row) -> Cell:
    """The rule with the version it was decided under."""
    to = frame.address("policies", version=row["version"], rule=row["rule"]) if row["rule"] else ""
    return Cell(row["rule"] or "", row["place"] or "", to, below=row["policy"] or "")


def _verb(action: str) -> str:
    return {"error": "fail", "allow": "allow"}.get(action, action)


def _customer(row: Row) -> str:
    return f"for {row['customer']}" if row["customer"] else ""


def _findings(row: Row) -> str:
    return str(row["findings"] or "")


def _call(row: Row) -> Cell:
    name = row["tool"] or row["name"] or row["stage"]
    return Cell(name, row["call"], frame.address("run", id=row["run"], span=row["call"]), below=str(row["run"])[-8:])


def _record(row: Row) -> Cell:
    return Cell(
        str(row["seq"]), "Its place in the record", frame.address("audit", view="record", record=row["seq"]), code=True
    )
