"""`comptroller kill`: stop what is at work, let it go on, and say what is stopped."""

import contextlib
from pathlib import Path

from comptroller.cli import screen
from comptroller.cli.main import Misuse
from comptroller.cli.people import caller
from comptroller.cli.place import ledger_of, reading, settings_of
from comptroller.core.clock import SYSTEM
from comptroller.metering.orders import SCOPES, Stop
from comptroller.office import orders
from comptroller.office.keylist import moment
from comptroller.office.orders import Standing, Target, orders_of
from comptroller.store.ledger import Ledger
from comptroller.store.reader import Reader

MOST_OPEN = 10_000  # calls under way that are looked through for the beginning of an id


def kill(named: dict[str, str], because: str, revive: bool, ledger: str, as_json: bool) -> None:
    """Give the order, or list what is stopped where nothing is named."""
    place = ledger_of(ledger)
    wanted = [scope for scope in SCOPES if named[scope]]
    if not wanted and not revive:
        return _list(standing(place), as_json)
    if len(wanted) != 1:
        raise Misuse("Name one of --call, --run, --agent, --key and --tenant.")
    scope, who = wanted[0], named[wanted[0]]
    target = (_stopped(place, who) if revive and scope == "call" else None) or _target(place, scope, who)
    settings = settings_of(str(place))
    with contextlib.closing(Ledger.open(place, settings)) as journal:
        give = orders.revive if revive else orders.kill
        give(journal, SYSTEM, target, caller(), because)
    if as_json:
        screen.say_json({"scope": target.scope, "who": target.who, "tenant": target.tenant, "killed": not revive})
    else:
        stopped = "is stopped" if target.scope == "call" else "is stopped: its calls are refused from now on"
        said = "goes on" if revive else stopped
        screen.say(f"{target.scope} {screen.clean(target.who)}  {said}")


def run_of(place: Path, named: str) -> dict[str, object]:
    """The run that is meant, as the books know it."""
    with reading(place) as reader:
        rows = reader.rows("run", run=named)
    if not rows:
        raise Misuse(f"There is no run {named!r} here. List them with `comptroller runs ls`.")
    return rows[0]


def _call_of(place: Path, named: str) -> dict[str, object]:
    """The call under way that is meant."""
    with reading(place) as reader:
        rows = reader.rows("console_open", call=named) or _begun(reader, named)
    if not rows:
        raise Misuse(f"No call {named!r} is under way here. `comptroller runs show RUN` names a run's calls.")
    if len(rows) > 1:
        raise Misuse(f"{named!r} is the beginning of more than one call under way. Say more of it.")
    return rows[0]


def _begun(reader: Reader, prefix: str) -> list[dict[str, object]]:
    """The calls under way whose ids begin so."""
    return [row for row in reader.rows("console_open", limit=MOST_OPEN) if str(row["call"]).startswith(prefix)]


def _stopped(place: Path, named: str) -> Target | None:
    """The call that was stopped, which has ended since; its tools may go on."""
    stops = [one for one in standing(place).stops.values() if one.scope == "call" and one.who.startswith(named)]
    return Target("call", stops[0].who, stops[0].tenant) if len(stops) == 1 else None


def standing(place: Path) -> Standing:
    """The orders in force."""
    return Standing().fold(orders_of(place).read())


def _target(place: Path, scope: str, who: str) -> Target:
    if scope == "call":
        call = _call_of(place, who)
        return Target("call", str(call["call"]), str(call["tenant"]))
    if scope == "run":
        return Target("run", who, str(run_of(place, who)["tenant"]))
    tenant = who if scope == "tenant" else settings_of(str(place)).tenant
    return Target(scope, who, tenant)  # type: ignore[arg-type]


def _list(known: Standing, as_json: bool) -> None:
    found = sorted(known.stops.values(), key=lambda one: -one.at)
    if as_json:
        screen.say_json([{**one._asdict(), "at": moment(one.at)} for one in found])
    elif not found:
        screen.say("Nothing is stopped. `comptroller kill --run RUN` stops a run.")
    else:
        screen.table(("SCOPE", "WHO", "BY", "SINCE (UTC)", "BECAUSE"), [_row(one) for one in found])


def _row(one: Stop) -> list[str]:
    because = screen.short(one.because, 50) or "-"
    return [one.scope, screen.short(one.who, 40), screen.short(one.by, 24) or "-", moment(one.at) or "-", because]
