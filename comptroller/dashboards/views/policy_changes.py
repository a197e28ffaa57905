"""Versions over time, and what changed from one to another, line by line."""

from datetime import datetime
from typing import Any

import streamlit as st

from comptroller.dashboards import frame
from comptroller.dashboards.components import table
from comptroller.dashboards.components.table import Cell, Head, Table, status
from comptroller.dashboards.look.markup import Markup, tag
from comptroller.dashboards.views import runs
from comptroller.dashboards.views.policies import pick

MARKS = {"same": " ", "gone": "−", "new": "+", "gap": "⋯"}
MOST = 2_000  # lines of a difference that are drawn


def draw(told: dict[str, Any], version: str, tab: str) -> None:
    """The tab."""
    _versions(told)
    known = [row["version"] for row in told["versions"]]
    if len(known) < 2:
        frame.put(tag("p", "There is one version only, so nothing has changed yet.", cls="ct-sub"))
        return
    frame.section("What changed")
    left, right = st.columns(2)
    after_now = frame.query("after") or version
    older = known[known.index(after_now) + 1 :] if after_now in known else known[1:]
    before_now = frame.query("before") or (older[0] if older else known[-1])
    with left:
        before = pick(told, "Before", "before", before_now)
    with right:
        after = pick(told, "After", "after", after_now)
    if before == after:
        frame.put(tag("p", "These are the same version.", cls="ct-sub"))
        return
    _diff(frame.source().get("/api/policies/diff", before=before, after=after))


def _versions(told: dict[str, Any]) -> None:
    heads = [
        Head("version", "Version"),
        Head("standing", ""),
        Head("since", "First in force"),
        Head("rules", "Rules", right=True),
        Head("paths", "Files", wide=True),
        Head("change", "Changes"),
    ]
    rows = told["versions"]
    before = [row["version"] for row in rows[1:]] + [""]
    cells = [_row(row, older, told["version"]) for row, older in zip(rows, before, strict=True)]
    table.show(Table(heads, cells, "Versions of the policies"), key="versions")


def _row(row: dict[str, Any], older: str, current: str) -> list[Cell]:
    version = row["version"]
    changes = frame.address("policies", tab="changes", before=older, after=version) if older else ""
    names = [path.replace("\\", "/").rpartition("/")[2] for path in row["paths"]]
    return [
        Cell(version[:12], version, frame.address("policies", version=version), code=True),
        status("active", "In force") if version == current else Cell(""),
        runs.when(datetime.fromisoformat(row["since"])),
        Cell(frame.viewer().count(row["rules"])),
        Cell(", ".join(names), ", ".join(row["paths"])),
        Cell("To the one before" if older else "The first", link=changes),
    ]


def _diff(told: dict[str, Any]) -> None:
    if not told["files"]:
        frame.put(tag("p", "Their files say the same.", cls="ct-sub"))
    left = MOST
    for file in told["files"]:
        gone, new = (sum(row["what"] == what for row in file["rows"]) for what in ("gone", "new"))
        frame.section(file["path"], f"{new} lines new, {gone} gone")
        rows = file["rows"][:left]
        left -= len(rows)
        frame.put(tag("pre", [_line(row) for row in rows], cls="ct-code", tabindex="0"))
        if len(rows) < len(file["rows"]):
            frame.put(
                tag("p", f"Cut off here: more than {MOST:,} lines differ. The files are under Files.", cls="ct-sub")
            )
            return


def _line(row: dict[str, Any]) -> Markup:
    number = row["after"] or row["before"]
    tone = "" if row["what"] == "same" else f" ct-{row['what']}"
    said = {"gone": "gone", "new": "new"}.get(row["what"])
    return tag(
        "span",
        tag("span", f"{number or ''} {MARKS[row['what']]}", title=said),
        tag("span", row["text"] or " "),
        cls=f"ct-row{tone}",
    )
