"""`comptroller demo`: the refund desk at work against the scripted model, then its run read back as a tree."""

import importlib
import os
from pathlib import Path
from typing import Any

from comptroller.cli import screen, world
from comptroller.core.errors import ComptrollerError
from comptroller.testing.upstream import Upstream, load_script
from comptroller.wrapper.desk import open_desk
from comptroller.wrapper.wrap import wrap

DESK = Path(__file__).with_name("refund_desk")
POLICIES = DESK / "policies.yaml"


def demo(ledger: str = "demo-ledger") -> None:
    """Play the demo on a ledger, draw what happened, and say where to look next."""
    screen.say("A refund desk of four agents, against a scripted model: no key, no network.")
    screen.say(f"Its policies: {_short(POLICIES)}\n")
    with Upstream(load_script(DESK / "replies.yaml")) as model, open_desk(ledger, {"policies": [str(POLICIES)]}):
        run = world.work(*_clients(model.url), _tell)
        screen.say(f"\nWhat left the house of the complaint:\n  {screen.clean(model.requests[0].last)}")
    _draw(run, ledger)
    _point(run, ledger)


def _clients(url: str) -> tuple[Any, Any]:
    """The real clients of two providers, each wrapped; a proxy of the environment is none of the demo's business."""
    openai, anthropic = _sdk("openai"), _sdk("anthropic")
    return (
        wrap(openai.OpenAI(base_url=f"{url}/v1", api_key="none", http_client=_direct(openai))),
        wrap(anthropic.Anthropic(base_url=url, api_key="none", http_client=_direct(anthropic))),
    )


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
    screen.say("\nNext:")
    for line, what in (
        (f"comptroller runs show {run[:13]} --ledger {ledger}", "every call with its decision and rule"),
        (
            f"comptroller runs show {run[:13]} --bodies --ledger {ledger}",
            "what the model was sent: look for the address",
        ),
        (f"comptroller audit verify --ledger {ledger}", "has anything been changed?"),
        (f"comptroller policy test {_short(POLICIES)}", "change a rule there, and play again"),
    ):
        screen.say(f"  {line}\n      {what}")


def _short(path: Path) -> str:
    """A path as one would type it here."""
    return os.path.relpath(path) if path.is_relative_to(Path.cwd()) else str(path)
