"""The Responses API over a WebSocket, as OpenAI's own SDK speaks it: each frame is a call of its own."""

import asyncio
import json
import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
from openai import AsyncOpenAI, OpenAI
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from comptroller.core.facts import CALL_CLOSED
from comptroller.office.keys import Key
from comptroller.testing.script import Received, Say, Use
from tests.gateway.house import FewKeys, House, house
from tests.gateway.test_faults import _wait_for as wait_for

# OpenAI's SDK opens its sockets in a way that the newest websockets warns of.
pytestmark = pytest.mark.filterwarnings("ignore:connect\\(\\) must be used as a context manager:DeprecationWarning")
ASK: dict[str, Any] = {"type": "response.create", "model": "gpt-4o-mini", "input": "Hi", "max_output_tokens": 50}
NO_WIPING = """
policy: p
tools: {wipe_disk: {effect: write, args: {path: string}}, look: {effect: read, args: {}}}
rules:
  - {id: no-wiping, on: tool, tool: wipe_disk, then: deny, because: Nobody wipes disks.}
"""


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@contextmanager
def line(at: House, path: str = "/v1/responses", **more: Any) -> Iterator[ClientConnection]:
    """A socket without an SDK around it."""
    with connect(at.url.replace("http", "ws") + path, proxy=None, close_timeout=2, **more) as wire:
        yield wire


def until_end(hear: Callable[[], Any]) -> list[dict[str, Any]]:
    """The events up to the last of a reply."""
    events: list[dict[str, Any]] = []
    while not events or events[-1]["type"] not in ("response.completed", "response.incomplete", "error"):
        events.append(json.loads(hear()))
    return events


def talk(wire: ClientConnection, **more: Any) -> list[dict[str, Any]]:
    """One turn: a frame, and the events that answer it."""
    wire.send(json.dumps({**ASK, **more}))
    return until_end(lambda: wire.recv(timeout=10))


def test_many_calls_on_one_socket_are_calls_of_their_own_each_on_record() -> None:
    with house(["One.", "Two."]) as at, OpenAI(api_key="k", base_url=at.url + "/v1") as client:
        with client.responses.connect() as socket:
            texts, answered = [], ""
            for text in ("Hi", "More"):
                more: dict[str, Any] = {"previous_response_id": answered} if answered else {}
                socket.response.create(model="gpt-4o-mini", input=text, **more)
                for event in socket:
                    if event.type == "response.completed":
                        texts.append(event.response.output_text)
                        answered = event.response.id
                        break
        assert texts == ["One.", "Two."]
        facts = at.desk.ledger.of(CALL_CLOSED)
        assert [(fact.data["status"], fact.data["cost"] > 0) for fact in facts] == [("ok", True)] * 2
        assert facts[0].run == facts[1].run
        assert at.live_holds == 0


def test_the_async_sdk_hears_every_word() -> None:
    async def ask(url: str) -> str:
        async with AsyncOpenAI(api_key="k", base_url=url + "/v1") as client, client.responses.connect() as socket:
            await socket.response.create(model="gpt-4o-mini", input="Hi")
            text = ""
            async for event in socket:
                if event.type == "response.output_text.delta":
                    text += event.delta
                elif event.type == "response.completed":
                    return text
            raise AssertionError("it broke off")

    with house("Grüße, und viele Worte.") as at:
        assert asyncio.run(ask(at.url)) == "Grüße, und viele Worte."


def test_the_first_event_names_the_call_on_record() -> None:
    with house() as at, line(at) as wire:
        first, *others = talk(wire)
        assert first["comptroller"] == {"run": at.desk.ledger.of(CALL_CLOSED)[0].run, "call": _call_id(at)}
        assert not any("comptroller" in event for event in others)


