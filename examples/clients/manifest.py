"""What a client's `client.toml` says: what it is, how it is moved to the gateway, and what it will do there."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool the model asks for, once, where it is offered under this name."""

    name: str
    args: Mapping[str, Any]
    answered: bool = True  # its result comes back to the model


@dataclass(frozen=True, slots=True)
class Client:
    """One client, as its manifest has it. In `env` and `command`, `{url}` and the like are filled in: see README.md."""

    name: str
    kind: Literal["python", "node", "cli"]
    package: str  # whose version the table shows
    moved_by: str  # in a few words
    env: Mapping[str, str]  # all that is changed about the client
    model: str
    tools: Sequence[Tool] = ()
    calls: int = 2  # of the model; 0 where the client decides how many
    calls_denied: int = 0  # likewise, when the tool is denied
    runs: int = 1
    python: Sequence[str] = ("3.11", "3.13")  # the oldest and the newest that it installs on
    command: Sequence[str] = ()  # what to run; by kind where left out
    files: Mapping[str, str] = field(default_factory=dict)  # what lies in the directory it works in
    limit_s: int = 120

    @property
    def folder(self) -> Path:
        """Where its program and what it needs are."""
        return HERE / self.name

    @property
    def argv(self) -> Sequence[str]:
        """What to run."""
        program = {"python": ("{python}", "agent.py"), "node": ("node", "agent.mjs"), "cli": ()}
        return self.command or program[self.kind]


def clients(names: Sequence[str] = ()) -> list[Client]:
    """Those that are named, else all that there are."""
    known = sorted(path.parent.name for path in HERE.glob("*/client.toml"))
    unknown = sorted(set(names) - set(known))
    if unknown:
        raise SystemExit(f"There is no client {', '.join(unknown)}. There are: {', '.join(known)}.")
    return [_client(name) for name in names or known]


def _client(name: str) -> Client:
    path = HERE / name / "client.toml"
    said = tomllib.loads(path.read_text(encoding="utf-8"))
    unknown = said.keys() - {item.name for item in fields(Client)}
    if unknown:
        raise SystemExit(f"{path}: there is no {', '.join(sorted(unknown))} in a manifest. Take it out.")
    tools = [Tool(**tool) for tool in said.pop("tools", ())]
    return Client(name=name, tools=tools, **said)
