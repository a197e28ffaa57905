"""What policies say about replies that are kept and given again: whether, for how long, and to whom."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from comptroller.policies.document import Document


@dataclass(frozen=True, slots=True)
class Keeping:
    """Replies are given again for so long, to the customer they were made for or to all of the tenant."""

    for_ns: int
    per: str  # customer | tenant


def keeping_of(documents: "Iterable[Document]") -> Keeping | None:
    """The strictest that is said: one `none` forbids it, the shortest time holds, a customer keeps its own."""
    said = [document.cache for document in documents if document.cache is not None]
    if not said or any(cache.mode == "none" for cache in said):
        return None
    per = "tenant" if all(cache.per == "tenant" for cache in said) else "customer"
    return Keeping(round(min(cache.seconds for cache in said) * 1_000_000_000), per)
