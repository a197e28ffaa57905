"""Asking the process that serves `/api` on this machine, in somebody's name: where it listens and how it is asked."""

import http.client
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import msgspec

from comptroller.core.errors import ComptrollerError
from comptroller.office.who import Who, packed
from comptroller.store.wire import Address

LABEL = "api.json"  # where it listens, in the ledger; only this user can read the token
TOKEN, WHO = "comptroller-api-token", "comptroller-api-who"  # headers: that it is one of us who asks, and for whom
PATIENCE_S, PAUSE_S = 5.0, 0.05  # for a process that starts, or starts again
TIMEOUT_S = 60.0
IDLE = 8  # connections kept for the next who asks
_LOST = (OSError, http.client.HTTPException)


class Declined(ComptrollerError):
    """What `/api` does not do; says why and what would help. `code` and `status` are for machines."""

    def __init__(self, status: int, code: str, message: str, place: str = "") -> None:
        super().__init__(message)
        self.status, self.code, self.place = status, code, place


class Switchboard:
    """Puts questions and orders through to `/api` of one ledger. Thread-safe."""

    def __init__(self, ledger: Path, patience_s: float = PATIENCE_S, timeout_s: float = TIMEOUT_S) -> None:
        self._ledger, self._tries, self._timeout_s = ledger, int(patience_s / PAUSE_S), timeout_s
        self._idle: list[tuple[Address, http.client.HTTPConnection]] = []
        self._turn = threading.Lock()

    def get(self, who: Who, path: str, **query: object) -> Any:
        """The answer to a question, read from JSON; Declined where there is none."""
        return _read(self.fetch(who, path, **query)[0])

    def post(self, who: Who, path: str, body: Mapping[str, object] | None = None) -> Any:
        """What came of an order. It is sent once: one that may have been carried out is never sent again."""
        return _read(self._asked(who, "POST", path, msgspec.json.encode(body or {}))[0])

    def fetch(self, who: Who, path: str, **query: object) -> tuple[bytes, str]:
        """The answer as it is, and its media type."""
        said = urlencode({name: value for name, value in query.items() if value is not None})
        return self._asked(who, "GET", f"{path}?{said}" if said else path, None)

    def close(self) -> None:
        """Hang up."""
        with self._turn:
            idle, self._idle = self._idle, []
        for _, line in idle:
            line.close()

    def _asked(self, who: Who, method: str, path: str, body: bytes | None) -> tuple[bytes, str]:
        for left in range(self._tries, -1, -1):
            address = address_of(self._ledger)
            if address is not None:
                with suppress(_Unsent):
                    return self._sent(address, who, method, path, body)
            if left:
                time.sleep(PAUSE_S)
        raise _away("The process that answers /api is not there, or is still filling the books.")

    def _sent(self, address: Address, who: Who, method: str, path: str, body: bytes | None) -> tuple[bytes, str]:
        line = self._line(address, fresh=body is not None)
        head = {TOKEN: address.token, WHO: packed(who).decode("ascii")}
        if body is not None:
            head["content-type"] = "application/json"
        try:
            line.request(method, path, body, head)
            reply = line.getresponse()
            told = reply.read()
        except _LOST as error:
            line.close()
            if body is None and isinstance(error, TimeoutError):
                raise _late() from None  # who is slow would be slower if it were asked again and again
            if body is None:
                raise _Unsent from error  # it only reads, so asking again does nothing twice
            raise _broken_off() from None
        self._keep(address, line, reply)
        if reply.status >= 400:
            raise _declined(reply.status, told)
        return told, reply.headers.get("content-type", "")

    def _line(self, address: Address, fresh: bool) -> http.client.HTTPConnection:
        with self._turn:
            while self._idle and not fresh:
                known, line = self._idle.pop()
                if known == address:
                    return line
                line.close()
        line = http.client.HTTPConnection(address.place, address.port, timeout=self._timeout_s)
        try:
            line.connect()
        except OSError as error:
            raise _Unsent from error
        return line

    def _keep(self, address: Address, line: http.client.HTTPConnection, reply: http.client.HTTPResponse) -> None:
        with self._turn:
            if not reply.will_close and len(self._idle) < IDLE:
                self._idle.append((address, line))
                return
        line.close()


class _Unsent(Exception):
    """Nothing was done, so it may be asked again."""


def address_of(ledger: Path) -> Address | None:
    """Where the process for this ledger listens; None where none says so."""
    try:
        return msgspec.json.decode((ledger / LABEL).read_bytes(), type=Address)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return None


def _read(told: bytes) -> Any:
    return msgspec.json.decode(told)


def _declined(status: int, told: bytes) -> Declined:
    try:
        error = msgspec.json.decode(told)["error"]
        message = " ".join(filter(None, (str(error["message"]), str(error.get("remedy", "")))))
        return Declined(status, str(error["code"]), message, str(error.get("place", "")))
    except (msgspec.MsgspecError, KeyError, TypeError, AttributeError):
        return Declined(status, "unreadable", f"/api answered {status} and did not say why. Its log says more.")


def _away(why: str) -> Declined:
    return Declined(503, "api_unavailable", f"{why} `comptroller up` starts it; its log says more.")


def _late() -> Declined:
    return Declined(504, "too_slow", "The process that answers /api took too long. Ask for less, or try again later.")


def _broken_off() -> Declined:
    said = "The process that answers /api went away over this, so look whether it was done before you repeat it."
    return Declined(503, "api_unavailable", said)