def test_a_refused_frame_is_an_error_event_with_code_and_remedy_and_the_socket_goes_on() -> None:
    policy = "policy: p\nbudgets:\n  - {per: tenant, cap: 2 calls, over: deny}\n"
    with house(["One.", "Two."], policy) as at, line(at) as wire:
        assert talk(wire)[-1]["type"] == talk(wire)[-1]["type"] == "response.completed"
        error = talk(wire)[-1]
        assert (error["type"], error["status"], error["error"]["code"]) == ("error", 402, "over_budget")
        assert error["error"]["headers"]["x-should-retry"] == "false"
        assert error["error"]["rule"]
        assert talk(wire)[-1]["status"] == 402
        assert len(at.up.requests) == 2


def test_a_client_that_knows_codes_only_is_refused_in_one_at_which_it_gives_up() -> None:
    policy = "policy: p\nbudgets:\n  - {per: tenant, cap: 1 calls, over: deny}\n"
    with house("One.", policy) as at, line(at, additional_headers={"x-initiator": "user"}) as wire:
        assert talk(wire)[-1]["type"] == "response.completed"
        error = talk(wire)[-1]["error"]
        assert (error["code"], error["comptroller_code"]) == ("bad_request", "over_budget")
    with house(Say(status=500, text="Busy.")) as at, line(at, additional_headers={"x-initiator": "user"}) as wire:
        assert talk(wire)[-1]["error"]["code"] != "bad_request"  # what may be tried again says so


def test_a_denied_tool_call_reads_as_a_refusal() -> None:
    with house(Say("Let me.", calls=[Use("wipe_disk", {"path": "/"})]), NO_WIPING) as at, line(at) as wire:
        heard = talk(wire)
        assert "Nobody wipes disks." in json.dumps(heard[-1])
        assert "wipe_disk" not in {item.get("name") for item in heard[-1]["response"]["output"]}


def test_an_upstreams_own_error_comes_as_the_api_would_say_it() -> None:
    with house(Say("Slow down.", status=429, retry_after="7")) as at, line(at) as wire:
        error = talk(wire)[-1]
        assert (error["status"], error["error"]["message"]) == (429, "Slow down.")
        assert error["error"]["headers"]["retry-after"] == "7"


def test_a_stream_that_is_cut_upstream_ends_in_an_error_event() -> None:
    with house([Say("word " * 40, fault="cut"), "Well again."]) as at, line(at) as wire:
        assert (error := talk(wire)[-1])["error"]["code"] == "upstream_error"
        assert error["status"] == 502
        assert talk(wire)[-1]["type"] == "response.completed"
        assert at.live_holds == 0


def test_a_client_that_leaves_in_the_middle_pays_for_what_was_streamed() -> None:
    with house(Say("word " * 2_000, pause_s=0.01)) as at:
        with line(at) as wire:
            wire.send(json.dumps(ASK))
            json.loads(wire.recv(timeout=10))
        wait_for(lambda: bool(at.calls))
        assert (at.last["status"], at.last["estimated"]) == ("cancelled", True)
        assert at.live_holds == 0
        wait_for(lambda: not at.gate.sockets)


def test_a_response_that_is_cancelled_is_settled_and_the_socket_goes_on() -> None:
    with house([Say("word " * 2_000, pause_s=0.01), "Next."]) as at, line(at) as wire:
        wire.send(json.dumps(ASK))
        wire.recv(timeout=10)
        wire.send('{"type": "response.cancel"}')
        assert until_end(lambda: wire.recv(timeout=10))[-1]["error"]["code"] == "response_cancelled"
        assert talk(wire)[-1]["type"] == "response.completed"
        wait_for(lambda: len(at.calls) == 2)
        assert {call["status"] for call in at.calls} == {"ok", "cancelled"}


def test_frames_of_one_lane_are_answered_in_order_and_lanes_beside_each_other() -> None:
    def say(asked: Received) -> Say:
        return Say(asked.last, wait_s=0.4 if asked.last == "slow" else 0)

    with house(say) as at, line(at) as wire:
        for text, lane in (("slow", "a"), ("after", "a"), ("beside", "b")):
            wire.send(json.dumps({**ASK, "input": text, "stream_id": lane}))
        ends = [until_end(lambda: wire.recv(timeout=10))[-1] for _ in range(3)]
        said = [(end["stream_id"], end["response"]["output"][0]["content"][0]["text"]) for end in ends]
        assert said == [("b", "beside"), ("a", "slow"), ("a", "after")]
        assert all("stream_id" not in request.json for request in at.up.requests)


