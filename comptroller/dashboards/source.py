"""What a page may ask: named queries and `/api`, always as the person who looks, remembered until the data moves."""

import json
import sys
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import quote

from comptroller.office.people import NotLetIn
from comptroller.office.who import NotAllowed, Who

if TYPE_CHECKING:
    import pyarrow

FRESH_S = 0.5  # how long the data is taken to stand still: as long as the books take to notice new records
LATELY_S = 15.0  # how long names to choose from may be those of before: only a name that came since is missing
MOST_BYTES = 64 << 20  # of answers kept, for all sessions together


@dataclass(frozen=True, slots=True)
class Document:
    """A file to hand on."""

    data: bytes
    media: str
    name: str


class Connection(Protocol):
    """What the process is connected to: the books, and `/api`."""

    def query(self, name: str, params: Mapping[str, object]) -> "pyarrow.Table": ...
    def call(self, who: Who, method: str, path: str, query: Mapping[str, object], body: object | None) -> Any: ...
    def fetch(self, who: Who, path: str, query: Mapping[str, object]) -> Document: ...
    def refresh(self) -> None: ...


@dataclass(slots=True)
class Effort:
    """What one script run asked, for the line at the foot of the page."""

    queries: int = 0
    seconds: float = 0.0


class Memory:
    """Answers kept by what was asked, bounded by their size; shared by all sessions. An answer is never changed."""

    def __init__(self, most: int = MOST_BYTES) -> None:
        self._most, self._size = most, 0
        self._kept: OrderedDict[Hashable, tuple[Any, int]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, mark: Hashable) -> Any | None:
        """What was answered, if it is kept."""
        with self._lock:
            found = self._kept.get(mark)
            if found is None:
                return None
            self._kept.move_to_end(mark)
            return found[0]

    def keep(self, mark: Hashable, answer: Any, size: int) -> None:
        """Keep an answer, and let go of the oldest where there is no room."""
        if size > self._most // 4:
            return
        with self._lock:
            if mark in self._kept:
                return
            self._kept[mark] = (answer, size)
            self._size += size
            while self._size > self._most:
                _, (_, gone) = self._kept.popitem(last=False)
                self._size -= gone


class House:
    """One for the process: the connection, what is remembered, and how far the data has come."""

    def __init__(self, connection: Connection) -> None:
        self.connection, self.memory = connection, Memory()
        self._lock = threading.Lock()
        self._version, self._looked, self._acts = 0, float("-inf"), 0

    def version(self) -> tuple[int, int]:
        """How far the data has come; asked anew after half a second, and after each act."""
        with self._lock:
            if time.monotonic() - self._looked > FRESH_S:
                rows = self.connection.query("console_position", {}).to_pylist()
                self._version, self._looked = (rows[0]["sequence"] or 0) if rows else 0, time.monotonic()
            return self._version, self._acts

    def moved(self) -> None:
        """Something was written: what is remembered is old."""
        self.connection.refresh()
        with self._lock:
            self._looked, self._acts = float("-inf"), self._acts + 1


_house: House | None = None


def connect(connection: Connection | None) -> None:
    """Say, once for the process, where everything comes from; None lets go of it."""
    global _house
    _house = House(connection) if connection is not None else None


