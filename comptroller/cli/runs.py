"""`comptroller runs`: find runs, read one from its first call to its last, see it as a tree, compare two."""

from typing import Annotated, Any

import typer

from comptroller.cli import account, findings, screen
from comptroller.cli.findings import SHOWN
from comptroller.cli.main import Json, Ledger, Misuse
from comptroller.cli.place import ledger_of, reading
from comptroller.office.account import costs_of, gather, origins_of
from comptroller.store.reader import Reader

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Find and read runs.")
RunId = Annotated[str, typer.Argument(metavar="RUN", help="An id, a unique beginning of one, or `last`.")]
SHORT = 16  # of 32 digits: the time to the millisecond and a counter
LATEST = 50  # runs listed for people unless --limit says otherwise; machines get all
ALL = 2**40
STATUSES = ("ok", "error", "open", "abandoned")
Row = dict[str, Any]


@app.command("ls")
def ls(
    workflow: Annotated[
        str | None, typer.Option("--workflow", metavar="NAME", help="Only runs of this workflow.")
    ] = None,
    customer: Annotated[
        str | None, typer.Option("--customer", metavar="NAME", help="Only runs for this customer.")
    ] = None,
    status: Annotated[
        str | None, typer.Option("--status", metavar="WORD", help="Only runs that are ok, error, open or abandoned.")
    ] = None,
    since: Annotated[
        str | None, typer.Option("--since", metavar="TIME", help="Only runs started at or after this time (UTC).")
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option("--limit", metavar="N", min=1, help=f"At most so many; {LATEST} unless said, with --json all."),
    ] = None,
    ledger: Ledger = "",
    as_json: Json = False,
) -> None:
    """List the latest runs."""
    if status is not None and status not in STATUSES:
        raise Misuse(f"--status {status!r}: there is no such status. Say one of: {', '.join(STATUSES)}.")
    wanted: Row = {"workflow": workflow, "customer": customer, "status": status, "since": _time(since)}
    most = limit or (ALL if as_json else LATEST)
    with reading(ledger_of(ledger)) as reader:
        wanted["deserted"] = reader.deserted
        rows = reader.rows("runs_list", limit=most, **wanted)
        there = int(str(reader.rows("runs_count", **wanted)[0]["runs"])) if len(rows) == most else len(rows)
    if as_json:
        screen.say_json([_for_machines(row) for row in rows])
    elif not rows:
        screen.say("No runs here" + (" that match." if workflow or customer or status or since else " yet."))
    else:
        heads = ("RUN", "STARTED (UTC)", "WORKFLOW", "CUSTOMER", "STATUS", "CALLS", "COST", "NOTES")
        screen.table(heads, [_listed(row) for row in rows], right=(5, 6))
        if there > len(rows):
            screen.say(f"{len(rows):,} of {there:,}, see --limit")


@app.command("show")
def show(
    run: RunId,
    bodies: Annotated[bool, typer.Option("--bodies", help="Print the messages too, as far as they were kept.")] = False,
    as_transcript: Annotated[
        bool, typer.Option("--transcript", help="Print what was said as events for `policy judge`, one a line.")
    ] = False,
    ledger: Ledger = "",
    as_json: Json = False,
) -> None:
    """Show one run: who, when, what it cost, and every call in order."""
    from comptroller.office import why

    place = ledger_of(ledger)
    with reading(place) as reader:
        id = meant(reader, run)
        told = gather(reader, id)
        if as_transcript:
            account.write_transcript(told, place)
            return
        found = why.why(reader.rows, id, reader.deserted)
    told["why"] = why.as_json(found)
    if bodies:
        account.add_bodies(told, place)
    if as_json:
        screen.say_json(told)
    else:
        account.write(told, found)


