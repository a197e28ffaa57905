"""What processes of one ledger say to its owner: frames, requests, replies, and where the owner listens."""

import socket
import struct
from collections.abc import Callable
from pathlib import Path

import msgspec

from comptroller.core.approval import Told
from comptroller.core.errors import StoreError
from comptroller.core.facts import Line, Shortfall
from comptroller.metering.orders import Stop
from comptroller.store import folder

MOST = 64 * 1024 * 1024  # bytes of a frame; a fact is a few hundred, bodies never travel here
UNIX: int = getattr(socket, "AF_UNIX", -1)  # Windows has none
_LENGTH = struct.Struct("<I")
HELLO, RESERVE, RECORD, SYNC, RENEW, COUNTER = "hello", "reserve", "record", "sync", "renew", "counter"
HELD = "held"
ASK, USE = "ask", "use"  # an approval: is there one for this call; pass on it


class Request(msgspec.Struct, array_like=True):
    """One thing asked. `fact` is JSON as the journal will store it."""

    op: str
    fact: msgspec.Raw = msgspec.Raw(b"null")
    again: bool = False  # sent before to an owner that died: do not write it twice
    name: str = ""  # hello: session; renew: hold; counter: key
    unit: str = ""  # hello: token
    number: int = 0  # hello: pid; renew: lease
    holds: dict[str, int] = {}  # hello: live holds of the process, with leases it has renewed (0: as opened)
    id: int = 0  # of one among many under way on a connection; its reply carries the same
    watch: bool = False  # hello: tell me on this connection what is stopped, now and whenever that changes


class Reply(msgspec.Struct, array_like=True):
    """What came of it. A shortfall is [key, unit, amount, cap, settled, held, wait_ns]."""

    error: str = ""
    short: tuple[str, str, int, int | None, int, int, int] | None = None
    settled: int = 0
    held: int = 0  # held: how many holds are live
    id: int = 0
    sums: dict[str, int] = {}  # held: what they hold, by currency
    told: Told | None = None  # ask: what becomes of the call
    why: str = ""  # use: why it may not pass
    stopped: str = ""  # reserve: what its caller is told where somebody stopped it
    stops: list[Stop] | None = None  # hello that watches, and from then on without being asked: all that is stopped


class Address(msgspec.Struct):
    """Where the owner listens, as `owner.json` says. Only this user can read the token."""

    family: str  # unix | tcp
    place: str
    port: int
    token: str
    pid: int


_json = msgspec.json.Encoder()
# JSON, not msgpack: amounts may pass 64 bits, and a fact travels in the very bytes that are stored.
read_request: Callable[[bytes | bytearray], Request] = msgspec.json.Decoder(Request).decode
read_reply: Callable[[bytes | bytearray], Reply] = msgspec.json.Decoder(Reply).decode


def reply_of(short: Shortfall | None) -> Reply:
    """The answer to a reservation."""
    if short is None:
        return Reply()
    line = short.line
    row = (line.key, line.unit, line.amount, line.cap, short.settled, short.held, short.wait_ns)
    return Reply(short=row, stopped=short.stopped)


def shortfall_of(reply: Reply) -> Shortfall | None:
    """The same, read by whoever asked."""
    if reply.short is None:
        return None
    key, unit, amount, cap, settled, held, wait_ns = reply.short
    return Shortfall(Line(key, unit, amount, cap), settled, held, wait_ns, reply.stopped)


class Gone(Exception):
    """The other side is not there any more."""


def frame(message: Request | Reply) -> bytes:
    data = _json.encode(message)
    if len(data) > MOST:
        raise StoreError(f"A record of {len(data)} bytes is too large for the journal. Keep bodies in the vault.")
    return _LENGTH.pack(len(data)) + data


def split(buffer: bytearray) -> list[bytearray]:
    """Take all whole frames out of a buffer; raises Gone for a length nobody would send."""
    frames, start = [], 0
    while len(buffer) - start >= _LENGTH.size:
        (length,) = _LENGTH.unpack_from(buffer, start)
        if length > MOST:
            raise Gone
        end = start + _LENGTH.size + length
        if len(buffer) < end:
            break
        frames.append(buffer[start + _LENGTH.size : end])
        start = end
    if start:
        del buffer[:start]
    return frames


def connect(address: Address, timeout_s: float) -> socket.socket:
    """A connection to the owner; raises Gone where nobody listens."""
    unix = address.family == "unix"
    made = socket.socket(UNIX if unix else socket.AF_INET, socket.SOCK_STREAM)
    try:
        made.settimeout(timeout_s)
        made.connect(address.place if unix else (address.place, address.port))
        if not unix:
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except OSError as error:
        made.close()
        raise Gone from error
    return made


def read_address(ledger: Path) -> Address:
    """Where the owner says it listens; raises Gone where none says so."""
    path = ledger / folder.OWNER
    try:
        return msgspec.json.decode(path.read_bytes(), type=Address)
    except PermissionError as error:
        raise StoreError(
            f"{path}: another user's process owns this ledger. Run as that user, or name another ledger."
        ) from error
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Gone from error
