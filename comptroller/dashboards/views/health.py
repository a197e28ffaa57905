"""Health: does the house itself work, and what to do where it does not."""

from collections.abc import Mapping
from typing import Any

from comptroller.dashboards import frame
from comptroller.dashboards.components import table
from comptroller.dashboards.components.table import Cell, Head, Table
from comptroller.dashboards.frame import Figure
from comptroller.dashboards.views import runs

STATES = {"ok": ("ok", "✓", "In order"), "warn": ("asked", "!", "Look at it"), "fail": ("failed", "✕", "Broken")}
OLD_S = 600  # a call under way for longer is worth a look


def page() -> None:
    """The page."""
    frame.heading("Health", "Does the house itself work?")
    row = frame.source().one("console_health") or {}
    with frame.guarded():
        told = frame.source().get("/api/health")
        checks = [*told["checks"], *_odd(row)]
        _verdict(checks)
        frame.figures(_figures(row, told))
        _checks(checks)
        _sizes(told)
        _hooks(told["hooks"])
    _failures()


def _verdict(checks: list[dict[str, Any]]) -> None:
    wrong = [check for check in checks if check["state"] != "ok"]
    failed = [check for check in wrong if check["state"] == "fail"]
    if not wrong:
        frame.banner("ok", "All in order.", "The record is written, the books follow, and nothing waits.", "✓")
        return
    first = (failed or wrong)[0]
    tone = "failed" if failed else "asked"
    head = f"{len(wrong)} {'thing needs' if len(wrong) == 1 else 'things need'} a look."
    frame.banner(tone, head, f"{first['name']}: {first['found']} {first['remedy']}", "✕" if failed else "!")


def _odd(row: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Figures of the books that should be nothing, each with its remedy."""
    found = []
    if row.get("oldest_open") and (age := (frame.today() - row["oldest_open"]).total_seconds()) > OLD_S:
        said = f"{row['open_calls']} calls are under way, the oldest for {frame.viewer().lasted(age)}."
        found.append(
            _check("Calls under way", said, "A provider or a tool hangs: see Live, and stop the run if need be.")
        )
    for name, title, said, remedy in (
        ("unpriced", "Calls without a price", "{} calls counted as nothing.",
         "Set a price under `prices: overrides`, then `comptroller books reprice`."),
        ("guard_failures", "Guards that failed", "{} times a guard could not look.",
         "Their calls were refused. The list below says why."),
        ("decision_errors", "Rules that failed", "{} times a rule could not be decided.",
         "It said what its on_error says. See Policies, and mend its condition."),
        ("expired", "Holds that expired", "{} calls never ended and were charged at their estimate.",
         "A process died or hung: its runs say which."),
        ("overruns", "Calls dearer than their hold", "{} calls cost more than the provider had said.",
         "Compare prices with its invoice: `comptroller books reconcile`."),
    ):  # fmt: skip
        if row.get(name):
            found.append(_check(title, said.format(frame.viewer().count(row[name])), remedy))
    return found


def _check(name: str, found: str, remedy: str) -> dict[str, Any]:
    return {"name": name, "state": "warn", "found": found, "remedy": remedy}


def _figures(row: Mapping[str, Any], told: Mapping[str, Any]) -> list[Figure]:
    viewer = frame.viewer()
    behind = max(told["journal"] - told["books"], 0)
    latest = row.get("latest")
    age = (frame.today() - latest).total_seconds() if latest else None
    return [
        Figure("Behind the journal", f"{viewer.count(behind)} records", f"{told['books']} of {told['journal']}"),
        Figure("Latest call ended", f"{viewer.lasted(age)} ago" if age is not None else "never"),
        Figure("Calls on record", viewer.count(row.get("calls")), link=frame.address("runs")),
        Figure("Calls under way", viewer.count(row.get("open_calls")), link=frame.address("live")),
        Figure("Failed", viewer.count(row.get("failed")), link=frame.address("failures")),
        Figure("Disk free", _size(told["disk_free"]), f"{told['disk_free']:,} of {told['disk_total']:,} bytes"),
    ]


def _checks(checks: list[dict[str, Any]]) -> None:
    frame.section("Checks", "comptroller doctor looks at this machine's set-up as well.")
    heads = [
        Head("state", "State"),
        Head("name", "What"),
        Head("found", "Found", wide=True),
        Head("remedy", "Remedy", wide=True),
    ]
    order = ("fail", "warn", "ok")
    cells = []
    for check in sorted(checks, key=lambda each: order.index(each["state"])):
        tone, mark, word = STATES[check["state"]]
        cells.append(
            [Cell(word, tone=tone, mark=mark), Cell(check["name"]), Cell(check["found"]), Cell(check["remedy"])]
        )
    table.show(Table(heads, cells, "Checks"), key="checks")


def _sizes(told: Mapping[str, Any]) -> None:
    frame.section("Room", "What the ledger takes on the disk.")
    whole = sum(size["bytes"] for size in told["sizes"]) or 1
    heads = [Head("part", "Part"), Head("bytes", "Size", right=True), Head("share", "Share", right=True)]
    cells = [
        [
            Cell(size["part"]),
            Cell(_size(size["bytes"]), f"{size['bytes']:,} bytes"),
            Cell(frame.viewer().share(size["bytes"] / whole), share=size["bytes"] / whole),
        ]
        for size in told["sizes"]
    ]
    total = [Cell("ledger"), Cell(_size(whole), f"{whole:,} bytes"), Cell("")]
    table.show(Table(heads, cells, "Sizes", total=total), key="sizes")


def _hooks(hooks: list[dict[str, Any]]) -> None:
    if not hooks:
        return
    frame.section("Webhooks", "comptroller webhooks send delivers what is due.")
    names = ("delivered", "waiting", "failed", "given_up")
    heads = [Head("hook", "Hook"), *(Head(name, name.replace("_", " ").capitalize(), right=True) for name in names)]
    heads.append(Head("error", "Last error", wide=True))
    count = frame.viewer().count
    cells = [[Cell(row["hook"]), *(Cell(count(row[name])) for name in names), Cell(row["error"])] for row in hooks]
    table.show(Table(heads, cells, "Webhooks"), key="hooks")


def _failures() -> None:
    """What guards could not do, the latest first."""
    rows = frame.source().rows("console_events", kind="guard.failed", limit=20)
    if not rows:
        return
    frame.section("Guards that failed", "Each call was refused, and this was put on record.")
    heads = [Head("happened", "When"), Head("subject", "Guard"), Head("text", "Why", wide=True), Head("run", "Run")]
    cells = [
        [runs.when(row["happened"]), Cell(row["subject"] or ""), Cell(row["text"] or ""), runs.named(row["run"] or "")]
        for row in rows
    ]
    table.show(Table(heads, cells, "Guards that failed"), key="guard_failures")


def _size(bytes: int) -> str:
    """As people say it."""
    if bytes >= 1_000_000_000:
        return f"{bytes / 1e9:,.1f} GB"
    return f"{bytes / 1e6:,.1f} MB" if bytes >= 100_000 else f"{bytes / 1e3:,.1f} kB"
