"""What policies say of memory: checked, and gathered to the terms of one store for one agent."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from comptroller.core.call import Identity
from comptroller.core.memory import SHARES, Doing, Returns, Share, Terms
from comptroller.core.verdict import STRICTNESS, Action, Verdict
from comptroller.policies.globs import any_of
from comptroller.policies.people import ask_for

if TYPE_CHECKING:  # a process without policies has no use for pydantic's frames, 30 ms of an import
    from comptroller.policies.book import Book, Policy
    from comptroller.policies.document import Document
    from comptroller.policies.memory_frame import Memory

Path = tuple[str | int, ...]
_RETURNS: dict[Returns, int] = {"trusted": 0, "as_written": 1, "untrusted": 2}
_MOST = 4_096  # stores whose terms are remembered; their names come from callers


def mistakes_in(document: "Document", currencies: frozenset[str] | None) -> Iterator[tuple[Path, str]]:
    """What a single key cannot tell, with where it stands."""
    for name, memory in document.memories.items():
        path: Path = ("memories", name)
        if memory.write.ask is not None and memory.write.when_tainted != "ask":
            yield (
                (*path, "write", "ask"),
                f"`{name}` says whom to ask and then does not ask. Write `when_tainted: ask`, or remove `ask`.",
            )
        if memory.unstamped is not None and memory.keep is None and memory.share is None:
            yield (
                (*path, "unstamped"),
                f"`{name}` leaves nothing out, so `unstamped` says nothing. Add `keep` or `share`, or remove it.",
            )
        if memory.keep is not None and not memory.keep:
            yield (*path, "keep"), f"`{name}` would keep nothing at all. Write `keep: 30d`, or deny `memory.write`."
        if memory.tools is not None:
            yield from _of_tools(path, name, memory)


def _of_tools(path: Path, name: str, memory: "Memory") -> Iterator[tuple[Path, str]]:
    """A tool's result is text that nobody can take one entry out of."""
    for key in ("keep", "share"):
        if getattr(memory, key) is not None:
            because = f"`{name}` is reached through tools, whose results hold no stamps, so `{key}` cannot be kept."
            yield (*path, key), f"{because} Remove it, or govern the store behind the tools."
    if "returns" in memory.read.model_fields_set and memory.read.returns == "as_written":
        because = f"`{name}` is reached through tools, whose results hold no stamps."
        yield (*path, "read", "returns"), f"{because} Say `returns: untrusted`, or `trusted` if nobody else writes it."


def in_words(memory: "Memory") -> tuple[str, str]:
    """When and what, for a list of all that is said."""
    who = f"written by {', '.join(memory.write.agents)}, read by {', '.join(memory.read.agents)}"
    then = [f"when tainted: {memory.write.when_tainted}", f"returns: {memory.read.returns}"]
    if memory.keep is not None:
        then.append(f"keep: {memory.keep / 86_400:g}d")
    for key in ("share", "secrets", "privacy"):
        if getattr(memory, key) is not None:
            then.append(f"{key}: {getattr(memory, key)}")
    return who, ", ".join(then)


@dataclass(frozen=True, slots=True)
class _Said:
    """One entry of one file."""

    name: str
    matches: Callable[[str], bool]
    memory: "Memory"
    policy: "Policy"

    def place(self, *path: str | int) -> str:
        return self.policy.place("memories", self.name, *path)


