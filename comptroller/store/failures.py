"""What went wrong with a call, in one line: out of a provider's own JSON, whole or cut short, or of an exception."""

import re
from collections.abc import Mapping
from typing import Any

import msgspec

_INSIDE = re.compile(r'"error"\s*:\s*\{')
_TEXT = r'"\s*:\s*"((?:[^"\\]|\\.)*)'


def told(error: str) -> str:
    """The words for an error as facts carry it; whatever is no such record is told as it is."""
    try:
        said = msgspec.json.decode(error)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return error
    if not isinstance(said, dict):
        return error
    if said.get("type") == "upstream":
        return _turned_down(said)
    place = said.get("place")
    kind = " in ".join(str(part) for part in (said.get("type"), place if place != "upstream" else "") if part)
    return ": ".join(part for part in (kind, str(said.get("message") or "")) if part)


def _turned_down(said: Mapping[str, Any]) -> str:
    """A provider's refusal: status, type and message, whichever of their ways of putting them it chose."""
    body = str(said.get("message") or "")
    # Not parsed as a whole: what is kept of a long body is its beginning.
    inside = _INSIDE.search(body)
    where = body[inside.end() :] if inside else body
    kind = next(
        (found for name in ("type", "code", "status") if (found := _field(where, name)) not in ("", "error")), ""
    )
    message = _field(where, "message") or _field(body, "detail") or _field(body, "error")
    if not message and not body.lstrip().startswith(("{", "[")):
        message = body
    words = ": ".join(part for part in (kind, message) if part)
    return " ".join(part for part in (str(said.get("status") or ""), words) if part)


def _field(body: str, name: str) -> str:
    """The text under a name in JSON that may end anywhere."""
    found = re.search(f'"{name}{_TEXT}', body)
    if not found:
        return ""
    try:
        text: str = msgspec.json.decode(f'"{found[1]}"', type=str)
    except msgspec.MsgspecError:
        return found[1]
    return text
