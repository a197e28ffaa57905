"""The access log: a line for each request, and nothing of what was said."""

import json
import os
from typing import Any

import pytest

from comptroller.core.clock import FrozenClock
from comptroller.gateway.access import Access
from comptroller.office.keys import Key
from tests.gateway.house import FewKeys, house


def lines(text: str) -> list[dict[str, Any]]:
    """The lines of the access log; what else a process says there is not for this test."""
    said = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    return [line for line in said if "route" in line]


def test_a_request_leaves_a_line_that_names_its_call_and_its_cost(capfd: pytest.CaptureFixture[str]) -> None:
    keys = FewKeys(alpha=Key(id="key-1", tenant="acme"))
    with house(gateway={"access_log": True}, keys=keys) as at:
        reply = at.post(headers={"authorization": "Bearer ck_alpha", "comptroller-run": "r1"})
    [line] = lines(capfd.readouterr().err)
    assert line["call"] == reply.headers["comptroller-call"]
    assert line["cost"] == reply.headers["comptroller-cost"]
    expected = {
        "method": "POST",
        "route": "openai_chat",
        "status": 200,
        "run": "acme~r1",
        "key": "key-1",
        "worker": os.getpid(),
    }
    assert expected.items() <= line.items()
    assert (line["model"], line["upstream"], line["said"]) == ("gpt-4o-mini", "openai", "ok")


def test_a_stream_names_its_cost_as_well(capfd: pytest.CaptureFixture[str]) -> None:
    with house(gateway={"access_log": True}) as at:
        at.post(body={"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hi"}], "stream": True})
        cost = at.last["cost"]
    [line] = lines(capfd.readouterr().err)
    assert cost
    assert line["cost"].endswith(" USD")


def test_nothing_of_what_was_said_is_in_the_log(capfd: pytest.CaptureFixture[str]) -> None:
    with house(gateway={"access_log": True}) as at:
        at.post(
            "/v1/chat/completions?note=word-in-query",
            {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "word-in-body"}]},
            headers={"x-note": "word-in-header", "authorization": "Bearer sk-word-in-key"},
        )
        at.get("/v1/word-in-path")
    text = capfd.readouterr().err
    assert [line["status"] for line in lines(text)] == [200, 404]
    assert "word-in" not in "".join(line for line in text.splitlines() if "route" in line)


def test_without_the_setting_there_is_no_line(capfd: pytest.CaptureFixture[str]) -> None:
    with house() as at:
        at.post()
    assert lines(capfd.readouterr().err) == []


def test_what_is_recorded_outside_a_request_is_nobodys_line() -> None:
    written: list[bytes] = []
    log = Access(FrozenClock(), written.append)
    log.sent_to("openai")
    log.end(log.begin(), "GET", "/healthz", 200, 3)
    assert written == [
        b'{"at":"2026-01-01T00:00:00.000+00:00","worker":%d,"method":"GET","route":"/healthz","status":200,"ms":3}\n'
        % os.getpid()
    ]