@dataclass(slots=True)
class Source:
    """What one person may ask, during one run of a page.

    What a page drew may ask long after: a question to confirm, a file to take away. `still` tells who they are by
    then, so that nothing is asked or done with rights that were taken away meanwhile.
    """

    drawn_for: Who
    effort: Effort = field(default_factory=Effort)
    still: Callable[[], Who | None] | None = None

    @property
    def who(self) -> Who:
        """Who asks, as of now."""
        if self.still is None:
            return self.drawn_for
        found = self.still()
        if found is None:
            raise NotLetIn("Your session has ended. Sign in again.")
        if found != self.drawn_for:
            raise NotAllowed("What you may do was changed meanwhile. Load the page anew.")
        return found

    def table(self, name: str, **params: object) -> "pyarrow.Table":
        """The answer to a named query about the rows of this person's tenant and customer, and no others."""
        who = self.who
        asked = {**params, "tenant": who.tenant, "customer": who.customer or params.get("customer")}
        asked = {key: value for key, value in asked.items() if value is not None}
        house = _connected()
        return self._remembered(
            ("query", name, _mark(asked)), lambda: house.connection.query(name, asked), lambda table: table.nbytes
        )

    def rows(self, name: str, **params: object) -> list[dict[str, Any]]:
        """The same as one dict for each row."""
        found: list[dict[str, Any]] = self.table(name, **params).to_pylist()
        return found

    def lately(self, name: str, **params: object) -> list[dict[str, Any]]:
        """Rows as of some seconds ago at most, for what no figure hangs on: not every record asks for them anew."""
        mark = ("lately", name, _mark(params), self.who)
        slot = int(time.monotonic() / LATELY_S)
        table = self._remembered(mark, lambda: self.table(name, **params), lambda kept: kept.nbytes, False, slot)
        found: list[dict[str, Any]] = table.to_pylist()
        return found

    def one(self, name: str, **params: object) -> dict[str, Any] | None:
        """The first row, if there is any."""
        found = self.rows(name, **params)
        return found[0] if found else None

    def get(self, path: str, **query: object) -> Any:
        """What `/api` answers."""
        asked = {key: value for key, value in query.items() if value is not None}
        house, who, path = _connected(), self.who, _place(path)
        mark = ("api", path, _mark(asked), who)
        return self._remembered(mark, lambda: house.connection.call(who, "GET", path, asked, None), _weight)

    def post(self, path: str, **body: object) -> Any:
        """Do something, as this person; everything is asked anew afterwards."""
        house, who = _connected(), self.who
        try:
            return house.connection.call(who, "POST", _place(path), {}, body)
        finally:
            house.moved()

    def made(self, name: str, make: Callable[[], Any], weight: int, **about: object) -> Any:
        """What takes long to make out of answers, kept as they are. `weight`: roughly what it takes in memory."""
        mark = ("made", name, _mark(about), self.who)
        return self._remembered(mark, make, lambda _: weight, counts=False)

    def question(self, path: str, **body: object) -> Any:
        """What `/api` answers to a question too long for an address; it changes nothing, so it is remembered."""
        house, who, path = _connected(), self.who, _place(path)
        mark = ("question", path, _mark(body), who)
        return self._remembered(mark, lambda: house.connection.call(who, "POST", path, {}, body), _weight)

    def fetch(self, path: str, **query: object) -> Document:
        """A file from `/api`; never remembered."""
        asked = {key: value for key, value in query.items() if value is not None}
        return _connected().connection.fetch(self.who, _place(path), asked)

    def _remembered(
        self,
        mark: tuple[Hashable, ...],
        ask: Callable[[], Any],
        weigh: Callable[[Any], int],
        counts: bool = True,
        dated: Hashable = None,
    ) -> Any:
        """The answer kept for the same question at the same place of the journal, or at what it is dated by instead."""
        house = _connected()
        begun = time.perf_counter()
        mark = (*mark, house.version() if dated is None else dated)
        answer = house.memory.get(mark)
        if answer is None:
            answer = ask()
            self.effort.queries += counts
            house.memory.keep(mark, answer, weigh(answer))
        if counts:
            self.effort.seconds += time.perf_counter() - begun
        return answer


def _connected() -> House:
    if _house is None:
        raise RuntimeError("the console is connected to nothing: `source.connect` comes first")
    return _house


def _place(path: str) -> str:
    """The path as it travels. Ids in it are others' words: none ends the path, asks for more or cannot be sent."""
    return quote(path, safe="/%:@+=,~", errors="replace")


def _mark(asked: Mapping[str, object]) -> Hashable:
    return json.dumps(asked, sort_keys=True, default=str)


def _weight(answer: Any) -> int:
    """Roughly what an answer of `/api` takes in memory."""
    return 4 * len(json.dumps(answer, default=str)) + sys.getsizeof(answer)
