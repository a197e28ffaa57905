"""What the console is connected to: the process that keeps a ledger's books, and `/api`."""

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from comptroller.dashboards.source import Document
from comptroller.office.switchboard import Switchboard
from comptroller.office.who import Who
from comptroller.store.reader import Reader

if TYPE_CHECKING:
    import pyarrow


class LedgerConnection:
    """One for the process. Opens nothing itself: it asks whoever has the books, and lets `/api` write."""

    def __init__(self, ledger: Path) -> None:
        self._ledger, self._board = ledger, Switchboard(ledger)
        self._asker: Reader | None = None
        self._turn = threading.Lock()

    def query(self, name: str, params: Mapping[str, object]) -> "pyarrow.Table":
        """The answer to a named query."""
        return self._reader().query(name, **params)

    def call(self, who: Who, method: str, path: str, query: Mapping[str, object], body: object | None) -> Any:
        """What `/api` says to a question or an order."""
        if method == "GET":
            return self._board.get(who, path, **query)
        assert method == "POST", "orders are posted"
        assert isinstance(body, Mapping), "an order has particulars"
        return self._board.post(who, path, body)

    def fetch(self, who: Who, path: str, query: Mapping[str, object]) -> Document:
        """A file of `/api`."""
        data, media = self._board.fetch(who, path, **query)
        return Document(data, media, path.rpartition("/")[2])

    def refresh(self) -> None:
        """Return once the books have what was just written."""
        self._reader().refresh()

    def _reader(self) -> Reader:
        with self._turn:  # only once the first page asks: the process that keeps the books may still be starting
            if self._asker is None:
                self._asker = Reader.asking(self._ledger)
            return self._asker