def test_a_reply_nobody_keeps_is_gone_on_with_from_what_the_socket_knows() -> None:
    with house(Say("Sure.", thinking="hm", calls=[Use("look", {}, id="c1")])) as at, line(at) as wire:
        first = talk(wire, store=False)[-1]["response"]
        result = {"type": "function_call_output", "call_id": "c1", "output": "seen"}
        talk(wire, store=False, previous_response_id=first["id"], input=[result])
        sent = at.up.requests[-1].json
        assert sent["previous_response_id"] is None
        assert [item["type"] for item in sent["input"]] == [
            "message",
            "message",
            "function_call",
            "function_call_output",
        ]
        assert not any("id" in item for item in sent["input"])
        assert [fact.data["kind"] for fact in at.desk.ledger.of(CALL_CLOSED)] == ["model", "tool", "model"]


def test_a_reply_the_provider_keeps_is_named_and_not_repeated() -> None:
    with house() as at, line(at) as wire:
        first = talk(wire)[-1]["response"]["id"]
        talk(wire, previous_response_id=first, input="More", store=False)
        sent = at.up.requests[-1].json
        assert (sent["previous_response_id"], sent["input"], sent["stream"]) == (first, "More", True)


def test_a_turn_that_only_prepares_costs_nothing_and_is_gone_on_with() -> None:
    with house() as at, line(at) as wire:
        ready = talk(wire, generate=False, input="You know this.")[-1]["response"]
        assert (ready["output"], at.up.requests) == ([], [])
        assert talk(wire, previous_response_id=ready["id"])[-1]["type"] == "response.completed"
        assert [item["content"] for item in at.up.requests[-1].json["input"]] == ["You know this.", "Hi"]


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        ("not json", "bad_frame"),
        ("[1]", "bad_frame"),
        ('{"type": "session.update"}', "unknown_frame"),
        ("{}", "unknown_frame"),
        (json.dumps({**ASK, "background": True}), "unsupported_value"),
    ],
)
def test_frames_that_cannot_be_served_say_why(frame: str, code: str) -> None:
    with house() as at, line(at) as wire:
        wire.send(frame)
        assert until_end(lambda: wire.recv(timeout=10))[-1]["error"]["code"] == code
        assert at.up.requests == []


def test_input_for_a_reply_under_way_is_given_back() -> None:
    with house() as at, line(at) as wire:
        wire.send(json.dumps({"type": "response.steer", "previous_response_id": "resp_1", "input": "stop"}))
        heard = json.loads(wire.recv(timeout=10))
        assert (heard["type"], heard["steer"]["input"]) == ("response.steer.failed", "stop")


def test_a_frame_beyond_the_limit_closes_the_socket_as_too_large() -> None:
    with house(limits={"body_mb": 1}) as at, line(at) as wire:
        wire.send(" " * (1 << 20) + json.dumps(ASK))
        with pytest.raises(ConnectionClosed) as closed:
            wire.recv(timeout=10)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1009


def test_a_crowd_of_waiting_frames_is_turned_down() -> None:
    with house(Say("Late.", wait_s=0.5)) as at, line(at) as wire:
        for _ in range(20):
            wire.send(json.dumps(ASK))
        heard = json.loads(wire.recv(timeout=10))
        assert (heard["status"], heard["error"]["code"]) == (429, "websocket_stream_limit_reached")


