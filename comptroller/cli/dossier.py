"""`comptroller audit pack --since` and `audit proof`: records of a ledger for somebody who has none."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from comptroller.cli import screen
from comptroller.cli.main import Json, Ledger, Misuse
from comptroller.cli.place import desk_of, ledger_of, settings_of
from comptroller.core.clock import SYSTEM

_NS = 1_000_000_000


def proof(
    record: Annotated[int, typer.Argument(metavar="RECORD", min=1, help="Its number in the journal.")],
    out: Annotated[str, typer.Option("--out", metavar="FILE", help="Where to; else record-RECORD.zip here.")] = "",
    ledger: Ledger = "",
    as_json: Json = False,
) -> None:
    """Prove that one record is part of the journal: a signed file that `audit verify FILE` checks without a ledger."""
    from comptroller.office import dossier

    place, path = ledger_of(ledger), Path(out or f"record-{record}.zip")
    tenant = settings_of(ledger).tenant
    made = dossier.make(place, dossier.Wanted(tenant, own=True, record=record), SYSTEM.now_ns())
    path.write_bytes(made.data)
    if as_json:
        told = {"proof": str(path), "record": record, "records": made.journal, "head": made.head, "root": made.root}
        screen.say_json(told)
        return
    screen.say(f"{path}  record {record:,} of {made.journal:,}")
    screen.say(f"head {made.head}")
    screen.say(f"root {made.root}")
    screen.say(f"Anybody can check it: `comptroller audit verify {screen.clean(path.name)} --key KEY`.")


def pack_period(
    since: str, until: str, to: str, because: str, subjects: list[str], out: str, ledger: str, as_json: bool
) -> None:
    """An evidence pack of a period, noted on record with whom it is for."""
    from comptroller.office import dossier, dossiers

    place = ledger_of(ledger)
    if unknown := sorted(set(subjects) - set(dossier.SUBJECTS)):
        raise Misuse(f"--subject {unknown[0]!r} is none. Choose from {', '.join(dossier.SUBJECTS)}.")
    if not to.strip():
        raise Misuse("Say whom the pack is for: --to NAME. It goes on record.")
    wanted = dossier.Wanted(
        settings_of(ledger).tenant,
        own=True,
        since=_day("--since", since),
        until=_day("--until", until),
        subjects=tuple(subjects or dossier.SUBJECTS),
        to=to.strip(),
    )
    made = dossier.make(place, wanted, SYSTEM.now_ns())
    with desk_of(ledger) as desk:
        given = dossiers.note(desk.ledger, desk.clock, wanted, made, "local", because)
    path = Path(out or f"{given.pack}.zip")
    path.write_bytes(made.data)
    if as_json:
        told = {"pack": str(path), "bytes": len(made.data), "records": made.records, "sha256": given.sha256}
        screen.say_json({**told, "head": made.head, "to": given.to})
        return
    screen.say(f"{path}  {screen.count(made.records, 'record')}, {len(made.data):,} bytes, sha256 {given.sha256}")
    screen.say(f"head {made.head}")
    screen.say("Give whoever checks it the public key by another way: `comptroller receipts key`.")


def _day(option: str, text: str) -> int:
    if not text:
        return 0
    try:
        read = datetime.fromisoformat(text)
    except ValueError:
        raise Misuse(f"{option} {text!r} is no day. Write it like 2026-11-01.") from None
    return round((read if read.tzinfo else read.replace(tzinfo=UTC)).timestamp()) * _NS
