"""What pages take on a large ledger: script, time until seen, a step inside, memory, and how far live lags."""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from benchmarks.table import conditions, median, percentile, table
from comptroller.core.settings import load_settings
from comptroller.dashboards.map import PAGES
from comptroller.dashboards.process import free_port, started
from comptroller.gateway.api import process as api
from comptroller.store.reader import Reader
from tests.dashboards.browser import FLAGS, executable

TENANT = "default"  # the largest of those that `fill.sql` makes up
HOST, WAIT_MS, SESSIONS = "127.0.0.1", 60_000, 10
SCRIPT, SEEN, STEP, MEMORY, LAG = 400, 1_500, 300, 400, 2_000  # ms, ms, ms, MB, ms: what a page may take
FOOT = ".ct-foot"
BUSY = '[data-test-script-state="running"]'


@dataclass(slots=True)
class Taken:
    """What one page took, each time."""

    script: list[float] = field(default_factory=list)
    seen: list[float] = field(default_factory=list)
    step: list[float] = field(default_factory=list)


def report(ledger: Path, rounds: int) -> None:
    """Open every page in a browser, again and again, and print what it took."""
    with console(ledger) as (home, process), browser() as chromium:
        addresses = _addresses(ledger)
        _warm(chromium, home)
        taken = {name: _page(chromium, home + address, rounds) for name, address in addresses.items()}
        heads = ("page", "script p50", "script p95", "seen p50", "seen p95", "step p50", "step p95", "held")
        table(f"Pages on {ledger} ({conditions()}); ms", heads, [_row(name, one) for name, one in taken.items()])
        memory = _memory(chromium, home, process, list(addresses.values()))
        lag = _lag(chromium, home, ledger)
    table(
        "The console's process",
        ("what", "measured", "may take"),
        [
            (f"memory with {SESSIONS} sessions open, MB", f"{memory:.0f}", MEMORY),
            ("a call until the live page shows it, ms", f"{lag:.0f}", LAG),
        ],
    )


@contextmanager
def console(ledger: Path) -> Iterator[tuple[str, psutil.Process]]:
    """The real processes over a ledger; nobody signs in where no key was issued."""
    settings = load_settings({"tenant": TENANT}, ledger)
    port = free_port(HOST, 0, "--port")
    with ExitStack() as stack:
        stack.enter_context(api.started(settings))
        child = stack.enter_context(started(settings, HOST, port))
        while child.pid is None:
            time.sleep(0.05)
        yield f"http://{HOST}:{port}", psutil.Process(child.pid)


@contextmanager
def browser() -> Iterator[Any]:
    """A Chromium of this machine."""
    from playwright.sync_api import sync_playwright

    found = executable()
    if found is None:
        raise SystemExit("There is no Chromium on this machine: install `chromium`, or name one in CHROMIUM.")
    with sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=found, args=FLAGS)


def _addresses(ledger: Path) -> dict[str, str]:
    """Every page, and those that need something to show: the longest run, a failed one, a frequent cause."""
    with Reader.asking(ledger, 60) as reader:
        longest = reader.rows("console_runs", tenant=TENANT, sort="calls", limit=1)
        failed = reader.rows("console_runs", tenant=TENANT, status="error", limit=1)
    found = {page.key: page.path for page in PAGES}
    if longest:
        found[f"run of {longest[0]['calls']:,} calls"] = f"/run?id={longest[0]['run']}"
    if failed:
        found["run"] = f"/run?id={failed[0]['run']}"
        found["compare"] = f"/compare?bad={failed[0]['run']}"
    found["overview, 90 days"] = "/?period=90d"
    found["runs, 90 days by cost"] = "/runs?period=90d&sort=-cost"
    found["runs, 90 days, searched"] = "/runs?period=90d&search=timeout"
    return found


def _warm(chromium: Any, home: str) -> None:
    """The first look pays for imports and for filling the books."""
    from playwright.sync_api import Error

    page = chromium.new_page()
    until = time.monotonic() + 120
    while True:
        try:
            page.goto(home)
            page.wait_for_selector(FOOT, timeout=WAIT_MS)
            break
        except Error:  # not there yet
            if time.monotonic() > until:
                raise
            time.sleep(0.5)
    page.close()


