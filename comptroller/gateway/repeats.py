"""Replies kept for clients that ask the same again under the same Idempotency-Key: nothing is sent or billed twice."""

import asyncio
import hashlib
from collections import OrderedDict
from dataclasses import dataclass

from comptroller.core.clock import Clock
from comptroller.gateway.stop import Stop

MOST_BYTES = 64 << 20  # of all replies kept
MOST_OF_ONE = 4 << 20
KEPT_NS = 86_400 * 1_000_000_000


@dataclass(frozen=True, slots=True)
class Told:
    """A reply as the client got it."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes


@dataclass(slots=True, eq=False)
class Slot:
    """One key in use: the reply once it is there, else somebody is at work on it."""

    digest: bytes
    at_ns: int
    told: "asyncio.Future[Told | None]"
    size: int = 0


class Repeats:
    """Replies by whose key it was and what it said, the oldest forgotten first."""

    def __init__(self, most: int, clock: Clock) -> None:
        self._most, self._clock = most, clock
        self._slots: OrderedDict[tuple[str, ...], Slot] = OrderedDict()
        self._bytes = 0

    async def claim(self, key: tuple[str, ...], body: bytes) -> Slot | Told:
        """The reply given before, after waiting for one under way; or a slot to be filled."""
        digest = hashlib.blake2b(body, digest_size=16).digest()
        while True:
            slot = self._slots.get(key)
            if slot is None or self._clock.monotonic_ns() - slot.at_ns > KEPT_NS:
                return await self._take(key, digest)
            if slot.digest != digest:
                raise reused()
            told = await asyncio.shield(slot.told)
            if told is not None:
                return told

    def keep(self, key: tuple[str, ...], told: Told | None) -> None:
        """The work is done: keep the reply, or with None forget the key, so that the next attempt is a new one."""
        slot = self._slots.get(key)
        if slot is None or slot.told.done():
            return
        if told is None or len(told.body) > MOST_OF_ONE:
            del self._slots[key]
            slot.told.set_result(None)
            return
        slot.size = len(told.body)
        self._bytes += slot.size
        slot.told.set_result(told)
        self._forget()

    async def _take(self, key: tuple[str, ...], digest: bytes) -> Slot | Told:
        """What nobody here knows of."""
        return self._begin(key, digest)

    def _begin(self, key: tuple[str, ...], digest: bytes) -> Slot:
        before = self._slots.pop(key, None)
        self._bytes -= before.size if before else 0
        slot = Slot(digest, self._clock.monotonic_ns(), asyncio.get_running_loop().create_future())
        self._slots[key] = slot
        return slot

    def _forget(self) -> None:
        for key, slot in list(self._slots.items()):
            if len(self._slots) <= self._most and self._bytes <= MOST_BYTES:
                return
            if slot.told.done():
                del self._slots[key]
                self._bytes -= slot.size


def reused() -> Stop:
    """Why a key that was used for another request is no good."""
    return Stop(
        400,
        "idempotency_key_reused",
        "This Idempotency-Key was used for another request. Give each request its own.",
    )
