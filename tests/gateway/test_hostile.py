"""Clients that mean harm: nothing they send is read two ways, reaches another host, or is written down."""

import gzip
import json
import logging
import socket
from collections.abc import Callable, Iterator

import pytest
import zstandard

from comptroller.core.facts import CALL_CLOSED
from comptroller.office.keys import Key
from tests.gateway.house import HI, FewKeys, House, house

ASK = {"model": "gpt-4o-mini", "messages": HI, "max_tokens": 50}
DATA = json.dumps(ASK).encode()
POST = b"POST /v1/chat/completions HTTP/1.1\r\n"
HOST = b"host: localhost\r\n"
LENGTH = b"content-length: %d\r\n" % len(DATA)
CHUNKED = b"transfer-encoding: chunked\r\n"
OURS = ("comptroller", "uvicorn", "asyncio", "websockets", "aiohttp")
CLOSING = b"connection: close\r\n"
HIDDEN = b"POST /v1/embeddings HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2\r\n\r\n{}"
GEMINI = [
    {"name": "openai", "format": "openai", "url": "{up}/v1"},
    {"name": "gemini", "format": "gemini", "url": "{up}/base"},
]


@pytest.fixture(scope="module")
def at() -> Iterator[House]:
    with house("Hello.", limits={"body_mb": 1}, upstreams=GEMINI) as made:
        yield made


def say(at: House, data: bytes) -> bytes:
    """Say these bytes, and nothing more unless an answer is asked for that closes; hear all of it."""
    heard = b""
    with socket.create_connection(("127.0.0.1", int(at.url.rpartition(":")[2])), timeout=10) as line:
        try:
            line.sendall(data)
            if CLOSING not in data and b"HTTP/1.0" not in data:
                line.shutdown(socket.SHUT_WR)
            while more := line.recv(65536):
                heard += more
        except OSError:  # it was refused while we still spoke
            pass
    return heard


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


TWO_READERS = {
    "two lengths": LENGTH + b"content-length: 5\r\n",
    "a list of lengths": b"content-length: 5, 6\r\n",
    "a plus": b"content-length: +5\r\n",
    "hexadecimal": b"content-length: 0x5\r\n",
    "an underscore": b"content-length: 1_0\r\n",
    "an empty length": b"content-length: \r\n",
    "a huge length": b"content-length: 99999999999999999999999\r\n",
    "length and chunks": LENGTH + CHUNKED,
    "chunks and length": CHUNKED + LENGTH,
    "chunks twice": CHUNKED + CHUNKED,
    "chunks, then not": b"transfer-encoding: chunked, identity\r\n",
    "packed on the way": b"transfer-encoding: gzip, chunked\r\n",
    "unknown to us": b"transfer-encoding: cow\r\n",
    "a tab before the colon": b"content-length\t: 5\r\n",
    "a blank before the colon": b"transfer-encoding : chunked\r\n",
    "a folded line": b"x: a\r\n transfer-encoding: chunked\r\n",
    "a NUL": b"x: a\x00b\r\n",
    "a bare CR": b"x: a\rcontent-length: 5\r\n",
    "no colon": b"just words\r\n",
    "no name": b": 5\r\n",
    "a name in brackets": b"(x): 5\r\n",
}


@pytest.mark.parametrize("head", TWO_READERS)
def test_a_head_that_could_be_read_two_ways_is_refused_and_what_it_hides_is_not_read(at: House, head: str) -> None:
    before = len(at.up.requests)
    heard = say(at, POST + HOST + TWO_READERS[head] + b"\r\n" + HIDDEN)
    assert heard.split(b" ")[1:2] in ([b"400"], [b"413"], [b"501"])
    assert heard.count(b"HTTP/1.1 ") == 1
    assert len(at.up.requests) == before


BAD_CHUNKS = {
    "not a number": b"g\r\n{}\r\n0\r\n\r\n",
    "negative": b"-2\r\n{}\r\n0\r\n\r\n",
    "prefixed": b"0x2\r\n{}\r\n0\r\n\r\n",
    "beyond any": b"FFFFFFFFFFFFFFFFFF\r\n{}\r\n0\r\n\r\n",
    "none": b"\r\n{}\r\n0\r\n\r\n",
    "longer than said": b"1\r\n{}\r\n0\r\n\r\n",
    "a blank before": b" 2\r\n{}\r\n0\r\n\r\n",
    "an extension with a line end": b"2;a=\n{}\r\n0\r\n\r\n",
}


@pytest.mark.parametrize("body", BAD_CHUNKS)
def test_a_chunk_of_no_certain_size_is_refused(at: House, body: str) -> None:
    before = len(at.up.requests)
    heard = say(at, POST + HOST + CHUNKED + b"\r\n" + BAD_CHUNKS[body] + HIDDEN)
    assert heard.startswith(b"HTTP/1.1 400") or not heard
    assert b"HTTP/1.1 200" not in heard
    assert len(at.up.requests) == before


