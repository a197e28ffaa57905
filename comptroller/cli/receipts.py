"""`comptroller receipts`: signed receipts for verified outcomes, checked and counter-signed by whoever gets them."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from comptroller.cli import screen
from comptroller.cli.main import Json, Ledger, Misuse
from comptroller.cli.place import desk_of, ledger_of
from comptroller.core.clock import SYSTEM
from comptroller.core.errors import SettingsError
from comptroller.core.jws import Forged
from comptroller.office import receipts
from comptroller.office.follower import Follower
from comptroller.office.outcome_desk import OutcomeDesk
from comptroller.office.receipts import Drawer, Receipt
from comptroller.office.signing import Signer, public_of
from comptroller.store.publickey import PublicKey, read_public

HELP = "Sign receipts for verified outcomes, check them, counter-sign those of others."
app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help=HELP)
File = Annotated[str, typer.Argument(metavar="FILE", help="The receipt; `-` for standard input.")]
Keys = Annotated[
    list[str] | None, typer.Option("--key", metavar="FILE", help="A public key, PEM or JWK; repeat for each party.")
]
As = Annotated[str, typer.Option("--as", metavar="NAME", help="The organisation that signs.")]


@app.callback(help=HELP)
def group() -> None:
    """The commands below."""


@app.command("issue")
def issue(
    outcome: Annotated[str, typer.Argument(metavar="[OUTCOME]", help="Its id; without one, all that lack one.")] = "",
    by: As = "",
    ledger: Ledger = "",
    as_json: Json = False,
) -> None:
    """Sign a receipt for a verified outcome and print it; one that has a receipt keeps it."""
    place = ledger_of(ledger)
    with desk_of(ledger) as desk:
        office, signer = OutcomeDesk(desk), Signer.open(place)
        office.registry.catch_up()
        known = office.registry.outcomes
        wanted = office.meant(outcome) if outcome else list(known.values())
        if outcome and len(wanted) != 1:
            raise Misuse(f"{outcome!r} is {'no outcome' if not wanted else 'several outcomes'}. See `outcomes ls`.")
        if outcome and not wanted[0].verified_at:
            raise Misuse(f"{wanted[0].key} was never verified, it is {wanted[0].state}: there is no receipt.")
        drawer = _drawer(place)
        made = receipts.issue_missing(desk.ledger, desk.clock, signer, wanted, drawer, by or desk.settings.tenant)
    found = {one.key: drawer.receipts[one.key] for one in wanted if one.key in drawer.receipts}
    if as_json:
        screen.say_json([{"outcome": key, "receipt": text, "new": key in made} for key, text in found.items()])
    elif outcome:
        screen.say(found[wanted[0].key])
    else:
        screen.say(f"{screen.count(len(made), 'new receipt')}, {len(found):,} in all")


@app.command("verify")
def verify(file: File, key: Keys = None, as_json: Json = False) -> None:
    """Check the signatures of a receipt, offline; exit 1 where one does not hold."""
    keys = _keys(key)
    try:
        found = receipts.check(_text(file), keys.get)
    except Forged as forged:
        if as_json:
            screen.say_json({"ok": False, "fault": str(forged)})
        else:
            screen.say(f"{screen.status('fail')}  {screen.clean(forged)}")
        raise typer.Exit(1) from None
    if as_json:
        more = {"kid": found.kid, "countersigned": found.countersigned, "by": found.by}
        screen.say_json({"ok": True, **more, "receipt": dict(found.said)})
    else:
        _show(found)


@app.command("countersign")
def countersign(
    file: File,
    by: As,
    key: Annotated[str, typer.Option("--key", metavar="FILE", help="Its issuer's public key.")],
    ledger: Ledger = "",
) -> None:
    """Sign a receipt of another organisation with this ledger's key, after checking theirs; prints both as one."""
    issuer = read_public(Path(key))
    try:
        screen.say(receipts.countersign(_text(file), Signer.open(ledger_of(ledger)), by, SYSTEM.now_ns(), issuer))
    except Forged as forged:
        raise SettingsError(f"It was not counter-signed. {forged}") from None


@app.command("keep")
def keep(
    file: File,
    key: Annotated[str, typer.Option("--key", metavar="FILE", help="The public key of who counter-signed.")],
    ledger: Ledger = "",
) -> None:
    """Put a receipt of ours that came back counter-signed on record, once both signatures hold."""
    place, text = ledger_of(ledger), _text(file)
    theirs, ours = read_public(Path(key)), public_of(place)
    keys = {known.kid: known for known in (theirs, ours) if known is not None}
    try:
        found = receipts.check(text, keys.get)
    except Forged as forged:
        raise SettingsError(f"It was not kept. {forged}") from None
    if ours is None or found.kid != ours.kid or not found.countersigned:
        raise SettingsError("It was not kept: it is no receipt of this ledger with a counter-signature.")
    with desk_of(ledger) as desk:
        receipts.keep(desk.ledger, desk.clock, found, text)
    screen.say(f"{screen.clean(found.said['outcome'])}  counter-signed by {screen.clean(found.by)}, on record")


@app.command("key")
def key(
    out: Annotated[str, typer.Option("--out", metavar="FILE", help="Write the PEM file there.")] = "",
    ledger: Ledger = "",
    as_json: Json = False,
) -> None:
    """Show the public key that receipts and packs of this ledger are checked with, and its fingerprint."""
    public = Signer.open(ledger_of(ledger)).public
    if out:
        Path(out).write_text(public.pem, encoding="ascii")
    if as_json:
        screen.say_json({"kid": public.kid, "jwk": public.jwk, "pem": public.pem})
    else:
        screen.say(f"fingerprint {public.kid}")
        screen.say(f"written to {out}" if out else public.pem.strip())


def _drawer(place: Path) -> Drawer:
    return Drawer().fold(Follower(place, receipts.KINDS).read())


def _keys(files: list[str] | None) -> dict[str, PublicKey]:
    if not files:
        raise Misuse("Name the public keys of those who signed with --key.")
    return {known.kid: known for known in (read_public(Path(file)) for file in files)}


def _text(file: str) -> str:
    try:
        return (sys.stdin.read() if file == "-" else Path(file).read_text(encoding="ascii")).strip()
    except UnicodeDecodeError:
        raise Misuse(f"{file}: is no receipt, which is plain text.") from None
    except OSError as error:
        raise Misuse(f"{file}: cannot be read: {error.strerror}. Name the receipt's file.") from None


def _show(found: Receipt) -> None:
    said = found.said
    screen.say(f"{screen.status('ok')}  signed by {screen.clean(said['issuer'])} with {found.kid}")
    if found.countersigned:
        screen.say(f"{screen.status('ok')}  counter-signed by {screen.clean(found.by)} with {found.countersigned}")
    fee = said.get("fee")
    price = f"{fee['amount']} {fee['currency']}" if isinstance(fee, dict) else "no fee"
    words = [screen.clean(word) for word in (said["type"], said.get("subject", ""), said["customer"], price)]
    screen.say(f"{words[0]} {words[1]} for {words[2]}, {words[3]}, verified {screen.clean(said['verified_at'])}")
