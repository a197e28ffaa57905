"""`comptroller spend`: what was spent, by whatever is asked for; exact, and never one currency in another's sum."""

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from comptroller.cli import screen
from comptroller.cli.main import Misuse
from comptroller.cli.place import ledger_of, reading

BY = ("day", "tenant", "customer", "user", "key", "workflow", "agent", "model")
COUNTS = ("calls", "refused", "failed", "input", "output")
ALL = 2**40
Row = dict[str, Any]


def spend(by: str, since: str, until: str, limit: int | None, ledger: str, as_json: bool) -> None:
    """Print the sums, and how many calls nobody knows the cost of."""
    wanted = _wanted(by)
    first, behind = day_of("--since", since), day_of("--until", until)
    window = {"since": first and first.isoformat(), "until": behind and (behind + timedelta(days=1)).isoformat()}
    with reading(ledger_of(ledger)) as reader:
        flags = {f"by_{name}": name in wanted for name in BY}
        rows = reader.rows("spend", limit=limit or ALL, **flags, **window)
        totals = reader.rows("spend", **window)
        unknown = reader.rows("unknown_costs", **{name: day and f"{day}T00:00:00Z" for name, day in window.items()})[0]
    if as_json:
        screen.say_json(
            {"by": wanted, "rows": [_plain(row, wanted) for row in rows], "totals": [_plain(row, []) for row in totals]}
            | {name: unknown[name] for name in ("unpriced", "opaque")}
        )
    else:
        _write(rows, totals, wanted)
        _write_unknown(unknown)


def _wanted(by: str) -> list[str]:
    names = [name.strip() for name in by.split(",") if name.strip()]
    for name in names:
        if name not in BY:
            raise Misuse(f"--by {name!r}: sums are made by {', '.join(BY)}. Name some of these, with commas.")
    return [name for name in BY if name in names]


def span_of(since: str, until: str) -> tuple[datetime | None, datetime | None]:
    """From the beginning of one day to the end of another, in UTC."""
    first, last = day_of("--since", since), day_of("--until", until)
    begun = datetime.combine(first, time.min, UTC) if first else None
    return begun, datetime.combine(last + timedelta(days=1), time.min, UTC) if last else None


def day_of(option: str, text: str) -> date | None:
    """A day as an option names it; None where it is left out."""
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise Misuse(f"{option} {text!r} is not a day. Write it like 2026-03-01.") from None


def _plain(row: Row, wanted: list[str]) -> Row:
    return {name: row[name] for name in (*wanted, "currency", *COUNTS, "cost", "cached", "saved")}


def _write(rows: list[Row], totals: list[Row], wanted: list[str]) -> None:
    if not rows:
        screen.say("Nothing was spent here in this time.")
        return
    heads = [*(name.upper() for name in wanted), "CALLS", "REFUSED", "FAILED", "TOKENS IN", "TOKENS OUT", "COST"]
    saving = any(row["cached"] for row in totals)  # else the columns would be noughts
    heads += ["CACHED", "SAVED"] if saving else []
    right = range(len(wanted), len(heads))
    cells = [_cells(row, [_named(row[name]) for name in wanted], saving) for row in rows]
    if wanted:
        cells += [_cells(row, ["total", *[""] * (len(wanted) - 1)], saving) for row in totals]
    screen.table(heads, cells, right=tuple(right))


def _cells(row: Row, names: list[str], saving: bool) -> list[str]:
    counts = [f"{row[name]:,}" for name in COUNTS]
    saved = [f"{row['cached']:,}", screen.money(Decimal(row["saved"]), row["currency"])] if saving else []
    return [*names, *counts, screen.money(Decimal(row["cost"]), row["currency"]), *saved]


def _named(value: object) -> str:
    return screen.short(value, 40) if value not in ("", None) else "-"


def _write_unknown(unknown: Row) -> None:
    for name, why in (("unpriced", "no price is known for their models"), ("opaque", "they were not understood")):
        if unknown[name]:
            screen.say(f"Not in these sums: {screen.count(unknown[name], 'call')} of unknown cost, as {why}.")
