"""A conversation to read: who said what, what is new since the call before, and where a piece of it came from."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from comptroller.dashboards.components.mounting import renderer
from comptroller.dashboards.components.talk import Message, Part, read
from comptroller.dashboards.components.wording import REMOVED, SAME, Segment, changed, paired
from comptroller.dashboards.components.words import cut

MOST_TEXT = 200_000  # letters of one part or one raw message that go to the browser
SAME_MESSAGE, NEW, CHANGED, GONE = "same", "new", "changed", "gone"


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of a part's text to be marked, such as where an argument came from; letters counted from 0."""

    message: int
    start: int
    end: int
    label: str
    tone: str = "asked"
    part: int = 0


def columns(said: Sequence[Any], before: Sequence[Any] | None = None, spans: Sequence[Span] = ()) -> dict[str, Any]:
    """Messages as they were kept, as the browser shows them; `before`: those of the call before, to compare with.

    What was said and what was kept may be in any provider's shape. A text is sent up to MOST_TEXT letters.
    """
    now = [one if isinstance(one, Message) else read(one) for one in said]
    if before is None:
        return {"compared": False, "messages": [_message(one, "", None, at, spans) for at, one in enumerate(now)]}
    then = [one if isinstance(one, Message) else read(one) for one in before]
    shown = [
        _message(now[j], _state(then, i, now[j]), then[i] if i is not None else None, j, spans)
        if j is not None
        else _message(then[i or 0], GONE, None, -1, ())
        for i, j in _pairs(then, now)
    ]
    return {"compared": True, "messages": shown}


def messages(data: Mapping[str, Any], *, key: str, height: int = 640) -> None:
    """Mount the conversation."""
    renderer("messages")(data={**data, "height": height}, key=key)


def _pairs(then: Sequence[Message], now: Sequence[Message]) -> Iterator[tuple[int | None, int | None]]:
    """A message never becomes one of another role: that one went, and another came."""
    for i, j in paired([one.print for one in then], [one.print for one in now]):
        if i is not None and j is not None and then[i].role != now[j].role:
            yield from ((i, None), (None, j))
        else:
            yield i, j


def _state(then: Sequence[Message], at: int | None, message: Message) -> str:
    if at is None:
        return NEW
    return SAME_MESSAGE if then[at].print == message.print else CHANGED


def _message(message: Message, state: str, then: Message | None, at: int, spans: Sequence[Span]) -> dict[str, Any]:
    old = then.parts if then and state == CHANGED else ()
    raw = "" if message.raw is None else json.dumps(message.raw, ensure_ascii=False, indent=2, default=str)
    return {
        "role": cut(message.role, 40),
        "state": state,
        "number": at + 1,
        "parts": [
            _part(part, old[n] if n < len(old) else None, [s for s in spans if (s.message, s.part) == (at, n)])
            for n, part in enumerate(message.parts)
        ],
        "raw": raw[:MOST_TEXT],
        "raw_rest": max(len(raw) - MOST_TEXT, 0),
    }


def _part(part: Part, old: Part | None, spans: Sequence[Span]) -> dict[str, Any]:
    text, rest = part.text[:MOST_TEXT], max(len(part.text) - MOST_TEXT, 0)
    segments = changed(old.text[:MOST_TEXT], text) if old and old.kind == part.kind else [(text, SAME)]
    return {"kind": part.kind, "title": cut(part.title), "segments": _labelled(segments, spans), "rest": rest}


def _labelled(segments: Sequence[Segment], spans: Sequence[Span]) -> list[list[Any]]:
    """Cut the pieces where spans begin and end; what went is in nobody's span, for it is in no text now."""
    edges = sorted({edge for span in spans for edge in (span.start, span.end)})
    found: list[list[Any]] = []
    at = 0
    for text, kind in segments:
        if kind == REMOVED:
            found.append([text, kind])
            continue
        cuts = [at, *(edge for edge in edges if at < edge < at + len(text)), at + len(text)]
        for start, end in pairwise(cuts):
            span = next((s for s in spans if s.start <= start and end <= s.end and start < end), None)
            piece = text[start - at : end - at]
            found.append([piece, kind, cut(span.label), span.tone] if span else [piece, kind])
        at += len(text)
    return found
