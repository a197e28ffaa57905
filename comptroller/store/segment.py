"""One segment of the journal: how a record lies in it, how records chain, what its file is called.

A record is one line of compact JSON, `{"n":12,"k":"claim","i":..,"t":..,"r":..,"c":..,"d":{..},"h":".."}`: sequence
number, kind, id, time, run, call, data, and last the chain hash, SHA-256 over the previous record's hash and the bytes
of this line before `,"h":`. Whoever checks the chain hashes what lies on disk and never serialises anything again.
"""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import msgspec

from comptroller.core.facts import Fact

FOLDER = "journal"
SEAL = "seal"  # kind of the record that ends a closed segment; its MAC needs the master key
_HASH = 64
_TAIL = len(b',"h":"') + _HASH + len(b'"}')  # what follows the hashed part of a line, without the newline


class Position(NamedTuple):  # one is made for each record: in half the time of a frozen dataclass
    """A place in the journal: just behind the record `sequence`, whose chain hash is `chain`."""

    segment: int
    offset: int
    sequence: int
    chain: str


class _Body(msgspec.Struct):
    k: str
    i: str
    t: int
    r: str
    c: str
    d: dict[str, object]


class Record(msgspec.Struct):
    """A line of a segment as it was read."""

    n: int
    k: str
    i: str
    t: int
    r: str
    c: str
    d: dict[str, object]
    h: str

    def fact(self) -> Fact:
        return Fact(self.k, self.i, self.t, self.r, self.c, self.d)


_encode = msgspec.json.Encoder().encode
_decode_record: Callable[[bytes], Record] = msgspec.json.Decoder(Record).decode
_decode_body: Callable[[bytes], _Body] = msgspec.json.Decoder(_Body).decode


def genesis(ledger_id: str) -> str:
    """The hash before the first record: binds a chain to its ledger."""
    return hashlib.sha256(f"comptroller ledger {ledger_id}".encode()).hexdigest()


def encode(fact: Fact) -> tuple[Fact, bytes]:
    """A fact and the middle of its line: all but sequence number and hash, so it can be made outside the lock.

    The fact comes back because a lone surrogate (JSON can carry one, UTF-8 cannot) is written out as its escape.
    """
    try:
        return fact, _encode(_Body(fact.kind, fact.id, fact.at, fact.run, fact.call, fact.data))[1:-1]
    except UnicodeEncodeError:
        fields = (_clean(fact.kind), _clean(fact.id), fact.at, _clean(fact.run), _clean(fact.call), _clean(fact.data))
        clean = Fact(*fields)  # type: ignore[arg-type]
        return clean, _encode(_Body(clean.kind, clean.id, clean.at, clean.run, clean.call, clean.data))[1:-1]


def _clean(value: object) -> object:
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode("utf-8")
    if isinstance(value, dict):
        return {_clean(key): _clean(item) for key, item in value.items()}
    return [_clean(item) for item in value] if isinstance(value, list | tuple) else value


def fact_of(middle: bytes) -> Fact:
    """The fact that `encode` encoded."""
    read = _decode_body(b"{" + middle + b"}")
    return Fact(read.k, read.i, read.t, read.r, read.c, read.d)


def line(sequence: int, chain: str, middle: bytes) -> tuple[bytes, str]:
    """The whole line of a record and its chain hash."""
    head = b'{"n":%d,%b' % (sequence, middle)
    digest = hashlib.sha256(chain.encode() + head).hexdigest()
    return b'%b,"h":"%b"}\n' % (head, digest.encode()), digest


def link(chain: str, stored: bytes) -> str:
    """The hash that a stored line (without its newline) must carry after `chain`."""
    return hashlib.sha256(chain.encode() + stored[:-_TAIL]).hexdigest()


def hash_of(stored: bytes) -> str:
    """The hash a stored line (without its newline) does carry; empty where there is none."""
    if stored[-_TAIL : -_HASH - 2] != b',"h":"' or stored[-2:] != b'"}':
        return ""
    return stored[-_HASH - 2 : -2].decode("ascii", "replace")


def parse(stored: bytes) -> Record:
    """A stored line as a record; raises msgspec.MsgspecError or UnicodeDecodeError for anything else."""
    return _decode_record(stored)


def path_of(ledger: Path, number: int) -> Path:
    return ledger / FOLDER / f"{number:08d}.ndjson"


def numbers(ledger: Path) -> list[int]:
    """The segments that are there, in order."""
    return sorted(int(p.stem) for p in (ledger / FOLDER).glob("????????.ndjson") if p.stem.isdigit())
