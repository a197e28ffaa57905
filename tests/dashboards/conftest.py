"""What the tests of screens share: one browser for a module, and a loud line where there is none."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.dashboards import browser as machine


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """The machine's Chromium; skips where there is none, fails where CI promised one."""
    with machine.chromium() as found:
        yield found


def pytest_terminal_summary(terminalreporter: Any) -> None:
    skipped = [report for report in terminalreporter.stats.get("skipped", []) if "NO BROWSER" in str(report.longrepr)]
    if skipped:
        terminalreporter.write_line(
            f"!!! {len(skipped)} tests of the console's screens did NOT run: there is no Chromium on this machine.",
            red=True,
            bold=True,
        )
