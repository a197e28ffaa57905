"""The data flow of a run on the call path: what requests bring is taken in, what a tool call asks for is traced."""

from collections.abc import Mapping

from comptroller.core.call import Identity
from comptroller.core.origin import Origin
from comptroller.guardrails.provenance import UNLISTED, CallOrigins, Trust
from comptroller.policies.book import Book, ToolRule

_TRUSTS: dict[tuple[object, ...], Trust] = {}  # few are different
MOST_TRUSTS = 4_096


def trust_of(book: Book, identity: Identity, tool: str) -> Trust:
    """What the tool tables say of a tool's results; nobody vouches for one that stands in none."""
    known = book.tool(identity, tool) if tool else None
    return UNLISTED if known is None else _trust(known)


def _trust(known: ToolRule) -> Trust:
    key = (known.returns, known.secrecy, known.own)
    found = _TRUSTS.get(key)
    if found is None:
        if len(_TRUSTS) >= MOST_TRUSTS:
            _TRUSTS.clear()
        found = _TRUSTS[key] = Trust(known.returns, known.secrecy, known.own)
    return found


def sources_of(origins: CallOrigins) -> dict[str, list[str]]:
    """Where each argument came from, as a transcript tells it."""
    return {f"args.{name}": list(origin.sources) for name, origin in origins.all().items() if origin.sources}


def told(origins: Mapping[str, Origin]) -> list[list[object]]:
    """Where each argument came from, as it stands on record: names of sources, never what they said."""
    return [[name, origin.label, list(origin.sources)] for name, origin in origins.items() if origin.sources]
