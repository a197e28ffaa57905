"""The audit's own count of the journal: calls and what they cost, added up without the books to compare them with."""

import re
from collections import Counter
from collections.abc import Iterator

import msgspec

from comptroller.core.facts import CALL_CLOSED, CALL_OPENED, CLAIM, HOLD_EXPIRED

_MONEY = re.compile("[A-Z]{3}")
_KINDS = {f'"k":"{kind}",'.encode(): kind for kind in (CALL_OPENED, CALL_CLOSED, HOLD_EXPIRED, CLAIM)}


class _Particulars(msgspec.Struct):
    cost: object = 0
    currency: object = ""
    hold: object = None
    request: object = ()
    reply: object = ()
    evidence: object = ""


class _Record(msgspec.Struct):
    k: str
    c: str
    d: _Particulars


_decode = msgspec.json.Decoder(_Record).decode


class Tally:
    """Counts each call once: its first end stands, and what an unfinished one was charged goes when its end comes."""

    def __init__(self) -> None:
        self.calls = 0
        self.nanos: Counter[str] = Counter()  # by currency
        self._open: set[str] = set()
        self._expired: dict[str, tuple[int, str]] = {}
        self._closed: set[str] = set()

    def add(self, stored: bytes) -> tuple[list[str], bool]:
        """Take a record in; returns the digests it names, and whether their bodies must be in the vault."""
        start = stored.index(b",") + 1
        kind = _KINDS.get(stored[start : stored.index(b",", start) + 1])
        if kind is None:
            return [], False
        try:
            record = _decode(stored)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return [], False
        self._count(kind, record)
        said = record.d
        if kind == CLAIM:
            return [said.evidence] if isinstance(said.evidence, str) and said.evidence else [], True
        return [digest for digest in (*_texts(said.request), *_texts(said.reply))], False

    def _count(self, kind: str, record: _Record) -> None:
        call = record.c
        if kind == CALL_CLOSED and call not in self._closed:
            if call in self._expired:
                self._take_back(*self._expired.pop(call))
            self._open.discard(call)
            self._closed.add(call)
            self._charge(_whole(record.d.cost), str(record.d.currency))
        elif kind == CALL_OPENED and call not in self._closed and call not in self._expired:
            self._open.add(call)
        elif kind == HOLD_EXPIRED and call in self._open:
            self._open.discard(call)
            self._expired[call] = _held(record.d)
            self._charge(*self._expired[call])

    def _charge(self, nanos: int, currency: str) -> None:
        self.calls += 1
        self.nanos[currency] += nanos

    def _take_back(self, nanos: int, currency: str) -> None:
        self.calls -= 1
        self.nanos[currency] -= nanos


def _held(said: _Particulars) -> tuple[int, str]:
    """The money of a hold: the first of its lines that counts any."""
    lines = said.hold.get("lines") if isinstance(said.hold, dict) else None
    for line in lines if isinstance(lines, list) else ():
        if isinstance(line, list) and len(line) > 2 and _MONEY.fullmatch(str(line[1])):
            return _whole(line[2]), str(line[1])
    return 0, ""


def _whole(value: object) -> int:
    return value if isinstance(value, int) else 0


def _texts(value: object) -> Iterator[str]:
    return (item for item in value if isinstance(item, str)) if isinstance(value, list) else iter(())
