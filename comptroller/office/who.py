"""Who asks at `/api`, what they may do there, and which rows are theirs to see."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import msgspec

from comptroller.core.call import Identity
from comptroller.core.errors import Refused
from comptroller.store.question import WHOSE, Whose


class NotAllowed(Refused):
    """Whoever asks has no right to it."""

    code = "not_allowed"
    status = 403


class Owed(Protocol):
    """What belongs to a customer of a tenant."""

    @property
    def tenant(self) -> str: ...
    @property
    def customer(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Who:
    """Who asks. Fields that are not empty narrow what is seen and fix what is written."""

    tenant: str
    customer: str = ""
    user: str = ""
    workflow: str = ""
    agent: str = ""
    key: str = ""
    name: str = ""  # what people call the key
    scopes: tuple[str, ...] | None = None
    rights: tuple[str, ...] = ()
    person: str = ""  # who sits at the console: the name they were invited by

    @property
    def whose(self) -> Whose:
        """Whose rows a question of theirs is about."""
        return Whose(self.tenant, self.customer, self.user, self.workflow)

    @property
    def identity(self) -> Identity:
        """The same as policies and facts know it."""
        scopes = None if self.scopes is None else frozenset(self.scopes)
        return Identity(
            tenant=self.tenant,
            customer=self.customer,
            user=self.user,
            workflow=self.workflow,
            agent=self.agent,
            key=self.key,
            scopes=scopes,
        )

    @property
    def signature(self) -> str:
        """How a fact names who did it."""
        if self.person:
            return self.person
        return f"key {self.name or self.key}" if self.key else "local"

    def sees(self, row: Mapping[str, object]) -> bool:
        """True for a row that is theirs."""
        return row["tenant"] == self.tenant and all(
            not (said := getattr(self, name)) or row[name] == said for name in WHOSE[1:]
        )

    def owns(self, one: Owed) -> bool:
        """True for what is of their tenant, and of their customer where they are for one."""
        return one.tenant == self.tenant and self.customer in ("", one.customer)

    def must_own(self) -> None:
        """Refuse who is for one user or workflow: money is a customer's, and no part of it is theirs alone."""
        if self.user or self.workflow:
            raise NotAllowed(
                "This key is for one user or workflow, and the books are a customer's. "
                "Use a key for the customer or the tenant."
            )

    def must(self, right: str) -> None:
        """Refuse who has no such right."""
        if right in self.rights:
            return
        if self.person:
            raise NotAllowed(
                f"{self.person} has no right to {right}. "
                "Ask an admin for a role that has it: `comptroller people change --role`."
            )
        raise NotAllowed(
            f"This key has no right to {right}. Use one that has it: `comptroller keys issue --scope {right}`."
        )


def packed(who: Who) -> bytes:
    """For a header: ASCII, in one line."""
    return json.dumps(msgspec.to_builtins(who), separators=(",", ":")).encode("ascii")


def unpacked(header: str) -> Who:
    """The same, on the other side."""
    return msgspec.json.decode(header, type=Who)
