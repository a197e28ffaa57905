"""Clients that leave while their reply is judged, or is to be asked for again: nothing more is done for them."""

import json
import threading
from collections.abc import Callable
from threading import Event

import pytest

from comptroller.testing.script import Received
from tests.gateway.house import HI, House, house
from tests.wrapper.healing_model import NO_PROMISES

JUDGED = """
policy: p
judges: {careful: {model: gpt-4o, tries: 1}}
rules:
  - {id: advice, on: reply, judge: {says: It advises.}, then: deny, because: No advice.}
"""


class Waiting:
    """A model that answers, in order, when it may; a judge says no."""

    def __init__(self, *replies: str, judge: bool = False) -> None:
        self.replies, self.judge = list(replies), judge
        self.asked, self.go = Event(), Event()

    def __call__(self, asked: Received) -> str:
        judging = "response_format" in asked.json
        if judging == self.judge:
            self.asked.set()
            assert self.go.wait(30)
        return json.dumps({"because": "", "verdict": "no"}) if judging else self.replies.pop(0)

    def leave(self, at: House, stream: bool = False) -> None:
        """A client asks, and is gone before what it waits for comes."""
        with at.caller(body={"model": "gpt-4o-mini", "messages": HI, "max_tokens": 50, "stream": stream}):
            assert self.asked.wait(30)
        self.go.set()


@pytest.mark.parametrize("hedge_ms", [0, 60_000])
@pytest.mark.parametrize("stream", [False, True])
def test_a_refused_reply_is_not_asked_for_again_once_its_client_has_left(stream: bool, hedge_ms: int) -> None:
    model = Waiting("I promise.", "We try.")
    with house(model, NO_PROMISES, gateway={"drain_s": 30, "hedge_ms": hedge_ms}) as at:
        model.leave(at, stream)
        until(lambda: len(at.calls) == 2)
        first, second = at.calls
        assert (first["status"], second["status"], second["cost"]) == ("denied", "cancelled", 0)
        assert stream or "estimated" not in first  # a stream is cut before its usage comes
        assert second["retry_of"]["rule"] == "no-promises"
        assert second["error"]["message"] == "The client left."
        assert (len(at.up.requests), at.live_holds) == (1, 0)


@pytest.mark.parametrize("after", [2, 3])
def test_a_client_that_is_still_there_gets_the_try_that_passed(after: int) -> None:
    with house([*["I promise."] * (after - 1), "We try."], NO_PROMISES) as at:
        assert at.post().headers["comptroller-tries"] == str(after)


def test_no_judge_is_asked_about_a_reply_whose_client_has_left() -> None:
    model = Waiting("You should sue.")
    with house(model, JUDGED) as at:
        model.leave(at)
        until(lambda: bool(at.calls))
        assert (at.last["status"], at.last["error"]["message"]) == ("cancelled", "The client left.")
        assert at.last["cost"] > 0
        assert "estimated" not in at.last
        assert (len(at.up.requests), at.live_holds) == (1, 0)


def test_a_judge_is_not_waited_for_once_the_client_has_left() -> None:
    model = Waiting("You should sue.", judge=True)
    with house(model, JUDGED) as at:
        with at.caller():
            assert model.asked.wait(30)
        until(lambda: len(at.calls) == 2)
        judged = {call.get("agent", ""): call for call in at.calls}
        assert {call["status"] for call in judged.values()} == {"cancelled"}
        assert "estimated" not in judged[""]
        assert judged["judge:careful"]["estimated"]
        until(lambda: at.live_holds == 0)
        model.go.set()


def until(holds: Callable[[], bool]) -> None:
    """Until something another thread does has happened; gives up after twenty seconds."""
    pause = threading.Event()
    for _ in range(4_000):
        if holds():
            return
        pause.wait(0.005)
    raise AssertionError("it never came to that")
