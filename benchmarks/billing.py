"""Money out in bulk, usage, invoices, outcome events: `python -m benchmarks.billing [--events N]`."""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.table import conditions, table
from comptroller.core.clock import FrozenClock
from comptroller.core.outcome import WHOLE, Outcome, OutcomeEvent, Terms
from comptroller.core.settings import Settings
from comptroller.metering.contract_reader import read_contracts
from comptroller.metering.contracts import ContractBook
from comptroller.metering.invoice import Invoice
from comptroller.metering.outcomes import step
from comptroller.metering.periods import period_named
from comptroller.office.gather import Gatherer
from comptroller.office.intake import take_in
from comptroller.office.work import Records
from comptroller.store.ledger import Ledger
from comptroller.store.reader import Reader

CUSTOMERS, METERS = 5_000, ("tokens", "pages", "minutes")
MONTH = "2026-11"
START_US = 1_793_491_200_000_000  # 2026-11-01
MONTH_US = 30 * 86_400_000_000
TIERS = (("1000", "0.01"), ("2000", "0.0080"), ("4000", "0.00555"), (None, "0.00301"))
PARTS = ("ours", "duckdb", "polars", "outcomes", "fold")
GIGABYTE = 1 << 30

_EVENTS = """COPY (SELECT 'edge-' || (i % 4) AS source, 'evt_' || lpad(CAST(i AS VARCHAR), 12, '0') AS event_id,
  'customer-' || ((i * 7919) % {customers}) AS customer,
  ['tokens', 'pages', 'minutes'][1 + CAST((i // 7) % 3 AS INT)] AS meter,
  CAST(((i * 31) % 100000) * 0.001 AS DECIMAL(18,3)) AS quantity,
  make_timestamptz({start} + CAST(floor(i * {step}) AS BIGINT)) AS event_ts
FROM (SELECT CASE WHEN r % 101 = 7 AND r > 1000 THEN r - 3 ELSE r END AS i FROM range({events}) AS t(r))) TO '{file}'
(FORMAT parquet)"""


