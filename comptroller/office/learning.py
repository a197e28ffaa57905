"""A draft of a policy from recorded good runs: the tools, what they take, who calls them. For a person to edit.

Nothing that was said goes into it: names and types only. What a draft cannot know it says cautiously: every tool whose
results might be somebody else's words returns what is untrusted, every tool that is not known to read acts.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from comptroller.office.account import Row

READS = (
    "get",
    "list",
    "read",
    "search",
    "find",
    "fetch",
    "check",
    "look",
    "query",
    "show",
    "describe",
    "count",
    "view",
)
MOST_TOOLS = 500


@dataclass(slots=True)
class Seen:
    """What was seen of one tool."""

    calls: int = 0
    effects: set[str] = field(default_factory=set)  # as functions said of themselves
    types: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    given: Counter[str] = field(default_factory=Counter)  # calls that had the argument
    agents: set[str] = field(default_factory=set)
    texts: bool = False  # its results are longer than a name

    def add(self, args: Mapping[str, object], agent: str) -> None:
        self.calls += 1
        self.agents.add(agent)
        for name, value in args.items():
            if value is not None:
                self.types[name].add(type_of(value))
                self.given[name] += 1


def seen_in(runs: Iterable[tuple[Row, list[Row]]]) -> dict[str, Seen]:
    """The tools of runs, each given as its account and its transcript."""
    found: dict[str, Seen] = defaultdict(Seen)
    for account, events in runs:
        for event in events:
            if event["event"] == "call" and event["tool"] and (event["tool"] in found or len(found) < MOST_TOOLS):
                found[event["tool"]].add(event["args"], str(event.get("agent", "")))
            elif event["event"] == "result" and event["tool"] in found:
                found[event["tool"]].texts |= len(event["text"]) > 40
        for call in account["calls_in_order"]:
            if call["kind"] == "tool" and call["effect"] and call["name"] in found:
                found[call["name"]].effects.add(call["effect"])
    return dict(found)


def type_of(value: object) -> str:
    """The type a table would give a value."""
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int | float):
        return "int" if isinstance(value, int) else "double"
    if isinstance(value, list):
        inner = {type_of(item) for item in value}
        return f"list<{inner.pop()}>" if inner == {"string"} else "list"
    return "string" if isinstance(value, str) else "object" if isinstance(value, dict) else "any"


def draft(name: str, tools: Mapping[str, Seen], runs: int) -> str:
    """The policy file."""
    return "\n".join(_lines(name, tools, runs)) + "\n"


def _lines(name: str, tools: Mapping[str, Seen], runs: int) -> Iterator[str]:
    calls = sum(seen.calls for seen in tools.values())
    yield f"# A draft from {runs} recorded {'run' if runs == 1 else 'runs'} with {calls} tool calls. Read it first:"
    yield "# - effect: a guess by name where the function did not say; `write` where unsure."
    yield "# - returns: `untrusted` until somebody vouches for whoever fills what the tool reads."
    yield "# - sensitive: who gets it, what is changed. List `content` for free text, and words under `asked_by`."
    yield "# The profile is in shadow: what it would have done is on record. Remove `mode: shadow` when it is right."
    yield f"policy: {_quoted(name)}"
    yield "profile: {of: least-privilege, mode: shadow}"
    yield "unlisted: ask"
    yield "tools:"
    for tool, seen in sorted(tools.items()):
        yield f"  {_quoted(tool)}:  # {seen.calls} {'call' if seen.calls == 1 else 'calls'}"
        effect = _effect(tool, seen)
        yield f"    effect: {effect}"
        if seen.texts or effect == "read":
            yield "    returns: untrusted"
        args = ", ".join(f"{_quoted(arg)}: {_type(seen, arg)}" for arg in sorted(seen.types))
        yield f"    args: {{{args}}}"
    agents = sorted({agent for seen in tools.values() for agent in seen.agents if agent})
    if agents:
        yield "agents:"
    for agent in agents:
        used = ", ".join(_quoted(tool) for tool, seen in sorted(tools.items()) if agent in seen.agents)
        yield f"  {_quoted(agent)}: {{tools: [{used}]}}"


def _effect(tool: str, seen: Seen) -> str:
    said = [effect for effect in ("external", "write", "read") if effect in seen.effects]
    if said:
        return said[0]
    return "read" if tool.lower().startswith(READS) else "write"


def _type(seen: Seen, arg: str) -> str:
    kinds = seen.types[arg]
    kind = "double" if kinds == {"int", "double"} else kinds.copy().pop() if len(kinds) == 1 else "any"
    return f'"{kind}?"' if seen.given[arg] < seen.calls else kind


def _quoted(name: str) -> str:
    plain = name.replace("_", "").replace("-", "").isalnum() and name.isascii() and name[:1].isalpha()
    if plain and name.lower() not in ("null", "true", "false"):
        return name
    return '"' + "".join(c if c.isprintable() and c not in '"\\' else f"\\u{ord(c):04x}" for c in name[:200]) + '"'
