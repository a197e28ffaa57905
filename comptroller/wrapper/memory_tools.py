"""Tools that are a way to a memory: an agent's own, an MCP server's, a provider's; ruled by what they do to it.

Their arguments are traced like any; what they return holds no stamps, so nobody is taken at their word unless the
policy says that nobody else writes there.
"""

from collections.abc import Generator, Mapping
from typing import Any

from comptroller.core.memory import COMMANDS, Doing, Terms
from comptroller.core.verdict import Action, Decision, Verdict, stricter
from comptroller.policies.memories import memories_for
from comptroller.wrapper.effects import Effect
from comptroller.wrapper.entries import origin_of, poisonous
from comptroller.wrapper.entry import Entry
from comptroller.wrapper.shared import enforce


def way_of(entry: Entry, name: str, args: Mapping[str, object] | None) -> tuple[Doing, Terms] | None:
    """What a tool call does to a memory, and on which terms; None for most."""
    memories = memories_for(entry.desk.book, entry.identity)
    if memories is None or not memories.has_tools:
        return None
    said = (args or {}).get("command")
    return memories.of_tool(entry.identity.agent, name, COMMANDS.get(said) if isinstance(said, str) else None)


def decide(
    tool: Entry, way: tuple[Doing, Terms], said: object, plan: Mapping[str, Action], cleared: str
) -> Generator[Effect, Any, Mapping[str, Action]]:
    """Carry out what is said of the memory; returns the guards that look at the call, with those of the memory."""
    does, terms = way
    tool.tool["memory"] = {"store": terms.name, "does": does}
    verdict = terms.may_read if does == "read" else terms.may_write
    if verdict is None and does == "write" and terms.tainted is not None:
        verdict = _poison(tool, terms.tainted, said)
    if verdict is not None:
        tool.note("tool", Decision(verdict.action, verdict), tool.name)
        yield from enforce(tool, Decision(verdict.action, verdict), cleared=cleared)
    return plan if does == "read" else stricter(plan, terms.guards)


def _poison(tool: Entry, verdict: Verdict, said: object) -> Verdict | None:
    origin = origin_of(tool, said)
    return poisonous(verdict, [origin]) if origin.label == "untrusted" else None
