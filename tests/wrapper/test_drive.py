"""Hands that drive a stream: the short way and the flow hand on the same bytes and leave the same facts."""

import asyncio
from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from comptroller.core.call import Identity
from comptroller.core.errors import Denied
from comptroller.core.facts import CALL_CLOSED
from comptroller.dialects.routes import dialect_for
from comptroller.testing import TestDesk, desk
from comptroller.wrapper.boundary import Boundary
from comptroller.wrapper.context import RunState
from comptroller.wrapper.drive import Awaiting, Blocking
from comptroller.wrapper.effects import Head, Send
from comptroller.wrapper.flow import Flow, model_call
from comptroller.wrapper.shared import Job
from tests.wrapper.bodies import DONE, ask, event

POLICY = """
policy: drive
guards: {secrets: {out: deny}, privacy: {out: redact}}
budgets: [{per: run, cap: 1 USD, over: deny}]
"""
KEY = "AKIA" + "QYLPMN5HFIQR7BBB"  # has the form of a key and opens nothing
WORDS = st.sampled_from(["the ", "order", " of ", "ada@example.com ", KEY, "a", "é", '"', "\n", "12 34 ", ", "])


class Script:
    """An upstream that has its chunks already."""

    def __init__(self, pieces: Sequence[bytes]) -> None:
        self.pieces: Iterator[bytes] = iter(pieces)

    def send(self, effect: Send) -> Head:
        return Head(200, {"content-type": "text/event-stream"})

    def read(self, limit: int) -> bytes | None:
        raise AssertionError("a stream is not read whole")

    def next(self) -> bytes | None:
        return next(self.pieces, None)

    def close(self) -> None:
        return None


class AsyncScript(Script):
    async def send(self, effect: Send) -> Head:  # type: ignore[override]
        return super().send(effect)

    async def next(self) -> bytes | None:  # type: ignore[override]
        return super().next()

    async def close(self) -> None:  # type: ignore[override]
        return None


def flow(office: TestDesk, **more: object) -> Flow:
    run = RunState("r" * 32, "r" * 32, Boundary())
    dialect = dialect_for("POST", "/v1/chat/completions")
    assert dialect is not None
    return model_call(Job(office, Identity(run=run.id), run, dialect, ask(stream=True, **more)))


def recorded(words: Sequence[str]) -> list[bytes]:
    text = [event({"content": word}) for word in words]
    return [event({"role": "assistant", "content": ""}), *text, event({}, "stop"), DONE]


def streamed(pieces: Sequence[bytes], quick: bool, **more: object) -> tuple[bytes, dict[str, object]]:
    with desk(POLICY) as office:
        drive = Blocking(office, flow(office, **more), Script(pieces))
        assert drive.start() is None
        assert drive.quick is not None
        drive.quick = drive.quick if quick else None
        return b"".join(drive.stream()), dict(office.facts(CALL_CLOSED)[-1])


@settings(max_examples=60, deadline=None)
@given(st.lists(WORDS, max_size=12), st.booleans())
def test_the_short_way_hands_on_the_same_bytes_and_leaves_the_same_facts(words: list[str], bounded: bool) -> None:
    more = {"max_tokens": 20} if bounded else {}
    assert streamed(recorded(words), True, **more) == streamed(recorded(words), False, **more)


def test_the_short_way_takes_text_and_nothing_else() -> None:
    with desk(POLICY) as office:
        drive = Blocking(office, flow(office), Script([]))
        drive.start()
        quick = drive.quick
        assert quick is not None
        pieces = recorded(["one ", "two "])
        assert [quick(piece) for piece in pieces] == [None] * len(pieces)  # nothing has been learned yet
        drive.flow.send(pieces[0])
        drive.flow.send(pieces[1])
        assert quick(pieces[2]) is not None
        assert [quick(piece) for piece in pieces[3:]] == [None, None]


def test_a_secret_on_the_short_way_cuts_the_stream() -> None:
    out, fact = streamed(recorded(["so ", "it ", "is: ", KEY, " and ", "more "]), quick=True)
    assert KEY.encode() not in out
    assert fact["status"] == "denied"


def test_a_mistake_of_ours_on_the_short_way_fails_closed_and_leaves_a_fact(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from comptroller.wrapper.streaming import StreamedReply

    def broken(self: object, chunk: object) -> bytes:
        raise ZeroDivisionError

    with desk(POLICY) as office:
        drive = Blocking(office, flow(office), Script(recorded(["one ", "two ", "three "])))
        drive.start()
        stream = drive.stream()
        next(stream), next(stream)
        monkeypatch.setattr(StreamedReply, "text", broken)
        with pytest.raises(Denied):
            list(stream)
        assert office.facts(CALL_CLOSED)[-1]["status"] == "error"


def test_async_hands_take_the_short_way_too() -> None:
    pieces = recorded(["one ", "two ", "three "])

    async def run() -> bytes:
        with desk(POLICY) as office:
            drive = Awaiting(office, flow(office), AsyncScript(pieces))  # type: ignore[arg-type]
            assert await drive.start() is None
            assert drive.quick is not None
            return b"".join([piece async for piece in drive.stream()])

    assert asyncio.run(run()) == streamed(pieces, quick=True)[0]
