"""Every client once with its tool and once with the tool denied, then a table of what the ledger says of them."""

import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.table import table
from examples.clients.audit import Record, faults
from examples.clients.environment import Missing, make, version
from examples.clients.manifest import Client, clients
from examples.clients.turn import Turn, take
from examples.clients.world import World, comptroller, world

HEADS = (
    "client",
    "version",
    "moved by",
    "calls",
    "tool spans",
    "tokens",
    "cost USD",
    "seconds",
    "result",
    "tool denied",
)


@dataclass(slots=True)
class Tried:
    """A client's turns, or why there were none."""

    client: Client
    version: str = ""
    missing: str = ""
    turns: dict[bool, Turn] = field(default_factory=dict)  # by whether the tool was denied
    records: dict[bool, Record] = field(default_factory=dict)
    faults: dict[bool, list[str]] = field(default_factory=dict)

    @property
    def well(self) -> bool:
        """True when it ran, and both its turns are right."""
        return not self.missing and len(self.faults) == 2 and not any(self.faults.values())


def main() -> int:
    """Run what is named, else all; 1 if any is wrong or could not be run."""
    chosen = clients(sys.argv[1:])
    with tempfile.TemporaryDirectory(prefix="clients-", ignore_cleanup_errors=True) as name:
        folder = Path(name).resolve()
        with world(folder) as here:
            tried = [_try(client, here) for client in chosen]
        _look_up(tried, folder)
    show(tried)
    return 0 if all(one.well for one in tried) else 1


def _try(client: Client, here: World) -> Tried:
    tried = Tried(client)
    _progress(f"{client.name}: making its environment")
    try:
        made = make(client)
        tried.version = version(client, made)
    except Missing as why:
        tried.missing = str(why)
        return tried
    for denied in (False, True):
        _progress(f"{client.name}: {'with its tool denied' if denied else 'running'}")
        tried.turns[denied] = take(client, here, made, denied)
    return tried


def _look_up(tried: list[Tried], folder: Path) -> None:
    """The gateway has stopped, so all runs are closed: ask the ledger as anybody would."""
    for one in tried:
        for denied, turn in one.turns.items():
            _progress(f"{one.client.name}: reading the ledger")
            listed = comptroller(folder, "runs", "ls", "--workflow", turn.workflow, "--json")
            runs = [comptroller(folder, "runs", "show", run["run"], "--json") for run in reversed(listed)]
            one.records[denied] = Record(runs)
            one.faults[denied] = faults(one.client, turn, one.records[denied], denied)
            if len(runs) != one.client.runs:
                one.faults[denied].append(f"it left {len(runs)} runs, not {one.client.runs}")
    _progress("")


def show(tried: list[Tried]) -> None:
    """The table, then what is wrong in words."""
    table("Clients through the gateway", HEADS, [_row(one) for one in tried])
    for one in tried:
        if one.missing:
            print(f"\n{one.client.name} was not tried: {one.missing}")
        for denied, found in one.faults.items():
            for fault in found:
                print(f"\n{one.client.name}{', tool denied' if denied else ''}: {fault}")


def _row(one: Tried) -> tuple[object, ...]:
    head = (one.client.name, one.version, one.client.moved_by)
    if one.missing:
        return (*head, "", "", "", "", "", "not tried", "not tried")
    record, turn = one.records[False], one.turns[False]
    figures = (len(record.calls("model")), len(record.calls("tool")), sum(record.tokens), record.cost)
    words = ("wrong" if one.faults[denied] else "ok" for denied in (False, True))
    return (*head, *figures, f"{turn.seconds:.1f}", *words)


def _progress(text: str) -> None:
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
