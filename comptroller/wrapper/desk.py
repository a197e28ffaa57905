"""The desk: everything a call needs, built once per process and shared by all its calls."""

import atexit
import logging
import os
import threading
import time as _time
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from comptroller.core.call import Identity
from comptroller.core.clock import SYSTEM, Clock
from comptroller.core.errors import SettingsError, StoreError
from comptroller.core.facts import POLICY_LOADED, Fact, Shortfall
from comptroller.core.settings import Settings, load_settings
from comptroller.core.verdict import Action, Cap
from comptroller.guardrails.chain import Chain, Inspection
from comptroller.guardrails.guard import installed_guards
from comptroller.guardrails.scanner import BUILT_IN
from comptroller.metering.prices import PriceBook
from comptroller.policies.book import Book
from comptroller.policies.load import load_policies
from comptroller.tracing.span import Tracer

if TYPE_CHECKING:
    from types import TracebackType

log = logging.getLogger("comptroller")
RELOAD_EVERY_S = 1.0
CLEAN_TEXTS = 100_000
PLANS = 1_000
COMPLAIN_EVERY_S = 60.0


class Ledger(Protocol):
    """What the call path needs of a store."""

    @property
    def local(self) -> bool: ...
    def reserve(self, opened: Fact) -> Shortfall | None: ...
    def record(self, fact: Fact) -> None: ...
    def sync(self, fact: Fact) -> None: ...
    def renew(self, hold_id: str, lease_ns: int) -> None: ...
    def counter(self, key: str, unit: str) -> tuple[int, int]: ...
    def keep(self, messages: Sequence[bytes], tenant: str, subject: str) -> list[str]: ...
    def digest(self, data: bytes) -> str: ...
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
        self.chain = chain or Chain(installed_guards(), limit_ms=settings.limits.guard_ms, clock=clock)
        self.prices = PriceBook(settings.prices.overrides, clock)
        self.tracer = Tracer()
        self.fx = _rates(settings)
        self.book = book or _load_book(settings)
        self._announce()
        self._stamp = self._policy_stamp()
        self._checked = _time.monotonic()
        self._reload_lock = threading.Lock()
        self._plans: dict[int, tuple[Mapping[str, Action], int]] = {}
        self._clean: dict[tuple[int, int, int], None] = {}
        self.at_close: list[Callable[[], None]] = []
        self.watchers: list[Callable[[Fact], None]] = []  # told of each fact once it is on record
        self.ambient: Any = None  # the scope of calls made outside any run
        self.ambient_lock = threading.Lock()
        self._complained = -COMPLAIN_EVERY_S
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
                "Name a directory."
            )
        book = _load_book(settings)  # a mistake in a policy is reported before a ledger is made
        return cls(settings, Store.open(settings.ledger, settings, clock), clock, book)

    def close(self) -> None:
        """Write what is under way and let go of the ledger; harmless when done twice."""
        if not self.closed:
            for last_act in self.at_close:
                last_act()
            self.closed = True
            atexit.unregister(self.close)
            self.tracer.close()
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
        """Take over changed policy files; a broken new version is refused and the old one stays, loudly."""
        now = _time.monotonic()
        if now - self._checked < RELOAD_EVERY_S or not self._reload_lock.acquire(blocking=False):
            return
        try:
            self._checked = now
            stamp = self._policy_stamp()
            if stamp != self._stamp:
                self._stamp = stamp
                self.book = _load_book(self.settings)
                self._announce()
        except SettingsError as error:
            log.error("Changed policies are refused, the ones loaded before stay in force:\n%s", error)
        finally:
            self._reload_lock.release()

    def _announce(self) -> None:
        files = [{"path": f.path, "digest": f.digest, "text": f.text} for f in self.book.files]
        data: dict[str, object] = {"version": self.book.version, "rules": self.book.rules, "files": files}
        self.ledger.record(Fact(POLICY_LOADED, self.clock.new_id(), self.clock.now_ns(), data=data))

    def _policy_stamp(self) -> tuple[tuple[str, int, int], ...]:
        found = []
        for source in self.settings.policies:
            path = Path(source)
            for file in sorted(path.glob("*.yaml")) if path.is_dir() else [path]:
                if file.is_file():
                    stat = os.stat(file)
                    found.append((str(file), stat.st_mtime_ns, stat.st_size))
        return tuple(found)


def _load_book(settings: Settings) -> Book:
    guards = frozenset({*BUILT_IN, *(guard.name for guard in installed_guards())})
    book = load_policies(settings.policies, currencies=_currencies(settings), guards=guards)
    if not book.files:
        log.warning("No policies are loaded: every call is allowed. Name some under `policies` in comptroller.yaml.")
    return book


def _rates(settings: Settings) -> dict[tuple[str, str], Fraction]:
    rates = {}
    for pair, text in settings.fx.items():
        try:
            base, quote = pair.split("/")
            rate = Fraction(text)
        except ValueError:
            raise SettingsError(f'fx: {pair}: {text!r} is not a rate. Write it like "EUR/USD": "1.08".') from None
        if rate <= 0:
            raise SettingsError(f"fx: {pair}: a rate is more than zero, this is {text}.")
        rates[(base, quote)] = rate
        rates[(quote, base)] = 1 / rate
    return rates


def _currencies(settings: Settings) -> frozenset[str]:
    """Currencies a cap may be in: those of prices, and those with a rate to one."""
    prices = {"USD"} | {override.currency for override in settings.prices.overrides}
    return frozenset(prices | {quote for base, quote in _rates(settings) if base in prices})


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
