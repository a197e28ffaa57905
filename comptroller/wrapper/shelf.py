"""The shelf: where the book of policies in force comes from, and is exchanged when its files change."""

import logging
import os
import threading
import time as _time
from collections.abc import Iterable, Sequence
from fractions import Fraction
from importlib.util import find_spec
from pathlib import Path

from comptroller.core.errors import SettingsError
from comptroller.core.judges import Reach
from comptroller.core.providers import providers_of
from comptroller.core.settings import Settings
from comptroller.guardrails.guard import installed_guards
from comptroller.guardrails.scanner import BUILT_IN
from comptroller.guardrails.tokens import GUARD_OF
from comptroller.policies.book import Book
from comptroller.policies.load import Named, files_in, load_policies
from comptroller.policies.schemas import Schema

log = logging.getLogger("comptroller")
LOOK_EVERY_S = 1.0
SUFFIX = ".bundle"  # of signed policies
Stamp = tuple[tuple[str, int, int], ...]


class Shelf:
    """The policies a desk goes by. Looks at their files at most once a second, and costs a clock reading else."""

    def __init__(self, settings: Settings, book: Book | None = None) -> None:
        self.settings = settings
        self.book = book or load_book(settings)
        self._stamp = self._stamp_now()
        self._looked = _time.monotonic()
        self._lock = threading.Lock()

    def changed(self) -> Book | None:
        """A new book where files have changed; a broken new version is refused and the old one stays, loudly."""
        now = _time.monotonic()
        if now - self._looked < LOOK_EVERY_S or not self._lock.acquire(blocking=False):
            return None
        try:
            self._looked = now
            stamp = self._stamp_now()
            if stamp == self._stamp:
                return None
            self._stamp = stamp
            self.book = load_book(self.settings)
            log.warning("Changed policies are in force: version %s, %d rules", self.book.version, self.book.rules)
            return self.book
        except SettingsError as error:
            log.error("Changed policies are refused, the ones loaded before stay in force:\n%s", error)
            return None
        finally:
            self._lock.release()

    def _stamp_now(self) -> Stamp:
        found = []
        for source in self.settings.policies:
            path = Path(source)
            for file in files_in(path) if path.is_dir() else [path]:
                if file.is_file():
                    stat = os.stat(file)
                    found.append((str(file), stat.st_mtime_ns, stat.st_size))
        return tuple(found)


def load_book(settings: Settings, sources: Sequence[str] | None = None, described: Iterable[Schema] = ()) -> Book:
    """The policies the settings name (or `sources`), with the guards, currencies and tools there are to name."""
    guards = frozenset({*BUILT_IN, *(guard.name for guard in installed_guards())})
    named: Sequence[Named] = settings.policies if sources is None else sources
    if settings.policy_keys or any(str(name).endswith(SUFFIX) for name in named):
        named = _signed(settings, named, only=sources is None)
    reach = reach_of(settings, with_client=sources is None)
    book = load_policies(named, currencies(settings), guards, described, frozenset(GUARD_OF), reach)
    if not book.files:
        log.warning(
            "No policies are loaded: every call is allowed. Name some under `policies` in comptroller.yaml, or in the "
            "config given in code where there is one: it stands in place of the file."
        )
    return book


def reach_of(settings: Settings, with_client: bool = True) -> Reach:
    """Whom judges can be asked through. Files may be looked at where no client for it is installed."""
    providers = tuple((one.name, one.format, tuple(one.models)) for one in providers_of(settings))
    return Reach(providers, not with_client or find_spec("openai") is not None)


def _signed(settings: Settings, named: Sequence[Named], only: bool) -> Sequence[Named]:
    """What is named with bundles opened; what is in force has to be signed where the settings say whose keys count."""
    from comptroller.core.jws import Forged
    from comptroller.wrapper import bundles

    try:
        return bundles.opened(
            list(map(str, named)), bundles.keys_of(settings.policy_keys), bool(settings.policy_keys) and only
        )
    except Forged as why:
        raise SettingsError(f"Policies are refused. {why}") from None


def rates(settings: Settings) -> dict[tuple[str, str], Fraction]:
    """Rates between currencies, in both directions."""
    found = {}
    for pair, text in settings.fx.items():
        try:
            base, quote = pair.split("/")
            rate = Fraction(text)
        except (ValueError, ZeroDivisionError):
            raise SettingsError(f'fx: {pair}: {text!r} is not a rate. Write it like "EUR/USD": "1.08".') from None
        if rate <= 0:
            raise SettingsError(f"fx: {pair}: a rate is more than zero, this is {text}.")
        found[(base, quote)] = rate
        found[(quote, base)] = 1 / rate
    return found


def currencies(settings: Settings) -> frozenset[str]:
    """Currencies a cap may be in: those of prices, and those with a rate to one."""
    prices = {"USD"} | {override.currency for override in settings.prices.overrides}
    return frozenset(prices | {quote for base, quote in rates(settings) if base in prices})
