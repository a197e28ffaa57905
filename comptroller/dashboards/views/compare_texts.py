"""What was said differently in one row of a comparison: messages, arguments and results, word by word."""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from comptroller.dashboards import frame, session
from comptroller.dashboards.components.messages import columns, messages
from comptroller.dashboards.look.markup import join, tag
from comptroller.dashboards.views import compare_rows
from comptroller.office.keys import BODIES

Row = Mapping[str, Any]


def draw(bad: Row, good: Row, laid: Row) -> None:
    """The texts of the row that the address names; nothing where it names none."""
    wanted = compare_rows.wanted_row()
    row = next((row for row in laid["rows"] if row["at"] == wanted), None)
    if row is None or row["what"] == "equal":
        return
    frame.section(f"What was said: {row['kind']} {row['name'] or '?'}", _how(row))
    away = frame.address("compare", bad=bad["run"], good=frame.query("good"), only=frame.query("only"))
    frame.put(tag("p", frame.link("Close", away), cls="ct-sub"))
    if BODIES not in session.person().rights:
        frame.empty("Texts are not for your role", "What was said may hold personal data.", "Compliance can read it.")
        return
    with frame.guarded():
        _show(row)


def _how(row: Row) -> str:
    if row["bad"] is None:
        return "The good run alone made this call."
    if row["good"] is None:
        return "The bad run alone made this call."
    return "As the bad run has it; what only the good run said is struck through."


def _show(row: Row) -> None:
    said = {which: _said(row["kind"], row[which]["call"]) if row[which] else None for which in ("bad", "good")}
    shown, before = (said["bad"], said["good"]) if said["bad"] is not None else (said["good"], None)
    if not shown and not before:
        frame.empty(
            "Its texts were not kept",
            "Only their digests are on record, which tell that they differ.",
            join("Keep texts with ", tag("code", "keep: full"), " in the settings."),
        )
        return
    messages(columns(shown or [], before), key=f"said_{row['at']}", height=480)


def _said(kind: str, call: str) -> list[Any]:
    """All messages up to the end of a model call; arguments and results of any other."""
    source, id = frame.source(), quote(call, safe="")
    if kind == "model":
        talk = source.get(f"/api/calls/{id}/conversation")
        return _kept([*talk["request"], *talk["reply"]])
    bodies = source.get(f"/api/calls/{id}", bodies="true")["bodies"] or {}
    told = [("arguments", bodies.get("args"))] + [("result", each) for each in bodies.get("reply") or ()]
    return [_as_message(role, body) for role, body in told if body is not None]


def _kept(said: list[Any]) -> list[Any]:
    return said if any(each is not None for each in said) else []


def _as_message(role: str, body: Any) -> Any:
    """A tool's texts are of any shape: they are read as JSON, a line for each field."""
    if isinstance(body, dict) and "role" in body:
        return body
    text = body if isinstance(body, str) else json.dumps(body, ensure_ascii=False, indent=1, sort_keys=True)
    return {"role": role, "content": text}
