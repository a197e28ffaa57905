"""What the gateway itself has to refuse, and how each provider's clients want to hear it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

from comptroller.dialects.routes import DIALECTS
from comptroller.gateway.api import problem

JSON = (b"content-type", b"application/json")
NO_RETRY = (b"x-should-retry", b"false")
_SPEAKERS = {dialect.provider: dialect for dialect in DIALECTS}


@dataclass(slots=True)
class Stop(Exception):
    """A request that goes no further: what the client is told."""

    status: int
    code: str
    message: str
    details: Mapping[str, object] = field(default_factory=dict)
    headers: tuple[tuple[bytes, bytes], ...] = (NO_RETRY,)


def format_of(path: str) -> str:
    """Whose wire format a path belongs to."""
    if path.startswith(("/v1/messages", "/v1/complete")) and not path.startswith("/v1/completions"):
        return "anthropic"
    if path.startswith("/v1beta/") or ":" in path.rpartition("/")[2]:
        return "gemini"
    return "openai"


def body_of(stop: Stop, path: str) -> bytes:
    """The error as the provider of this path would write it; of `/api` in its own shape."""
    if path.startswith("/api/"):
        return problem.told(stop.code, *problem.split(stop.message))
    details = {"remedy": problem.split(stop.message)[1], **stop.details}
    shape = format_of(path)
    speaker = _SPEAKERS.get(shape) or (_SPEAKERS.get("google") if shape == "gemini" else None)
    if speaker is not None:
        return speaker.refusal(stop.status, stop.code, stop.message, details)
    error = {"code": stop.status, "message": stop.message, "status": stop.code.upper(), "details": [details]}
    return msgspec.json.encode({"error": error})
