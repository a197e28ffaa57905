"""Memory shared inside a process or through any mapping: `ct.memory(name, store)`, ruled as stores behind HTTP are."""

from collections.abc import Iterator, MutableMapping
from typing import Any

import msgspec

from comptroller.core.memory import STAMP, Doing
from comptroller.dialects.memory.exchange import Batch, Exchange, Item
from comptroller.dialects.memory.routes import Store
from comptroller.policies.memories import memories_for
from comptroller.wrapper.context import current
from comptroller.wrapper.desk import open_or_none
from comptroller.wrapper.drive import Blocking
from comptroller.wrapper.effects import Head, Send
from comptroller.wrapper.external import ExternalJob
from comptroller.wrapper.memory import governed_call
from comptroller.wrapper.run import ambient

Entries = MutableMapping[str, Any]
VALUE = "value"


def memory(name: str, store: Entries | None = None) -> "Memory":
    """A mapping whose entries are written and read under what policies say of the memory `name`.

    `store` is where they lie: a dict, a shelf, anything that maps texts to what JSON can say. Free when nothing is
    open.
    """
    return Memory(name, {} if store is None else store)


class Memory(MutableMapping[str, Any]):
    """A governed mapping. What this reader is not to see is not in it."""

    def __init__(self, name: str, store: Entries) -> None:
        self.name, self._store = name, store

    def __setitem__(self, key: str, value: Any) -> None:
        if not isinstance(key, str):
            raise TypeError(f"Keys of a memory are texts, and {key!r} is none.")
        entry = {VALUE: msgspec.json.decode(msgspec.json.encode(value))}  # as it is read again; refuses what cannot be
        exchange = Exchange("write", (), [key], [Item(key, entry)], instead=self._there(key), body=entry)
        if not self._govern(exchange, [key]):
            self._store[key] = value

    def __getitem__(self, key: str) -> Any:
        self._store[key]  # what is not there is no reading
        return self._read([key])[key]

    def __delitem__(self, key: str) -> None:
        self._store[key]
        if not self._govern(Exchange("delete", (), [key], instead=self._there(key)), [key]):
            del self._store[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._read(list(self._store)))

    def __len__(self) -> int:
        return len(self._read(list(self._store)))

    def _there(self, key: str) -> list[Item]:
        return [Item(key, _opened(self._store[key]))] if key in self._store else []

    def _read(self, keys: list[str]) -> dict[str, Any]:
        """The values of all that this reader may see."""
        found: dict[str, Any] = {key: _opened(self._store[key]) for key in keys if key in self._store}
        exchange = Exchange("read", (), keys, found=lambda reply: [_batch(found)])
        self._govern(exchange, keys)
        return {key: entry[VALUE] for key, entry in found.items()}

    def _govern(self, exchange: Exchange, keys: list[str]) -> bool:
        """Have it decided and done; False where nothing is open, or no policy speaks of this memory."""
        desk = open_or_none()
        if desk is None:
            return False
        desk.refresh()
        where = current() or ambient(desk)
        memories = memories_for(desk.book, where.identity)
        terms = None if memories is None else memories.of(where.identity.agent, (self.name,))
        if terms is None:
            return False
        job = ExternalJob(desk, where.identity, where.run, "", "", "", None)
        answer = Blocking(
            desk,
            governed_call(job, Store(self.name, "shared"), exchange, terms),
            _Hands(self._store, exchange.does, keys),
        ).start()
        assert answer is not None, "no memory streams"
        if answer.refused is not None:
            raise answer.refused
        return True


class _Hands:
    """What was decided is done to the mapping."""

    def __init__(self, store: Entries, does: Doing, keys: list[str]) -> None:
        self._store, self._does, self._keys = store, does, keys

    def send(self, effect: Send) -> Head:
        if self._does == "write":
            self._store[self._keys[0]] = msgspec.json.decode(effect.body or b"{}")
        elif self._does == "delete":
            del self._store[self._keys[0]]
        return Head(200, {})

    def read(self, limit: int) -> bytes | None:
        return b"{}"  # the entries are at hand already

    def next(self) -> bytes | None:
        return None

    def close(self) -> None:
        return None


def _opened(kept: Any) -> dict[str, Any]:
    """An entry as it is judged: with its stamp, where it has one."""
    if isinstance(kept, dict) and STAMP in kept and kept.keys() == {VALUE, STAMP}:
        return dict(kept)
    return {VALUE: kept}


def _batch(found: dict[str, dict[str, Any]]) -> Batch:
    keys = list(found)

    def leave_out(gone: frozenset[int]) -> None:
        for number in gone:
            del found[keys[number]]

    return Batch([Item(key, found[key]) for key in keys], leave_out)
