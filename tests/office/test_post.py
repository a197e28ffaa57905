"""Signed calls to others: what vouches for them, what comes back, and what never happens on the way."""

import base64
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from comptroller.office import post
from comptroller.office.post import Letter

SECOND = 1_000_000_000
NOW = 1_767_225_600 * SECOND
SECRET = post.secret_of("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")


class Desk(BaseHTTPRequestHandler):
    """Answers as its path says and remembers what it got."""

    got: list[tuple[str, dict[str, str], bytes]]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.got.append((self.path, dict(self.headers), body))
        status = int(self.path.strip("/"))
        self.send_response(status)
        if status == 302:
            self.send_header("location", "/200")
        body = b"" if status == 204 else b"ok"  # a 204 has none
        if body:
            self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *said: object) -> None:
        """Nothing is logged."""


@pytest.fixture
def desk() -> Iterator[tuple[str, list[tuple[str, dict[str, str], bytes]]]]:
    Desk.got = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Desk)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", Desk.got
    server.shutdown()
    server.server_close()
    thread.join()


def test_the_signature_is_the_one_of_the_standards_example() -> None:
    made = post.signature(SECRET, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", b'{"test": 2432232314}')
    assert made == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_what_was_sent_is_trusted_by_who_has_the_secret(
    desk: tuple[str, list[tuple[str, dict[str, str], bytes]]],
) -> None:
    url, got = desk
    answer = post.post(Letter("m1", f"{url}/200", b"{}", SECRET), NOW)
    assert (answer.ok, answer.body) == (True, b"ok")
    ((_, headers, body),) = got
    assert post.fault(SECRET, headers, body, NOW) == ""


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"webhook-id": "m2"}, "secret"),
        ({"webhook-timestamp": "1767225601"}, "secret"),
        ({"webhook-signature": "v1,AAAA"}, "secret"),
        ({"webhook-signature": ""}, "secret"),
        ({"webhook-timestamp": "soon"}, "no webhook-id"),
        ({"webhook-timestamp": "²"}, "no webhook-id"),
        ({"webhook-id": ""}, "no webhook-id"),
    ],
)
def test_what_was_changed_is_not_trusted(change: dict[str, str], why: str) -> None:
    headers = post.signed(Letter("m1", "", b"{}", SECRET), NOW)
    assert why in post.fault(SECRET, headers | change, b"{}", NOW)
    assert post.fault(SECRET, headers, b"{ }", NOW)
    assert post.fault(b"another", headers, b"{}", NOW)


@pytest.mark.parametrize("apart", [-301, 301])
def test_what_was_signed_at_another_time_is_not_trusted(apart: int) -> None:
    headers = post.signed(Letter("m1", "", b"{}", SECRET), NOW)
    assert "another time" in post.fault(SECRET, headers, b"{}", NOW + apart * SECOND)


def test_a_redirect_is_not_followed(desk: tuple[str, list[tuple[str, dict[str, str], bytes]]]) -> None:
    url, got = desk
    assert post.post(Letter("m1", f"{url}/302", b"{}"), NOW).status == 302
    assert len(got) == 1


def test_many_go_at_once_and_answers_keep_their_order(
    desk: tuple[str, list[tuple[str, dict[str, str], bytes]]],
) -> None:
    url, _ = desk
    letters = [Letter(f"m{status}", f"{url}/{status}", b"{}") for status in (200, 500, 404, 204)]
    assert [answer.status for answer in post.post_all(letters, NOW)] == [200, 500, 404, 204]


def test_nobody_there_is_an_answer_too_and_names_no_address() -> None:
    answer = post.post(Letter("m1", "http://127.0.0.1:1/token", b"{}"), NOW)
    assert answer.status == 0
    assert "token" not in answer.error
    assert answer.error


def test_who_does_not_answer_is_not_waited_for() -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as silent:
        answer = post.post(Letter("m1", f"http://127.0.0.1:{silent.getsockname()[1]}/", b"{}"), NOW, 0.05)
    assert answer == post.Answer(0, error="no answer in time")


@pytest.mark.parametrize(
    ("url", "safe"),
    [
        ("https://hooks.acme.test/in", True),
        ("http://127.0.0.1:8080/in", True),
        ("http://[::1]/in", True),
        ("http://localhost/in", True),
        ("http://hooks.acme.test/in", False),
        ("http://127.0.0.1.acme.test/in", False),
        ("https://user:word@acme.test/", False),
        ("ftp://acme.test/", False),
        ("acme.test", False),
    ],
)
def test_what_is_signed_leaves_this_machine_encrypted_only(url: str, safe: bool) -> None:
    assert post.safe_url(url) is safe


def test_a_secret_is_read_as_text_or_as_the_standard_writes_it() -> None:
    assert post.secret_of("plain") == b"plain"
    assert post.secret_of("whsec_" + base64.b64encode(b"bytes").decode()) == b"bytes"
    with pytest.raises(ValueError, match="base64"):
        post.secret_of("whsec_?")
