"""Which caps and limits hold for whom, and whether a call may pass them."""

import pytest

from comptroller.core.call import Identity
from comptroller.policies import book as book_module
from comptroller.policies.book import Book, empty_book
from comptroller.policies.load import load_policies


def load(*texts: str) -> Book:
    return load_policies([(f"p{number}.yaml", text) for number, text in enumerate(texts)])


BUDGETS = """
policy: p
budgets:
  - {per: tenant, every: day, zone: UTC, cap: 10 USD, over: ask}
  - {per: agent, every: run, cap: 100 calls, over: note, count: attempt}
  - {per: tool, cap: 50 calls}
  - {per: run, cap: 2.50 USD}
"""


def test_caps_name_whom_they_are_for() -> None:
    caps = load(BUDGETS).caps(Identity(run="r1", agent="a"), "t")
    told = [(c.per, c.who, c.every, c.unit, c.limit, c.over, c.place, c.count) for c in caps]
    assert told == [
        ("tenant", "default", "day", "USD", 10_000_000_000, "ask", "p0.yaml:4", "logical"),
        ("agent", "a", "run", "calls", 100, "note", "p0.yaml:5", "attempt"),
        ("tool", "t", "", "calls", 50, "deny", "p0.yaml:6", "logical"),
        ("run", "r1", "", "USD", 2_500_000_000, "deny", "p0.yaml:7", "logical"),
    ]


def test_a_scope_that_is_not_said_has_no_cap() -> None:
    assert [cap.per for cap in load(BUDGETS).caps(Identity(agent="a"))] == ["tenant"]


LIMITS = """
policy: p
applies: {agents: [a]}
limits:
  - {per: tenant, requests: 20/s}
  - {per: agent, tokens: 1000/min, concurrent: 4, queue: 2s}
  - {per: tool, concurrent: 1}
"""


def test_limits_name_whom_they_are_for_one_for_each_word() -> None:
    found = load(LIMITS).limits(Identity(tenant="t1", agent="a"))
    assert [(x.line.key, x.unit, x.most, x.queue_s, x.place) for x in found] == [
        ("agent:t1/a|live:", "live", 4, 2.0, "p0.yaml:6"),
        ("agent:t1/a|min:", "tokens", 1000, 2.0, "p0.yaml:6"),
        ("tenant:t1|s:", "requests", 20, 0.0, "p0.yaml:5"),
    ]


def test_a_tool_call_has_the_limits_per_tool_and_no_other() -> None:
    found = load(LIMITS).limits(Identity(agent="a"), "shell")
    assert [(x.line.key, x.most) for x in found] == [("tool:shell|live:", 1)]


def test_limits_hold_where_their_file_does() -> None:
    book = load(LIMITS, "policy: q\nlimits: [{per: agent, requests: 1/day}]\n")
    assert [x.place for x in book.limits(Identity(agent="b"))] == ["p1.yaml:2"]
    assert len(book.limits(Identity(agent="a"))) == 4


def test_a_book_knows_whether_anything_is_limited_or_waited_for() -> None:
    told = [(book.limited, book.queued) for book in (empty_book(), load(BUDGETS), load(LIMITS))]
    assert told == [(False, False), (False, False), (True, True)]
    assert load("policy: p\nbudgets: [{per: run, cap: 1 USD, queue: 1s}]\n").queued
    assert load("policy: p\nbudgets: [{per: run, cap: 1 USD, queue: 1s}]\n").caps(Identity(run="r"))[0].queue_s == 1.0


def test_a_hard_cap_is_one_that_a_call_must_not_pass() -> None:
    assert load(BUDGETS).hard_capped(Identity())
    assert not load("policy: p\nbudgets: [{per: tenant, cap: 1 USD, over: note}]\n").hard_capped(Identity())
    assert not load("policy: p\nbudgets: [{per: run, cap: 1 USD}]\n").hard_capped(Identity())


def test_limits_of_made_up_names_do_not_fill_it_either(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(book_module, "CACHE", 8)
    book = load(LIMITS)
    for number in range(100):
        book.limits(Identity(run=f"r{number}", agent="a"))
    assert 0 < len(book._limits) <= 8
