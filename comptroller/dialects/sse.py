"""Server-sent events: bytes split anywhere in, whole events out, each with its exact bytes."""

import re

from comptroller.dialects.dialect import Unreadable

MOST_BYTES = 16 << 20  # of one event: far above any a provider sends, and a bound on what we hold
MOST_STREAM = 256 << 20  # of all of them: what a reader keeps of a stream cannot be more
_BOM = b"\xef\xbb\xbf"
# Atomic groups: without them `\r\n` alone would be read as two line ends.
_BLANK_LINE = re.compile(rb"(?>\r\n|\n|\r)(?>\r\n|\n|\r)")
_LINE_END = re.compile(rb"\r\n|\n|\r")
_PLAIN = re.compile(rb"(?:event: ?([^\r\n]*)\n)?data: ?([^\r\n]*)(?:\n\n|\r\n\r\n)")


class Splitter:
    """Cuts a byte stream into events, blank line included: what comes out, joined, is what went in."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self._searched = 0
        self._seen = 0

    def split(self, data: bytes) -> list[bytes]:
        """The events that `data` completes."""
        self._seen += len(data)
        if self._seen > MOST_STREAM:
            raise Unreadable(f"The stream is longer than {MOST_STREAM >> 20} MB.")
        if not self._rest and data.endswith(b"\n\n") and data.find(b"\n\n") == len(data) - 2 and b"\r" not in data:
            return [data]
        # Google's line ends: one line of data and a blank one, which saves 3 us of the search for them.
        if not self._rest and data.endswith(b"\r\n\r\n") and data.find(b"\r") == data.find(b"\n") - 1 == len(data) - 4:
            return [data]
        return self._split(data)

    def take(self, data: bytes) -> bool:
        """Count `data`, known to be one whole event, as split; False where it may not be handed on by itself."""
        if self._rest or self._seen + len(data) > MOST_STREAM:
            return False
        self._seen += len(data)
        return True

    def rest(self) -> bytes:
        """What is left without a blank line after it; forgotten by asking."""
        left = bytes(self._rest)
        self._rest.clear()
        self._searched = 0
        return left

    def _split(self, data: bytes) -> list[bytes]:
        rest = self._rest
        rest += data
        events, start = [], 0
        for match in _BLANK_LINE.finditer(rest, self._searched):
            events.append(bytes(rest[start : match.end()]))
            start = match.end()
        if start:
            del rest[:start]
        if len(rest) > MOST_BYTES:
            raise Unreadable(f"An event of the stream is longer than {MOST_BYTES >> 20} MB.")
        self._searched = max(len(rest) - 3, 0)
        return events


def parse(event: bytes) -> tuple[bytes, bytes]:
    """The name and the data of an event; both empty for comments and the like."""
    plain = _PLAIN.fullmatch(event)
    if plain:
        return plain[1] or b"", plain[2]
    return _parse_lines(event)


def plainly(event: bytes, name: bytes, data: bytes) -> bytes:
    """The event without the lines that only some clients read: those behind a byte order mark, above all."""
    if _BOM not in event or _PLAIN.fullmatch(event):
        return event
    return written(name, data) if data else b":\n\n"


def written(name: bytes, data: bytes) -> bytes:
    """An event of that name with that data."""
    lines = [b"event: " + name] if name else []
    lines += [b"data: " + line for line in _LINE_END.split(data)]
    return b"\n".join(lines) + b"\n\n"


def _parse_lines(event: bytes) -> tuple[bytes, bytes]:
    name, data = b"", []
    for line in _LINE_END.split(event):
        while line.startswith(_BOM):  # read by some clients, not by others: nobody gets it as it came
            line = line.removeprefix(_BOM)
        field, _, text = line.partition(b":")
        text = text.removeprefix(b" ")
        if field == b"data":
            data.append(text)
        elif field == b"event":
            name = text
    return name, b"\n".join(data)
