"""Every input of a condition, read from a case."""

import pytest

from comptroller.core.call import Identity
from comptroller.core.verdict import Case
from comptroller.policies.condition import Condition
from comptroller.policies.inputs import INPUTS, Vocabulary
from comptroller.policies.rule import gather
from comptroller.policies.syntax import BadCondition, read_condition

WHO = Identity(
    customer="acme",
    user="u1",
    workflow="support",
    run="r1",
    agent="fraud",
    key="k1",
    scopes=frozenset({"b", "a"}),
    depth=2,
)


def case(stage: str) -> Case:
    return Case(
        stage,  # type: ignore[arg-type]
        WHO,
        tool="pay",
        args={"x": 1, "user-id": "u"},
        model="gpt-4o",
        stream=True,
        max_tokens=100,
        input_tokens=7,
        worst_cost_nanos=300_000_000,
        text=lambda: "hello \ud800",
        reply_text=lambda: "bye",
        spent_nanos=lambda: 2_500_000_000,
        run_calls=lambda: 3,
        now_ns=1_767_225_600_000_000_000,
        known={"run.tainted": True, "run.labels": ["pii"], "outcome.type": "loan", "provenance.args.x": "user"},
    )


def holds(stage: str, text: str, given: Case | None = None) -> bool:
    words = Vocabulary(stage, None)
    reading = read_condition(text, words.resolve)
    inputs = {name: words.input(name) for name in reading.inputs}
    values, missing = gather({name: item.get for name, item in inputs.items()}, given or case(stage), None)
    assert not missing
    return Condition(reading.text, {name: item.type for name, item in inputs.items()}).holds(values)


TRUE = {
    "model": 'model.name == "gpt-4o" && model.stream && model.max_tokens == 100 && has(model.max_tokens)',
    "reply": 'reply.text == "bye" && call.input_tokens == 7 && call.worst_cost == 0.3 && text.startsWith("hello")',
    "tool": 'tool == "pay" && args.x == 1 && args["user-id"] == "u" && provenance.args.x == "user" && run.spent == 2.5',
    "result": 'tool == "pay" && text == "hello \ufffd" && run.calls == 3',
    "agent": 'agent == "fraud" && scopes == ["a", "b"] && key == "k1" && user == "u1" && run.depth == 2 '
    '&& call.kind == "model"',
    "outcome": 'outcome.type == "loan" && run.id == "r1" && run.workflow == "support" && run.customer == "acme" '
    '&& run.tainted && "pii" in run.labels && now == timestamp("2026-01-01T00:00:00Z")',
}


@pytest.mark.parametrize("stage", TRUE)
def test_an_input_is_what_the_case_says(stage: str) -> None:
    assert holds(stage, TRUE[stage])


def test_every_input_is_tried_here() -> None:
    assert [name for name in INPUTS if name not in " ".join(TRUE.values())] == []


@pytest.mark.parametrize("name", INPUTS)
def test_an_input_is_refused_on_a_stage_without_it(name: str) -> None:
    for stage in {"model", "tool", "agent", "reply", "result", "outcome"} - INPUTS[name].stages:
        with pytest.raises(BadCondition, match="so this never matches"):
            Vocabulary(stage, None).resolve(tuple(name.split(".")))


def test_what_is_not_said_is_not_there() -> None:
    nobody = Case("model", Identity())
    assert holds("model", "!has(agent) && !has(user) && !has(model.max_tokens) && scopes == []", nobody)


def test_the_text_of_a_tool_call_is_its_arguments_unless_said() -> None:
    plain = Case("tool", Identity(), tool="t", args={"path": "/etc/shadow"})
    assert holds("tool", 'text.contains("/etc/shadow")', plain)


def test_scopes_are_what_the_tables_leave() -> None:
    assert INPUTS["scopes"].get(case("model"), frozenset({"b", "c"})) == ["b"]
    assert INPUTS["scopes"].get(Case("model", Identity()), frozenset({"c"})) == ["c"]
