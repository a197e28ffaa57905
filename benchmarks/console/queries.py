"""What every query of the console takes, over different parameters, asked as the console asks them."""

import time
from contextlib import closing
from pathlib import Path

from benchmarks.table import conditions, percentile, table
from comptroller.store import statements
from comptroller.store.reader import Reader

TARGET_MS = 60
Params = dict[str, object]


def report(ledger: Path, rounds: int) -> None:
    """A row for each query: how many rows came back at most, and its p50 and p95 in ms."""
    with closing(Reader.open(ledger, serve=True)), closing(Reader.asking(ledger)) as reader:
        calls = reader.rows("console_health")[0]["calls"]
        rows = [_timed(reader, name, cases, rounds) for name, cases in asked(reader).items()]
    title = f"What the console asks: {calls:,} calls, {rounds} times each way of asking ({conditions()})"
    table(title, ["query", "ways", "rows", "p50 ms", "p95 ms", "CPU ms", f"target {TARGET_MS}"], rows)


def asked(reader: Reader) -> dict[str, list[Params]]:
    """For each query of the console the ways it is asked: everybody's rows, one tenant's, one customer's, by period."""
    spans = _spans(reader)
    who = _who(reader)
    return {name: _ways(name, spans, who, reader) for name in statements.names() if _of_console(name)}


def _of_console(name: str) -> bool:
    return name.startswith("console_") or name in ("run_tree", "run_texts", "run_decisions", "run_claims", "run_inner")


def _who(reader: Reader) -> list[Params]:
    options = reader.rows("console_options")
    customer = next(str(row["value"]) for row in options if row["what"] == "customer")
    tenant = customer.rpartition("-")[0]
    return [{}, {"tenant": tenant}, {"tenant": tenant, "customer": customer}]


def _spans(reader: Reader) -> list[Params]:
    """The last day, week, month, and all there is."""
    latest = reader.rows("console_health")[0]["latest"]
    assert hasattr(latest, "timestamp")
    return [{"since": _text(latest.timestamp() - days * 86_400)} for days in (1, 7, 30, 90)]


def _text(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:00:00Z", time.gmtime(seconds))


# Ways of asking beside whose and when.
_MORE: dict[str, list[Params]] = {
    "console_series": [{"bucket": "hour"}, {"bucket": "day"}],
    "console_breakdown": [{}, {"by": "customer"}],
    "console_runs": [
        {},
        {"sort": "cost"},
        {"search": "timeout"},
        {"status": "error"},
        {"agent": "agent-7"},
        {"model": "gpt-5", "cost_from": "0.5"},
        {"offset": 5_000},
    ],
    "console_runs_count": [{}, {"search": "timeout"}, {"status": "error"}],
    "console_decisions": [{}, {"rule": "rule-7"}, {"action": "deny"}, {"search": "above"}],
    "console_decisions_count": [{}, {"rule": "rule-7"}],
    "console_spend": [
        {"by_day": True},
        {"by_day": True, "by_customer": True},
        {"by_agent": True, "by_model": True},
        {"by_workflow": True},
    ],
    "console_good_runs": [{"workflow": "loans"}],
    "console_causes": [{}, {"sort": "new"}],
}


def _ways(name: str, spans: list[Params], who: list[Params], reader: Reader) -> list[Params]:
    takes = statements.query(name).parameters
    if "run" in takes and "workflow" not in takes:
        return _of_runs(name, reader)
    when: list[Params] = spans if "since" in takes else [{}]
    if name == "console_overview":
        when = [{**span, "before": spans[-1]["since"]} for span in spans[:-1]]
    more = _MORE.get(name, [{}])
    return [{**whose, **span, **also} for whose in who for span in when for also in more if set(whose) <= takes]


def _of_runs(name: str, reader: Reader) -> list[Params]:
    """The longest runs, and ones in the middle of the books."""
    takes = statements.query(name).parameters
    rows = reader.rows("console_runs", sort="calls", limit=2) + reader.rows("console_runs", offset=5_000, limit=3)
    known: list[Params] = [{"run": row["run"], "tenant": row["tenant"], "since": str(row["started"])} for row in rows]
    return [{key: value for key, value in params.items() if key in takes} for params in known]


def _timed(reader: Reader, name: str, cases: list[Params], rounds: int) -> list[str]:
    """CPU is that of both sides: on a loaded machine it says more than the clock."""
    taken, most, used = [], 0, time.process_time()
    for _ in range(rounds):
        for params in cases:
            begun = time.perf_counter()
            most = max(most, reader.query(name, **params).num_rows)
            taken.append((time.perf_counter() - begun) * 1000)
    used = (time.process_time() - used) * 1000 / len(taken)
    p50, p95 = percentile(taken, 0.5), percentile(taken, 0.95)
    held = "" if p95 <= TARGET_MS else "missed"
    return [name, str(len(cases)), f"{most:,}", f"{p50:.1f}", f"{p95:.1f}", f"{used:.1f}", held]
