"""What a caller of the gateway may do at `/api`."""

from comptroller.gateway.caller import Caller
from comptroller.office import keys
from comptroller.office.keys import APPROVALS, BODIES, BOOKS, KEYS, ORDERS, OUTCOMES, READ, WRITE
from comptroller.office.who import Who

RIGHTS = frozenset(keys.RIGHTS)
__all__ = ["APPROVALS", "BODIES", "BOOKS", "KEYS", "ORDERS", "OUTCOMES", "READ", "RIGHTS", "WRITE", "who_of"]
ORDINARY = frozenset((WRITE,))  # of a key without a list of scopes: an agent's, which opens runs and claims


def who_of(caller: Caller) -> Who:
    """Who a caller is at `/api`. Without any key configured, whoever is on this machine may do all."""
    who, key = caller.identity, caller.key
    scopes = None if who.scopes is None else tuple(sorted(who.scopes))
    rights = RIGHTS if key is None else ORDINARY if key.scopes is None else RIGHTS & key.scopes
    name = key.name if key is not None else ""
    return Who(
        who.tenant, who.customer, who.user, who.workflow, who.agent, who.key, name, scopes, tuple(sorted(rights))
    )