class Memories:
    """All that files say of memory in one workflow."""

    def __init__(self, said: Sequence[_Said]) -> None:
        self._said = [one for one in said if one.memory.tools is None]
        self._tools = [one for one in said if one.memory.tools is not None]
        self._known: dict[tuple[str, tuple[str, ...] | None], Terms | None] = {}

    def of(self, agent: str, names: tuple[str, ...] | None) -> Terms | None:
        """The terms of a store by any of its names; of all stores, where it is not known which. None: nobody says."""
        key = (agent, names)
        if key not in self._known:
            if len(self._known) >= _MOST:
                self._known.clear()
            found = [one for one in self._said if names is None or any(map(one.matches, names))]
            self._known[key] = _strictest(found, agent) if found else None
        return self._known[key]

    def of_tool(self, agent: str, tool: str, does: "Doing | None" = None) -> tuple[Doing, Terms] | None:
        """What a tool does to a memory, and on which terms; None for a tool that is no way to any.

        `does` says it where the tool itself does several things and its call tells which.
        """
        found: dict[Doing, list[_Said]] = {}
        for one in self._tools:
            through = one.memory.tools
            assert through is not None, "only these are here"
            ways: tuple[tuple[Doing, list[str]], ...] = (
                ("write", through.write), ("delete", through.delete), ("read", through.read),
            )  # fmt: skip
            fitting = [doing for doing, globs in ways if globs and any_of(globs)(tool)]
            if fitting:
                found.setdefault(does if does in fitting else fitting[0], []).append(one)
        for doing in ("write", "delete", "read"):  # what changes the memory counts first
            if doing in found:
                return doing, _strictest(found[doing], agent)
        return None

    def __bool__(self) -> bool:
        return bool(self._said or self._tools)

    @property
    def has_tools(self) -> bool:
        """Whether any tool is a way to a memory."""
        return bool(self._tools)


def memories_for(book: "Book", identity: Identity) -> Memories | None:
    """What is said of memory for an agent; None where no policy says anything."""
    if "memories" not in book.says:
        return None
    return book.gathered(_gather, identity) or None


def _gather(policies: "Sequence[Policy]") -> "Memories":
    return Memories(
        [
            _Said(name, any_of([name]), memory, policy)
            for policy in policies
            for name, memory in policy.document.memories.items()
        ]
    )


def _strictest(said: Sequence[_Said], agent: str) -> Terms:
    first = said[0]
    keeps = [one.memory.keep for one in said if one.memory.keep is not None]
    shares: list[Share] = [one.memory.share for one in said if one.memory.share is not None]
    shares.sort(key=SHARES.__getitem__)
    return Terms(
        first.name,
        first.policy.name,
        first.place(),
        _may(said, agent, "write"),
        _may(said, agent, "read"),
        _when_tainted(said),
        max((one.memory.read.returns for one in said), key=_RETURNS.__getitem__),
        round(min(keeps) * 1_000_000_000) if keeps else 0,
        shares[0] if shares else None,
        any(one.memory.unstamped != "read" for one in said if one.memory.keep or one.memory.share),
        _guards(said),
    )


def _may(said: Iterable[_Said], agent: str, doing: str) -> Verdict | None:
    for one in said:
        agents = getattr(one.memory, doing).agents
        if not any_of(agents)(agent):
            who = f"`{agent}`" if agent else "an agent without a name"
            because = f"`{one.name}` is not to be {_DONE[doing]} by {who}. Add it to `{doing}: agents`, or do without."
            return Verdict("deny", f"memories.{one.name}.{doing}", one.policy.name, because, one.place(doing, "agents"))
    return None


_DONE = {"write": "written", "read": "read"}


def _when_tainted(said: Iterable[_Said]) -> Verdict | None:
    one = max(said, key=lambda one: STRICTNESS[one.memory.write.when_tainted])
    action: Action = one.memory.write.when_tainted
    if action == "allow":
        return None
    because = f"Untrusted text had a hand in what would be written to `{one.name}`, where other runs read it."
    rule, place = f"memories.{one.name}.when_tainted", one.place("write", "when_tainted")
    ask = ask_for(one.memory.write.ask) if action == "ask" else None
    return Verdict(action, rule, one.policy.name, because, place, ask=ask)


def _guards(said: Iterable[_Said]) -> dict[str, Action]:
    found: dict[str, Action] = {}
    for one in said:
        for guard in ("secrets", "privacy"):
            action: Action | None = getattr(one.memory, guard)
            if action is not None and STRICTNESS[action] >= STRICTNESS[found.get(guard, "allow")]:
                found[guard] = action
    return found
