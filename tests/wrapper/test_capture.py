"""What is kept of texts: whatever the guards of a policy look for, secrets and addresses are not kept as they came."""

import pytest

from comptroller.core.call import Identity
from comptroller.dialects.routes import dialect_for
from comptroller.testing import TestDesk, desk
from comptroller.wrapper.boundary import Boundary
from comptroller.wrapper.context import RunState
from comptroller.wrapper.drive import Blocking
from comptroller.wrapper.effects import Head, Send
from comptroller.wrapper.flow import model_call
from comptroller.wrapper.shared import Job
from tests.wrapper.bodies import ask, reply

KEY = "AKIA" + "QYLPMN5HFIQR7BBB"  # has the form of a key and opens nothing
MAIL = "ada@example.com"
GUARDS = [
    "{}",
    "{secrets: {in: note, out: note}}",
    "{privacy: {in: note, out: note}}",
    "{secrets: {in: note, out: note}, privacy: {in: note, out: note}}",
    "{secrets: {in: redact, out: redact}, privacy: {in: allow, out: allow}}",
    "{secrets: {in: redact, out: redact}, privacy: {in: redact, out: redact}}",
]


class Upstream:
    """Gives one whole reply."""

    def __init__(self, body: bytes) -> None:
        self.body = body

    def send(self, effect: Send) -> Head:
        return Head(200, {"content-type": "application/json"})

    def read(self, limit: int) -> bytes | None:
        return self.body

    def next(self) -> bytes | None:
        return None

    def close(self) -> None:
        return None


def kept(office: TestDesk, request: bytes, answer: bytes) -> bytes:
    run = RunState("r" * 32, "r" * 32, Boundary())
    dialect = dialect_for("POST", "/v1/chat/completions")
    assert dialect is not None
    flow = model_call(Job(office, Identity(run=run.id), run, dialect, request))
    assert Blocking(office, flow, Upstream(answer)).start() is not None
    return b"\n".join(office.ledger.bodies.values())


@pytest.mark.parametrize("guards", GUARDS)
@pytest.mark.parametrize("text", [f"The key is {KEY} .", f"Write to {MAIL} ."])
@pytest.mark.parametrize("asked", [True, False])
def test_what_no_guard_looked_for_is_still_replaced_before_it_is_kept(guards: str, text: str, asked: bool) -> None:
    with desk(f"policy: p\nguards: {guards}\n") as office:
        bodies = kept(office, ask(text if asked else "Hi"), reply("Hello" if asked else text))
    assert b"Hello" in bodies or b"Hi" in bodies
    assert KEY.encode() not in bodies
    assert MAIL.encode() not in bodies


@pytest.mark.parametrize("guards", GUARDS)
def test_a_clean_text_is_kept_as_it_came(guards: str) -> None:
    with desk(f"policy: p\nguards: {guards}\n") as office:
        bodies = kept(office, ask("How are you?"), reply("Very well."))
    assert b"How are you?" in bodies
    assert b"Very well." in bodies
