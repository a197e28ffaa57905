"""`comptroller people`: invite people to the console, list them, change what they are, remove them."""

from pathlib import Path
from typing import Annotated

import typer

from comptroller.cli import item, screen
from comptroller.cli.main import Json
from comptroller.cli.main import Ledger as LedgerName
from comptroller.cli.people import caller
from comptroller.cli.place import journal_of, ledger_of, settings_here
from comptroller.core.clock import SYSTEM
from comptroller.core.settings import Settings
from comptroller.dashboards.process import address_of, address_shown
from comptroller.office import people
from comptroller.office.follower import Follower
from comptroller.office.keylist import moment
from comptroller.office.people import HOUR_NS, Entry, Person, Register

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Say who may look at the console, and as what.")
PersonName = Annotated[str, typer.Argument(metavar="NAME", help="Their name, or the id that `people ls` shows.")]
Tenant = Annotated[str, typer.Option("--tenant", metavar="NAME", help="The tenant; else the one of the settings.")]
ROLES = "admin, compliance, finance, engineer or viewer"


@app.command("invite")
def invite(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Their name, as the record will show it.")],
    role: Annotated[str, typer.Option("--role", metavar="ROLE", help=f"What they are: {ROLES}.")] = "",
    tenant: Tenant = "",
    customer: Annotated[str, typer.Option("--customer", metavar="NAME", help="Show them this customer's only.")] = "",
    hours: Annotated[int, typer.Option("--hours", metavar="N", min=1, max=720, help="How long the link works.")] = 24,
    ledger: LedgerName = "",
    as_json: Json = False,
) -> None:
    """Make a link that lets somebody into the console, once. For somebody who is in already it is a new link."""
    settings, place = settings_here(ledger, "people are let in"), ledger_of(ledger)
    wanted = Person("", name, role, tenant or settings.tenant, customer)
    with journal_of(settings) as journal:
        register = _register(place)
        made, token = people.invite(journal, SYSTEM, register, wanted, hours * HOUR_NS, caller())
    until, link = moment(SYSTEM.now_ns() + hours * HOUR_NS), f"{_address(settings, place)}/enter/{token}"
    if as_json:
        screen.say_json({"person": made.id, "name": made.name, "role": made.role, "link": link, "until": until})
        return
    screen.say(f"{screen.clean(made.name)}, {made.role}\n\n  {link}\n")
    screen.say(f"It works once, until {until}. Only its digest is on record, so it cannot be shown again.")
    screen.say("Whoever has it gets in: send it to them and nobody else.")


@app.command("ls")
def ls(
    limit: Annotated[int, typer.Option("--limit", metavar="N", min=1, help="At most so many.")] = 50,
    ledger: LedgerName = "",
    as_json: Json = False,
) -> None:
    """List who may look at the console, the newest first."""
    found = list(reversed(_register(ledger_of(ledger)).entries.values()))[:limit]
    heads = ("NAME", "ROLE", "FOR", "STATUS", "INVITED (UTC)", "LAST IN (UTC)", "ID")
    none = "Nobody yet. Invite somebody with `comptroller people invite NAME --role viewer`."
    item.say_list(found, heads, _listed, _told, none, as_json)


@app.command("change")
def change(
    name: PersonName,
    role: Annotated[str, typer.Option("--role", metavar="ROLE", help=f"What they are from now on: {ROLES}.")],
    tenant: Tenant = "",
    ledger: LedgerName = "",
    as_json: Json = False,
) -> None:
    """Give somebody another role; what they have open has it at once."""
    settings, place = settings_here(ledger, "people are let in"), ledger_of(ledger)
    with journal_of(settings) as journal:
        entry = _meant(_register(place), name, tenant)
        people.change(journal, SYSTEM, entry, role, caller())
    _done(entry, as_json, f"is {role} from now on", role=role)


@app.command("remove")
def remove(name: PersonName, tenant: Tenant = "", ledger: LedgerName = "", as_json: Json = False) -> None:
    """Let somebody in no more; what they have open ends at once."""
    settings, place = settings_here(ledger, "people are let in"), ledger_of(ledger)
    with journal_of(settings) as journal:
        entry = _meant(_register(place), name, tenant)
        if not entry.removed:
            people.remove(journal, SYSTEM, entry, caller())
    _done(entry, as_json, "was removed before" if entry.removed else "is removed", status="removed")


def _register(ledger: Path) -> Register:
    return Register().fold(Follower(ledger, people.KINDS).read())


def _address(settings: Settings, place: Path) -> str:
    """Where browsers reach the console: as the settings say, or else where one runs now."""
    said = settings.console
    return said.url or address_shown(place) or address_of(said.host, said.port)


def _meant(register: Register, named: str, tenant: str) -> Entry:
    found, remedy = register.meant(named, tenant), "Say --tenant, or the id."
    return item.meant(found, named, "person", "people", lambda one: f"{one.person.id} of {one.person.tenant}", remedy)


def _done(entry: Entry, as_json: bool, what: str, **told: str) -> None:
    if as_json:
        screen.say_json({**_told(entry), **told})
    else:
        screen.say(f"{screen.clean(entry.person.name)} {what}")


def _told(entry: Entry) -> dict[str, object]:
    person = entry.person
    return {
        "person": person.id,
        "name": person.name,
        "role": person.role,
        "tenant": person.tenant,
        "customer": person.customer,
        "status": entry.status,
        "provider": entry.provider,
        "invited": moment(entry.invited),
        "entered": moment(entry.entered),
        "removed": moment(entry.removed),
        "by": entry.by,
    }


def _listed(entry: Entry) -> list[str]:
    person = entry.person
    return [
        screen.short(person.name, 40),
        screen.clean(person.role),
        screen.short(", ".join(item.whose(person, "customer")), 40) or "all",
        screen.clean(entry.status),
        moment(entry.invited) or "-",
        moment(entry.entered) or "-",
        screen.clean(person.id),
    ]