@pytest.mark.parametrize(
    "line",
    [
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"POST /v1/chat/completions HTTP/9.9\r\nhost: localhost\r\n\r\n",
        b"CONNECT evil.example:443 HTTP/1.1\r\nhost: localhost\r\n\r\n",
        b"GET evil.example HTTP/1.1\r\nhost: localhost\r\n\r\n",
    ],
)
def test_what_is_no_request_of_ours_is_answered_with_a_refusal_or_nothing(at: House, line: bytes) -> None:
    before = len(at.up.requests)
    heard = say(at, line)
    assert not heard or heard.split(b" ")[1][:1] in (b"4", b"5")
    assert len(at.up.requests) == before


def test_line_ends_without_a_cr_hide_nothing(at: House) -> None:
    before = len(at.up.requests)
    say(at, (POST + HOST + b"x: a\ntransfer-encoding: chunked\r\n" + LENGTH + b"\r\n") + DATA + HIDDEN)
    assert len(at.up.requests) == before


def test_two_lengths_that_agree_are_one_request_or_none(at: House) -> None:
    before = len(at.up.requests)
    heard = say(at, POST + HOST + LENGTH + LENGTH + CLOSING + b"\r\n" + DATA)
    assert heard.startswith((b"HTTP/1.1 200", b"HTTP/1.1 400"))
    assert all(request.body == DATA for request in at.up.requests[before:])


@pytest.mark.parametrize("field", ["run", "agent", "customer", "user", "workflow", "parent", "budget"])
@pytest.mark.parametrize("value", ["a%0d%0ax-evil: 1", "a%00", "%7f", "x" * 300])
def test_no_line_end_gets_into_our_fields(at: House, field: str, value: str) -> None:
    reply = at.post(headers={"baggage": f"comptroller-{field}={value}"})
    assert (reply.status_code, "x-evil" in reply.headers) == (400, False)
    raw = POST + HOST + f"comptroller-{field}: a".encode() + b"\rx-evil: 1\r\n" + LENGTH + b"\r\n" + DATA
    assert say(at, raw).startswith(b"HTTP/1.1 400")


ELSEWHERE = [
    "http://evil.example/v1/chat/completions",
    "http://localhost@evil.example/v1/chat/completions",
    "//evil.example/v1/chat/completions",
    "/v1/chat/completions@evil.example",
    "/v1//evil.example/chat/completions",
    "/v1/http://evil.example/chat/completions",
    "/\\evil.example/v1/chat/completions",
    "/v1/%2e%2e/%2e%2e/chat/completions",
    "/v1/..%2f..%2fchat/completions",
    "/v1beta/models/../../../evil:generateContent",
    "/v1beta/models/..%2f..%2fevil:generateContent",
    "/v1beta/models/%2e%2e/evil:generateContent",
    "/v1beta/models/x%2f..%2fy:generateContent",
    "/v1beta/models/x%3fkey=1:generateContent",
    "/v1beta/models/x%23:generateContent",
    "/v1beta/models/a%0d%0ahost:%20evil:generateContent",
    "/v1beta//evil.example/models/x:generateContent",
]


@pytest.mark.parametrize("target", ELSEWHERE)
def test_no_address_leads_to_another_host_or_out_of_the_upstreams_path(at: House, target: str) -> None:
    before = len(at.up.requests)
    head = f"POST {target} HTTP/1.1\r\n".encode() + HOST + LENGTH + CLOSING + b"\r\n"
    heard = say(at, head + DATA)
    assert heard.startswith(b"HTTP/1.1 ")
    for request in at.up.requests[before:]:
        assert request.headers["host"] == at.up.url.removeprefix("http://")
        assert request.path in ("/v1/chat/completions", *(f"/base{target}", f"/base/{target.lstrip('/')}"))
        assert ".." not in request.path and "//" not in request.path  # noqa: PT018


@pytest.mark.parametrize("model", ["../../evil", "http://evil.example/x", "a b", "x\r\ny", "@evil", "a" * 5000])
def test_no_name_of_a_model_leads_elsewhere(at: House, model: str) -> None:
    before = len(at.up.requests)
    at.post(body={**ASK, "model": model})
    for request in at.up.requests[before:]:
        assert (request.path, request.headers["host"]) == (
            "/v1/chat/completions",
            at.up.url.removeprefix("http://"),
        )


def test_the_host_a_client_names_is_not_told_to_the_upstream() -> None:
    with house(keys=FewKeys(mine=Key("k1"))) as at:
        keyed = {"authorization": "Bearer ck_mine", "host": "evil.example", "x-forwarded-host": "evil.example"}
        assert at.post(headers=keyed).status_code == 200
        assert not any("evil" in value for value in at.up.requests[-1].headers.values())


