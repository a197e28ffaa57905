"""One rule: its text where it stands, how often it spoke day by day, and each time it did."""

from collections import Counter
from datetime import date, datetime, timedelta
from typing import Any

import streamlit as st

from comptroller.dashboards import frame, listing
from comptroller.dashboards.frame import Figure
from comptroller.dashboards.listing import Found, Listing, Wanted
from comptroller.dashboards.look.bars import bars
from comptroller.dashboards.look.markup import tag
from comptroller.dashboards.views import audit, policy_files, policy_parts
from comptroller.dashboards.views.policy_rules import spoken_as

AROUND = 3  # lines before a rule in its file


def draw(version: str, rule: str) -> None:
    """The part of the page."""
    title, when = st.columns([3, 2], vertical_alignment="center")
    with title:
        frame.put(frame.link("All rules", frame.address("policies", version=frame.query("version"))))
        frame.section(rule, f"Version {version[:12]}")
    with when:
        since, until = listing.period("30d")
    policy = "" if rule.startswith("guards.") else frame.query("policy")
    found = frame.source().get(f"/api/policies/versions/{version}/rules")["rules"]
    meant = [row for row in found if spoken_as(row) == rule and policy in ("", row["policy"])]
    if meant:
        for row in meant:  # a guard may be switched on by several policies
            _said(version, row)
    else:
        frame.empty(
            "No such rule in this version",
            "It may be of another version, or be a guard, a budget or an order by hand: no rule of a file.",
            frame.link("All versions", frame.address("policies", tab="changes")),
        )
    _spoke(rule, policy, since, until)
    policy_parts.draw(rule, policy, {"since": since.isoformat(), "until": until.isoformat()})
    _each(rule, policy, since, until)


def _said(version: str, row: dict[str, Any]) -> None:
    says = row["then"] + (", in shadow: only noted" if row["mode"] == "shadow" else "")
    pairs = [
        ("Says", says),
        ("Because", row["because"] or "It gives no reason"),
        ("Looks at", " ".join((row["stage"], row["about"])).strip()),
        ("When", tag("code", row["when"]) if row["when"] else "Always"),
        ("Stands in", tag("code", row["place"])),
    ]
    frame.facts(pairs)
    files = frame.source().get(f"/api/policies/versions/{version}")["files"]
    text = next((file["text"] for file in files if file["path"] == row["path"]), "")
    lines = text.splitlines()
    last = _end(lines, row["line"])
    policy_files.lines(lines, max(row["line"] - AROUND, 1), last, row["line"])


def _end(lines: list[str], first: int) -> int:
    """The last line of the entry that begins at a line: up to the next one that is not further in."""
    if not 0 < first <= len(lines):
        return 0
    inner = _indent(lines[first - 1])
    for number in range(first + 1, len(lines) + 1):
        if lines[number - 1].strip() and _indent(lines[number - 1]) <= inner:
            return number - 1
    return len(lines)


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" "))


def _spoke(rule: str, policy: str, since: datetime, until: datetime) -> None:
    viewer = frame.viewer()
    rows = frame.source().rows(
        "console_rule_trend",
        rule=rule,
        policy=policy or None,
        since=listing.as_date(since),
        until=until.isoformat(),
    )
    shown = []
    for shadow, name in ((False, "Spoke"), (True, "Would have spoken, in shadow")):
        days: Counter[date] = Counter()
        for row in rows:
            if row["shadow"] == shadow:
                days[_day(row["day"])] += row["decisions"]
        if days or not shadow:
            to = frame.address("audit", rule=rule, shadow=str(shadow).lower(), period=frame.query("period"))
            course = bars([days[day] for day in _days(since, until)])
            shown.append(Figure(name, viewer.count(sum(days.values())), link=to, picture=course))
    failed = sum(row["errors"] for row in rows)
    if failed:
        more = "It could not be decided then, and said what its on_error says."
        shown.append(Figure("Failed", viewer.count(failed), more, "look into it", "failed"))
    frame.figures(shown)


def _day(value: date | datetime) -> date:
    return value.date() if isinstance(value, datetime) else value


def _days(since: datetime, until: datetime) -> list[date]:
    return [since.date() + timedelta(days=number) for number in range((until.date() - since.date()).days + 1)]


def _each(rule: str, policy: str, since: datetime, until: datetime) -> None:
    frame.section("Each time it spoke")
    source = frame.source()
    bounds = {"since": since.isoformat(), "until": until.isoformat(), "rule": rule, "policy": policy or None}

    def find(wanted: Wanted) -> Found:
        rows = source.rows("console_decisions", **bounds, limit=wanted.limit, offset=wanted.offset)
        return Found(rows, sum(row["decisions"] for row in source.rows("console_decisions_count", **bounds)))

    columns = [column for column in audit.columns() if column.field != "rule"]
    nothing = ("It did not speak", "No call met this rule in the period.", "Look further back.")
    listing.show(
        Listing("Findings of the rule", columns, find, exports=audit.EXPORTED, nothing=nothing, name="f_", lines=True)
    )
