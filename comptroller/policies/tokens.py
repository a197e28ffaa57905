"""What policies say about tokens: which findings become one, for how long it is the same, and where it is put back."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from comptroller.core.call import Identity
from comptroller.core.mistakes import did_you_mean
from comptroller.policies.globs import Matches, any_of

if TYPE_CHECKING:  # a process without policies has no use for pydantic's frames, 30 ms of an import
    from comptroller.policies.book import Book, Policy
    from comptroller.policies.document import Document

ALL = "*"
MOST = 4_096  # tools whose arguments are remembered; their names come from models
PRIVACY = "privacy"  # the guard whose findings are meant where no kinds are said
_NARROW = ("run", "customer", "tenant")  # the narrowest first
_Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Tokens:
    """What holds for one agent."""

    kinds: frozenset[str] | None  # None: all of the guard `privacy`
    more: frozenset[str]  # kinds named beside all of `privacy`
    per: str  # run | customer | tenant
    back: Callable[[str], frozenset[str]]  # the arguments of a tool in which values are put back
    policy: str  # the first that says so, and where
    place: str


def tokens_for(book: "Book", identity: Identity) -> Tokens | None:
    """What holds for an agent; None where no policy says so."""
    return book.gathered(_gather, identity) if "tokens" in book.says else None


def _gather(policies: "Sequence[Policy]") -> Tokens | None:
    """The strictest that is said: what any file replaces is replaced, and the narrowest scope holds."""
    found = [(policy, policy.document.tokens) for policy in policies if policy.document.tokens is not None]
    if not found:
        return None
    first, said = found[0][0], [tokens for _, tokens in found]
    named = frozenset(kind for one in said for kind in one.of or ())
    tables = [[(any_of([tool]), frozenset(args)) for tool, args in one.back.items()] for one in said]
    kinds = named if all(one.of for one in said) else None
    per = min((one.per for one in said), key=_NARROW.index)
    back = lru_cache(MOST)(lambda tool: _back(tables, tool))
    return Tokens(kinds, named if kinds is None else frozenset(), per, back, first.name, first.place("tokens"))


def _back(tables: list[list[tuple[Matches, frozenset[str]]]], tool: str) -> frozenset[str]:
    """The arguments that every file means which names the tool: `send_mail: []` in one of them forbids it."""
    left: frozenset[str] | None = None
    for table in tables:
        named = [args for matches, args in table if matches(tool)]
        if named:
            left = _both(left, frozenset().union(*named))
    return left or frozenset()


def _both(one: frozenset[str] | None, other: frozenset[str]) -> frozenset[str]:
    if one is None or ALL in one:
        return other
    return one if ALL in other else one & other


def unknown_kinds(document: "Document", kinds: frozenset[str]) -> Iterator[tuple[_Path, str]]:
    """Kinds that no guard finds: whoever names them believes something replaced that is not."""
    said = document.tokens.of if document.tokens is not None else None
    for number, kind in enumerate(said or ()):
        if kind not in kinds:
            yield ("tokens", "of", number), f"No guard finds the kind `{kind}`. {did_you_mean(kind, kinds)}"


def mistakes_in(document: "Document", currencies: frozenset[str] | None) -> Iterator[tuple[_Path, str]]:
    """What a single key cannot tell, with where it stands."""
    tokens = document.tokens
    if tokens is None:
        return
    guard = document.guards.get(PRIVACY)
    if tokens.of is None and guard is not None and guard.into == "deny":
        text = "`guards: privacy: in: deny` refuses whatever would be replaced here. Write `in: redact`, or remove it."
        yield ("tokens",), text
    for tool, args in tokens.back.items():
        path = ("tokens", "back", tool)
        if ALL in args and len(args) > 1:
            yield path, f'`"*"` means all arguments of `{tool}`, so the others say nothing. Keep one or the other.'
        table = (document.tools or {}).get(tool)
        for number, arg in enumerate(args):
            if table is not None and table.args is not None and arg not in (ALL, *table.args):
                yield (*path, number), f"`{tool}` has no argument `{arg}`. {did_you_mean(arg, table.args)}"
