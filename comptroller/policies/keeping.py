"""What policies say about replies that are kept and given again: whether, for how long, and to whom."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from comptroller.core.call import Identity

if TYPE_CHECKING:
    from comptroller.policies.book import Book, Policy


@dataclass(frozen=True, slots=True)
class Keeping:
    """Replies are given again for so long, to the customer they were made for or to all of the tenant."""

    for_ns: int
    per: str  # customer | tenant


def keeping_for(book: "Book", identity: Identity) -> Keeping | None:
    """Whether, how long and for whom replies of an agent are kept to be given again; None where no policy says so."""
    return book.gathered(_gather, identity) if "cache" in book.says else None


def _gather(policies: "Sequence[Policy]") -> Keeping | None:
    """The strictest that is said: one `none` forbids it, the shortest time holds, a customer keeps its own."""
    said = [policy.document.cache for policy in policies if policy.document.cache is not None]
    if not said or any(cache.mode == "none" for cache in said):
        return None
    per = "tenant" if all(cache.per == "tenant" for cache in said) else "customer"
    return Keeping(round(min(cache.seconds for cache in said) * 1_000_000_000), per)
