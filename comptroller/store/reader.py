"""Reading a ledger: in this process where the books are free, else by asking the process that has them."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import TYPE_CHECKING, Self

from comptroller.core.errors import StoreError
from comptroller.store import folder
from comptroller.store.askers import Askers
from comptroller.store.books import FILE, LOCK, Books, Busy
from comptroller.store.enquiry import Asker, Keeper
from comptroller.store.locks import SHARES, Lock
from comptroller.store.question import Bounds, Interrupt, Whose
from comptroller.store.wire import Gone

if TYPE_CHECKING:
    import pyarrow

WAIT_S = 15.0  # a command that only looks has the books for a moment; others wait for it that long
_PAUSE_S = 0.05


class Reader:
    """Answers named queries about a ledger (`queries/*.sql`). Safe to use from many threads."""

    def __init__(self, ledger: Path, serve: bool = False, wait_s: float = WAIT_S) -> None:
        self.ledger = ledger
        self._serve, self._wait_s = serve, wait_s
        self._books: Books | None = None
        self._aside: TemporaryDirectory[str] | None = None
        self._idle = False  # nobody used the ledger when the books were brought up to date
        self._keeper: Keeper | None = None
        self._asker: Asker | None = None
        try:
            self._connect()
        except BaseException:
            self.close()
            raise

    @classmethod
    def open(cls, ledger: str | Path, serve: bool = False, wait_s: float = WAIT_S) -> Self:
        """Open a ledger for reading, fresh up to now. `serve`: keep it fresh, and answer other processes too."""
        return cls(Path(ledger), serve, wait_s)

    @staticmethod
    def asking(ledger: str | Path, wait_s: float = WAIT_S) -> "Reader":
        """Read a ledger without ever opening its books: always by asking whoever keeps them, from many threads at once.

        Who is not there yet, or leaves, is waited for, `wait_s` for each question.
        """
        return _Asking(Path(ledger), wait_s)

    @property
    def local(self) -> bool:
        """True where this process has the books open itself."""
        return self._books is not None

    @property
    def aside(self) -> bool:
        """True where nothing can be written in the ledger, so that its books were made elsewhere for this reader."""
        return self._aside is not None

    @property
    def deserted(self) -> bool:
        """True where no process uses the ledger: what is unfinished in it will stay so."""
        return self._idle and _deserted(self.ledger)

    def query(self, name: str, **params: object) -> "pyarrow.Table":
        """The answer as an Arrow table; parameters not given are NULL."""
        return self._answer(lambda books: books.query(name, params), lambda asker: asker.query(name, params))

    def ask(
        self, sql: str, whose: Whose, bounds: Bounds, began: Callable[[Interrupt], None] | None = None
    ) -> "pyarrow.Table":
        """The answer to somebody else's SELECT. `began` is told how to stop it, where it runs in this process."""
        return self._answer(
            lambda books: books.ask(sql, whose, bounds, began), lambda asker: asker.ask(sql, whose, bounds)
        )

    def _answer(
        self, here: "Callable[[Books], pyarrow.Table]", there: "Callable[[Asker], pyarrow.Table]"
    ) -> "pyarrow.Table":
        for last in (False, True):
            try:
                if self._books is not None:
                    return here(self._books)
                if self._asker is not None:
                    return there(self._asker)
            except Gone:
                if last:
                    break
            self._connect()
        raise StoreError(f"{self.ledger}: the process that had the books open keeps leaving. Try again.")

    def rows(self, name: str, **params: object) -> list[dict[str, object]]:
        """The answer as one dict for each row."""
        found: list[dict[str, object]] = self.query(name, **params).to_pylist()
        return found

    def refresh(self) -> None:
        """Bring the books up to the end of the journal."""
        if self._books is not None:
            self._books.ingest()
            return
        try:
            if self._asker is not None:
                self._asker.refresh()
        except Gone:
            self._connect()

    def close(self) -> None:
        """Let go of the books."""
        for held in (self._keeper, self._asker, self._books):
            if held is not None:
                held.close()
        self._keeper = self._asker = self._books = None
        if self._aside is not None:
            self._aside.cleanup()
            self._aside = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _connect(self) -> None:
        self.close()
        self._idle = _deserted(self.ledger)
        home = self._elsewhere()
        until = time.monotonic() + self._wait_s
        while True:
            try:
                self._books = Books.open(self.ledger, home)
                break
            except Busy:
                if self._ask():
                    return
            if time.monotonic() >= until:
                raise StoreError(
                    f"{self.ledger / LOCK}: another process has had the books open for {self._wait_s:.0f} s and does "
                    "not answer; it may be filling them for the first time. Try again later, or stop it."
                )
            time.sleep(_PAUSE_S)
        self._begin(self._books)

    def _elsewhere(self) -> Path | None:
        """Where the books go when they cannot lie in the ledger: a place that leaves with this reader."""
        if not self.ledger.is_dir() or writable(self.ledger):
            return None
        self._aside = TemporaryDirectory(prefix="comptroller-books-", ignore_cleanup_errors=True)
        return Path(self._aside.name)

    def _begin(self, books: Books) -> None:
        try:
            books.ingest()
            if self._serve and not self.aside:
                self._keeper = Keeper(books)
                self._keeper.start()
        except BaseException:
            self.close()
            raise

    def _ask(self) -> bool:
        try:
            self._asker = Asker(self.ledger)
            self._asker.refresh()
        except Gone:
            self.close()
        except StoreError:
            self.close()
            raise
        return self._asker is not None


class _Asking(Reader):
    """Asks and never opens."""

    def __init__(self, ledger: Path, wait_s: float) -> None:
        self._askers = Askers(ledger, wait_s)
        super().__init__(ledger, wait_s=wait_s)

    def refresh(self) -> None:
        self._askers.answer(lambda asker: asker.refresh())

    def close(self) -> None:
        self._askers.close()

    def _connect(self) -> None:
        """There is nothing to hold on to before something is asked."""

    def _answer(
        self, here: "Callable[[Books], pyarrow.Table]", there: "Callable[[Asker], pyarrow.Table]"
    ) -> "pyarrow.Table":
        return self._askers.answer(there)


def writable(ledger: Path) -> bool:
    """True where books can be kept in the ledger."""
    return all(os.access(path, os.W_OK) for path in (ledger, ledger / FILE, ledger / LOCK) if path.exists())


def _deserted(ledger: Path) -> bool:
    """True where every process that used the ledger has let go of it; never on systems without shared locks."""
    if not SHARES or not (ledger / folder.MEMBERS).exists() or not os.access(ledger / folder.MEMBERS, os.W_OK):
        return False
    lock = Lock(ledger / folder.MEMBERS)
    free = lock.take()
    lock.drop()
    return free
