"""The bureau: what all rooms of `/api` share. Books and keys at hand, the desk opened when something is written."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from comptroller.core.clock import SYSTEM, Clock
from comptroller.core.errors import StoreError
from comptroller.core.settings import Settings
from comptroller.office import receipts
from comptroller.office.approvals import ApprovalDesk
from comptroller.office.bookkeeper import PATIENCE_S, Bookkeeper
from comptroller.office.dossiers import Given
from comptroller.office.follower import START, Follower
from comptroller.office.keeping import keeper_of
from comptroller.office.keys import KINDS, Register
from comptroller.office.orders import Standing, orders_of
from comptroller.office.outcome_desk import OutcomeDesk
from comptroller.office.prover import Prover
from comptroller.office.receipts import Drawer
from comptroller.office.roll import Roll
from comptroller.office.still import Still
from comptroller.office.webhooks import Post
from comptroller.policies.book import Book
from comptroller.store.bodies import Bodies
from comptroller.store.ledger import Ledger
from comptroller.store.reader import Reader
from comptroller.tracing.diff import Diff
from comptroller.wrapper.desk import Desk
from comptroller.wrapper.shelf import load_book


class Bureau:
    """One for each process. Thread-safe."""

    def __init__(self, settings: Settings, clock: Clock = SYSTEM) -> None:
        self.settings, self.clock = settings, clock
        self.ledger = Path(settings.ledger)
        self.reader = Reader.open(self.ledger, serve=True)
        self.prover = Prover(self.ledger)
        self._turn = threading.RLock()
        self._desk: Desk | None = None
        self._bodies: Bodies | None = None
        self._follower = Follower(self.ledger, KINDS)
        self._register = Register()
        self._receipts = Follower(self.ledger, receipts.KINDS)
        self._drawer = Drawer()
        self._roll: Roll | None = None
        self._given = orders_of(self.ledger)
        self._standing = Standing()
        self._outcomes: OutcomeDesk | None = None
        self._approvals: ApprovalDesk | None = None
        self._keeper: Bookkeeper | None = None
        self._books_turn, self._books_pen = threading.Lock(), threading.Lock()
        self._still: Still | None = None  # the books as they stood before those who close a period began
        self.patience_s: float = PATIENCE_S  # how long somebody waits who would write the books, too
        self.diffs: dict[tuple[object, ...], Diff] = {}  # the last few comparisons of runs
        self.audits: dict[str, object] = {}  # what the audit's room remembers between requests
        self.packs: dict[str, str] = {}  # what the evidence's room does, and how the last of it ended
        self.given: tuple[Follower, list[Given]] | None = None  # and what was given
        self.post: tuple[Follower, Post] | None = None  # what webhooks are owed, for who asks how they do

    @property
    def desk(self) -> Desk:
        """The ledger to write to, with the policies; opened by the first who needs it."""
        with self._turn:
            if self._desk is None:
                settings = self.settings
                book = load_book(settings)
                self._desk = Desk(settings, Ledger.open(settings.ledger, settings, self.clock), self.clock, book)
            self._desk.refresh()
            return self._desk

    @property
    def outcomes(self) -> OutcomeDesk:
        """The work on outcomes; begun by the first who needs it."""
        with self._turn:
            if self._outcomes is None:
                self._outcomes = OutcomeDesk(self.desk, lambda: self.reader)
            return self._outcomes

    @contextmanager
    def books(self) -> Iterator[Bookkeeper]:
        """The books to look at, for one at a time; while a period is closed, as they stood before that."""
        with self._books_turn:
            yield self._still or self._kept()

    @contextmanager
    def writing(self) -> Iterator[Bookkeeper]:
        """The books to write something short, for one at a time and for nobody else."""
        with self._pen(), self._books_turn:
            yield self._kept()

    @contextmanager
    def closing(self) -> Iterator[Bookkeeper]:
        """The books for whoever closes periods, which takes long: who looks is shown what was before, meanwhile."""
        with self._pen():
            with self._books_turn:
                keeper = self._kept()
                self._still = Still(keeper)
            try:
                yield keeper
            finally:
                with self._books_turn:
                    self._still = None

    @contextmanager
    def _pen(self) -> Iterator[None]:
        """One writes at a time."""
        if not self._books_pen.acquire(timeout=self.patience_s):
            raise StoreError(f"The books have been written for {self.patience_s} s by somebody else. Try again later.")
        try:
            yield
        finally:
            self._books_pen.release()

    def _kept(self) -> Bookkeeper:
        """The books, brought up to date; opened by the first who needs them."""
        self.outcomes.work_here()
        if self._keeper is None:
            self._keeper = keeper_of(self.desk, self.reader, self.outcomes)
        else:
            self._keeper.look()
        return self._keeper

    @property
    def book(self) -> Book:
        """The policies in force."""
        return self.desk.book

    @property
    def bodies(self) -> Bodies:
        """The texts in the vault."""
        with self._turn:
            if self._bodies is None:
                self._bodies = Bodies.open(self.ledger)
            return self._bodies

    @property
    def approvals(self) -> ApprovalDesk:
        """What waits for a person, and the answers; begun by the first who needs it."""
        with self._turn:
            desk = self.desk  # looked at first: policies that changed meanwhile are in force from here on
            if self._approvals is None:
                self._approvals = ApprovalDesk(desk)
            return self._approvals

    def register(self) -> Register:
        """All keys there are, as of now."""
        with self._turn:
            if not self._follower.intact():
                self._follower.go(START)
                self._register = Register()
            if self._follower.grown:
                for fact in self._follower.read():
                    self._register.fold([fact])
            return self._register

    @property
    def roll(self) -> Roll:
        """The people who may look at the console."""
        with self._turn:
            if self._roll is None:
                self._roll = Roll(self.ledger, self.desk.ledger.digest)
            return self._roll

    def orders(self) -> Standing:
        """The orders in force, as of now."""
        with self._turn:
            if not self._given.intact():
                self._given.go(START)
                self._standing = Standing()
            if self._given.grown:
                self._standing.fold(self._given.read())
            return self._standing

    def drawer(self) -> Drawer:
        """All receipts there are, as of now."""
        with self._turn:
            if not self._receipts.intact():
                self._receipts.go(START)
                self._drawer = Drawer()
            if self._receipts.grown:
                for fact in self._receipts.read():
                    self._drawer.fold([fact])
            return self._drawer

    def close(self) -> None:
        """Let go of ledger and books."""
        with self._turn:
            if self._desk is not None:
                self._desk.close()
            self.reader.close()
