"""Judges at the gateway: what they refuse is refused there, and nobody else waits for them."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any

from comptroller.testing.script import Received
from tests.gateway.house import HI, house

POLICY = """
policy: p
judges: {careful: {model: gpt-4o, tries: 1}}
rules:
  - {id: advice, on: reply, judge: {says: It advises.}, then: deny, because: No advice.}
"""


def saying(word: str, before: Callable[[], object] = bool) -> Callable[[Received], str]:
    def answer(asked: Received) -> str:
        if "response_format" not in asked.json:
            return "You should sue."
        before()
        return json.dumps({"because": "", "verdict": word})

    return answer


def test_a_reply_is_judged_before_it_is_handed_out() -> None:
    with house(saying("yes"), POLICY) as here:
        told = here.post()
        assert (told.status_code, told.json()["error"]["rule"]) == (403, "advice")
        assert [call["status"] for call in here.calls if call.get("agent") == "judge:careful"] == ["ok"]
        assert here.last["status"] == "denied"


def test_a_stream_is_judged_before_any_of_it_is_handed_out() -> None:
    body: Any = {"model": "gpt-4o-mini", "messages": HI, "stream": True}
    with house(saying("yes"), POLICY) as here:
        told = here.post(body=body)
        assert "sue" not in told.text
        assert "No advice" in told.text
    with house(saying("no"), POLICY) as here:
        assert "sue" in here.post(body=body).text


def test_nobody_else_waits_for_a_judge() -> None:
    asked, go = Event(), Event()

    def wait() -> None:
        asked.set()
        go.wait(30)

    with house(saying("no", wait), POLICY) as here, ThreadPoolExecutor(1) as pool:
        call = pool.submit(here.post)
        assert asked.wait(30)
        assert here.get("/healthz").status_code == 200
        go.set()
        assert call.result(30).status_code == 200
