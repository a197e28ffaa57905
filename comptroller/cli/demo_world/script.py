"""The world as it is written down: workflows with their cases and steps, what the scripted model says, the tools."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

FOLDER = Path(__file__).parent


class Case(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One way in which a piece of work can go."""

    name: str
    weight: float = 0  # how often it comes by chance
    since: int = -10_000  # from this day on, counted from today: -9 is nine days ago
    until: int = 10_000
    customer: str = ""
    days: list[int] = []  # on these days of the history it comes for certain
    values: dict[str, Any] = {}
    outcome: str = ""  # what its customer says: a key of `words`; empty: as chance has it


class Step(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One thing that is done: an agent opens, a model is asked, a tool is called, an outcome is claimed."""

    agent: str = ""
    scopes: list[str] | None = None
    steps: list[Step] = []
    ask: str = ""
    then: str = ""  # what it is asked after that, in the same conversation
    model: str = ""
    system: str = ""
    paper: int = 0  # paragraphs that go with it
    max_tokens: int = 600
    stream: bool = False
    tools: list[str] = []
    rounds: int = 4  # of tool calls, then it is told to stop
    must: bool = False  # a refusal ends the run
    tool: str = ""
    args: dict[str, Any] = {}
    program: str = ""  # a program of somebody else's, of which only the environment is ours
    claim: str = ""
    subject: str = ""
    evidence: dict[str, Any] = {}
    degree: str = "1"
    fail: str = ""  # the agent's own code breaks
    pause: float = 0
    only: list[str] = []  # in these cases
    unless: list[str] = []  # not in these


class Reply(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the model says to what. `to` and its values in braces are found in the last words of the user."""

    to: str
    system: str = ""  # only under such instructions
    turn: int | None = None
    attempt: int | None = None  # of the client: 0 is the first
    say: str = ""
    calls: list[dict[str, Any]] = []
    tokens: int = 0  # of the reply, where its text is to count for more
    status: int = 200
    fault: str = ""
    takes: float = 0.8  # seconds


class Word(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is said of an outcome, and when."""

    say: str = ""  # nothing: nobody says a word
    when: str = "pending"  # as soon as the outcome has come so far
    after_h: float = 0  # and then so many hours
    weight: float = 0
    because: str = ""
    reason: str = ""
    then: str = ""  # a word that follows
    method: str = "customer"


class Workflow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A department: whom it works for, how often, and what it does."""

    workflow: str
    means: str
    per_day: float
    customers: dict[str, float]
    cases: list[Case]
    steps: list[Step]
    replies: list[Reply]
    users: list[str] = []
    budget: str = ""
    gateway: bool = False  # its agents come in through the gateway
    values: dict[str, list[Any]] = {}
    words: dict[str, Word] = {}


class Tool(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A tool of the house."""

    effect: str
    args: dict[str, str]
    scope: str = ""
    returns: Any = "ok"
    service: str = ""  # the system it asks over HTTP: `POST https://...`
    fails: dict[str, str] = {}  # what in its arguments makes it fail, and with which words
    takes: float = 0.2


def load_workflows(folder: Path = FOLDER / "workflows") -> list[Workflow]:
    """All departments, by name."""
    return [msgspec.yaml.decode(path.read_bytes(), type=Workflow) for path in sorted(folder.glob("*.yaml"))]


def load_tools(path: Path = FOLDER / "tools.yaml") -> dict[str, Tool]:
    """All tools, by name."""
    return msgspec.yaml.decode(path.read_bytes(), type=dict[str, Tool])


def filled(template: Any, values: dict[str, Any]) -> Any:
    """A template with its values; one that is nothing but a value keeps its type."""
    if isinstance(template, dict):
        return {name: filled(part, values) for name, part in template.items()}
    if isinstance(template, list):
        return [filled(part, values) for part in template]
    if not isinstance(template, str):
        return template
    if template.startswith("{") and template.endswith("}") and template[1:-1] in values:
        return values[template[1:-1]]
    return template.format_map(values)