@pytest.mark.parametrize(
    "query",
    [
        "key=AIzaSyA1",
        "api_key=x1y2",
        "API-KEY=x1y2",
        "a=b&token=x1y2",
        "access_token=x1y2",
        "password=x1y2",
        "q=sk-x1y2",
    ],
)
@pytest.mark.parametrize(
    "path", ["/v1/chat/completions", "/v1beta/models/x:generateContent", "/v1/nothing", "/healthz"]
)
def test_a_key_in_the_address_is_in_no_log_and_no_record(
    at: House, path: str, query: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    before = len(at.up.requests)
    reply = at.post(f"{path}?{query}")
    secret = query.rpartition("=")[2]
    assert reply.status_code in (400, 404, 405)
    mine = "".join(record.getMessage() for record in caplog.records if record.name.partition(".")[0] in OURS)
    assert secret not in reply.text + mine
    assert secret not in repr(at.desk.ledger.of(CALL_CLOSED))
    assert len(at.up.requests) == before


PACKINGS: dict[str, tuple[str, Callable[[], bytes], int]] = {  # packed when its test runs: one takes seconds
    "twice": ("gzip, gzip", lambda: gzip.compress(gzip.compress(DATA)), 415),
    "two ways": ("gzip, zstd", lambda: zstandard.compress(gzip.compress(DATA)), 415),
    "in capitals": ("GZIP", lambda: gzip.compress(DATA), 200),
    "gzip cut off": ("gzip", lambda: gzip.compress(DATA)[:-9], 400),
    "zstd cut off": ("zstd", lambda: zstandard.compress(DATA)[:-5], 400),
    "empty zstd": ("zstd", lambda: b"", 400),
    "empty gzip": ("gzip", lambda: b"", 400),
    "members of gzip": ("gzip", lambda: gzip.compress(b" " * (1 << 19)) * 64, 413),
    "frames of zstd": ("zstd", lambda: zstandard.compress(b" " * (1 << 19)) * 64, 413),
    "a long window": ("zstd", lambda: zstandard.ZstdCompressor(level=22).compress(b" " * (1 << 28)), 400),
    "unknown": ("compress", lambda: DATA, 415),
    "a name with a tab": ("gzip\x0b", lambda: DATA, 400),
}


@pytest.mark.parametrize("kind", PACKINGS)
def test_packings_that_hide_something_are_refused(at: House, kind: str) -> None:
    coding, pack, status = PACKINGS[kind]
    packed = pack()
    before = len(at.up.requests)
    head = POST + HOST + CLOSING + b"content-encoding: " + coding.encode()
    heard = say(at, head + b"\r\ncontent-length: %d\r\n\r\n" % len(packed) + packed)
    assert int(heard.split(b" ")[1]) == status
    assert len(at.up.requests) - before == (1 if status == 200 else 0)


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "PUT", "PATCH", "DELETE", "TRACE"])
def test_methods_nobody_needs_are_404_without_a_body_where_none_may_be(at: House, method: str) -> None:
    before = len(at.up.requests)
    heard = say(at, f"{method} /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n".encode())
    assert heard.startswith(b"HTTP/1.1 404")
    if method == "HEAD":
        assert heard.endswith(b"\r\n\r\n")
    assert len(at.up.requests) == before


@pytest.mark.parametrize("stream", [False, True])
def test_a_client_of_http_1_0_gets_its_reply_without_chunks_and_a_close(at: House, stream: bool) -> None:
    body = json.dumps({**ASK, "stream": stream}).encode()
    head = b"POST /v1/chat/completions HTTP/1.0\r\ncontent-length: %d\r\n\r\n" % len(body)
    heard = say(at, head + body)
    assert heard.startswith((b"HTTP/1.1 200", b"HTTP/1.0 200"))
    assert b"transfer-encoding" not in heard.partition(b"\r\n\r\n")[0].lower()
    assert (b"[DONE]" if stream else b'"content":"Hello."') in heard


def test_requests_sent_all_at_once_are_answered_one_by_one_in_order(at: House) -> None:
    before = len(at.calls)
    asked = [json.dumps({**ASK, "max_tokens": 10 + number}).encode() for number in range(20)]
    said = b"".join(POST + HOST + b"content-length: %d\r\n\r\n%b" % (len(body), body) for body in asked)
    heard = say(at, said + b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
    assert heard.count(b"HTTP/1.1 200") == 21
    assert heard.endswith(b'{"ok":true}')
    assert [json.loads(request.body)["max_tokens"] for request in at.up.requests[-20:]] == list(range(10, 30))
    assert len(at.calls) == before + 20


@pytest.mark.parametrize("line", [b"x: " + b"y" * 70_000, b"\r\n".join(b"x-%d: y" % n for n in range(9_000))])
def test_heads_beyond_their_limit_are_refused_whatever_they_are_made_of(at: House, line: bytes) -> None:
    heard = say(at, POST + HOST + line + b"\r\n\r\n")
    assert not heard or heard.startswith((b"HTTP/1.1 431", b"HTTP/1.1 400"))
    assert at.get("/healthz").is_success


def test_an_address_beyond_any_length_is_refused(at: House) -> None:
    heard = say(at, b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\nhost: localhost\r\n\r\n")
    assert not heard or heard[9:10] == b"4"
    assert at.get("/healthz").is_success
