"""A run as a transcript: what its agents were told and said, in order, as `policy judge` reads it."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from comptroller.dialects.said import Said, said_in
from comptroller.office.account import Row, Vault, bodies_of


@dataclass(slots=True)
class Telling:
    """What of a run was told already: every request repeats its history."""

    run: str
    messages: set[str] = field(default_factory=set)
    said: set[tuple[str, str, str]] = field(default_factory=set)
    tools: dict[str, str] = field(default_factory=dict)  # by call id
    lost: int = 0  # messages of which only the digest was kept


def transcript(account: Row, vault: Vault) -> tuple[list[Row], int]:
    """The events of a run, and how many messages are missing because their texts were not kept, or erased."""
    telling = Telling(str(account["run"]))
    events = [
        event for call in account["calls_in_order"] if call["kind"] == "model" for event in _call(telling, call, vault)
    ]
    return [*events, *(_claim(telling, claim) for claim in account["claims"])], telling.lost


def _call(telling: Telling, call: Row, vault: Vault) -> Iterator[Row]:
    bodies = bodies_of(call, vault)
    agent = {"agent": call["agent"]} if call["agent"] else {}
    for side in ("request", "reply"):
        for digest, body in zip(call[side], bodies[side], strict=True):
            if side == "request" and digest in telling.messages:
                continue
            telling.messages.add(digest)
            if body is None:
                telling.lost += 1
                continue
            for said in said_in(body):
                yield from _event(telling, said, agent)


def _event(telling: Telling, said: Said, agent: Row) -> Iterator[Row]:
    """An event, unless it was told before: a reply comes back as a part of the next request."""
    key = (said.kind, said.call_id, "" if said.call_id else said.text)
    if key in telling.said:
        return
    telling.said.add(key)
    if said.kind == "call":
        telling.tools[said.call_id] = said.tool
        yield {
            "run": telling.run,
            "event": "call",
            "id": said.call_id,
            "tool": said.tool,
            "args": _args(said.text),
            **agent,
        }
    elif said.kind == "result":
        tool = said.tool or telling.tools.get(said.call_id, "")
        yield {"run": telling.run, "event": "result", "id": said.call_id, "tool": tool, "text": said.text, **agent}
    else:
        yield {"run": telling.run, "event": said.kind, "text": said.text, **agent}


def _args(text: str) -> Any:
    try:
        args = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return args if isinstance(args, dict) else {}


def _claim(telling: Telling, claim: Row) -> Row:
    return {"run": telling.run, "event": "claim", "type": claim["type"], "subject": claim["subject"]}
