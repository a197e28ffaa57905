"""`comptroller keys`: give out Comptroller keys, list them, renew their secrets, end them."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from comptroller.cli import item, screen
from comptroller.cli.main import Json, Misuse
from comptroller.cli.main import Ledger as LedgerName
from comptroller.cli.people import caller
from comptroller.cli.place import journal_of, ledger_of, settings_here
from comptroller.core.clock import SYSTEM
from comptroller.office import keys
from comptroller.office.follower import Follower
from comptroller.office.keylist import amount, described, moment
from comptroller.office.keys import Entry, Key, Register
from comptroller.policies.amounts import read_duration

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Give out keys to the gateway, and end them.")
KeyId = Annotated[str, typer.Argument(metavar="KEY", help="An id, a unique beginning of one, or the key's name.")]
SECOND = 1_000_000_000
T = TypeVar("T")


def _fixes(option: str, what: str) -> Any:
    return typer.Option(option, metavar="NAME", help=what)


@app.command("issue")
def issue(
    name: Annotated[str, _fixes("--name", "What you call it.")] = "",
    tenant: Annotated[str, _fixes("--tenant", "The tenant it acts for; else the one of the settings.")] = "",
    agent: Annotated[str, _fixes("--agent", "The agent it is for.")] = "",
    customer: Annotated[str, _fixes("--customer", "The customer its calls are for.")] = "",
    user: Annotated[str, _fixes("--user", "The user its calls are for.")] = "",
    workflow: Annotated[str, _fixes("--workflow", "The workflow its calls belong to.")] = "",
    scope: Annotated[list[str] | None, _fixes("--scope", "A scope it may use; repeat. '' for none at all.")] = None,
    budget: Annotated[
        list[str] | None,
        typer.Option("--budget", metavar="CAP", help="`50 USD`, `50 USD/month`, `100 calls/hour`; repeat."),
    ] = None,
    expires: Annotated[str, typer.Option("--expires", metavar="TIME", help="Ends after `90d`, `12h`, ...")] = "",
    ledger: LedgerName = "",
    as_json: Json = False,
) -> None:
    """Give out a key. Its secret is shown now and never again."""
    settings = settings_here(ledger, "keys are given out")
    wanted = Key(
        id="",
        tenant=tenant or settings.tenant,
        agent=agent,
        customer=customer,
        user=user,
        workflow=workflow,
        scopes=None if scope is None else frozenset(filter(None, scope)),
        budgets=tuple(_read("--budget", keys.read_budget, text) for text in budget or ()),
        expires=SYSTEM.now_ns() + _nanos("--expires", expires) if expires else 0,
        name=name,
    )
    with journal_of(settings) as journal:
        made, secret = keys.issue(journal, SYSTEM, wanted, caller())
    _show_secret(made, secret, as_json, described(Entry(made, SYSTEM.now_ns(), caller(), ()), SYSTEM.now_ns()))


@app.command("ls")
def ls(
    limit: Annotated[int, typer.Option("--limit", metavar="N", min=1, help="At most so many.")] = 50,
    ledger: LedgerName = "",
    as_json: Json = False,
) -> None:
    """List the keys, the newest first. Secrets are not kept, so none is shown."""
    found = list(reversed(_register(ledger_of(ledger)).entries.values()))[:limit]
    heads = ("KEY", "NAME", "STATUS", "FOR", "BUDGETS", "ISSUED (UTC)", "EXPIRES (UTC)")
    none = "No keys yet. Give one out with `comptroller keys issue`."
    item.say_list(found, heads, _listed, lambda entry: described(entry, SYSTEM.now_ns()), none, as_json)


@app.command("rotate")
def rotate(
    key: KeyId,
    overlap: Annotated[
        str, typer.Option("--overlap", metavar="TIME", help="How long the old secret works on: `24h`, `0s`.")
    ] = "24h",
    ledger: LedgerName = "",
    as_json: Json = False,
) -> None:
    """Give a key a new secret; the old one works on for a while. Budgets and identity stay."""
    place, time = ledger_of(ledger), _nanos("--overlap", overlap)
    entry = _meant(place, key)
    with journal_of(settings_here(ledger, "keys are given out")) as journal:
        secret, until = keys.rotate(journal, SYSTEM, entry, time, caller())
    _show_secret(entry.key, secret, as_json, {"old_secret_until": moment(until)})


@app.command("revoke")
def revoke(key: KeyId, ledger: LedgerName = "", as_json: Json = False) -> None:
    """End a key and every secret of it, at once and for good."""
    entry = _meant(ledger_of(ledger), key)
    if not entry.revoked:
        with journal_of(settings_here(ledger, "keys are given out")) as journal:
            keys.revoke(journal, SYSTEM, entry, caller())
    if as_json:
        screen.say_json({"key": entry.key.id, "status": "revoked"})
    else:
        screen.say(f"{entry.key.id}  {'was revoked before' if entry.revoked else 'revoked'}")


def _register(ledger: Path) -> Register:
    return Register().fold(Follower(ledger, keys.KINDS).read())


def _meant(ledger: Path, named: str) -> Entry:
    if keys.is_secret(named):
        raise Misuse("That is a secret; it should not stand in a shell's history. Name the key by its id or name.")
    found = _register(ledger).meant(named)
    return item.meant(found, named, "key", "keys", lambda entry: entry.key.id, "Say more of the id.")


def _show_secret(key: Key, secret: str, as_json: bool, more: dict[str, object]) -> None:
    if as_json:
        screen.say_json({"key": key.id, "secret": secret, **more})
        return
    screen.say(f"{key.id}  {screen.clean(key.name)}".rstrip())
    screen.say(f"\n  {secret}\n")
    screen.say("Keep it now: only its hash is on record, and it cannot be shown again.")
    screen.say("A client sends it in place of its provider's key: OPENAI_API_KEY, ANTHROPIC_API_KEY, ...")
    if until := more.get("old_secret_until"):
        screen.say(f"The secret before it works until {until}.")


def _listed(entry: Entry) -> list[str]:
    key = entry.key
    fixed = item.whose(key, "agent", "customer", "user", "workflow")
    if key.scopes is not None:
        fixed.append(f"scopes {' '.join(sorted(key.scopes)) or 'none'}")
    return [
        screen.clean(key.id),
        screen.short(key.name, 24) or "-",
        screen.status(entry.status(SYSTEM.now_ns())),
        screen.short(", ".join(fixed), 60) or "anybody",
        ", ".join(amount(cap) for cap in key.budgets) or "-",
        moment(entry.issued) or "-",
        moment(key.expires) or "-",
    ]


def _nanos(option: str, text: str) -> int:
    return round(_read(option, read_duration, text) * SECOND)


def _read(option: str, reading: Callable[[str], T], text: str) -> T:
    try:
        return reading(text)
    except ValueError as error:
        raise Misuse(f"{option}: {error}.") from None
