"""Requests that go on with a reply their provider keeps: their cost is bounded by what that reply was counted at."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from comptroller.core.call import Identity
from comptroller.core.facts import CALL_CLOSED, Line, Shortfall
from comptroller.dialects.routes import dialect_for
from comptroller.testing import Playbook, TestDesk, desk
from comptroller.wrapper.boundary import Boundary
from comptroller.wrapper.context import RunState
from comptroller.wrapper.effects import Head, Read, Reserve, Send
from comptroller.wrapper.flow import model_call
from comptroller.wrapper.shared import Job

CAPPED = "policy: p\nbudgets:\n  - {per: run, cap: 1 USD, over: deny}\n"
RESPONSES = dialect_for("POST", "/v1/responses")
OK = Head(200, {"content-type": "application/json"})


def call(office: TestDesk, tenant: str = "default", model: str = "gpt-4o-mini", **more: Any) -> Playbook:
    assert RESPONSES is not None
    body = json.dumps({"model": model, "input": "Hi", "max_output_tokens": 50, **more}).encode()
    identity = Identity(tenant=tenant, run="run1")
    return Playbook(model_call(Job(office, identity, RunState("run1", "run1", Boundary()), RESPONSES, body)))


def answered(play: Playbook, usage: Mapping[str, int] | None, id: str = "resp_1") -> None:
    """Let the call go through to a reply with this usage."""
    play.expect(Reserve)
    play.answer(None).expect(Send)
    play.answer(OK).expect(Read)
    body: dict[str, Any] = {"id": id, "object": "response", "model": "gpt-4o-mini", "status": "completed", "output": []}
    play.answer(json.dumps({**body, "usage": usage}).encode()).done()


def test_going_on_with_a_kept_reply_holds_its_conversation_too() -> None:
    with desk(CAPPED) as office:
        answered(call(office), {"input_tokens": 40_000, "output_tokens": 2_000})
        first = office.facts(CALL_CLOSED)[0]["worst"]
        play = call(office, previous_response_id="resp_1")
        play.expect(Reserve)
        answered(play, {"input_tokens": 42_010, "output_tokens": 10}, "resp_2")
        second = office.facts(CALL_CLOSED)[1]
        assert second["worst"] - first >= 42_000 * 150  # type: ignore[operator]  # nanos of a token of gpt-4o-mini
        assert "overrun" not in second


@pytest.mark.parametrize(
    ("usage", "more"),
    [
        (None, {}),
        ({"input_tokens": 10, "output_tokens": 5}, {"previous_response_id": "resp_other"}),
        ({"input_tokens": 10, "output_tokens": 5}, {"tenant": "another"}),
        ({"input_tokens": 10, "output_tokens": 5}, {"model": "gpt-4o"}),
        ({"input_tokens": 10, "output_tokens": 5}, {"conversation": "conv_1"}),
    ],
    ids=["usage never told", "never seen", "another tenant's", "another model's", "more is kept than that"],
)
def test_what_cannot_be_bounded_is_refused_under_a_hard_cap(usage: Any, more: dict[str, Any]) -> None:
    with desk(CAPPED) as office:
        answered(call(office), usage)
        refused = call(office, **{"previous_response_id": "resp_1", **more}).done().refused
        assert refused is not None
        assert refused.details["rule"] == "unbounded"


def test_a_kept_conversation_is_not_moved_to_another_model() -> None:
    policy = "policy: p\nbudgets:\n  - {per: run, cap: 0.01 USD, over: downgrade}\ndowngrade: {to: gpt-4o-mini}\n"
    with desk(policy) as office:
        answered(call(office, model="gpt-4o"), {"input_tokens": 10, "output_tokens": 5})
        play = call(office, model="gpt-4o", previous_response_id="resp_1")
        rows = play.expect(Reserve).opened.data["hold"]["lines"]
        refused = play.answer(Shortfall(Line(*rows[0]), 0, 0)).done().refused
        assert refused is not None
        assert refused.code == "over_budget"