def test_the_key_of_the_upgrade_is_asked_for_and_stays_here() -> None:
    keys = FewKeys(good=Key(id="k1", tenant="acme"))
    with house(keys=keys) as at:
        with pytest.raises(InvalidStatus) as refused, line(at, additional_headers={"authorization": "Bearer ck_bad"}):
            pass
        assert refused.value.response.status_code == 401
        assert json.loads(refused.value.response.body)["error"]["code"] == "invalid_api_key"
        with line(at, additional_headers={"authorization": "Bearer ck_good"}) as wire:
            talk(wire)
            assert (at.last["tenant"], at.last["key"]) == ("acme", "k1")
            keys._keys.clear()
            assert talk(wire)[-1]["error"]["code"] == "invalid_api_key"
        assert not any(name.startswith("sec-") for name in at.up.requests[0].headers)


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/nothing", "/"])
def test_no_other_route_has_a_socket(path: str) -> None:
    with house() as at, pytest.raises(InvalidStatus) as refused, line(at, path):
        pass
    assert refused.value.response.status_code == 404


def test_a_page_from_elsewhere_gets_no_socket_without_keys() -> None:
    with house() as at, pytest.raises(InvalidStatus) as refused, line(at, origin="https://evil.example"):
        pass
    assert refused.value.response.status_code == 403


def test_waiting_frames_hold_no_more_bytes_than_one_may_have() -> None:
    with house(Say("Late.", wait_s=0.5), limits={"body_mb": 1}) as at, line(at) as wire:
        for _ in range(4):
            wire.send(json.dumps({**ASK, "input": "x" * 600_000}))
        heard = json.loads(wire.recv(timeout=10))
        assert (heard["status"], heard["error"]["code"]) == (429, "websocket_stream_limit_reached")


def test_what_only_the_upgrade_needed_stays_here() -> None:
    head = {"openai-beta": "responses_websockets=2026-02-06", "idempotency-key": "k", "x-own": "kept"}
    with house() as at, line(at, additional_headers=head) as wire:
        assert talk(wire)[-1]["type"] == talk(wire)[-1]["type"] == "response.completed"
        got = at.up.requests[-1].headers
        assert got["x-own"] == "kept"
        assert not got.keys() & {"openai-beta", "idempotency-key", "upgrade", "sec-websocket-key"}
        assert len(at.up.requests) == 2


def test_a_mistake_of_our_own_ends_the_frame_and_not_the_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    with house() as at, line(at) as wire:
        with monkeypatch.context() as broken:
            broken.setattr(at.gate.upstreams, "line", lambda *_: 1 // 0)
            assert talk(wire)[-1]["error"]["code"] == "internal_error"
        assert talk(wire)[-1]["type"] == "response.completed"


def test_stopping_cancels_what_takes_too_long_and_settles_it() -> None:
    with ExitStack() as after:
        with house(Say("word " * 5_000, pause_s=0.02), gateway={"stop_s": 0}) as at:
            wire = after.enter_context(line(at))
            wire.send(json.dumps(ASK))
            wire.recv(timeout=10)
        assert (at.last["status"], at.last["estimated"]) == ("cancelled", True)
        assert at.live_holds == 0


def test_no_key_of_a_socket_is_in_any_log_of_ours(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with house(keys=FewKeys(good=Key("k1"))) as at:
        with line(at, additional_headers={"authorization": "Bearer ck_good"}) as wire:
            talk(wire)
        with pytest.raises(InvalidStatus) as refused, line(at, "/v1/responses?api_key=ck_good"):
            pass
    assert refused.value.response.status_code == 400
    ours = [record for record in caplog.records if not record.name.startswith("websockets.client")]
    assert "ck_good" not in "".join(record.getMessage() for record in ours)


def test_stopping_lets_a_call_finish_and_says_goodbye() -> None:
    with ExitStack() as after:
        with house(Say("word " * 20, pause_s=0.02)) as at:
            wire = after.enter_context(line(at))
            wire.send(json.dumps(ASK))
            wire.recv(timeout=10)
        assert until_end(lambda: wire.recv(timeout=10))[-1]["type"] == "response.completed"
        with pytest.raises(ConnectionClosed) as closed:
            wire.recv(timeout=10)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1001
    assert at.last["status"] == "ok"


def _call_id(at: House) -> str:
    return at.desk.ledger.of(CALL_CLOSED)[0].call
