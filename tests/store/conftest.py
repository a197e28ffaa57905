"""What the tests of the store share: facts of a call, and ledgers on a clock that stands still."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from comptroller.core.clock import FrozenClock
from comptroller.core.facts import CALL_CLOSED, CALL_OPENED, CLAIM, Fact
from comptroller.core.settings import Settings
from comptroller.store.ledger import Ledger
from tests.store.pen import Pen

KEY, UNIT, CAP = "run:r|", "USD", 100
FOREVER = 2**62
NOW = FrozenClock().now_ns()


class Facts:
    """Makes facts; a call's id names its hold as well."""

    key, unit, cap = KEY, UNIT, CAP

    def opened(self, call: str, amount: int = 10, lease_ns: int = FOREVER, cap: int = CAP) -> Fact:
        hold = {"id": f"h-{call}", "lines": [[KEY, UNIT, amount, cap]], "lease_ns": lease_ns, "price": "p1"}
        return Fact(CALL_OPENED, f"o-{call}", NOW, "r", call, {"agent": "fraud", "hold": hold})

    def closed(self, call: str, amount: int = 7) -> Fact:
        hold = {"id": f"h-{call}", "lines": [[KEY, UNIT, amount]]}
        return Fact(CALL_CLOSED, f"c-{call}", NOW + 1, "r", call, {"agent": "fraud", "hold": hold})

    def claim(self, name: str, **data: object) -> Fact:
        return Fact(CLAIM, name, NOW + 2, "r", "", data)


@pytest.fixture
def facts() -> Facts:
    return Facts()


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "ledger"


@pytest.fixture
def open_ledger(folder: Path, clock: FrozenClock) -> Iterator[Callable[..., Ledger]]:
    """Opens the test's ledger, as often as asked; closes what was left open."""
    made: list[Ledger] = []

    def open_one(settings: Settings | None = None) -> Ledger:
        made.append(Ledger.open(folder, settings or Settings(), clock))
        return made[-1]

    yield open_one
    for ledger in made:
        ledger.close()


@pytest.fixture
def pen(tmp_path: Path) -> Iterator[Pen]:
    """A ledger to write facts into."""
    made = Pen(tmp_path / "ledger")
    yield made
    made.ledger.close()
