"""Evidence: what was given to which auditor, and a pack for the next one."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import streamlit as st

from comptroller.core.errors import SettingsError
from comptroller.dashboards import frame, listing, session
from comptroller.dashboards.components.table import Cell
from comptroller.dashboards.listing import Column, Filter, Listing, Row
from comptroller.dashboards.look.markup import as_text, tag
from comptroller.dashboards.views import audit, runs
from comptroller.dashboards.views.narrowing import found

SUBJECTS = {
    "decisions": "Decisions and approvals",
    "policies": "Policies in force",
    "access": "Keys, people and evidence given",
    "orders": "Stops and caps by hand",
    "books": "Claims, outcomes and invoices",
}
EXPORTED = (
    "pack", "at", "to", "by", "because", "since", "until", "subjects", "records", "bytes", "sha256", "head", "kept",
)  # fmt: skip


def page() -> None:
    """The page."""
    frame.heading("Evidence", "What was given to whom, and what the next auditor needs.")
    told = _list()
    if told["making"]:
        _making()
    elif told["failed"]:
        frame.banner("failed", "The last pack was not made.", told["failed"], "✕")
    row = listing.show(_listing(told["packs"]))
    if row is not None:
        _pack(row)
    if "api:bodies" in session.person().rights:
        _build(bool(told["making"]))


def _list() -> dict[str, Any]:
    """Never remembered: a pack that fails leaves no record."""
    return audit.fresh("/api/evidence")


@st.fragment(run_every=1.0)
def _making() -> None:
    """Until the pack is there."""
    told = _list()
    if not told["making"]:
        st.rerun()
    more = "Every record is read and hashed, in a process of its own. You may leave this page."
    frame.banner("plain", f"A pack for {told['making']} is being made.", more, "…")


def _listing(packs: list[dict[str, Any]]) -> Listing:
    viewer = frame.viewer()
    return Listing(
        "Evidence packs",
        [
            Column("to", "Given to", lambda row: Cell(row["to"], below=row["because"]), wide=True),
            Column("at", "When", lambda row: runs.when(datetime.fromisoformat(row["at"]))),
            Column("by", "By", lambda row: Cell(row["by"])),
            Column("since", "Period", _period),
            Column("subjects", "About", _about),
            Column("records", "Records", lambda row: Cell(viewer.count(row["records"])), right=True),
            Column("sha256", "SHA-256", lambda row: Cell(row["sha256"][:12], row["sha256"], code=True)),
            Column("kept", "File", lambda row: Cell("Kept" if row["kept"] else "No longer kept")),
        ],
        lambda wanted: found(packs, wanted, ("to", "by", "because", "sha256", "pack")),
        [
            Filter("search", "Search", "search", hint="Auditor, reason or hash"),
            Filter("by", "By", "one", sorted({row["by"] for row in packs})),
        ],
        key="pack",
        exports=EXPORTED,
        lines=True,
        nothing=(
            "No evidence was given yet",
            "A pack holds the records of a period as they lie in the journal, signed, with the proof that they do.",
            tag(
                "span", "Build one below, or with ", tag("code", "comptroller audit pack --since 2026-11-01 --to NAME")
            ),
        ),
    )


def _about(row: Row) -> Cell:
    said = ", ".join(row["subjects"])
    return Cell("Everything" if len(row["subjects"]) == len(SUBJECTS) else said, said)


def _period(row: Row) -> Cell:
    viewer = frame.viewer()
    since = viewer.day(datetime.fromisoformat(row["since"]).date()) if row["since"] else "the beginning"
    end = (
        datetime.fromisoformat(row["until"]) - timedelta(seconds=1)
        if row["until"]
        else datetime.fromisoformat(row["at"])
    )
    until = viewer.day(end.date())
    return Cell(f"{since} – {until}", f"{row['since']} until {row['until'] or row['at']}")


def _pack(row: Mapping[str, Any]) -> None:
    """The chosen pack: its file, and how whoever has it checks it."""
    pack = row["pack"]
    frame.section(f"Given to {row['to']}", "What whoever has it can check, without this ledger or console.")
    commands = (
        f"sha256sum {pack}.zip                                     # {row['sha256']}\n"
        f"comptroller audit verify {pack}.zip --key KEY.pem        # KEY.pem: comptroller receipts key\n"
        f"comptroller audit verify --head {row['head']}            # at the ledger: the journal still holds it"
    )
    frame.put(tag("pre", commands, cls="ct-code", tabindex="0"))
    if row["kept"] and "api:bodies" in session.person().rights:
        source = frame.source()
        frame.download(
            "Download the pack",
            lambda: source.fetch(f"/api/evidence/{pack}"),
            f"{pack}.zip",
            "application/zip",
            key=f"pack_{pack}",
        )


def _build(busy: bool) -> None:
    frame.section("Build a pack", "It holds no text of any call: records name texts by their digests.")
    today = frame.today().date()
    first, last, to = st.columns([2, 2, 4])
    since = first.date_input("From", today - timedelta(days=30), key="ev_since", max_value=today)
    until = last.date_input("To, included", today, key="ev_until", max_value=today)
    whom = to.text_input("Whom it is for", key="ev_to", max_chars=200, placeholder="It goes on record")
    about = st.pills(
        "About", list(SUBJECTS), selection_mode="multi", default=list(SUBJECTS), key="ev_about",
        format_func=lambda name: as_text(SUBJECTS[name]),
    )  # fmt: skip

    def build(because: str) -> str:
        if not whom.strip() or not about or since > until:
            raise SettingsError("Say whom it is for and about what, and let it end after it begins.")
        frame.source().post(
            "/api/evidence",
            to=whom.strip(),
            because=because,
            since=_moment(since),
            until=_moment(until + timedelta(days=1)),
            subjects=list(about),
        )
        return "The pack is being made."

    question = (
        f"Make a pack for {whom.strip() or 'nobody yet'} of {since} to {until}? That it was given goes on record."
    )
    frame.act("Build", build, question, key="build", primary=True, because=True, disabled=busy)


def _moment(day: date) -> str:
    return datetime.combine(day, time(), UTC).isoformat().replace("+00:00", "Z")
