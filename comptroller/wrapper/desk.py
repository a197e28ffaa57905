"""The desk: everything a call needs, built once per process and shared by all its calls."""

import atexit
import logging
import threading
import time as _time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from comptroller.core.approval import Told
from comptroller.core.call import Identity
from comptroller.core.clock import SYSTEM, Clock
from comptroller.core.errors import SettingsError, StoreError
from comptroller.core.facts import POLICY_LOADED, Fact, Shortfall
from comptroller.core.settings import Settings, load_settings
from comptroller.core.verdict import Action, Cap
from comptroller.guardrails.chain import Chain, Inspection
from comptroller.guardrails.guard import installed_guards
from comptroller.metering.orders import Stop
from comptroller.metering.prices import PriceBook
from comptroller.policies.book import Book
from comptroller.tracing.span import Tracer
from comptroller.wrapper.bench import Bench
from comptroller.wrapper.cache import Cache
from comptroller.wrapper.dataflow import Flows
from comptroller.wrapper.kept import Kept
from comptroller.wrapper.queue import Queue
from comptroller.wrapper.register import Tokens
from comptroller.wrapper.shelf import Shelf, load_book, rates

if TYPE_CHECKING:
    from types import TracebackType

log = logging.getLogger("comptroller")
CLEAN_TEXTS = 100_000
PLANS = 1_000
COMPLAIN_EVERY_S = 60.0


class Pipe(Protocol):
    """The way of an event loop to a ledger that another process owns; `noting` lists what was sent to be recorded."""

    noting: "list[Any] | None"

    @property
    def mine(self) -> bool: ...
    async def reserve(self, opened: Fact) -> Shortfall | None: ...
    async def settled(self, noted: Sequence[Any]) -> None: ...
    async def so_far(self) -> None: ...


class Watcher(Protocol):
    """A stream that waits for its upstream."""

    def look(self) -> None: ...


class Ledger(Protocol):
    """What the call path needs of a store."""

    @property
    def local(self) -> bool: ...
    @property
    def pipe(self) -> Pipe | None: ...
    @property
    def stops(self) -> Mapping[str, Stop]: ...

    on_stops: Callable[[], None] | None

    def reserve(self, opened: Fact) -> Shortfall | None: ...
    def record(self, fact: Fact) -> None: ...
    def sync(self, fact: Fact) -> None: ...
    def ask(self, ask: Fact) -> Told: ...
    def use(self, use: Fact) -> str: ...
    def renew(self, hold_id: str, lease_ns: int) -> None: ...
    def counter(self, key: str, unit: str) -> tuple[int, int]: ...
    def held(self) -> tuple[int, dict[str, int]]: ...
    def keep(self, messages: Sequence[bytes], tenant: str, subject: str) -> list[str]: ...
    def digest(self, data: bytes) -> str: ...
    def vouch(self, data: bytes) -> str: ...
    def fetch(self, digest: str) -> bytes | None: ...
    def recall(self, digest: str, tenant: str, subject: str) -> bytes | None: ...
    async def attach(self) -> None: ...
    async def detach(self) -> None: ...
    def erasures(self) -> int: ...
    def close(self) -> None: ...


