"""`comptroller demo`: a house of agents at work against the scripted model, until told to stop; or one run of it."""

import os
import shutil
import sys
from functools import partial
from pathlib import Path

from comptroller.cli import screen
from comptroller.cli.console import Place, how_to_get_it
from comptroller.cli.demo_world import fill, place
from comptroller.cli.demo_world.living import live
from comptroller.cli.demo_world.story import tell
from comptroller.cli.main import Misuse
from comptroller.store import folder

DAYS = 60


def demo(ledger: str, once: bool, port: int | None, console_port: int | None) -> None:
    """Play the world on a ledger, and say where to look; with `once` a single run, drawn."""
    where = Path(ledger)
    if folder.foreign(where) or where.is_file():
        raise Misuse(f"{ledger}: holds other things and is no ledger. Name a new directory, or leave --ledger away.")
    if once:
        run = tell(ledger, _short(place.REFUND_DESK))
        _draw(run, ledger)
        _point(run, ledger)
        return
    try:
        _fill(where)
        live(where, partial(_greet, where), port, console_port)
    except KeyboardInterrupt:
        pass
    screen.say("\nStopped. What happened is kept: the next `comptroller demo` on this ledger goes on with it.")


def _fill(ledger: Path) -> None:
    if place.known(ledger.absolute()) is None:
        screen.say(f"A house with seven departments of agents. Playing its last {DAYS} days: some seconds ...")
        filled = fill(ledger, DAYS)
        screen.say(f"{filled.runs} runs, on the real call path, against a scripted model. No key, no network.\n")


def _greet(ledger: Path, gateway: str, console: Place | None) -> None:
    """Say where everything is, and what to look at first."""
    world = place.known(ledger.absolute())
    runs = world.runs if world is not None else {}
    screen.say(f"Agents are at work. The gateway is on {gateway}: point OPENAI_BASE_URL at {gateway}/v1 and join them.")
    if console is None:
        screen.say(how_to_get_it())
        for line, what in _reading(ledger, runs):
            screen.say(f"  {_command()} {line}\n      {what}")
    else:
        screen.say(f"The console is on {console.url}. Three things to look at:")
        for path, what in _clicks(runs):
            screen.say(f"  {console.url}{path}\n      {what}")
    kept = place.folder_of(ledger)
    screen.say(f"\nPolicies, outcome types and contracts are in {_short(kept)}: change a policy and watch.")
    screen.say("Ctrl-C ends it.")


def _clicks(runs: dict[str, str]) -> list[tuple[str, str]]:
    return [
        (
            f"/run?id={runs.get('invoice-matching/large', '')}",
            "An auditor asks why a payment was refused: the rule, its version, and how to ask what would let it pass.",
        ),
        ("/economics", "A finance lead asks what the month earned, and which disputed reports cost it."),
        (
            f"/compare?bad={runs.get('claims-triage/resubmitted-shortened', '')}"
            f"&good={runs.get('claims-triage/resubmitted-good', '')}",
            "An engineer asks why claims fail since six days ago: the same claim, before and after.",
        ),
    ]


def _reading(ledger: Path, runs: dict[str, str]) -> list[tuple[str, str]]:
    """The same three for who has no console."""
    return [
        (f"runs show {runs.get('invoice-matching/large', 'last')} --ledger {ledger}", "why was a payment refused?"),
        (f"books invoice --ledger {ledger}", "what was billed, and what is open?"),
        (
            f"runs tree {runs.get('claims-triage/resubmitted-shortened', 'last')} --ledger {ledger}",
            "why do claims fail since six days ago?",
        ),
    ]


def _draw(run: str, ledger: str) -> None:
    screen.say("\nThe same as the ledger tells it:\n")
    from comptroller.cli.main import app

    app(["runs", "tree", run, "--ledger", ledger], prog_name="comptroller", standalone_mode=False)


def _point(run: str, ledger: str) -> None:
    screen.say("\nNext:")
    for line, what in (
        (f"runs show {run} --ledger {ledger}", "every call with its decision and its rule"),
        (f"runs show {run} --bodies --ledger {ledger}", "and with what was said: look for the address"),
        (f"audit verify --ledger {ledger}", "has anything been changed since it was written?"),
        (f"policy test {_short(place.REFUND_DESK)}", "the rules; change one there and play again"),
    ):
        screen.say(f"  {_command()} {line}\n      {what}")


def _command() -> str:
    # Outside an activated environment the command is only found by the path it was started with.
    return "comptroller" if shutil.which("comptroller") else os.path.relpath(sys.argv[0])


def _short(path: Path) -> str:
    """A path as one would type it here."""
    return os.path.relpath(path) if path.is_relative_to(Path.cwd()) else str(path)
