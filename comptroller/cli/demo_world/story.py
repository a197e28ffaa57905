"""One run of the refund desk, told as it happens: a program from elsewhere takes part, led by its environment."""

import os
import subprocess
import sys

from comptroller.cli import screen
from comptroller.cli.demo_world.model import Model
from comptroller.cli.demo_world.place import REFUND_DESK
from comptroller.cli.demo_world.plan import Planner
from comptroller.cli.demo_world.play import Doors, Player
from comptroller.cli.demo_world.script import FOLDER, load_tools, load_workflows
from comptroller.cli.demo_world.talk import clients
from comptroller.cli.demo_world.toolbox import Toolbox
from comptroller.cli.surroundings import surroundings
from comptroller.core.errors import ComptrollerError
from comptroller.core.settings import Provider
from comptroller.testing.upstream import Upstream
from comptroller.wrapper.desk import Desk, open_desk
from comptroller.wrapper.run import Run

WORKFLOW, CASE = "refund-desk", "story"
PROGRAM = FOLDER.with_name("refund_desk") / "courier.py"


def tell(ledger: str, policies: str) -> str:
    """Play it on a ledger; returns its run."""
    screen.say("A refund desk: four agents, a program from elsewhere and a scripted model. No key, no network.")
    screen.say(f"Its policies: {policies}\n")
    workflows = [flow for flow in load_workflows() if flow.workflow == WORKFLOW]
    model = Model(workflows[0].replies, lambda seconds: 0.0)
    with (
        Upstream(model) as up,
        clients(up.url) as inside,
        open_desk(ledger, {"policies": [str(REFUND_DESK)]}) as desk,
    ):
        doors = Doors(inside, inside, lambda run: None, lambda name, run, work: _courier(desk, up.url, name, run))
        player = Player(desk, doors, Toolbox(load_tools(), lambda seconds: None), lambda seconds: None, _tell)
        done = player.play(Planner(workflows, 0).work(WORKFLOW, CASE))
        if done.error:
            raise ComptrollerError(f"The refund desk broke off: {done.error}")
        screen.say(f"\nWhat left the house of the complaint:\n  {screen.clean(up.requests[0].last)}")
    return done.run


def _courier(desk: Desk, model: str, name: str, run: Run) -> str:
    """What the courier says: a program of its own, of which only the environment is ours."""
    from comptroller.gateway.private import private_gateway

    scope, upstream = run.scope, Provider(name="scripted", format="openai", url=f"{model}/v1")
    assert scope is not None
    with private_gateway(desk, scope, name, [upstream]) as (url, secret):
        around = surroundings(url, secret, os.environ)
        command = [sys.executable, str(PROGRAM)]
        done = subprocess.run(command, env=around, capture_output=True, encoding="utf-8", check=False)
    if done.returncode:
        raise ComptrollerError(f"The courier's program failed: {done.stderr.strip().splitlines()[-1]}")
    return done.stdout.strip()


def _tell(agent: str, text: str) -> None:
    screen.say(f"  {screen.clean(agent):<8} {screen.clean(text)}")
