"""A ledger that usage is taken into, and what its books say of it."""

from pathlib import Path

from comptroller.core.clock import FrozenClock
from comptroller.core.settings import Settings
from comptroller.office.intake import take_in
from comptroller.store.books import Books
from comptroller.store.ledger import Ledger

HEAD = "source,event_id,customer,meter,quantity,event_ts"
DAY = 86_400_000_000_000
START = FrozenClock().now_ns()  # 2026-01-01


class House:
    """A ledger with a desk for usage, and its books."""

    def __init__(self, path: Path) -> None:
        self.path, self.clock = path / "ledger", FrozenClock()
        self.clock.tick(40 * 86_400)
        self.ledger = Ledger.open(self.path, Settings(), self.clock)
        self._files = path

    def take(self, *rows: str, name: str = "usage.csv", head: str = HEAD, source: str = "") -> str:
        file = self._files / name
        file.write_text("\n".join((head, *rows)) + "\n" if head else "\n".join(rows) + "\n", encoding="utf-8")
        return take_in(self.path, self.ledger, self.clock, file, source=source).id

    def read(self, name: str, **params: object) -> list[dict[str, object]]:
        books = Books.open(self.path)
        try:
            books.ingest()
            return books.query(name, params).to_pylist()
        finally:
            books.close()

    def sums(self, since: int = START, until: int = START + 31 * DAY) -> dict[tuple[object, object], str]:
        rows = self.read("metered", since=since, until=until)
        return {(row["customer"], row["meter"]): f"{row['quantity'].normalize():f}" for row in rows}  # type: ignore[attr-defined]

    def waiting(self) -> list[tuple[object, object]]:
        return [(row["event"], row["reason"]) for row in self.read("usage_waiting")]

    def batches(self) -> list[tuple[object, ...]]:
        return [
            tuple(row[name] for name in ("state", "counted", "repeated", "waiting"))
            for row in self.read("usage_batches")
        ]


def row(event: str, quantity: str = "1", customer: str = "acme", at: str = "2026-01-05T10:00:00Z", **more: str) -> str:
    return ",".join((more.get("source", "edge"), event, customer, more.get("meter", "tokens"), quantity, at))