def main() -> None:
    """Make the events, then do each part in a process of its own, so that its memory is its own, too."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=10_000_000)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--part", nargs=2, metavar=("PART", "FILE"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.part:
        _run(arguments.part[0], Path(arguments.part[1]), arguments.events)
        return
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch) / "events.parquet"
        _make(file, arguments.events)
        found = [_apart(part, file, arguments.events) for _ in range(arguments.rounds) for part in PARTS]
    _show(found, arguments.events)


def _apart(part: str, file: Path, events: int) -> tuple[str, list[str]]:
    command = [sys.executable, "-m", "benchmarks.billing", "--events", str(events), "--part", part, str(file)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return part, done.stdout.splitlines()


def _show(found: list[tuple[str, list[str]]], events: int) -> None:
    rows = [line.split("\t") for _, lines in found for line in lines]
    title = f"Money out: {events:,} usage events, {CUSTOMERS:,} customers ({conditions()})"
    table(title, ["", "wall s", "CPU s", "memory MB", "target"], rows)


def _run(part: str, file: Path, events: int) -> None:
    parts: dict[str, Callable[[Path, int], None]] = {
        "ours": _ours, "duckdb": _duckdb, "polars": _polars, "outcomes": _outcomes, "fold": _fold,
    }  # fmt: skip
    parts[part](file, events)


class _Watch:
    """Prints what a stretch of work took."""

    def __init__(self) -> None:
        self.begun = self.wall, self.cpu = time.perf_counter(), time.process_time()

    def say(self, what: str, target: str = "", whole: bool = False) -> None:
        wall, cpu = (time.perf_counter(), time.process_time())
        since = self.begun if whole else (self.wall, self.cpu)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20 if sys.platform == "darwin" else 1 << 10)
        print(f"{what}\t{wall - since[0]:.2f}\t{cpu - since[1]:.2f}\t{peak:,.0f}\t{target}")
        self.wall, self.cpu = time.perf_counter(), time.process_time()


def _make(file: Path, events: int) -> None:
    import duckdb

    step = MONTH_US // events
    duckdb.sql(_EVENTS.format(customers=CUSTOMERS, start=START_US, step=step, events=events, file=file))


def _contracts() -> ContractBook:
    tiers = ", ".join(f"{{{f'up_to: {end}, ' if end else ''}unit: '{unit}'}}" for end, unit in TIERS)
    price = f"{{price: {{model: graduated, tiers: [{tiers}]}}}}"
    usage = ", ".join(f"{meter}: {price}" for meter in METERS)
    texts = [
        f"contract: c-{n}\ncustomer: customer-{n}\nfrom: 2026-01-01\ncurrency: USD\n"
        f"usage: {{{usage}}}\noutcomes: {{ticket.solved: 0.99}}\ntax: {{name: VAT, percent: 20}}\n"
        for n in range(CUSTOMERS)
    ]
    return read_contracts((f"{n}.yaml", text) for n, text in enumerate(texts))


class _NoInvoices:
    """Nothing was billed yet."""

    shares: dict[str, object] = {}  # noqa: RUF012

    def of(self, customer: str, tenant: str = "default") -> list[Invoice]:
        return []


def _drafts(contracts: ContractBook, records: Records, outcomes: list[Outcome]) -> list[Invoice]:
    gatherer = Gatherer(contracts, outcomes, _NoInvoices(), records)  # type: ignore[arg-type]
    made = []
    for contract in contracts:
        draft = gatherer.draft(contract.tenant, contract.customer, period_named(contract.calendar, MONTH))
        assert draft is not None
        made.append(draft)
    return made


def _ours(file: Path, events: int) -> None:
    """The file into the ledger, the events into the books, their sums through tiers into invoices."""
    contracts = _contracts()
    with tempfile.TemporaryDirectory(dir=file.parent) as scratch:
        place, clock = Path(scratch) / "ledger", FrozenClock(START_US * 1000 + MONTH_US * 1000)
        ledger = Ledger.open(place, Settings(), clock)
        watch = _Watch()
        take_in(place, ledger, clock, file)
        watch.say("  into the ledger, durably")
        reader = Reader.open(place)
        watch.say("  into the books, each once")
        made = _drafts(contracts, Records(reader, {}), [])
        watch.say("  rated, taxed and drawn up as invoices")
        total = sum(invoice.totals.subtotal for invoice in made)
        watch.say(f"Comptroller: {total / 1e9:,.2f} USD on {len(made):,} invoices", "<= 12 s, <= 3,000 MB", whole=True)
        reader.close()
        ledger.close()


_TIERED = """SELECT customer, sum(round({tiers}, 2)) AS amount
  FROM (SELECT customer, meter, CAST(sum(quantity) AS DECIMAL(19,9)) AS q FROM {events} GROUP BY ALL)
  GROUP BY customer"""


def _tiers_in_sql() -> str:
    parts, low = [], "0"
    for end, unit in TIERS:
        held = f"least(q, {end})" if end else "q"
        parts.append(f"greatest(CAST({held} AS DECIMAL(19,9)) - {low}, 0) * CAST({unit} AS DECIMAL(10,9))")
        low = end or low
    return " + ".join(parts)


def _duckdb(file: Path, events: int) -> None:
    """The same by hand: insert what is not there yet, sum, tiers; no record of what was done, no lines, no tax."""
    import duckdb

    with tempfile.TemporaryDirectory(dir=file.parent) as scratch:
        watch = _Watch()
        engine = duckdb.connect(str(Path(scratch) / "bare.duckdb"))
        engine.execute("SET memory_limit = '1GB'")
        engine.execute(f"CREATE TABLE events AS FROM read_parquet('{file}') LIMIT 0")
        engine.execute(
            f"INSERT INTO events SELECT DISTINCT ON (source, event_id) * FROM read_parquet('{file}') AS n "
            "WHERE NOT EXISTS (SELECT 1 FROM events AS e WHERE e.source = n.source AND e.event_id = n.event_id)"
        ).fetchall()
        rows = engine.execute(_TIERED.format(tiers=_tiers_in_sql(), events="events")).fetchall()
        engine.execute("CHECKPOINT").fetchall()
        watch.say(f"bare DuckDB on disk: {sum(row[1] for row in rows):,.2f}")


def _polars(file: Path, events: int) -> None:
    """The same by hand in memory; nothing is kept."""
    import duckdb
    import polars

    watch = _Watch()
    sums = (
        polars.read_parquet(file)
        .unique(["source", "event_id"], keep="any")
        .group_by("customer", "meter")
        .agg(polars.col("quantity").sum())
        .to_arrow()
    )
    rows = duckdb.sql(_TIERED.format(tiers=_tiers_in_sql(), events="sums")).fetchall()
    del sums
    watch.say(f"bare polars in memory: {sum(row[1] for row in rows):,.2f}")


def _outcomes(file: Path, events: int) -> None:
    """An invoice run over outcomes that are verified already."""
    contracts = _contracts()
    fee = {contract.customer: contract.fees["ticket.solved"].version for contract in contracts}
    from comptroller.core.money import Money

    outcomes = [
        Outcome(f"o{n}", "default", f"customer-{n % CUSTOMERS}", "ticket.solved", f"s{n}", "verified", f"o{n}", f"r{n}",
                "support", ("ada",), START_US * 1000 + n, fee=Money(990_000_000, "USD"),
                price=fee[f"customer-{n % CUSTOMERS}"], verified_at=START_US * 1000 + n, terms=_TERMS)
        for n in range(CUSTOMERS * 10)
    ]  # fmt: skip
    watch = _Watch()
    made = _drafts(contracts, Records(None, {}), outcomes)
    assert sum(len(line.items) for invoice in made for line in invoice.lines) == len(outcomes)
    watch.say(f"an invoice run: {CUSTOMERS:,} customers, {len(outcomes):,} outcomes", "<= 2 s")


_TERMS = Terms(deadline_ns=10**18, lookback_ns=0, dispute_ns=1, resolve_ns=1)


class _Nothing:
    """A lookup that knows no other outcome."""

    def live(self, identity: str) -> str:
        return ""

    def verified(self, outcome: Outcome, at: int, method: object = None) -> int:
        return 0


def _fold(file: Path, events: int) -> None:
    """Claim, pass, confirm, invoice and end of window, over and over."""
    from comptroller.metering.outcome_types import write_terms

    terms = write_terms(_TERMS)
    said = {"tenant": "default", "customer": "acme", "type": "t", "agents": ["ada"], "degree": WHOLE, "terms": terms}
    told = [
        OutcomeEvent(
            f"e{n}:{number}", f"o{n}", what, 1000 + number, attestor="customer", data=said if what == "claim" else {}
        )
        for n in range(20_000)
        for number, what in enumerate(("claim", "verify_pass", "confirm", "invoice", "window_end"))
    ]
    known: dict[str, Outcome] = {}
    lookup = _Nothing()
    watch = _Watch()
    for event in told:
        made, _ = step(known.get(event.outcome), event, None, lookup)
        assert made is not None
        known[event.outcome] = made
    wall = time.perf_counter() - watch.wall
    assert {one.state for one in known.values()} == {"final"}
    watch.say(f"the state machine: {len(told) / wall:,.0f} outcome events a second", ">= 100,000")


if __name__ == "__main__":
    main()
