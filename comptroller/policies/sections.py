"""What a section of a policy file can get wrong that no single key of it can tell: one check for each section."""

from collections.abc import Callable, Iterator

from comptroller.policies import healing, looping, memories, tokens
from comptroller.policies.document import Document

Path = tuple[str | int, ...]
Check = Callable[[Document, frozenset[str] | None], Iterator[tuple[Path, str]]]

CHECKS: tuple[Check, ...] = (healing.mistakes_in, looping.mistakes_in, memories.mistakes_in, tokens.mistakes_in)


def mistakes_in(document: Document, currencies: frozenset[str] | None) -> Iterator[tuple[Path, str]]:
    """Where each mistake stands, and what to do about it."""
    for check in CHECKS:
        yield from check(document, currencies)
