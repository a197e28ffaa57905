"""What is served, what is not, and what a request must look like."""

import gzip
import json
import socket
import zlib
from collections.abc import Callable, Iterator

import pytest
import zstandard

from tests.gateway.house import HI, House, house

ASK = {"model": "gpt-4o-mini", "messages": HI, "max_tokens": 50}
DATA = json.dumps(ASK).encode()
MIB = 1 << 20


@pytest.fixture(scope="module")
def at() -> Iterator[House]:
    with house("Hello.", limits={"body_mb": 1}) as made:
        yield made


def talk(at: House, data: bytes, ends: bytes = b"\r\n\r\n") -> bytes:
    """Say these bytes and hear the answer, up to its head's end or the connection's."""
    with socket.create_connection(("127.0.0.1", int(at.url.rpartition(":")[2])), timeout=10) as line:
        line.sendall(data)
        heard = b""
        while ends not in heard and (more := line.recv(65536)):
            heard += more
        return heard


@pytest.mark.parametrize("path", ["/", "/v1", "/v1/nothing", "/v1/files", "/admin", "/v1/realtime"])
def test_an_unknown_route_is_404_with_what_there_is(at: House, path: str) -> None:
    for reply in (at.get(path), at.post(path)):
        assert reply.status_code == 404
        assert "/v1/chat/completions" in reply.json()["error"]["message"]
    assert reply.headers["x-should-retry"] == "false"


def test_an_error_has_the_shape_of_the_provider_whose_path_it_was(at: House) -> None:
    assert at.post("/v1/messages/nothing").json()["type"] == "error"
    assert "type" not in at.post("/v1/nothing").json()
    assert "error" in at.post("/v1beta/models/x:nothing").json()


@pytest.mark.parametrize("path", ["/v1/../admin/chat/completions", "/v1//chat/completions", "/x/v1/chat/completions"])
def test_a_path_that_wanders_is_404_and_goes_nowhere(at: House, path: str) -> None:
    before = len(at.up.requests)
    head = f"POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {len(DATA)}\r\n\r\n".encode()
    assert talk(at, head + DATA).startswith(b"HTTP/1.1 404")
    assert len(at.up.requests) == before


@pytest.mark.parametrize("escape", ["/v1/%2e%2e/chat/completions", "/v1/a%2f%2fb/chat/completions"])
def test_an_escape_does_not_hide_where_a_path_wanders(at: House, escape: str) -> None:
    head = f"POST {escape} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {len(DATA)}\r\n\r\n".encode()
    assert talk(at, head + DATA).startswith(b"HTTP/1.1 404")


def test_the_address_of_a_request_never_chooses_the_upstream(at: House) -> None:
    target = "http://evil.example/v1/chat/completions"
    head = f"POST {target} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {len(DATA)}\r\n\r\n".encode()
    assert talk(at, head + DATA).startswith(b"HTTP/1.1 200")
    assert at.up.requests[-1].headers["host"] == at.up.url.removeprefix("http://")


@pytest.mark.parametrize(
    "query", ["key=AIzaSy1", "api_key=x", "api-key=x", "a=1&access_token=x", "x=sk-abcdef", "x=ck_abc"]
)
def test_a_key_in_the_address_is_refused_and_not_repeated(
    at: House, query: str, caplog: pytest.LogCaptureFixture
) -> None:
    reply = at.post(f"/v1/chat/completions?{query}")
    assert (reply.status_code, reply.json()["error"]["code"]) == (400, "key_in_query")
    assert query not in reply.text + caplog.text


@pytest.mark.parametrize("target", [b"/v1/chat/completions?x=\xff", b"/v1/chat/completions\xff", b"/v1/\xc3\xa9"])
def test_bytes_an_address_cannot_have_are_400(at: House, target: bytes) -> None:
    head = b"POST " + target + b" HTTP/1.1\r\nhost: localhost\r\ncontent-length: 0\r\n\r\n"
    assert talk(at, head).startswith(b"HTTP/1.1 400")


def test_other_queries_go_along(at: House) -> None:
    assert at.post("/v1/messages?beta=true", {**ASK, "model": "claude-sonnet-5"}).status_code == 200


def test_headers_that_concern_one_connection_or_us_stay_here(at: House) -> None:
    mine = {"cookie": "a=b", "x-forwarded-for": "10.0.0.1", "comptroller-customer": "acme", "te": "trailers"}
    at.post(headers={**mine, "connection": "x-private", "x-private": "1", "x-own": "kept", "anthropic-beta": "b1"})
    got = at.up.requests[-1].headers
    assert not got.keys() & {*mine, "x-private", "baggage"}
    assert (got["x-own"], got["anthropic-beta"], got["accept-encoding"]) == ("kept", "b1", "identity")


def test_without_a_key_of_its_own_the_upstream_sees_the_clients(at: House) -> None:
    at.post(headers={"authorization": "Bearer sk-clients-own"})
    assert at.up.requests[-1].headers["authorization"] == "Bearer sk-clients-own"
    at.post(headers={"authorization": "Bearer ck_of_somebody"})
    assert "authorization" not in at.up.requests[-1].headers


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "zstd": zstandard.compress,
    "identity": bytes,
}


