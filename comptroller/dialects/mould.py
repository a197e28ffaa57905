"""A mould: events of a stream that differ in one string only, read and written without parsing the rest of them."""

from collections.abc import Callable

import msgspec

from comptroller.dialects.tree import clean

_string = msgspec.json.Decoder(str).decode
_encode = msgspec.json.encode
MOULDS = 4  # tries to take one from a stream: with servers that pad events at random none fits
_PROBE = "comptroller\u2400"  # a text to try a mould with, which no frame holds


class Mould:
    """The bytes before and after the one string in which an event differs from the last.

    A provider repeats 250 bytes around each few letters; comparing them costs a fifth of decoding them.
    What fits the mould is the event it was taken from with another string, so it means the same.
    """

    __slots__ = ("_after", "_before")

    def __init__(self, before: bytes, after: bytes) -> None:
        self._before, self._after = before, after

    def read(self, data: bytes) -> str | None:
        """The string of an event that fits; None for one that does not."""
        before, after = self._before, self._after
        if not (data.startswith(before) and data.endswith(after)):
            return None
        try:
            # From quote to quote. Too short an event leaves no pair of quotes, and one that holds a quote, a line
            # end or half a character in its middle is no single string: the decoder refuses all of them.
            return _string(data[len(before) - 1 : len(data) - len(after) + 1])
        except (msgspec.DecodeError, UnicodeDecodeError):
            return None

    def write(self, text: str) -> bytes:
        """The event with that string."""
        return self._before[:-1] + _encode(clean(text)) + self._after[1:]


def mould_of(event: bytes, text: str, read: Callable[[bytes], object]) -> Mould | None:
    """The mould of an event whose string `text` is; None where that cannot be told. `read` gives an event's string."""
    body = _encode(clean(text))
    if event.count(body) != 1:
        return None
    before, _, after = event.partition(body)
    mould = Mould(before + b'"', b'"' + after)
    return mould if read(mould.write(_PROBE)) == _PROBE else None
