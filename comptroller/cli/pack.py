"""`comptroller audit pack` and `audit verify PACK`: an invoice for its buyer to draw up anew, and doing so."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from comptroller.cli import screen
from comptroller.cli.dossier import pack_period
from comptroller.cli.main import Json, Ledger, Misuse
from comptroller.cli.place import desk_of, ledger_of, reading

if TYPE_CHECKING:
    from comptroller.office.recount import Check, Recount

_WORDS = {"PASS": "ok", "FAIL": "fail", "UNPROVABLE": "warn"}


def pack(
    invoice: Annotated[
        str, typer.Argument(metavar="[INVOICE]", help="Its number, like INV-2026-0001. Without one: see --since.")
    ] = "",
    out: Annotated[str, typer.Option("--out", metavar="FILE", help="Where to; else INVOICE.zip here.")] = "",
    evidence: Annotated[bool, typer.Option("--evidence", help="With the texts of the evidence themselves.")] = False,
    without_calls: Annotated[
        bool, typer.Option("--without-calls", help="Without the records of calls: their lines are unprovable then.")
    ] = False,
    since: Annotated[
        str, typer.Option("--since", metavar="DAY", help="No invoice: the record from this day on (UTC), as evidence.")
    ] = "",
    until: Annotated[str, typer.Option("--until", metavar="DAY", help="And before this one.")] = "",
    to: Annotated[str, typer.Option("--to", metavar="NAME", help="Whom the evidence is for. On record.")] = "",
    because: Annotated[str, typer.Option("--because", metavar="WHY", help="And why. On record, too.")] = "",
    subject: Annotated[
        list[str] | None, typer.Option("--subject", help="decisions, policies, access, orders or books; else all.")
    ] = None,
    ledger: Ledger = "",
    as_json: Json = False,
) -> None:
    """Pack an invoice with all that its buyer needs to recount it, or records of a period as evidence, signed."""
    if bool(invoice) == bool(since):
        raise Misuse("Name an invoice, or a first day with --since: a pack is of one or the other.")
    if since:
        return pack_period(since, until, to, because, subject or [], out, ledger, as_json)
    # Imported when they are used: `audit verify` of a ledger needs none of it, and would take twice as long to start.
    from comptroller.office.keeping import keep_books
    from comptroller.office.packing import pack_of
    from comptroller.office.signing import public_of

    path, place = Path(out or f"{invoice}.zip"), ledger_of(ledger)
    with desk_of(ledger) as desk, reading(place) as reader:
        found = keep_books(desk, reader).invoices.find(invoice)
        if found is None:
            raise Misuse(f"There is no invoice {invoice!r}. List them with `comptroller books invoice`.")
        data = pack_of(desk, reader, found, not without_calls, evidence)
    path.write_bytes(data)
    key = public_of(place)
    kid = key.kid if key else ""
    if as_json:
        screen.say_json({"pack": str(path), "bytes": len(data), "invoice": found.number, "key": kid})
    else:
        screen.say(f"{path}  {len(data):,} bytes, signed with the key {kid}")
        screen.say("Give its buyer the public key by another way: `comptroller receipts key`.")


def verify_pack(path: str, key: str, as_json: bool) -> int:
    """Recount a pack and tell; 1 where something failed."""
    from comptroller.office.recount import recount
    from comptroller.store.publickey import read_public

    found = recount(Path(path), read_public(Path(key)) if key else None)
    if as_json:
        counts = {word.lower(): found.count(word) for word in ("PASS", "FAIL", "UNPROVABLE")}
        told = {"ok": found.ok, "key": found.key, "key_given": found.given, **counts, "about": dict(found.about)}
        checks, lines = ([asdict(check) for check in some] for some in (found.checks, found.lines))
        screen.say_json(told | {"checks": checks, "lines": lines})
    else:
        _write(found)
    return 0 if found.ok else 1


def _write(found: "Recount") -> None:
    if found.about:
        said = found.about
        screen.say(_about(said))
    if found.key:
        whose = "the key you gave" if found.given else "the key it brings itself: compare it with its issuer's"
        screen.say(f"signed with {found.key}, {whose}")
    for check in found.checks:
        screen.say(_line(check))
    if found.lines:
        screen.say()
        rows = [[screen.status(_WORDS[one.verdict]), one.verdict, screen.short(one.what, 40), one.amount,
                 screen.short(one.why, 120)] for one in found.lines]  # fmt: skip
        screen.table(("", "LINE", "", "AMOUNT", "WHY"), rows, right=(3,))
        screen.say()
    counts = ", ".join(f"{found.count(word)} {word}" for word in ("PASS", "FAIL", "UNPROVABLE"))
    if found.lines:
        screen.say(counts)
    elif "invoice" in found.about:
        screen.say("nothing was recounted")


def _about(said: Mapping[str, Any]) -> str:
    if "invoice" in said:
        return f"invoice {screen.clean(said['invoice'])} to {screen.clean(said.get('customer'))}"
    journal = said.get("journal") or {}
    what = f"record {said['record']}" if said.get("record") else "evidence"
    return screen.clean(f"{what} of tenant {said.get('tenant')}, of {journal.get('records')} on record")


def _line(check: "Check") -> str:
    amount = f"  {check.amount}" if check.amount else ""
    return f"{screen.status(_WORDS[check.verdict])}  {check.what}{amount}  {screen.clean(check.why)}"
