"""What is on record twice is counted once: a decision that a reply repeats, a failure that a tool passes on."""

from pathlib import Path

import pytest

pytest.importorskip("duckdb")

from comptroller.store.books import rebuild
from tests.store.pen import Pen, everything, rows

DENIED = {"stage": "tool", "action": "deny", "rule": "no-pay", "because": "no", "tool": "pay"}
BOOKED = {"type": "ToolFailed", "message": "409 from books.example: booked already"}


def refused(pen: Pen) -> str:
    """A reply that asks for a tool call, and the call that is refused."""
    run = pen.run()
    asked = pen.opened(run)
    pen.called(run, kind="tool", name="pay", parent=asked, status="denied", action="deny", cost=0, decisions=[DENIED])
    pen.closed(run, asked, decisions=[DENIED, {"stage": "reply", "action": "note", "rule": "said", "because": "b"}])
    return run


def failing(pen: Pen, *inner: str, live: bool = False) -> str:
    """A tool that fails after calls of another system that ended so."""
    run = pen.run()
    tool = pen.opened(run, kind="tool", name="book")
    for status in inner:
        pen.called(run, kind="external", name="POST books.example", parent=tool, status=status,
                   error="409" if status == "error" else "", cost=0)  # fmt: skip
    if live:
        everything(pen.path)
    pen.closed(run, tool, kind="tool", name="book", status="error", error=BOOKED, cost=0)
    return run


def causes(pen: Pen) -> list[tuple[object, object]]:
    return [(row["kind"], row["calls"]) for row in rows(pen, "console_causes")]


def in_step(pen: Pen) -> bool:
    sums = {row["source"]: row["calls"] for row in rows(pen, "sums")}
    return sums.get("causes") == sums.get("failed calls") and sums.get("rules") == sums.get("decisions")


def test_a_refused_tool_call_is_one_denial_though_the_reply_repeats_it(pen: Pen) -> None:
    run = refused(pen)
    counted = {row["action"]: row["decisions"] for row in rows(pen, "console_decisions_count")}
    assert counted == {"deny": 1, "note": 1}
    assert {row["rule"]: row["decisions"] for row in rows(pen, "console_rules")} == {"no-pay": 1, "said": 1}
    assert [row["again"] for row in rows(pen, "run_decisions", run=run)] == [False, True, False]
    assert in_step(pen)


def test_the_list_of_decisions_has_the_tool_call_and_not_the_reply_that_repeats_it(pen: Pen) -> None:
    refused(pen)
    assert {(row["rule"], row["kind"]) for row in rows(pen, "console_decisions")} == {
        ("no-pay", "tool"),
        ("said", "model"),
    }


@pytest.mark.parametrize("live", [False, True])
def test_a_tool_that_fails_on_a_call_it_made_is_one_cause_however_the_books_are_filled(pen: Pen, live: bool) -> None:
    failing(pen, "error", live=live)
    assert causes(pen) == [("tool", 1)]
    assert in_step(pen)


def test_a_failed_call_that_the_tool_got_over_is_a_cause_of_its_own(pen: Pen) -> None:
    failing(pen, "error", "ok")
    assert sorted(causes(pen)) == [("external", 1), ("tool", 1)]
    assert in_step(pen)


def test_books_made_anew_count_no_failure_twice_either(pen: Pen) -> None:
    failing(pen, "error", "error", live=True)
    failing(pen, "error")
    before = everything(Path(pen.path))
    rebuild(pen.path)
    assert everything(Path(pen.path)) == before
    assert dict(causes(pen)) == {"tool": 2, "external": 1}
