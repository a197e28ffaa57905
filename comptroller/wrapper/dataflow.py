"""The data flow of a run on the call path: what requests bring is taken in, what a tool call asks for is traced.

Nothing of it happens unless a policy in force asks where values come from.
"""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from comptroller.core.call import Identity, Part, Reply, Request
from comptroller.core.forks import lock_over_forks
from comptroller.core.memory import CALLS
from comptroller.core.origin import Origins
from comptroller.core.verdict import Verdict
from comptroller.guardrails.provenance import UNLISTED, CallOrigins, Flow, Trust
from comptroller.policies.book import Book, ToolRule
from comptroller.policies.memories import memories_for
from comptroller.wrapper.kept import NAMED as GOES_ON

if TYPE_CHECKING:
    from comptroller.wrapper.entry import Entry

MOST_TRUSTS = 4_096
MOST_CHARS = 64_000_000  # of all runs together, as words; the run silent for longest is forgotten, and says so
MOST_TALKS = 256  # conversations outside any run
OTHERS = "a part of this run happened elsewhere: in another process, or before this one began"
NO_ROOM = "there was no room to remember what this run had read"
NO_RUN = "it was called outside any run, so nothing says what led to it"
_SYSTEM = ("system", "developer")
_MODEL = ("assistant", "model")
_TURN = lock_over_forks()
_TRUSTS: dict[tuple[object, ...], Trust] = {}  # few are different


class Flows:
    """The flows of a desk's runs, within one bound of memory."""

    def __init__(self, most: int = MOST_CHARS) -> None:
        self._most, self._chars = most, 0
        self._known: OrderedDict[int, tuple[Flow, int]] = OrderedDict()
        self._talks: OrderedDict[int, Flow] = OrderedDict()

    def touch(self, flow: Flow) -> None:
        """A flow has grown or is in use."""
        with _TURN:
            before = self._known.pop(id(flow), (flow, 0))[1]
            self._known[id(flow)] = (flow, flow.chars)
            self._chars += flow.chars - before
            while self._chars > self._most and len(self._known) > 1:
                _, (oldest, chars) = self._known.popitem(last=False)
                self._chars -= chars
                oldest.drop(NO_ROOM)

    def forget(self, flow: Flow) -> None:
        """A run is over."""
        with _TURN:
            self._chars -= self._known.pop(id(flow), (flow, 0))[1]

    def talk(self, first: int) -> Flow:
        """The flow of a conversation outside any run, by what the user said first: they have nothing in common."""
        with _TURN:
            found = self._talks.get(first)
            if found is None:
                found = self._talks[first] = Flow()
                if len(self._talks) > MOST_TALKS:
                    self._chars -= self._known.pop(id(self._talks.popitem(last=False)[1]), (found, 0))[1]
            else:
                self._talks.move_to_end(first)
            return found


# -- what a call reads


def take_in(entry: "Entry", request: Request) -> None:
    """Take in what a request brings that was not seen before."""
    if not entry.desk.book.traces:
        return
    if entry.run.bench is not None:  # a judge's call is one of the run's, and what it reads leads to nothing in it
        entry.flow = entry.run.flow
        entry.flow.live += 1
        return
    said = [part.text for part in request.parts if part.role == "user" and part.kind == "text"]
    flow = entry.flow = _flow_of(entry, said)
    flow.made += _turns_elsewhere(flow, request)
    _look_for_gaps(entry, flow)  # before this call counts itself
    flow.live += 1
    own = flow.is_users(said) or (GOES_ON in request.hints and flow.goes_on(entry.identity.agent))
    if own and said:
        flow.speaks_to(entry.identity.agent)
    for part in request.parts:
        _take(entry, flow, part, own)
    entry.desk.flows.touch(flow)


def _turns_elsewhere(flow: Flow, request: Request) -> int:
    """How many replies of a model the history tells of that did not pass through here."""
    turns, inside = 0, False
    for part in request.parts:
        if part.role not in _MODEL or part.kind == "tool_result":
            inside = False
        elif not inside and not flow.knows(part.text, part.call_id):
            turns, inside = turns + 1, True
    return turns


def _flow_of(entry: "Entry", said: list[str]) -> Flow:
    ambient = entry.desk.ambient
    if ambient is None or ambient.run is not entry.run:
        return entry.run.flow
    return entry.desk.flows.talk(hash(said[0]) if said else 0)


def _take(entry: "Entry", flow: Flow, part: Part, own: bool) -> None:
    kind, role = part.kind, part.role
    if kind == "tool_result" or (kind == "media" and part.call_id):
        trust = trust_of(entry.desk.book, entry.identity, part.tool)
        if kind == "media":  # nobody reads a picture here; whoever can put text into one has a word in the run
            flow.tainted = flow.tainted or trust.returns in ("untrusted", "foreign")
        else:
            flow.result(part.call_id, part.tool, part.text, trust)
    elif kind == "tool_call":
        flow.repeated(part.call_id, part.tool, part.text)
    elif role in _SYSTEM:
        flow.system(part.text)
    elif role == "user":
        flow.user(part.text, own, entry.identity.agent)
    elif role in _MODEL and kind == "text":
        flow.reply(part.text)