@app.command("diff")
def diff(
    bad: Annotated[str, typer.Argument(metavar="BAD", help="The run that went wrong: as RUN of the other commands.")],
    good: Annotated[
        str, typer.Argument(metavar="[GOOD]", help="The run to hold it against; the last good one like it unless said.")
    ] = "",
    limit: Annotated[
        int, typer.Option("--limit", metavar="N", min=1, help=f"At most so many rows; {SHOWN} unless said.")
    ] = SHOWN,
    ledger: Ledger = "",
    as_json: Json = False,
) -> None:
    """Lay a bad run beside a good one and say where they first part."""
    from comptroller.office import compare

    place = ledger_of(ledger)
    with reading(place) as reader:
        one = meant(reader, bad)
        other = meant(reader, good) if good else compare.last_good(reader.rows, one)
        if other is None:
            raise Misuse(f"{one}: no run of its workflow ended well before it. Name one: `runs diff {bad} GOOD`.")
        if one == other:
            raise Misuse(f"{one} is the same run twice. Name another to hold it against.")
        found = compare.compared(reader.rows, one, other, reader.deserted, account.vault_of(place))
    if as_json:
        screen.say_json(compare.as_json(found))
    else:
        findings.write_diff(found, limit)


@app.command("tree")
def tree(run: RunId, ledger: Ledger = "", as_json: Json = False) -> None:
    """Draw one run as a tree of agents, calls and tool calls, with cost and status at each node."""
    from comptroller.cli import tree as drawing
    from comptroller.office.tree import as_json as as_data
    from comptroller.office.tree import tree_of

    with reading(ledger_of(ledger)) as reader:
        id = meant(reader, run)
        root = tree_of(reader, id, origins=origins_of(reader, id))
    if as_json:
        screen.say_json(as_data(root))
    else:
        drawing.draw(root)


def meant(reader: Reader, named: str) -> str:
    """The one run that `named` means."""
    if named == "last":
        found = reader.rows("runs_list", limit=1)
        if not found:
            raise Misuse(f"{reader.ledger}: there are no runs yet.")
    else:
        exact = reader.rows("run", run=named)
        found = exact or reader.rows("runs_named", prefix=named, limit=4)
    if not found:
        raise Misuse(f"No run begins with {named!r}. List them with `comptroller runs ls`.")
    if len(found) > 1:
        some = ", ".join(str(row["run"]) for row in found[:3])
        raise Misuse(
            f"{named!r} is the beginning of more than one run ({some}{', ...' * (len(found) > 3)}). Say more of it."
        )
    return str(found[0]["run"])


def _listed(row: Row) -> list[str]:
    notes = [
        screen.count(int(row[name]), name, name)
        for name in ("failed", "refused", "redacted", "unpriced", "opaque")
        if row[name]
    ]
    if trouble := row["error"] or row["first_error"]:
        notes.append(screen.short(trouble, 50))
    return [
        _short_id(str(row["run"])),
        screen.moment(row["started"]),
        screen.short(row["workflow"], 24) or "-",
        screen.short(row["customer"], 24) or "-",
        screen.status(str(row["status"])),
        f"{row['calls']:,}",
        account.costs_in_words(row),
        ", ".join(notes),
    ]


def _for_machines(row: Row) -> Row:
    names = ("run", "workflow", "customer", "calls", "cost", "currency")
    more = {"costs": costs_of(row), "status": row["status"], "started": row["started"]}
    return {name: row[name] for name in names} | more


def _short_id(run: str) -> str:
    return screen.clean(run[:SHORT] if len(run) == 32 else run)


def _time(text: str | None) -> str | None:
    """A moment as the books compare it: ISO 8601, UTC where it names no zone."""
    if text is None:
        return None
    from datetime import UTC, datetime

    try:
        read = datetime.fromisoformat(text)
    except ValueError:
        raise Misuse(f"--since {text!r} is not a time. Write it like 2026-03-01 or 2026-03-01T12:00:00Z.") from None
    return (read if read.tzinfo else read.replace(tzinfo=UTC)).isoformat()
