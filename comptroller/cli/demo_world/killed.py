"""An agent in a process of its own, that is killed in the middle of a call."""

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import msgspec

from comptroller.cli.demo_world.model import Model
from comptroller.cli.demo_world.past import Past
from comptroller.cli.demo_world.plan import Planner
from comptroller.cli.demo_world.play import Doors, Player
from comptroller.cli.demo_world.script import load_tools, load_workflows
from comptroller.cli.demo_world.talk import Clients, sdk
from comptroller.cli.demo_world.toolbox import Toolbox
from comptroller.core.clock import SYSTEM
from comptroller.wrapper.desk import Desk, set_desk
from comptroller.wrapper.wrap import wrap

WORKFLOW, CASE = "night-digest", "killed"
LONGEST_S = 60.0
LOOK_S = 0.1


class Order(msgspec.Struct):
    """What the process is told: its settings, where the model is, and what time it is; 0: the machine knows."""

    settings: dict[str, Any]
    model: str
    at_ns: int


def kill_one(desk: Desk, model: Model, at_ns: int = 0, enough: Callable[[], bool] = lambda: False) -> str:
    """Start one, and kill it as soon as its call is under way, or there is `enough`; returns its run."""
    order = Order(desk.settings.model_dump(mode="json"), desk.settings.upstreams[-1].url, at_ns)
    command = [sys.executable, "-c", f"from {__name__} import main; main()"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8") as child:
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.write(msgspec.json.encode(order).decode() + "\n")
        child.stdin.flush()
        run = child.stdout.readline().strip()
        while not model.hung.wait(LOOK_S) and child.poll() is None and not enough():
            pass
        child.kill()
    model.hung.clear()
    return run


def main() -> None:
    """Work until killed."""
    order = msgspec.json.decode(sys.stdin.readline(), type=Order)
    clock = Past(order.at_ns) if order.at_ns else SYSTEM
    http = wrap(sdk("httpx2").Client(trust_env=False, timeout=LONGEST_S))
    clients = Clients(None, None, http, order.model, {})
    with Desk.open(order.settings["ledger"], order.settings, clock) as desk:
        set_desk(desk)
        doors = Doors(clients, clients, lambda run: None, lambda name, run, work: "")
        player = Player(desk, doors, Toolbox(load_tools(), lambda seconds: None), lambda seconds: None)
        work = Planner(load_workflows(), clock.now_ns()).work(WORKFLOW, CASE)
        player.play(work, lambda run: print(run, flush=True))
