"""The nouns of governed memory: what is done to a store, what policies say of it, what an entry is stamped with."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from comptroller.core.origin import Label, Secrecy
from comptroller.core.verdict import Action, Verdict

Doing = Literal["write", "read", "delete"]
Share = Literal["run", "agent", "customer", "tenant"]
Returns = Literal["trusted", "as_written", "untrusted"]
SHARES: Mapping[str, int] = {"run": 0, "agent": 1, "customer": 2, "tenant": 3}  # fewest readers first
STAMP = "comptroller_stamp"  # the field of an entry that says who wrote it; a name that every store accepts
CALLS: Mapping[str, Doing] = {"memory.write": "write", "memory.read": "read", "memory.delete": "delete"}
# Where one tool does it all, its call says what: the words of Anthropic's memory tool.
COMMANDS: Mapping[object, Doing] = {
    "view": "read",
    "create": "write",
    "str_replace": "write",
    "insert": "write",
    "rename": "write",
    "delete": "delete",
}


@dataclass(frozen=True, slots=True)
class Terms:
    """What policies say of one store for one agent: the strictest of all they say."""

    name: str  # as the policy calls the store
    policy: str
    place: str  # file:line, for remedies
    may_write: Verdict | None = None  # a refusal, where this agent may not
    may_read: Verdict | None = None
    tainted: Verdict | None = None  # what happens to a write that untrusted text had a hand in
    returns: Returns = "as_written"
    keep_ns: int = 0  # 0 keeps for ever
    share: Share | None = None
    leaves_unstamped: bool = False  # what nobody vouches for is left out of a read
    guards: Mapping[str, Action] = field(default_factory=dict)  # on what is written


@dataclass(frozen=True, slots=True)
class Written:
    """What the stamp of an entry says of it."""

    run: str
    agent: str
    customer: str  # a keyed digest: a store of others' need not know the name
    tenant: str  # the same
    label: Label
    secrecy: Secrecy
    at: int
    until: int = 0  # 0 is for ever
    share: str = ""
    user: str = ""  # as the customer; who is meant where no customer is said
    loose: bool = False  # the store rewrites what it is given, so nothing binds the stamp to the words
    fields: frozenset[str] = frozenset()  # name and digest of each piece of its content