@pytest.mark.parametrize("coding", PACKERS)
def test_a_packed_body_is_unpacked(at: House, coding: str) -> None:
    assert at.post(body=PACKERS[coding](DATA), headers={"content-encoding": coding}).status_code == 200
    assert at.up.requests[-1].body == DATA
    assert "content-encoding" not in at.up.requests[-1].headers


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
def test_a_body_that_would_explode_is_413(at: House, coding: str) -> None:
    bomb = PACKERS[coding](b" " * 64 * MIB)
    assert len(bomb) < MIB
    assert at.post(body=bomb, headers={"content-encoding": coding}).status_code == 413


def test_packings_we_do_not_know_are_415_with_those_we_do(at: House) -> None:
    reply = at.post(body=DATA, headers={"content-encoding": "br"})
    assert (reply.status_code, reply.headers["accept-encoding"]) == (415, "gzip, deflate, zstd")


@pytest.mark.parametrize("coding", ["gzip", "deflate", "zstd"])
def test_a_body_that_is_not_packed_as_it_says_is_400(at: House, coding: str) -> None:
    assert at.post(body=DATA, headers={"content-encoding": coding}).status_code == 400


def test_a_body_beyond_the_limit_is_413_stated_or_not(at: House) -> None:
    assert at.post(body=b" " * (MIB + 1)).status_code == 413
    chunk = b"%x\r\n%b\r\n" % (MIB, b" " * MIB)
    head = b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n"
    assert talk(at, head + chunk + b"1\r\n \r\n0\r\n\r\n").startswith(b"HTTP/1.1 413")


def test_a_client_that_waits_for_a_continue_gets_one(at: House) -> None:
    head = b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\nexpect: 100-continue\r\n"
    heard = talk(at, head + b"content-length: %d\r\n\r\n" % len(DATA) + DATA, ends=b"comptroller-run")
    assert heard.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200")


@pytest.mark.parametrize(
    "odd",
    [
        b"content-length: 5\r\ncontent-length: 6\r\n",
        b"content-length: 5\r\ntransfer-encoding: chunked\r\n",
        b"transfer-encoding: xchunked\r\n",
        b"content-length: -1\r\n",
        b"content-length: 1 1\r\n",
        b"x: a\rb\r\n",
        b"x y: 1\r\n",
        b" folded: 1\r\n",
    ],
)
def test_requests_that_two_readers_could_read_differently_are_400(at: House, odd: bytes) -> None:
    before = len(at.up.requests)
    heard = talk(at, b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\n" + odd + b"\r\nhello")
    assert heard.startswith(b"HTTP/1.1 400")
    assert len(at.up.requests) == before


def test_a_head_that_is_too_large_is_431(at: House) -> None:
    lines = b"".join(b"x-%d: %b\r\n" % (number, b"y" * 4000) for number in range(200))
    heard = talk(at, b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\n" + lines)
    assert heard.startswith(b"HTTP/1.1 431")


def test_health_readiness_and_counters_need_no_key(at: House) -> None:
    at.post()
    assert at.get("/healthz").json() == {"ok": True}
    assert at.get("/readyz").json()["ready"] is True
    text = at.get("/metrics").text
    assert 'comptroller_calls_total{model="gpt-4o-mini",status="ok"}' in text
    assert "comptroller_request_seconds_count" in text


def test_a_body_nobody_can_read_is_on_record_as_opaque_and_passes_where_no_cap_forbids(at: House) -> None:
    assert at.post(body=b"{not json").status_code == 200
    assert at.last["opaque"] is True


def test_a_paid_route_nobody_reads_passes_on_record_and_is_refused_under_a_hard_cap(at: House) -> None:
    assert at.post("/v1/audio/speech", {"model": "tts-1", "input": "hi"}).status_code == 200
    assert at.last["opaque"] is True
    with house("x", "policy: p\nbudgets:\n  - {per: tenant, cap: 1 USD, over: deny}\n") as capped:
        for path, body in (("/v1/audio/speech", b"{}"), ("/v1/chat/completions", b"{not json")):
            assert capped.post(path, body).status_code == 403
        assert capped.up.requests == []


def test_a_page_from_elsewhere_cannot_spend_through_a_gateway_without_keys(at: House) -> None:
    assert at.post(headers={"origin": "https://evil.example"}).status_code == 403
    assert at.post(headers={"host": "rebound.example"}).status_code == 403
    assert at.post(headers={"origin": "http://localhost:3000"}).status_code == 200


def test_a_second_request_on_the_same_connection_is_answered_after_the_first(at: House) -> None:
    one = b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: %d\r\n\r\n" % len(DATA) + DATA
    last = b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"
    heard = talk(at, one + last, ends=b'{"ok":true}')
    assert heard.count(b"HTTP/1.1 200") == 2


def test_the_same_idempotency_key_gets_the_same_reply_without_another_call(at: House) -> None:
    before = len(at.up.requests)
    first, second = (at.post(headers={"idempotency-key": "k1"}) for _ in range(2))
    assert first.json() == second.json()
    assert second.headers["comptroller-replayed"] == "true"
    assert second.headers["comptroller-call"] == first.headers["comptroller-call"]
    assert len(at.up.requests) == before + 1
    assert at.post(body={**ASK, "max_tokens": 7}, headers={"idempotency-key": "k1"}).status_code == 400


def test_a_stream_under_an_idempotency_key_is_told_again_whole(at: House) -> None:
    streamed = {**ASK, "stream": True}
    first, second = (at.post(body=streamed, headers={"idempotency-key": "k2"}) for _ in range(2))
    assert first.content == second.content
    assert second.headers["content-type"].startswith("text/event-stream")
