"""Bodies nobody should send, and replies nobody should give: no crash, no hang, on record, and the next call works."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

import comptroller as ct
from comptroller.core.facts import CALL_CLOSED, Fact
from comptroller.store import journal
from comptroller.testing import Upstream
from comptroller.testing.script import Say
from comptroller.wrapper.desk import Desk, set_desk
from tests.durability.aftermath import check
from tests.durability.crew import ROOT

POLICY = """
policy: bodies
guards: {secrets: {in: redact, out: redact}, privacy: {in: redact, out: redact}}
tools: {look_up: {effect: read, args: {order: string}}}
"""
DEEP = b"[" * 100_000 + b"]" * 100_000
ASKED = b'{"model":"gpt-4o-mini","max_tokens":50,"messages":[{"role":"user","content":%b}]%b}'
SAID = (
    b'{"id":"x","model":"gpt-4o-mini","choices":[{"index":0,"finish_reason":"stop","message":{"role":"assistant",%b}}]}'
)
EVENT = (
    b'data: {"id":"x","model":"gpt-4o-mini","choices":[{"index":0,"delta":{"content":%b},"finish_reason":null}]}\n\n'
)
DONE = b"data: [DONE]\n\n"

# name: the body, and whether it is understood
REQUESTS: dict[str, tuple[bytes, bool]] = {
    "empty": (b"", False),
    "not JSON": (b"hello", False),
    "an array": (b"[1, 2]", False),
    "null for messages": (b'{"model":"gpt-4o-mini","messages":null}', False),
    "a byte order mark": (b"\xef\xbb\xbf" + ASKED % (b'"hi"', b""), False),
    "invalid UTF-8": (ASKED % (b'"h\xff\xfei"', b""), False),
    "half a character": (ASKED % (b'"h\xc3"', b""), False),
    "a lone surrogate": (ASKED % (b'"\\ud800 hi"', b""), True),
    "a NUL": (ASKED % (b'"a\\u0000b"', b""), True),
    "deep in the content": (ASKED % (DEEP, b""), False),
    "deep elsewhere": (ASKED % (b'"hi"', b',"metadata":' + DEEP), False),
    "nothing but deep": (DEEP, False),
    "a number of 5,000 digits": (ASKED % (b'"hi"', b',"seed":' + b"9" * 5000), True),
}
WHOLE: dict[str, bytes] = {
    "empty": b"",
    "not JSON": b"<html>\xff\x00",
    "an array": b"[]",
    "invalid UTF-8": SAID % b'"content":"\xff\xfe"',
    "deep": SAID % (b'"content":' + DEEP),
    "deep arguments": SAID
    % (
        b'"content":null,"tool_calls":[{"id":"c","type":"function","function":{"name":"look_up","arguments":%b}}]'
        % json.dumps(DEEP.decode()).encode()
    ),
    "larger than allowed": b" " * (51 << 20),
}
STREAMED: dict[str, Callable[[], Iterable[bytes]]] = {
    "empty": lambda: [],
    "not events": lambda: [b"<html>\xff\x00"],
    "invalid UTF-8": lambda: [EVENT % b'"\xff"', DONE],
    "deep": lambda: [EVENT % DEEP, DONE],
    "a line without an end": lambda: (b"x" * 65536 for _ in range(1000)),
    "an event without an end": lambda: (b"data: x\n" * 8192 for _ in range(1000)),
    "no end": lambda: [EVENT % b'"hi"'],
    "half an event": lambda: [EVENT % b'"hi"', (EVENT % b'"ho"')[:40]],
    "byte by byte": lambda: (bytes([byte]) for byte in EVENT % '"h\u00e9 \U0001f600"'.encode() + DONE),
    "more after the end": lambda: [EVENT % b'"hi"', DONE, EVENT % b'"ho"', DONE],
}


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """One ledger for all: what one of them breaks, the others see."""
    folder = tmp_path_factory.mktemp("bodies")
    (folder / "policy.yaml").write_text(POLICY)
    desk = ct.open(folder / "ledger", {"policies": [str(folder / "policy.yaml")]})
    yield folder / "ledger"
    desk.close()
    set_desk(None)
    check(folder / "ledger", folder / "none", 0)


@pytest.fixture
def unruled(tmp_path: Path) -> Iterator[Path]:
    """A ledger of its own, without policies."""
    with Desk.open(tmp_path / "ledger") as desk:
        before = set_desk(desk)
        yield tmp_path / "ledger"
        set_desk(before)


def models(ledger: Path, run: str) -> list[Fact]:
    facts = [fact for _, fact in journal.read(ledger) if fact.run == run and fact.kind == CALL_CLOSED]
    return [fact for fact in facts if fact.data["kind"] == "model"]


def post(client: httpx2.Client, base: str, body: bytes) -> httpx2.Response:
    return client.post(base + "/v1/chat/completions", content=body, headers={"content-type": "application/json"})


@pytest.mark.parametrize("name", REQUESTS)
def test_a_request_that_is_no_request_is_refused_where_policies_are_in_force(ledger: Path, name: str) -> None:
    body, understood = REQUESTS[name]
    with Upstream("Hello.") as up, ct.wrap(httpx2.Client(timeout=10)) as client, ct.run("ruled") as run:
        if understood:
            assert post(client, up.url, body).status_code == 200
        else:
            with pytest.raises(ct.Denied, match="policies are in force"):
                post(client, up.url, body)
        assert [asked.body for asked in up.requests] == [body] * understood
    assert [bool(fact.data.get("opaque")) for fact in models(ledger, run.id)] == [not understood]
    assert [fact.data["status"] for fact in models(ledger, run.id)] == ["ok" if understood else "denied"]


@pytest.mark.parametrize("name", REQUESTS)
def test_a_request_that_is_no_request_passes_untouched_or_is_refused_under_a_cap(unruled: Path, name: str) -> None:
    body, understood = REQUESTS[name]
    with Upstream("Hello.") as up, ct.wrap(httpx2.Client(timeout=10)) as client:
        with ct.run("open") as free:
            assert post(client, up.url, body).status_code == 200
        assert [asked.body for asked in up.requests] == [body]
        with ct.run("capped", budget="1 USD") as capped:
            if understood:
                assert post(client, up.url, body).status_code == 200
            else:
                with pytest.raises(ct.Denied, match="a hard cap applies"):
                    post(client, up.url, body)
        assert len(up.requests) == 1 + understood
    assert [bool(fact.data.get("opaque")) for fact in models(unruled, free.id)] == [not understood]
    statuses = [fact.data["status"] for fact in models(unruled, capped.id)]
    assert statuses == ["ok" if understood else "denied"]


def answering(parts: Callable[[], Iterable[bytes]], kind: str) -> httpx2.Client:
    def reply(request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, headers={"content-type": kind}, content=iter(parts()))

    return ct.wrap(httpx2.Client(transport=httpx2.MockTransport(reply), timeout=10))


@pytest.mark.parametrize("name", WHOLE)
def test_a_reply_that_is_no_reply_is_charged_and_on_record(ledger: Path, name: str) -> None:
    with answering(lambda: [WHOLE[name]], "application/json") as client, ct.run("w", budget="1 USD") as run:
        try:
            assert post(client, "http://up", ASKED % (b'"hi"', b"")).content == WHOLE[name]
        except ct.Denied as error:
            because = "The reply is larger than" if len(WHOLE[name]) > 50 << 20 else "could not be read"
            assert because in str(error)  # noqa: PT017 - one of these is a reply all the same
    [fact] = models(ledger, run.id)
    assert 0 < fact.data["cost"] <= fact.data["worst"]  # type: ignore[operator]
    assert fact.data["estimated"]


@pytest.mark.parametrize("name", STREAMED)
def test_a_stream_that_is_no_stream_ends_and_is_on_record(ledger: Path, name: str) -> None:
    with answering(STREAMED[name], "text/event-stream") as client, ct.run("w", budget="1 USD") as run:
        reply = post(client, "http://up", ASKED % (b'"hi"', b',"stream":true'))
    assert len(reply.content) < 1 << 20
    [fact] = models(ledger, run.id)
    assert fact.data["status"] in ("ok", "cut", "denied")
    assert 0 < fact.data["cost"] <= fact.data["worst"]  # type: ignore[operator]
    assert fact.data["estimated"]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("fault", ["cut", "cut_character", "garbage", "hang", "hang_midway"])
def test_a_provider_that_breaks_off_or_hangs_is_on_record_and_holds_nothing(
    ledger: Path, fault: Any, stream: bool
) -> None:
    text = "Grüße aus Zürich, \U0001f600 and more of it. " * 3
    more = b',"stream":true' if stream else b""
    client = ct.wrap(httpx2.Client(timeout=0.3))
    with Upstream(Say(text, fault=fault)) as up, client, ct.run("w", budget="1 USD") as run:
        try:
            reply = post(client, up.url, ASKED % (b'"hi"', more))
        except (httpx2.TransportError, ct.Denied) as error:
            broken = type(error).__name__
        else:
            broken = "" if reply.status_code == 200 else str(reply.status_code)
    hangs = fault == "hang" or (fault == "hang_midway" and stream)
    [fact] = models(ledger, run.id)
    other = "Denied" if fault == "garbage" else ""
    assert broken == ("ReadTimeout" if hangs else "RemoteProtocolError" if fault.startswith("cut") else other)
    assert fact.data["status"] == ("denied" if fault == "garbage" else "error" if broken else "ok")
    assert fact.data.get("estimated", False) is (bool(broken) or fault == "garbage")
    assert fact.data["cost"] > 0  # type: ignore[operator]


LARGE = """
import resource, sys, httpx2, comptroller as ct
said = sys.argv[2] == "reply"
text = b'"' + b"word " * (49 * 1024 * 1024 // 5) + b'"'
small = b'"hi"'
asked = b'{"model":"gpt-4o-mini","max_tokens":50,"messages":[{"role":"user","content":%b}]}' % (small if said else text)
reply = b'{"id":"x","choices":[{"index":0,"message":{"role":"assistant","content":%b}}]}' % (text if said else small)
transport = httpx2.MockTransport(lambda request: httpx2.Response(200, content=iter([reply])))
client = httpx2.Client(transport=transport)
limits = {"guard_ms": 60_000}  # the machine may be busy, and what is asked here is memory
with ct.open(sys.argv[1], {"policies": [sys.argv[3]], "limits": limits}):
    client = ct.wrap(client)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(2):
        assert client.post("http://up/v1/chat/completions", content=asked).status_code == 200
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) >> 10)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="counts memory as Linux does")
@pytest.mark.parametrize("which", ["request", "reply"])
def test_fifty_megabytes_take_a_few_times_their_size_however_often(tmp_path: Path, which: str) -> None:
    (tmp_path / "policy.yaml").write_text(POLICY)
    command = [sys.executable, "-W", "ignore", "-c", LARGE, str(tmp_path / "ledger"), which]
    command.append(str(tmp_path / "policy.yaml"))
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60)
    assert int(done.stdout) < 8 * 49
    check(tmp_path / "ledger", tmp_path / "none", 0)