def _page(chromium: Any, address: str, rounds: int) -> Taken:
    """One page: loaded anew each time, and then once run again in the open session."""
    taken = Taken()
    page = chromium.new_page(viewport={"width": 1280, "height": 900})
    for _ in range(rounds + 1):
        taken.seen.append(_timed(lambda: (page.goto(address), page.wait_for_selector(FOOT, timeout=WAIT_MS))))
        _rest(page)
        taken.script.append(_script(page))
        taken.step.append(_step(page))
    page.close()
    for values in (taken.seen, taken.script, taken.step):
        del values[0]  # the first of a page pays for its imports
    return taken


def _step(page: Any) -> float:
    """Something inside the page that makes its script run again: another period where it has one, else its own link."""
    before = page.locator(FOOT).last.inner_text()
    other = page.get_by_role("radio", name="30d").or_(page.get_by_role("button", name="30d", exact=True))
    if other.count():
        return _timed(lambda: (other.first.click(), _changed(page, before)))
    address = page.evaluate("location.pathname + location.search")

    def again() -> None:
        page.evaluate(
            "to => { history.pushState({}, '', to); dispatchEvent(new PopStateEvent('popstate', {state: {}})) }",
            address,
        )
        _changed(page, before)

    return _timed(again)


def _changed(page: Any, before: str) -> None:
    """Until the foot tells of another run, and nothing is drawn any more."""
    page.wait_for_function(
        "([selector, before]) => { const all = document.querySelectorAll(selector); const last = all[all.length - 1];"
        " return last && last.textContent !== before && !document.querySelector('[data-stale=true]') }",
        arg=[FOOT, before],
        timeout=WAIT_MS,
    )


def _rest(page: Any) -> None:
    page.wait_for_function(f"() => !document.querySelector('{BUSY}')", timeout=WAIT_MS)


def _script(page: Any) -> float:
    found = re.search(r"script (\d+) ms", page.locator(FOOT).last.inner_text())
    assert found is not None, "the foot of a page says how long its script took"
    return float(found[1])


def _timed(do: Callable[[], object]) -> float:
    begun = time.perf_counter()
    do()
    return (time.perf_counter() - begun) * 1000


def _lag(chromium: Any, home: str, ledger: Path) -> float:
    """From the end of a tool's call in another process's ledger until the live page shows it."""
    page = chromium.new_page()
    page.goto(f"{home}/live")
    page.wait_for_selector(FOOT, timeout=WAIT_MS)
    lags = []
    for number in range(5):
        name = f"lag-{number}-{time.monotonic_ns() % 10**9}"
        _call(ledger, name)
        lags.append(_timed(lambda name=name: page.get_by_text(name).first.wait_for(state="attached", timeout=WAIT_MS)))  # type: ignore[misc]
    page.close()
    return max(lags)


def _call(ledger: Path, name: str) -> None:
    from comptroller.wrapper.desk import open_desk
    from comptroller.wrapper.run import Run
    from comptroller.wrapper.tools import tool

    def look(at: str) -> str:
        return at

    look.__name__ = name
    with open_desk(ledger, {"tenant": TENANT}), Run("lag"):
        tool(effect="read")(look)("here")


def _memory(chromium: Any, home: str, process: psutil.Process, addresses: list[str]) -> float:
    """With sessions open that look at different pages, each having moved on once."""
    open_pages = []
    for number in range(SESSIONS):
        page = chromium.new_page()
        for address in (addresses[number % len(addresses)], "/runs"):
            page.goto(home + address)
            page.wait_for_selector(FOOT, timeout=WAIT_MS)
        open_pages.append(page)
    used = process.memory_info().rss / (1 << 20)
    for page in open_pages:
        page.close()
    return float(used)


def _row(name: str, taken: Taken) -> tuple[object, ...]:
    said: list[object] = [name]
    held = True
    for values, most in ((taken.script, SCRIPT), (taken.seen, SEEN), (taken.step, STEP)):
        p95 = percentile(values, 0.95)
        held = held and p95 <= most
        said += [f"{median(values):.0f}", f"{p95:.0f}"]
    return (*said, "yes" if held else "NO")