class Desk:
    """Settings, policies, guards, prices and the ledger, joined for the call path."""

    def __init__(
        self,
        settings: Settings,
        ledger: Ledger,
        clock: Clock = SYSTEM,
        book: Book | None = None,
        chain: Chain | None = None,
    ) -> None:
        self.settings = settings
        self.clock = clock
        self.ledger = ledger
        limits = settings.limits
        self.chain = chain or Chain(installed_guards(), limits.guard_ms, clock, memory_mb=limits.guard_mb)
        self.prices = PriceBook(settings.prices.overrides, clock)
        self.tracer = Tracer()
        self.fx = rates(settings)
        self.shelf = Shelf(settings, book)
        self.book = self.shelf.book
        self._announce()
        self._plans: dict[int, tuple[Mapping[str, Action], int]] = {}
        self._clean: dict[tuple[int, int, int], None] = {}
        self.queue = Queue()
        self.bench = Bench(self)
        self.cache = Cache(settings.limits.cache_mb << 20, clock)
        self.flows = Flows()
        self.tokens = Tokens(ledger)
        self.at_close: list[Callable[[], None]] = []
        self.kept = Kept()
        self.watchers: list[Callable[[Fact], None]] = [self.kept.watch]  # told of each fact once it is on record
        self.ambient: Any = None  # the scope of calls made outside any run
        self.ambient_lock = threading.Lock()
        self._complained = -COMPLAIN_EVERY_S
        self.streams: set[Watcher] = set()  # under way on event loops: they may have to end while nothing comes
        ledger.on_stops = self._stopped
        self.closed = False

    @classmethod
    def open(
        cls,
        ledger: str | Path | None = None,
        config: str | Path | Mapping[str, object] | None = None,
        clock: Clock = SYSTEM,
    ) -> "Desk":
        """Open the ledger that argument, environment or configuration name."""
        from comptroller.store.ledger import Ledger as Store

        settings = load_settings(config, ledger)
        if "://" in settings.ledger:
            raise SettingsError(
                f"ledger: {settings.ledger.split('://')[0]}:// ledgers are not supported by this version. "
                "Name a directory; what a gateway should govern is pointed at it by its client's base URL."
            )
        book = load_book(settings)  # a mistake in a policy is reported before a ledger is made
        return cls(settings, Store.open(settings.ledger, settings, clock), clock, book)

    def close(self) -> None:
        """Write what is under way and let go of the ledger; harmless when done twice."""
        if not self.closed:
            for last_act in self.at_close:
                last_act()
            self.bench.close()
            self.closed = True
            atexit.unregister(self.close)
            self.tracer.close()
            self.chain.close()
            self.ledger.close()

    def __enter__(self) -> "Desk":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: "TracebackType | None"
    ) -> None:
        self.close()

    # -- recording

    def record(self, fact: Fact) -> None:
        """Put a fact on record (written when this returns) and, where somebody listens, into a span."""
        self.ledger.record(fact)
        for watch in self.watchers:
            watch(fact)
        if self.tracer.listening:
            self.tracer.span(fact)

    def note(self, fact: Fact, must: bool = False) -> None:
        """Put a fact about a run or an agent on record; raises where it cannot be and `must` be."""
        try:
            self.record(fact)
        except StoreError as error:
            if must:
                raise
            self.complain(error)

    def must_record(self, capped: bool) -> bool:
        """True where nothing may happen that cannot be recorded: where no setting says so, under a hard cap."""
        setting = self.settings.on_store_failure
        return capped if setting is None else setting == "closed"

    def complain(self, error: Exception) -> None:
        """Say loudly that a call goes unrecorded; once a minute, for a full disk fails every call."""
        now = _time.monotonic()
        if now - self._complained > COMPLAIN_EVERY_S:
            self._complained = now
            log.error("The ledger cannot be written; calls pass unrecorded (on_store_failure: open): %s", error)

    # -- orders

    def _stopped(self) -> None:
        """Somebody stopped something: streams that wait look whether it is them."""
        for stream in list(self.streams):
            stream.look()

    # -- guards

    def inspect(self, text: str, plan: Mapping[str, Action], as_json: bool = False) -> Inspection | None:
        """What the guards of `plan` say of a text; None when they say nothing.

        History repeats in every request of a conversation: a text found clean under a plan is not scanned again.
        The key is Python's own keyed hash, which nobody outside the process can aim at.
        """
        if not plan or not text:
            return None
        known = self._plans.get(id(plan))
        key = (hash(text), len(text), (known[1] if known is not None else self._plan_key(plan)) ^ as_json)
        if key in self._clean:
            return None
        found = self.chain.inspect_json(text, plan) if as_json else self.chain.inspect(text, plan)
        if found.findings or found.failed or found.action != "allow":
            return found
        if len(self._clean) >= CLEAN_TEXTS:
            self._clean.clear()
        self._clean[key] = None
        return None

    def _plan_key(self, plan: Mapping[str, Action]) -> int:
        """Stands for the guards of a plan. Plans are few and live long; holding one keeps its id from being reused."""
        if len(self._plans) >= PLANS:
            self._plans.clear()
        key = hash(frozenset([name for name, action in plan.items() if action != "allow"]))
        self._plans[id(plan)] = (plan, key)
        return key

    # -- money

    def convert(self, nanos: int, currency: str, unit: str) -> int | None:
        """An amount in another currency, rounded up; None without a rate."""
        if currency == unit:
            return nanos
        rate = self.fx.get((currency, unit))
        return None if rate is None else -(-nanos * rate.numerator // rate.denominator)

    # -- policies

    def caps(self, identity: Identity, tool: str = "") -> tuple[Cap, ...]:
        """The caps of the policies that apply here."""
        return self.book.caps(identity, tool)

    def refresh(self) -> None:
        """Go by changed policy files from now on."""
        book = self.shelf.changed()
        if book is not None:
            self.book = book
            self._announce()

    def _announce(self) -> None:
        files = [{"path": f.path, "digest": f.digest, "text": f.text} for f in self.book.files]
        data: dict[str, object] = {"version": self.book.version, "rules": self.book.rules, "files": files}
        self.ledger.record(Fact(POLICY_LOADED, self.clock.new_id(), self.clock.now_ns(), data=data))


_desk: Desk | None = None
_desk_lock = threading.RLock()


def open_desk(ledger: str | Path | None = None, config: str | Path | Mapping[str, object] | None = None) -> Desk:
    """Open a desk and make it the process's own."""
    with _desk_lock:
        desk = Desk.open(ledger, config)
        set_desk(desk)
        atexit.register(desk.close)  # whoever forgets to close has the run's end on record all the same
        return desk


def set_desk(desk: Desk | None) -> Desk | None:
    """Make `desk` the process's own; returns the one before."""
    global _desk
    with _desk_lock:
        before, _desk = _desk, desk
        return before


def open_or_none() -> Desk | None:
    """The open desk, or None: where nothing is open, governing costs nothing."""
    desk = _desk
    return desk if desk is not None and not desk.closed else None


def the_desk() -> Desk:
    """The open desk; opens the default one where none is."""
    desk = open_or_none()
    if desk is not None:
        return desk
    with _desk_lock:
        return open_or_none() or open_desk()
