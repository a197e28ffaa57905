"""`comptroller webhooks`: tell those who asked, and see how they do."""

import os
import threading
from typing import Annotated

import typer

from comptroller.cli import screen
from comptroller.cli.main import Json, Ledger, Misuse
from comptroller.cli.place import desk_of, ledger_of, settings_of
from comptroller.office import webhooks
from comptroller.office.follower import Follower
from comptroller.office.webhooks import Courier, Hook, Post

HELP = "Tell other systems of every transition, and see how they do."
app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help=HELP)
LOOK_S = 1.0


@app.callback(help=HELP)
def group() -> None:
    """The commands below."""


@app.command("ls")
def ls(ledger: Ledger = "", as_json: Json = False) -> None:
    """List the hooks of the settings: what arrived, what waits, what was given up."""
    place, settings = ledger_of(ledger), settings_of(ledger)
    hooks = {hook.name: Hook(hook.name, hook.url, b"", tuple(hook.events)) for hook in settings.webhooks}
    post = Post(hooks).fold(Follower(place, *webhooks.KINDS).read())
    rows = [_row(post, name) for name in hooks]
    if as_json:
        screen.say_json(rows)
    elif not rows:
        screen.say("No webhooks. Name some under `webhooks` in comptroller.yaml.")
    else:
        heads = ("HOOK", "EVENTS", "DELIVERED", "WAITING", "GIVEN UP", "LAST ERROR")
        cells = [[screen.clean(row["hook"]), screen.clean(row["events"]), *(f"{row[name]:,}" for name in
                  ("delivered", "waiting", "given_up")), screen.short(row["error"])] for row in rows]  # fmt: skip
        screen.table(heads, cells, right=(2, 3, 4))


@app.command("send")
def send(
    watch: Annotated[bool, typer.Option("--watch", help="Go on as transitions come, until it is stopped.")] = False,
    ledger: Ledger = "",
    as_json: Json = False,
) -> None:
    """Send what is due now. Run it often, or let it watch; what failed is tried again when its time has come."""
    place, settings = ledger_of(ledger), settings_of(ledger)
    hooks = webhooks.hooks_of(settings.webhooks, os.environ)
    if not hooks:
        raise Misuse("There are no webhooks. Name some under `webhooks` in comptroller.yaml.")
    with desk_of(ledger) as desk:
        courier = Courier(desk.ledger, desk.clock, hooks, Follower(place, *webhooks.KINDS).read)
        arrived = _watched(courier) if watch else courier.deliver()
    waiting = len(courier.post.owed)
    if as_json:
        screen.say_json({"delivered": arrived, "waiting": waiting})
    else:
        screen.say(f"{screen.count(arrived, 'letter')} delivered, {waiting:,} waiting")


def _watched(courier: Courier) -> int:
    arrived, never = 0, threading.Event()
    try:
        while True:
            arrived += courier.deliver()
            never.wait(min(LOOK_S, courier.wait_s() or LOOK_S))
    except KeyboardInterrupt:
        return arrived


def _row(post: Post, name: str) -> dict[str, object]:
    told = post.told.get(name, webhooks.Told())
    waiting = sum(hook == name for hook, _ in post.owed)
    counts = {"delivered": told.delivered, "waiting": waiting, "given_up": told.given_up}
    return {"hook": name, "events": " ".join(post.hooks[name].events), **counts, "error": told.error}
