"""A run drawn as a tree: agents, the calls they made, the tools those led to; what each cost, what went wrong."""

from collections import Counter
from decimal import Decimal
from itertools import groupby
from typing import Any

from comptroller.cli import screen
from comptroller.core.judges import AGENT
from comptroller.office.account import cost_unknown, origin_in_words
from comptroller.office.tree import Node

Row = dict[str, Any]
FOLD = 2  # this many equal siblings in a row, and they become one line


def draw(root: Node) -> None:
    """Print the tree."""
    branch, last, trunk, gap = screen.branches()
    row = root.row
    who = f" for {screen.short(row['customer'], 40)}" if row.get("customer") else ""
    name = screen.paint(screen.short(row["name"] or "run", 60), "1")
    took = screen.duration(row["started"], row["ended"]) if row["ended"] else "not ended"
    budget = ""
    if row.get("budget") is not None:
        budget = f" of {screen.money(row['budget'], row['budget_currency'])}"
    screen.say(f"{name}{who}  {screen.status(row['status'])}  {_costs(root.costs)}{budget}  {took}")
    for told in _handed(root):
        screen.say(told)
    ahead = _lines([root], "")
    while ahead:
        lead, group, final = ahead.pop()
        screen.say(f"{lead}{last if final else branch}{_line(group)}")
        for told in _came(group):
            screen.say(f"{lead}{gap if final else trunk}  {told}")
        ahead.extend(_lines(group, lead + (gap if final else trunk)))
    screen.say(f"run {screen.clean(row['run'])}")


def _lines(folded: list[Node], lead: str) -> list[tuple[str, list[Node], bool]]:
    """The children as they will be drawn, equal neighbours together; in reverse, for a stack.

    Nodes folded into one line have children of equal shapes in an equal order: what is drawn stands for all of them.
    """
    alike = list(zip(*(node.children for node in folded), strict=True))
    groups: list[list[Node]] = []
    for _, neighbours in groupby(alike, key=lambda children: children[0].shape):
        columns = list(neighbours)
        merged = [[node for column in columns for node in column]]
        groups += merged if len(columns) >= FOLD else [list(column) for column in columns]
    return [(lead, group, number == 0) for number, group in enumerate(reversed(groups))]


def _line(group: list[Node]) -> str:
    row = group[0].row
    costs: Counter[str] = Counter()
    for node in group:
        costs.update(node.costs)
    words = [_name(row), screen.status(row["status"])]
    if len(group) == 1 and (row.get("attempt") or 1) > 1:
        words.append(f"try {row['attempt']}")
    if len(group) > 1:
        words.append(f"x{len(group)}")
    if cost_unknown(row):
        words.append("cost unknown" + (f", beneath it {_costs(costs)}" if costs else ""))
    elif costs or row["kind"] == "model":
        words.append(_costs(costs) + (" (estimated)" if row["estimated"] else ""))
    if row["kind"] == "run":
        words.append(screen.count(sum(node.row["calls"] for node in group), "call"))
    if row["kind"] == "run" and len(group) == 1:
        words.append(screen.clean(row["id"]))
    if len(group) == 1 and row["kind"] != "agent":
        words.append(screen.duration(row["started"], row["ended"]))
    if row["action"] == "redact":
        words.append(screen.status("redact"))
    return "  ".join(words) + _reason(row)


def _came(group: list[Node]) -> list[str]:
    """Where the arguments of a call came from: all of one that was stopped, of others what is worth a look; and who
    took over.
    """
    row = group[0].row
    stopped = row["action"] not in ("", "allow", "note", "redact")
    origins = [o for o in row.get("origins") or () if stopped or o["label"] == "untrusted"]
    return [*(screen.short(origin_in_words(origin), 160) for origin in origins), *_handed(group[0])]


def _handed(node: Node) -> list[str]:
    """Who took over here, and why."""
    return [screen.short(f"{one.agent or 'it'} handed over to {one.to}: {one.because}", 160) for one in node.handovers]


def _name(row: Row) -> str:
    name = screen.paint(screen.short(row["name"], 60) or "?", "1")
    agent = row.get("agent") or ""
    judge = f" as {screen.short(agent.replace(AGENT, 'judge ', 1), 40)}" if agent.startswith(AGENT) else ""
    return f"{row['kind']} {name}{judge}"


def _reason(row: Row) -> str:
    """Why a call was refused, changed or failed."""
    if row["error"]:
        return f"  {screen.short(row['error'], 100)}"
    if row["action"] in ("", "allow") or not (row["rule"] or row["because"]):
        return ""
    return f"  {screen.short(row['rule'], 40)}: {screen.short(row['because'], 100)}"


def _costs(costs: Counter[str]) -> str:
    parts = [f"{screen.amount(Decimal(nanos) / 1_000_000_000)} {screen.clean(unit)}" for unit, nanos in costs.items()]
    return " + ".join(parts) or "0.00"
