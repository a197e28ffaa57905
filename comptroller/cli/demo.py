"""`comptroller demo`: the refund desk at work against the scripted model, then its run read back as a tree."""

import importlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from comptroller.cli import screen, world
from comptroller.cli.main import Misuse
from comptroller.cli.surroundings import surroundings
from comptroller.core.errors import ComptrollerError
from comptroller.core.settings import Provider
from comptroller.store import folder
from comptroller.testing.upstream import Upstream, load_script
from comptroller.wrapper.desk import Desk, open_desk
from comptroller.wrapper.run import Run
from comptroller.wrapper.wrap import wrap

DESK = Path(__file__).with_name("refund_desk")
POLICIES = DESK / "policies.yaml"


def demo(ledger: str = "demo-ledger") -> None:
    """Play the demo on a ledger, draw what happened, and say where to look next."""
    if folder.foreign(Path(ledger)) or Path(ledger).is_file():
        raise Misuse(f"{ledger}: holds other things and is no ledger. Name a new directory, or leave --ledger away.")
    screen.say("A refund desk: four agents, a program from elsewhere and a scripted model. No key, no network.")
    screen.say(f"Its policies: {_short(POLICIES)}\n")
    with (
        Upstream(load_script(DESK / "replies.yaml")) as model,
        open_desk(ledger, {"policies": [str(POLICIES)]}) as desk,
        _clients(model.url) as (openai, anthropic),
    ):
        run = world.work(openai, anthropic, partial(_courier, desk, model.url), _tell)
        screen.say(f"\nWhat left the house of the complaint:\n  {screen.clean(model.requests[0].last)}")
    _draw(run, ledger)
    _point(run, ledger)


@contextmanager
def _clients(url: str) -> Iterator[tuple[Any, Any]]:
    """The real clients of two providers, each wrapped; a proxy of the environment is none of the demo's business."""
    openai, anthropic = _sdk("openai"), _sdk("anthropic")
    with (
        openai.OpenAI(base_url=f"{url}/v1", api_key="none", http_client=_direct(openai)) as first,
        anthropic.Anthropic(base_url=url, api_key="none", http_client=_direct(anthropic)) as second,
    ):
        yield wrap(first), wrap(second)


def _courier(desk: Desk, model: str, run: Run) -> str:
    """What the courier says: a program of its own, of which only the environment is ours."""
    from comptroller.gateway.private import private_gateway

    scope, upstream = run.scope, Provider(name="scripted", format="openai", url=f"{model}/v1")
    assert scope is not None
    with private_gateway(desk, scope, "courier", [upstream]) as (url, secret):
        command = [sys.executable, str(DESK / "courier.py")]
        around = surroundings(url, secret, os.environ)
        done = subprocess.run(command, env=around, capture_output=True, encoding="utf-8", check=False)
    if done.returncode:
        raise ComptrollerError(f"The courier's program failed: {done.stderr.strip().splitlines()[-1]}")
    return done.stdout.strip()


def _sdk(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        raise ComptrollerError(
            f"The demo's agents use the real {name} client, which is not installed. "
            "Run `make run`, or `pip install 'comptroller[server,demo]'`."
        ) from None


def _direct(sdk: Any) -> Any:
    return sdk.DefaultHttpxClient(trust_env=False)


def _tell(agent: str, text: str) -> None:
    screen.say(f"  {screen.clean(agent):<8} {screen.clean(text)}")


def _draw(run: str, ledger: str) -> None:
    screen.say("\nThe same as the ledger tells it:\n")
    from comptroller.cli.main import app

    app(["runs", "tree", run, "--ledger", ledger], prog_name="comptroller", standalone_mode=False)


def _point(run: str, ledger: str) -> None:
    # Outside an activated environment the command is only found by the path it was started with.
    command = "comptroller" if shutil.which("comptroller") else os.path.relpath(sys.argv[0])
    screen.say("\nNext:")
    for line, what in (
        (f"runs show {run} --ledger {ledger}", "every call with its decision and its rule"),
        (f"runs show {run} --bodies --ledger {ledger}", "and with what was said: look for the address"),
        (f"audit verify --ledger {ledger}", "has anything been changed since it was written?"),
        (f"policy test {_short(POLICIES)}", "the rules; change one there and play again"),
    ):
        screen.say(f"  {command} {line}\n      {what}")


def _short(path: Path) -> str:
    """A path as one would type it here."""
    return os.path.relpath(path) if path.is_relative_to(Path.cwd()) else str(path)
