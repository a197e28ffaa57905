"""How long a trace takes until it is seen, scrolled and searched: `python -m tests.dashboards.measure`."""

import time
from pathlib import Path
from statistics import median
from typing import Any

from tests.dashboards.browser import chromium, screen, streamlit

HARNESS = Path(__file__).with_name("harness.py")
ROUNDS = 5
SCROLL = """async () => {
  const roots = [...document.querySelectorAll('*')].map((one) => one.shadowRoot);
  const inside = roots.map((root) => root?.querySelector('.scroller')).find(Boolean);
  const times = [];
  for (let turn = 0; turn < 60; turn++) {
    const begin = performance.now();
    inside.scrollTop = (turn * 99991) % inside.scrollHeight;
    await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
    times.push(performance.now() - begin);
  }
  return times.sort((one, other) => one - other);
}"""


def tried(browser: Any, home: str, case: str) -> tuple[float, int, float, float, int]:
    """Seconds to visible, bytes over the websocket, milliseconds of a jump (median, p95), rows in the document."""
    with screen(browser, home) as shown:
        received: list[int] = []
        shown.page.on("websocket", lambda ws: ws.on("framereceived", lambda frame: received.append(len(frame))))
        begin = time.perf_counter()
        shown.page.goto(f"{home}/?show=waterfall&case={case}")
        shown.page.locator(".body .row").first.wait_for()
        seen = time.perf_counter() - begin
        jumps = shown.page.evaluate(SCROLL)
        rows = shown.page.locator(".body .row").count()
    return seen, sum(received), jumps[len(jumps) // 2], jumps[len(jumps) * 95 // 100], rows


def main() -> None:
    with chromium() as browser, streamlit(HARNESS, env={"PYTHONPATH": str(HARNESS.parents[2])}) as home:
        tried(browser, home, "small")  # the first page of a process loads what all others find there
        found: dict[str, list[Any]] = {"small": [], "big": []}
        for _ in range(ROUNDS):
            for case, tries in found.items():
                tries.append(tried(browser, home, case))
    for case, tries in found.items():
        seen, received, middle, late, rows = (median(column) for column in zip(*tries, strict=True))
        jumps = f"a jump {middle:.0f} ms (p95 {late:.0f})"
        print(f"{case}: visible after {seen:.2f} s, {received:,.0f} bytes, {jumps}, {rows:.0f} rows in the document")


if __name__ == "__main__":
    main()