def _look_for_gaps(entry: "Entry", flow: Flow) -> None:
    """Whether more calls were made in this run than are known of: those may have read anything."""
    if not flow.gap and entry.run is not _ambient(entry) and entry.run_calls() > flow.made + flow.live:
        flow.lose(OTHERS)


def _ambient(entry: "Entry") -> object:
    return entry.desk.ambient.run if entry.desk.ambient is not None else None


def hear(entry: "Entry", reply: Reply) -> None:
    """Take in what a model said: other agents may be told it as if it came from the user."""
    if entry.flow is not None and entry.run.bench is None:
        for part in reply.parts:
            if part.kind == "text" and part.role != "field":
                entry.flow.reply(part.text)


def ended(entry: "Entry") -> None:
    """A model call is over; it counts among those of the run where it was made."""
    if entry.flow is not None and entry.kind == "model":
        entry.flow.live -= 1
        entry.flow.made += entry.sent or bool(entry.cached)


def returned(entry: "Entry", name: str, text: str) -> None:
    """Take in what a governed function returned."""
    if entry.desk.book.traces:
        flow = entry.flow or entry.run.flow
        flow.scripted = flow.scripted or entry.flow is None
        call = str(entry.tool.get("call_id") or entry.id)
        flow.result(call, name, text, trust_of(entry.desk.book, entry.identity, name))
        entry.desk.flows.touch(flow)


def read_back(entry: "Entry", place: str, pieces: Sequence[tuple[str, Trust]]) -> None:
    """Take in what was read of a memory, each entry with its own trust; `place` is what is told of it."""
    if not entry.desk.book.traces:
        return
    flow = entry.flow or entry.run.flow
    flow.asked(entry.id, place, None)
    for text, trust in pieces:
        flow.result(entry.id, entry.name, text, trust)
    entry.desk.flows.touch(flow)


# -- what a tool call asks for


def origins_of(entry: "Entry", args: Mapping[str, object] | None = None) -> CallOrigins | None:
    """What rules may ask about where things come from; None where none of them does."""
    if not entry.desk.book.traces:
        return None
    flow = entry.flow or entry.run.flow
    if entry.flow is None:
        flow.scripted = flow.scripted or entry.name not in CALLS  # a program reads its memory in any run
        _look_for_gaps(entry, flow)
        if entry.run is _ambient(entry):
            flow.lose(NO_RUN)
    if flow.gap and not flow.told and entry.run.bench is None:
        flow.told = True
        because = f"Not everything this run has read is known, so nothing unknown in it is trusted: {flow.gap}."
        entry.say("tool", Verdict("note", "provenance", "", because), entry.name)
    return flow.origins(args)


def note(entry: "Entry", name: str, args: Mapping[str, object] | None, text: str, origins: Origins | None) -> None:
    """Put on record where each argument came from, and know the call when its result comes."""
    if not isinstance(origins, CallOrigins):
        return
    call = str(entry.tool.get("call_id") or entry.id)
    entry.tool["origins"] = told(origins)
    (entry.flow or entry.run.flow).asked(call, name, args, text)


def told(origins: CallOrigins) -> list[dict[str, object]]:
    """Where each argument came from: label and names of sources, and the tools these are of. Never what they said."""
    tool_of = origins.flow.tool_of
    return [
        {
            "arg": name,
            "label": origin.label,
            "sources": [*origin.sources],
            "tools": [*map(tool_of, origin.sources)],
        }
        for name, origin in origins.all().items()
        if origin.sources
    ]


def sources_of(origins: CallOrigins) -> dict[str, list[str]]:
    """The same as a transcript tells it."""
    return {f"args.{name}": list(origin.sources) for name, origin in origins.all().items() if origin.sources}


def trust_of(book: Book, identity: Identity, tool: str) -> Trust:
    """What the tool tables say of a tool's results; nobody vouches for one that stands in none."""
    known = book.tool(identity, tool) if tool else None
    trust = UNLISTED if known is None else _trust(known)
    memories = memories_for(book, identity)
    if memories is not None and memories.has_tools and tool:
        way = memories.of_tool(identity.agent, tool, "read")
        if way is not None and way[0] == "read":
            return replace(trust, returns="trusted" if way[1].returns == "trusted" else "untrusted")
    return trust


def _trust(known: ToolRule) -> Trust:
    key = (known.returns, known.secrecy, known.own)
    found = _TRUSTS.get(key)
    if found is None:
        if len(_TRUSTS) >= MOST_TRUSTS:
            _TRUSTS.clear()
        found = _TRUSTS[key] = Trust(known.returns, known.secrecy, known.own)
    return found
