"""`comptroller doctor`: what is wrong with a set-up, and what to do about it."""

import os
import platform
import shutil
import stat
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from comptroller.cli import screen
from comptroller.cli.place import settings_of
from comptroller.core.clock import SYSTEM
from comptroller.core.errors import ComptrollerError, SettingsError, StoreError
from comptroller.core.settings import Settings
from comptroller.store import folder, journal, keys, segment, wire
from comptroller.store.locks import Lock

if TYPE_CHECKING:
    from comptroller.guardrails.guard import Installed

T = TypeVar("T")
_NEEDED = (
    ("cel_expr_python", "cel-expr-python", "conditions of policies"),
    ("hyperscan", "hyperscan", "guards"),
    ("cryptography", "cryptography", "the vault"),
    ("zstandard", "zstandard", "the vault"),
    ("genai_prices", "genai-prices", "prices"),
)
_SERVER = (("duckdb", "duckdb", "reading a ledger"), ("pyarrow", "pyarrow", "reading a ledger"))
_SPACE_FAIL, _SPACE_WARN = 256 << 20, 2 << 30
_LAG_WARN = 50_000  # records


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at. `state` is ok, warn or fail."""

    name: str
    state: str
    found: str
    remedy: str = ""


def doctor(ledger: str, as_json: bool) -> int:
    """Look at everything; 1 where something fails."""
    checks = list(examine(ledger))
    failed = any(check.state == "fail" for check in checks)
    if as_json:
        screen.say_json({"ok": not failed, "checks": [asdict(check) for check in checks]})
    else:
        _write(checks)
    return 1 if failed else 0


def examine(ledger: str) -> Iterator[Check]:
    """All checks, in the order in which a remedy helps."""
    yield _python()
    for module, package, use in _NEEDED:
        yield _wheel(module, package, use, "fail")
    for module, package, use in _SERVER:
        yield _wheel(module, package, use, "warn")
    try:
        settings = settings_of(ledger)
    except SettingsError as error:
        yield Check("settings", "fail", str(error), "Mend the settings, then run this again.")
        return
    yield _settings_file()
    yield from _safely("policies", _policies, settings)
    yield from _guards(settings)
    yield from _safely("prices", _prices, settings)
    if settings.upstreams:
        yield from _safely("upstreams", _upstreams, settings)
    if settings.outcomes:
        yield from _safely("outcomes", _outcomes, settings)
    yield _telemetry()
    yield from _ledger(Path(settings.ledger), bool(ledger))


def _python() -> Check:
    found = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    if (3, 11) <= sys.version_info[:2] <= (3, 13):
        return Check("python", "ok", found)
    return Check(
        "python", "fail", found, "Use Python 3.11, 3.12 or 3.13: some of our libraries have wheels for no other."
    )


def _wheel(module: str, package: str, use: str, otherwise: str) -> Check:
    try:
        import_module(module)
        return Check(package, "ok", version(package))
    except (ImportError, OSError, PackageNotFoundError) as error:
        extra = "comptroller[server]" if otherwise == "warn" else package
        return Check(package, otherwise, f"{use}: {error}", f"pip install '{extra}'.")


def _settings_file() -> Check:
    named = os.environ.get("COMPTROLLER_CONFIG")
    if named or Path("comptroller.yaml").is_file():
        return Check("settings", "ok", named or "comptroller.yaml")
    return Check("settings", "warn", "no comptroller.yaml here, so all defaults", "Run `comptroller init`.")


def _policies(settings: Settings) -> Check:
    from comptroller.wrapper.shelf import load_book

    if not settings.policies:
        return Check("policies", "warn", "none: calls are recorded, not governed", "List some under `policies`.")
    book = load_book(settings)
    found = f"{screen.count(len(book.files), 'file')}, {screen.count(book.rules, 'rule')}, version {book.version}"
    if not book.files:
        return Check("policies", "warn", "no file where `policies` points: nothing is governed", "Add one there.")
    return Check("policies", "ok", found)


def _guards(settings: Settings) -> Iterator[Check]:
    """Every guard that other packages offer, started and asked."""
    from comptroller.guardrails.guard import installed_guards

    try:
        installed = installed_guards()
    except SettingsError as error:
        yield Check("guards", "fail", str(error))
        return
    for guard in installed:
        yield _guard(guard, settings)


def _guard(guard: "Installed", settings: Settings) -> Check:
    from comptroller.guardrails.bench import Bench, GuardFailed

    bench = Bench(settings.limits.guard_ms, settings.limits.guard_mb)
    begun = SYSTEM.monotonic_ns()
    try:
        bench.run(guard, "Is this guard at work?")
    except GuardFailed as failure:
        remedy = f"Mend or uninstall {guard.package or guard.value}. Until then a policy that names it refuses all."
        return Check(f"guard {guard.name}", "fail", failure.told, remedy)
    finally:
        bench.close()
    took_ms = (SYSTEM.monotonic_ns() - begun) // 1_000_000
    return Check(f"guard {guard.name}", "ok", f"{guard.package or guard.value}: started and answered in {took_ms} ms")


def _prices(settings: Settings) -> Check:
    from comptroller.metering.prices import PriceBook

    return Check("prices", "ok", PriceBook(settings.prices.overrides).version)


def _upstreams(settings: Settings) -> Check:
    try:
        from comptroller.gateway.upstream import Upstreams
    except ModuleNotFoundError as error:
        return Check("upstreams", "warn", f"the gateway needs {error.name}", "pip install 'comptroller[server]'.")
    targets = Upstreams(settings.upstreams, settings.gateway, SYSTEM).targets
    bare = [target.provider.key_env for target in targets if target.auth is None and target.provider.key_env]
    if bare:
        found = f"no key in {', '.join(sorted(set(bare)))}: their calls go without one from here"
        return Check("upstreams", "warn", found, "Set it where `comptroller up` and `run` are started.")
    return Check("upstreams", "ok", ", ".join(f"{target.name} ({target.format})" for target in targets))


def _outcomes(settings: Settings) -> Check:
    try:
        from comptroller.metering.outcome_types import load_types
        from comptroller.office.verifiers.panel import Panel
    except ModuleNotFoundError as error:
        return Check("outcomes", "warn", f"outcomes need {error.name}", "pip install 'comptroller[server]'.")
    types = load_types(settings.outcomes)
    panel = Panel(types)
    checks = [check for type in types.values() for check in type.document.checks]
    if bare := sorted(
        {str(each.secret_env) for each in checks if each.secret_env and each.secret_env not in os.environ}
    ):
        found = f"no secret in {', '.join(bare)}: systems of record are not asked from here"
        return Check("outcomes", "warn", found, "Set it where `comptroller up` is started.")
    if absent := sorted({str(each.judge) for each in checks if each.judge and each.judge not in panel.judges}):
        found = f"no judge {', '.join(absent)} is installed: what waits for one expires"
        return Check("outcomes", "warn", found, "Install a package that offers it, or take the check out.")
    return Check("outcomes", "ok", ", ".join(sorted(types)))


def _telemetry() -> Check:
    if os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return Check("telemetry", "ok", "OTEL_SDK_DISABLED is true: no spans")
    wanted = [
        name for name in sorted(os.environ) if name.startswith("OTEL_EXPORTER_OTLP") and name.endswith("ENDPOINT")
    ]
    if not wanted and os.environ.get("OTEL_TRACES_EXPORTER", "none") != "otlp":
        return Check("telemetry", "ok", "no OTEL_EXPORTER_OTLP_ENDPOINT: spans go nowhere, the ledger has everything")
    try:
        import_module("opentelemetry.exporter.otlp.proto.http")
    except ImportError:
        return Check(
            "telemetry", "warn", "spans are wanted and there is no exporter", "pip install 'comptroller[otel]'."
        )
    return Check("telemetry", "ok", ", ".join(f"{name}={os.environ[name]}" for name in wanted) or "otlp to localhost")


def _ledger(path: Path, named: bool) -> Iterator[Check]:
    if not path.is_dir():
        if named:  # who names one on the command line means one that is there
            yield Check("ledger", "fail", f"{path}: there is no ledger here", "Check the name behind --ledger.")
        else:
            yield Check("ledger", "ok", f"{path}: not there yet; the first governed call makes it")
        yield from _safely("disk", _disk, next(p for p in path.absolute().parents if p.is_dir()))
        return
    for name, look in (
        ("ledger", _label),
        ("journal", _journal),
        ("disk", _disk),
        ("locks", _locks),
        ("owner", _owner),
        ("keys", _keys),
        ("books", _books),
    ):
        yield from _safely(name, look, path)


def _safely(name: str, look: Callable[[T], Check], subject: T) -> Iterator[Check]:
    try:
        yield look(subject)
    except (ComptrollerError, OSError) as error:
        yield Check(name, "fail", str(error))


def _label(path: Path) -> Check:
    label = folder.label(path)
    if label is None:
        if folder.foreign(path):
            return Check("ledger", "fail", f"{path}: holds other things and no ledger", "Name another directory.")
        return Check("ledger", "ok", f"{path}: empty; the first governed call makes it")
    if not os.access(path, os.W_OK):
        return Check(
            "ledger", "warn", f"{path}: read-only for this user", "Fine for looking; to record, make it writable."
        )
    size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    segments = screen.count(len(segment.numbers(path)), "segment")
    return Check("ledger", "ok", f"{path}: format {label.format}, {segments}, {size / 1e6:,.1f} MB")


def _journal(path: Path) -> Check:
    """The newest segment, record by record: it is the one that is written to, and soon looked through."""
    there = segment.numbers(path)
    if not there:
        return Check("journal", "ok", "no record yet")
    try:
        start = journal.newest(path)
        records = sum(1 for _ in journal.walk(path, start))
    except journal.Broken as broken:
        where = segment.path_of(path, broken.fault.segment)
        return Check("journal", "fail", f"{where}: {broken.fault}", "See what else with `comptroller audit verify`.")
    which = "its one segment is" if len(there) == 1 else f"the newest of {len(there)} segments is"
    found = f"{which} whole, {screen.count(records, 'record')}; seals, vault and sums: `comptroller audit verify`"
    return Check("journal", "ok", found)


def _disk(path: Path) -> Check:
    free = shutil.disk_usage(path).free
    state = "fail" if free < _SPACE_FAIL else "warn" if free < _SPACE_WARN else "ok"
    return Check(
        "disk", state, f"{free / 1e9:,.1f} GB free", "" if state == "ok" else "Free some space or move the ledger."
    )


def _locks(path: Path) -> Check:
    if not os.access(path, os.W_OK):
        return Check("locks", "ok", "not tried: read-only, so nobody takes any")
    probe = Lock(path / f"doctor.{os.getpid()}.lock")
    try:
        probe.take()
        probe.prove()
    finally:
        probe.drop()
        probe.path.unlink(missing_ok=True)
    return Check("locks", "ok", "this file system's locks hold")


def _owner(path: Path) -> Check:
    try:
        address = wire.read_address(path)
        wire.connect(address, 2.0).close()
        return Check("owner", "ok", f"process {address.pid} writes the journal and answers")
    except wire.Gone:
        if not os.access(path, os.W_OK):
            return Check("owner", "ok", "nobody answers, and this user could not tell more")
        lock = Lock(path / folder.LOCK)
        free = lock.take()
        lock.drop()
    if free:
        return Check("owner", "ok", "nobody writes at the moment")
    return Check(
        "owner", "warn", "a process holds the journal and does not answer", "It may be starting; if not, stop it."
    )


def _keys(path: Path) -> Check:
    label = folder.label(path)
    if label is None:
        return Check("keys", "ok", "made with the first call")
    keys.open_keys(path, label.id)
    if keys.VARIABLE in os.environ:
        return Check("keys", "ok", f"master key from {keys.VARIABLE}")
    file = path / folder.KEYS / keys.MASTER
    mode = stat.S_IMODE(file.stat().st_mode)
    if os.name == "posix" and mode & 0o077:
        return Check("keys", "fail", f"{file}: others can read it (mode {mode:o})", f"chmod 600 {file}")
    return Check("keys", "ok", f"{file}; for production set {keys.VARIABLE} and keep it elsewhere")


def _books(path: Path) -> Check:
    from comptroller.store import statements
    from comptroller.store.books import FILE, LOCK, Books
    from comptroller.store.reader import writable

    if folder.label(path) is None:
        return Check("books", "ok", "made when first asked")
    if not writable(path):
        return Check("books", "ok", "read-only: each command that reads makes its own in a temporary directory")
    lock = Lock(path / LOCK)
    free = lock.take()
    lock.drop()
    if not free:
        return Check("books", "ok", "another process has them open and answers for them")
    if not (path / FILE).exists():
        return Check("books", "ok", "not made yet; the first command that reads makes them")
    try:
        books = Books.open(path)
    except StoreError as error:
        if "needs DuckDB" in str(error):
            return Check("books", "warn", "cannot be looked at", str(error))
        raise
    try:
        behind = books.ingest()
    finally:
        books.close()
    found = f"version {statements.migrations()[-1][0]}, were {screen.count(behind, 'record')} behind, now in step"
    if behind > _LAG_WARN:
        return Check(
            "books", "warn", found, "Keep them fresh: read more often, or let a gateway run beside the agents."
        )
    return Check("books", "ok", found)


def _write(checks: list[Check]) -> None:
    for check in checks:
        first, *rest = screen.clean(check.found, lines=True).split("\n")
        gap = " " * (8 - len(check.state) - 2)  # a mark and a blank before the word
        screen.say(f"{screen.status(check.state)}{gap}{check.name:<16}{first}")
        for line in rest:
            screen.say(f"{'':<24}{line}")
        if check.remedy:
            screen.say(f"{'':<24}{screen.clean(check.remedy)}")
    bad = {state: sum(check.state == state for check in checks) for state in ("fail", "warn")}
    screen.say(f"\n{bad['fail']} failed, {screen.count(bad['warn'], 'warning')}")
