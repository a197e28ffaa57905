"""`comptroller audit`: check that the record is what was written."""

import re
from dataclasses import asdict
from typing import Annotated

import typer

from comptroller.cli import screen
from comptroller.cli.dossier import proof
from comptroller.cli.main import Json, Ledger, Misuse
from comptroller.cli.pack import pack, verify_pack
from comptroller.cli.place import ledger_of
from comptroller.office.audit import Audit, audit

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Check the record.")
_HASH = re.compile("[0-9a-f]{64}")


@app.callback()
def group() -> None:
    """Check the record."""


app.command("pack")(pack)
app.command("proof")(proof)


@app.command("verify")
def verify(
    packed: Annotated[
        str, typer.Argument(metavar="[PACK]", help="A recount pack; then it is recounted, and no ledger looked at.")
    ] = "",
    key: Annotated[str, typer.Option("--key", metavar="FILE", help="Its issuer's public key: PEM or JWK.")] = "",
    bodies: Annotated[bool, typer.Option("--bodies", help="Open every text, too, and take its digest anew.")] = False,
    head: Annotated[
        str, typer.Option("--head", metavar="HASH", help="A head printed before: its record must still be there.")
    ] = "",
    ledger: Ledger = "",
    as_json: Json = False,
) -> None:
    """Check every record, the seals, the vault and the sums of the books; or recount a pack. Exit 1 at a fault."""
    if packed:
        if bodies or head or ledger:
            raise Misuse("A pack is recounted by itself: --bodies, --head and --ledger are for a ledger.")
        raise typer.Exit(verify_pack(packed, key, as_json))
    if key:
        raise Misuse("--key is for a pack. Name the pack's file.")
    if head and not _HASH.fullmatch(head):
        raise Misuse(f"--head {head!r} is no head. Give the 64 hex digits that `audit verify` printed.")
    found = audit(ledger_of(ledger), bodies, head)
    if as_json:
        told = {"ok": found.ok, **asdict(found)}
        screen.say_json(told | {"fault": found.fault, "place": found.place, "remedy": found.remedy})
    else:
        _write(found)
    raise typer.Exit(0 if found.ok else 1)


def _write(found: Audit) -> None:
    _write_journal(found)
    if found.ok:
        _write_vault(found)
        if found.books == "in step":
            runs = screen.count(found.runs, "run")
            costs = " + ".join(f"{cost} {screen.clean(unit)}" for unit, cost in (found.costs or {}).items())
            screen.say(f"books in step: {screen.count(found.calls, 'call')} in {runs}, {costs or 'no cost'}")
        else:
            screen.say(f"books {found.books}")
        screen.say(f"head {found.head}")
        screen.say(screen.status("ok"))
    for complaint in found.faults:
        screen.say(f"{screen.status('fail')}  {screen.clean(complaint.place)}")
        screen.say(f"  {screen.clean(complaint.fault)}. {screen.clean(complaint.remedy)}")


def _write_journal(found: Audit) -> None:
    counted = "" if found.keyed or not found.seals else " (counted, not checked)"
    screen.say(
        f"{screen.count(found.records, 'record')} in {screen.count(found.segments, 'segment')}, "
        f"{screen.count(found.seals, 'seal')}{counted}"
    )
    if found.ok and not found.keyed:
        screen.say(
            f"{screen.status('warn')}  no master key at hand, so the seals prove nothing today: a chain rewritten as a "
            "whole would pass. Set COMPTROLLER_MASTER_KEY."
        )
    if found.torn:
        screen.say(f"{screen.count(found.torn, 'byte')} at the end of a record that was never acknowledged; not read")
    if found.kept is not None and found.ok:
        screen.say(f"the head you kept is that of record {found.kept:,}; {found.records - found.kept:,} came since")


def _write_vault(found: Audit) -> None:
    how = "each opened, its digest as on record" if found.opened else "counted, see --bodies"
    erased = f", {found.erased:,} of them erased" if found.erased else ""
    segments = screen.count(found.vault_segments, "segment")
    screen.say(f"{screen.count(found.bodies, 'text')} in {segments} of the vault ({how}){erased}")
    if found.bodyless:
        screen.say(f"{screen.count(found.bodyless, 'text')} on record as a digest alone (capture: digest), or removed")
