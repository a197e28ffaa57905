"""How far runs may repeat themselves, as files say it: checked, and gathered for whoever the files apply to."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, cast, get_args

from comptroller.core.call import Identity
from comptroller.core.loops import Bound, Bounds, Way
from comptroller.policies.amounts import read_cap, read_share
from comptroller.policies.globs import Matches, any_of
from comptroller.policies.people import ask_for

if TYPE_CHECKING:  # a process without policies has no use for pydantic's frames, 30 ms of an import
    from comptroller.policies.book import Book, Policy
    from comptroller.policies.document import Document
    from comptroller.policies.loop_frame import Loop, Waste

WAYS: tuple[Way, ...] = get_args(Way)
OF_MODELS = ("retries", "ping_pong", "growth", "waste")
OF_TOOLS = ("repeat", "rounds", "retries")
OF_AGENTS = ("depth", "width")
Path = tuple[str | int, ...]


def written(document: "Document") -> Iterator[tuple[Way, "Loop"]]:
    """What a file says of each way."""
    for way in WAYS if document.loops is not None else ():
        said = getattr(document.loops, way)
        if said is not None:
            yield way, said


def mistakes_in(document: "Document", currencies: frozenset[str] | None) -> Iterator[tuple[Path, str]]:
    """What a single key cannot tell, with where it stands."""
    if document.loops is not None and not any(written(document)):
        yield ("loops",), f"Nothing is watched here. Add one of {', '.join(f'`{way}`' for way in WAYS)}."
    for way, said in written(document):
        path = ("loops", way)
        if way in OF_AGENTS and said.then == "slow":
            yield (*path, "then"), f"An agent that opens cannot wait, so `{way}` cannot `slow`. Write `ask` or `stop`."
        if "delay" in said.model_fields_set and said.then != "slow":
            yield (*path, "delay"), f"`{way}` delays nothing. Write `then: slow`, or remove `delay`."
        if said.ask is not None and said.then != "ask":
            yield (*path, "ask"), f"`{way}` says whom to ask and then does not ask. Write `then: ask`, or remove `ask`."
        for name in ("most", "after") if way == "waste" else ():
            text = getattr(said, name)
            unit = read_cap(text)[0] if text else ""
            if unit and currencies is not None and unit not in currencies:
                yield (*path, name), f"There is no rate for {unit}. Add one under `fx` in the settings."


def how_far(said: "Loop") -> str:
    """In the file's own words."""
    words = ((name, getattr(said, name, None)) for name in ("times", "most", "share", "after"))
    return ", ".join(f"{name} {value}" for name, value in words if value is not None)


def bounds_for(book: "Book", identity: Identity) -> Bounds | None:
    """How far a run of this agent may repeat itself; None where no policy says so."""
    return book.gathered(_gather, identity) if "loops" in book.says else None


def _gather(policies: Sequence["Policy"]) -> Bounds | None:
    """All that files say of one agent. A tool is ignored where all of them ignore it."""
    found: list[Bound] = []
    ignores: list[Matches] = []
    for policy in policies:
        loops = policy.document.loops
        if loops is not None:
            ignores.append(any_of(loops.ignore))
            found += [_bound(policy, way, said) for way, said in written(policy.document)]
    if not found:
        return None
    ignored = ignores[0] if len(ignores) == 1 else lambda tool: all(one(tool) for one in ignores)
    models, tools, passing, agents = (
        tuple(bound for bound in found if bound.way in ways) for ways in (OF_MODELS, OF_TOOLS, ("retries",), OF_AGENTS)
    )
    return Bounds(models, tools, passing, agents, ignored)


def _bound(policy: "Policy", way: Way, said: "Loop") -> Bound:
    ask = ask_for(said.ask) if said.then == "ask" else None
    place, shadow = policy.place("loops", way), said.mode == "shadow"
    if way == "waste":
        most, unit, after = _amounts(cast("Waste", said))
        return Bound(way, most, said.then, policy.name, place, shadow, said.delay, unit, after, ask)
    most = said.most if way in OF_AGENTS else said.times  # type: ignore[attr-defined]
    return Bound(way, most, said.then, policy.name, place, shadow, said.delay, ask=ask)


def _amounts(waste: "Waste") -> tuple[int, str, int]:
    if waste.most is not None:
        unit, most = read_cap(waste.most)
        return most, unit, 0
    assert waste.share is not None, "the frame asks for one of them"
    assert waste.after is not None, "the frame asks for it with a share"
    unit, after = read_cap(waste.after)
    return read_share(waste.share), unit, max(after, 1)
