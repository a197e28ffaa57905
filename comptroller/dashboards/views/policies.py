"""Policies: what is enforced, since when, and how often each rule spoke."""

from collections.abc import Callable
from datetime import datetime
from importlib import import_module
from typing import Any

import streamlit as st

from comptroller.dashboards import frame
from comptroller.dashboards.frame import Figure
from comptroller.dashboards.look.markup import as_text, tag
from comptroller.dashboards.look.viewer import exact_time
from comptroller.dashboards.views import policy_rule
from comptroller.dashboards.views.audit import chosen

TABS = {"rules": "Rules", "guards": "Guards", "findings": "Findings", "controls": "Controls", "explain": "Explain",
        "changes": "Versions", "files": "Files", "tests": "Tests"}  # fmt: skip


def page() -> None:
    """The page."""
    told = frame.source().get("/api/policies", limit=200)
    frame.heading("Policies", "What is enforced, since when, and how often it spoke.")
    _alarm(told)
    if not told["versions"]:
        frame.empty(
            "No version was ever in force",
            "A version of the policies is put on record as soon as one is loaded.",
            tag("span", "Write a first one with ", tag("code", "comptroller init"), "."),
        )
        return
    version = _version(told)
    if frame.query("rule"):
        policy_rule.draw(version, frame.query("rule"))
        return
    if not told["version"] or version != told["version"]:
        _older(told, version)
    _figures(told, version)
    tab = chosen("tab", TABS)
    module = "policy_rules" if tab in ("rules", "guards") else f"policy_{tab}"
    draw: Callable[[dict[str, Any], str, str], None] = import_module(f"comptroller.dashboards.views.{module}").draw
    draw(told, version, tab)


def _alarm(told: dict[str, Any]) -> None:
    if told["files"]:
        return
    more = tag(
        "span",
        "Every call is allowed. Name files under ",
        tag("code", "policies:"),
        " in comptroller.yaml; ",
        tag("code", "comptroller policy check PATH"),
        " says what is wrong with one, ",
        tag("code", "comptroller init"),
        " writes a first one.",
    )
    frame.banner("failed", "No policy is loaded.", more, "!")


def _version(told: dict[str, Any]) -> str:
    """The version looked at: the one in force, unless the address names another that was."""
    known = [row["version"] for row in told["versions"]]
    said = frame.query("version")
    if said and said not in known:
        found = [each for each in known if each.startswith(said)]
        said = found[0] if len(found) == 1 else ""
    now: str = told["version"] if told["version"] in known else known[0]
    return said or now


def _older(told: dict[str, Any], version: str) -> None:
    since = next(row["since"] for row in told["versions"] if row["version"] == version)
    now = frame.link("Look at the one in force", frame.address("policies"))
    moment = frame.viewer().time(datetime.fromisoformat(since))
    frame.banner("asked", f"Version {version[:12]} was in force from {moment}; it is not any more.", now, "•")


def _figures(told: dict[str, Any], version: str) -> None:
    viewer, row = frame.viewer(), next(each for each in told["versions"] if each["version"] == version)
    since = datetime.fromisoformat(row["since"])
    frame.figures(
        [
            Figure("Version", version[:12], version),
            Figure("First in force", viewer.time(since), exact_time(since)),
            Figure("Rules", viewer.count(row["rules"])),
            Figure("Files", viewer.count(len(row["paths"])), ", ".join(row["paths"])),
            Figure(
                "Versions so far", viewer.count(len(told["versions"])), link=frame.address("policies", tab="changes")
            ),
        ],
        plain=True,
    )


def pick(told: dict[str, Any], label: str, name: str, now: str) -> str:
    """A choice among the versions; lives in the address."""
    viewer = frame.viewer()
    since = {row["version"]: viewer.time(datetime.fromisoformat(row["since"])) for row in told["versions"]}
    known = list(since)

    def word(version: str) -> str:
        mark = " (in force)" if version == told["version"] else ""
        return f"{version[:12]} since {since[version]}{mark}"

    wanted: str = st.selectbox(
        as_text(label), known, index=known.index(now) if now in known else 0, format_func=word, key=frame.key(name)
    )
    frame.remember(**{name: wanted if wanted != now or frame.query(name) else ""})
    return wanted
