from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from comptroller.dashboards.components.graph import (
    MOST_NODES,
    Edge,
    Node,
    Sum,
    columns,
    edges_between,
    edges_of,
)
from comptroller.dashboards.components.layers import TALLEST, placed
from tests.dashboards.made_up import agent, call, fleet, small


def lines(edges: Sequence[Edge]) -> dict[str, Any]:
    return {f"{edge.source.name}>{edge.target.name}": edge.sum for edge in edges}


def test_calls_of_one_agent_to_one_tool_are_one_line_with_their_sum() -> None:
    found = lines(edges_of(small()[0]))
    assert found["researcher>web.search"] == Sum(7, 0, {"USD": 420_000_000})
    assert found["risk-scorer>scores.get"] == Sum(1, 1, {})
    assert found["vendor-onboarding>researcher"].costs == {"USD": 424_900_000}


def test_a_call_that_waits_for_a_person_has_not_failed() -> None:
    assert lines(edges_of(small()[0]))["risk-scorer>issue_refund"].failed == 0


def test_a_call_below_a_call_is_its_agents() -> None:
    rows = [agent("a", "", "root", 0, 9), call("t", "a", kind="tool", name="t"), call("m", "t", name="m")]
    assert list(lines(edges_of(rows))) == ["root>t", "root>m"]


def test_a_call_outside_any_agent_hangs_on_the_agent_it_names() -> None:
    assert list(lines(edges_of([call("c", "", agent="solo")]))) == ["solo>gpt-4o-mini"]


def test_edges_of_many_runs_come_with_their_costs() -> None:
    costs = [{"currency": "EUR", "cost": Decimal("1.5")}]
    row = {"caller": "a", "kind": "tool", "callee": "t", "calls": 3, "failed": 1, "refused": 1, "costs": costs}
    assert edges_between([row, {**row, "caller": ""}]) == [
        Edge(Node("agent", "a"), Node("tool", "t"), Sum(3, 2, {"EUR": 1_500_000_000}))
    ]


def test_agents_stand_left_of_what_they_call_and_a_circle_has_places_too() -> None:
    assert placed([True, True, False], [(0, 1), (1, 0), (1, 2)]) == [(0, 0), (1, 0), (2, 0)]
    assert placed([True], [(0, 0)]) == [(0, 0)]
    assert placed([], []) == []


def test_a_full_column_goes_on_in_the_next() -> None:
    many = TALLEST + 5
    spots = placed([True, *[False] * many], [(0, at + 1) for at in range(many)])
    assert {column for column, _ in spots} == {0, 1, 2}
    assert len(set(spots)) == many + 1


def test_nodes_beyond_what_can_be_read_are_one_of_their_kind_and_nothing_is_lost() -> None:
    edges = fleet()
    data = columns(edges)
    assert len(data["nodes"]) <= MOST_NODES
    assert sum(edge[2] for edge in data["edges"]) == sum(edge.sum.calls for edge in edges)
    assert [node[2] for node in data["nodes"] if node[2].endswith(" others")]


def test_a_line_is_as_wide_as_its_share_of_the_dearest_in_its_currency() -> None:
    one, other = Node("agent", "a"), Node("tool", "t")
    edges = [
        Edge(one, other, Sum(1, 0, {"USD": 500})),
        Edge(one, Node("tool", "u"), Sum(1, 0, {"USD": 2000})),
        Edge(one, Node("tool", "free"), Sum(1)),
    ]
    assert [edge[-1] for edge in columns(edges)["edges"]] == [250, 1000, 0]
