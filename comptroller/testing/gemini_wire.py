"""A scripted reply as Gemini would send it: whole, in events, or as the array that a stream without events is."""

from collections.abc import Iterator
from typing import Any

import msgspec

from comptroller.testing.script import Received, Say, Use

STATUS = {400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND"}
STATUS |= {429: "RESOURCE_EXHAUSTED", 500: "INTERNAL", 503: "UNAVAILABLE", 504: "DEADLINE_EXCEEDED"}


def whole(say: Say, asked: Received) -> bytes:
    """The body of a whole reply, or all replies of a stream as one array."""
    if asked.stream:
        return msgspec.json.encode(list(_replies(say, asked)))
    return msgspec.json.encode(_reply(say, asked, list(_parts(say, 0)), _finish(say), say.usage_times > 0))


def events(say: Say, asked: Received) -> Iterator[bytes]:
    """The events of a streamed reply."""
    return (b"data: " + msgspec.json.encode(reply) + b"\r\n\r\n" for reply in _replies(say, asked))


def error(status: int, message: str) -> bytes:
    """The body of an error."""
    kind = STATUS.get(status, "UNKNOWN")
    return msgspec.json.encode({"error": {"code": status, "message": message, "status": kind}})


def _replies(say: Say, asked: Received) -> Iterator[dict[str, Any]]:
    """The last piece comes with the finish reason and the usage, as Gemini has it."""
    parts = list(_parts(say, say.chunk))
    for part in parts[:-1]:
        yield _reply(say, asked, [part], "", say.usage_times > 1)
    yield _reply(say, asked, parts[-1:], _finish(say), say.usage_times > 0)


def _parts(say: Say, chunk: int) -> Iterator[dict[str, Any]]:
    for text, more in ((say.thinking, {"thought": True}), (say.text or say.refusal, {})):
        size = chunk or len(text) or 1
        for start in range(0, len(text), size):
            yield {"text": text[start : start + size], **more}
    for use in say.calls:
        yield {"functionCall": _call(use), "thoughtSignature": "c2lnbmVk"}
    if not (say.thinking or say.text or say.refusal or say.calls):
        yield {"text": ""}


def _call(use: Use) -> dict[str, Any]:
    args = msgspec.json.decode(use.args) if isinstance(use.args, str) else use.args
    return {"name": use.name, "args": args, **({"id": use.id} if use.id else {})}


def _reply(say: Say, asked: Received, parts: list[dict[str, Any]], finish: str, told: bool) -> dict[str, Any]:
    candidates: list[dict[str, Any]] = []
    for index in range(_count(asked)):
        candidate: dict[str, Any] = {"content": {"parts": parts, "role": "model"}, "index": index}
        candidates.append({**candidate, "finishReason": finish} if finish else candidate)
    reply: dict[str, Any] = {"candidates": candidates}
    if told:
        reply["usageMetadata"] = _usage(say, asked)
    return {**reply, "modelVersion": asked.model, "responseId": f"gem_{asked.number:06d}"}


def _usage(say: Say, asked: Received) -> dict[str, Any]:
    sent = max(len(asked.body) // 4, 1)
    texts = [say.text, say.refusal, *(str(use.args) for use in say.calls)]
    usage: dict[str, Any] = {
        "promptTokenCount": sent,
        "candidatesTokenCount": _count(asked) * (sum(map(len, texts)) // 4 + 1),
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": sent}],
    }
    if say.thinking:
        usage["thoughtsTokenCount"] = len(say.thinking) // 4 + 1
    usage.update(say.usage or {})
    counts = [usage.get(f"{name}TokenCount", 0) for name in ("prompt", "candidates", "thoughts")]
    if all(isinstance(count, int) for count in counts):
        usage.setdefault("totalTokenCount", sum(counts))
    return usage


def _finish(say: Say) -> str:
    return say.finish or ("SAFETY" if say.refusal else "STOP")


def _count(asked: Received) -> int:
    config = asked.json.get("generationConfig")
    count = config.get("candidateCount") if isinstance(config, dict) else None
    return count if isinstance(count, int) and 0 < count <= 8 else 1
