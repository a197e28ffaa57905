"""`comptroller audit`: check that the record is what was written."""

from dataclasses import asdict

import typer

from comptroller.cli import screen
from comptroller.cli.main import Json, Ledger
from comptroller.cli.place import ledger_of
from comptroller.office.audit import Audit, audit

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Check the record.")


@app.callback()
def group() -> None:
    """Check the record."""


@app.command("verify")
def verify(ledger: Ledger = "", as_json: Json = False) -> None:
    """Check every record's hash, the chain and the seals; exit 1 at the first that does not fit."""
    found = audit(ledger_of(ledger))
    if as_json:
        screen.say_json({"ok": found.ok, **asdict(found)})
    else:
        _write(found)
    raise typer.Exit(0 if found.ok else 1)


def _write(found: Audit) -> None:
    counted = "" if found.keyed or not found.seals else " (counted, no key to check them)"
    screen.say(
        f"{screen.count(found.records, 'record')} in {screen.count(found.segments, 'segment')}, "
        f"{screen.count(found.seals, 'seal')}{counted}"
    )
    if found.torn:
        screen.say(f"{screen.count(found.torn, 'byte')} at the end of a record that was never acknowledged; not read")
    if found.ok:
        if found.books == "in step":
            runs = screen.count(found.runs, "run")
            screen.say(f"books in step: {screen.count(found.calls, 'call')} in {runs}")
        else:
            screen.say(f"books {found.books}: Install comptroller[server] to compare them.")
        screen.say(f"head {found.head}")
        screen.say(screen.status("ok"))
        return
    screen.say(f"{screen.status('fail')}  {screen.clean(found.place)}")
    screen.say(f"  {screen.clean(found.fault)}. {screen.clean(found.remedy)}")
