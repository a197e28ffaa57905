"""The record itself: entries as they lie in the journal, and the proof of one that an auditor can check alone."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import streamlit as st

from comptroller.dashboards import export, frame
from comptroller.dashboards.components import table
from comptroller.dashboards.components.table import Cell, Head, Table
from comptroller.dashboards.look.markup import Markup, as_text, tag
from comptroller.dashboards.source import Document
from comptroller.dashboards.views import runs

KINDS = {
    "call.": "Calls", "run.": "Runs", "policy.": "Policies", "ask": "Questions to people", "approval.": "Approvals",
    "claim": "Claims", "outcome": "Outcomes", "books.": "Books", "key.": "Keys", "person.": "People",
    "evidence.": "Evidence given", "cap.": "Caps by hand", "killed": "Stops", "guard.": "Failures of guards",
}  # fmt: skip
SIZE = 50
EXPORTED = ("sequence", "at", "kind", "by", "run", "call", "about", "hash", "id", "segment")


def draw() -> None:
    """The tab: the list, or one entry."""
    number = frame.query("record")
    if number:
        _entry(number)
    else:
        _entries()


def _entries() -> None:
    kind, run, by = st.columns([2, 3, 2], vertical_alignment="bottom")
    now = frame.query("kind")
    with kind:
        options = ["", *KINDS, *([now] if now and now not in KINDS else [])]
        wanted = st.selectbox(
            "Kind", options, options.index(now), format_func=lambda o: KINDS.get(o, o) or "All", key=frame.key("kind")
        )
    with run:
        said = st.text_input("Run", frame.query("in"), key=frame.key("in"), placeholder="Whole id", max_chars=128)
    with by:
        who = st.text_input("Who", frame.query("by"), key=frame.key("by"), placeholder="As on record", max_chars=128)
    if (wanted, said, who) != (now, frame.query("in"), frame.query("by")):
        frame.remember(**{"kind": wanted, "in": said, "by": who, "before": ""})
    before = frame.query("before")
    asked = {"kind": wanted or None, "run": said or None, "by": who or None, "limit": SIZE}
    told = frame.source().get("/api/audit/records", **asked, before=int(before) if before.isdecimal() else None)
    if not told["records"]:
        _nothing(told["next"], bool(wanted or said or who))
    else:
        _table(told["records"])
    _turn(told, before)


def _nothing(next: int | None, narrowed: bool) -> None:
    if next:
        frame.empty("Not among these", "None of the records looked at fits.", "Press Older to look further back.")
    elif narrowed:
        frame.empty("Nothing on record fits", "There are records, but none like that.", "Clear a filter.")
    else:
        frame.empty("Nothing is on record yet", "The first governed call begins the record.")


def _table(rows: list[dict[str, Any]]) -> None:
    heads = [
        Head("sequence", "Record", right=True),
        Head("at", "When"),
        Head("kind", "Kind"),
        Head("by", "Who"),
        Head("about", "What", wide=True),
        Head("run", "Run"),
        Head("hash", "Hash"),
    ]
    table.show(Table(heads, [_row(row) for row in rows], "Records"), key="ct_records")


def _row(row: Mapping[str, Any]) -> list[Cell]:
    return [
        Cell(str(row["sequence"]), row["id"], frame.address("audit", view="record", record=row["sequence"]), code=True),
        runs.when(datetime.fromisoformat(row["at"])),
        Cell(row["kind"]),
        Cell(row["by"]),
        Cell(_said(row["about"])),
        runs.named(row["run"]) if row["run"] else Cell(""),
        Cell(row["hash"][:12], row["hash"], code=True),
    ]


def _said(about: Mapping[str, str]) -> str:
    shown = [
        str(about[name]) for name in ("name", "type", "event", "status", "action", "rule", "because") if name in about
    ]
    return " · ".join(shown) or " · ".join(about.values())


def _turn(told: Mapping[str, Any], before: str) -> None:
    newest, older, out = st.columns([2, 2, 6], vertical_alignment="center")
    if newest.button("Newest", key="newest", disabled=not before, icon=":material/first_page:"):
        frame.remember(before="")
        st.rerun()
    if older.button("Older", key="older", disabled=not told["next"], icon=":material/chevron_right:"):
        frame.remember(before=told["next"])
        st.rerun()
    with out, st.popover("Export", icon=":material/download:"):
        st.caption("The entries of this page.")
        for form, media in (("csv", "text/csv"), (export.LINES, "application/x-ndjson")):

            def make(form: str = form, media: str = media) -> Document:
                return Document(export.write(form, EXPORTED, told["records"]), media, "records")

            frame.download(form.upper(), make, f"records.{form}", media, key=f"records_{form}")


def _entry(number: str) -> None:
    back = {name: value for name, value in st.query_params.to_dict().items() if name != "record"}
    frame.put(frame.link("All entries", frame.address("audit", **back)))
    if not number.isdecimal() or len(number) > 15:
        frame.empty("There is no such entry", "Entries are numbered from 1 on.", "Choose one from the list.")
        return
    told = frame.source().get(f"/api/audit/records/{int(number)}")
    frame.section(f"Record {frame.viewer().count(told['sequence'])}", "As it lies in the journal.")
    _verdict(told)
    frame.facts(_facts(told))
    _proof(told)
    frame.section("What it says")
    frame.put(tag("pre", json.dumps(told["data"], ensure_ascii=False, indent=2), cls="ct-code", tabindex="0"))
    with st.expander("The line itself, byte for byte"):
        frame.put(tag("pre", told["line"], cls="ct-code", tabindex="0"))


def _verdict(told: Mapping[str, Any]) -> None:
    """Whether it stands where it says, in the whole."""
    whole = told["inclusion"]
    if not told["follows"] or (whole and not whole["holds"]):
        more = "Press Check now above, keep the ledger as it is, and restore it from a backup."
        frame.banner("failed", "This entry does not follow from the one before it.", more, "✕")
    elif whole:
        count = frame.viewer().count(whole["records"])
        more = (
            f"Its hash follows from the one before, and its way to the root over all {count} records comes out right."
        )
        frame.banner("ok", "In the chain, where it says.", more, "✓")
    else:
        more = "The tree over so many new records is still being made. Load the page again in a minute."
        frame.banner("ok", "Its hash follows from the one before.", more, "✓")


def _facts(told: Mapping[str, Any]) -> list[tuple[str, str | Markup]]:
    at = runs.when(datetime.fromisoformat(told["at"]))
    said: list[tuple[str, str | Markup]] = [
        ("Kind", told["kind"]),
        ("When", tag("span", at.text, title=at.exact)),
        ("Who", told["by"] or "Nobody is named"),
    ]
    if told["run"]:
        to = frame.address("run", id=told["run"], span=told["call"])
        said.append(("Run", frame.link(told["run"], to)))
    version = _version(told["data"])
    for rule in _rules(told):
        said.append(("Rule", frame.link(rule, frame.address("policies", rule=rule, version=version))))
    said += [("Hash", tag("code", told["hash"])), ("Hash before", tag("code", told["previous"]))]
    if told["inclusion"]:
        said.append(("Root of all", tag("code", told["inclusion"]["root"])))
    return [*said, ("Segment", str(told["segment"]))]


def _rules(told: Mapping[str, Any]) -> list[str]:
    """The rules that spoke, each once."""
    decisions = told["data"].get("decisions") or []
    named = [told["about"].get("rule"), *(one.get("rule") for one in decisions if isinstance(one, dict))]
    return list(dict.fromkeys(str(rule) for rule in named if rule))


def _version(data: Mapping[str, Any]) -> str:
    """The version of the policies it was decided under."""
    return str(data.get("version") or data.get("policy") or "")


def _proof(told: Mapping[str, Any]) -> None:
    """How somebody else checks it, on a machine of their own."""
    frame.section("Check it yourself", "The proof is a signed file; it needs neither this ledger nor this console.")
    number = told["sequence"]
    commands = (
        f"comptroller audit verify record-{number}.zip --key KEY.pem    # KEY.pem: comptroller receipts key\n"
        f"comptroller audit proof {number}                              # the same file, made at the ledger\n"
        f"comptroller audit verify --head {told['hash']}    # at the ledger: the record is still there"
    )
    frame.put(tag("pre", commands, cls="ct-code", tabindex="0"))
    if st.button(as_text("Make the proof"), key="prove", icon=":material/verified:"):
        with frame.guarded():
            made = frame.source().fetch(f"/api/audit/records/{number}/proof")
            name = f"record-{number}.zip"
            frame.download("Download the proof", lambda: made, name, "application/zip", key="proof")
