"""The register of tokens: what stands for what, as far as this process remembers; the vault knows the rest.

A token spells the digest of what the vault keeps for it, so that any process finds it again, under the key of the
subject it is about. With that key goes the way back.
"""

import json
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from comptroller.core.call import Identity
from comptroller.core.forks import lock_over_forks
from comptroller.guardrails.chain import Inspection
from comptroller.guardrails.tokens import Known

MOST_VALUES = 65_536
MOST_TEXTS = 2_048  # with tokens in them, remembered as they were worked out: history repeats in every request
LONG = 8_192  # characters of a text that is not remembered
MOST_RUNS = 4_096
MOST_ANNOUNCED = 256  # values of a run that guards tell only by the words around them
_TURN = lock_over_forks()


class Vault(Protocol):
    """What the register needs to know of the vault."""

    def erasures(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose tokens they are: under whose key they are kept, and within what a value has the same one."""

    tenant: str
    subject: str
    per: str  # run | customer | tenant
    within: str


def owner_of(who: Identity, run: str, per: str) -> Owner:
    """The owner of what a call tells: its customer, else its user, else the tenant."""
    subject = who.customer or who.user or who.tenant
    return Owner(who.tenant, subject, per, {"run": run, "customer": subject}.get(per, ""))


def body_of(owner: Owner, kind: str, value: str) -> bytes:
    """What the vault keeps of a value; its digest is what the token spells."""
    return json.dumps(["token", owner.per, owner.tenant, owner.within, kind, value]).encode()


def value_in(body: bytes, owner: Owner, kind: str) -> str | None:
    """The value of a body; None where it is no token's, or one of another run, customer or kind."""
    try:
        said = json.loads(body)
    except ValueError:
        return None
    whose = ["token", owner.per, owner.tenant, owner.within, kind]
    return said[5] if isinstance(said, list) and len(said) == 6 and said[:5] == whose else None


@dataclass(frozen=True, slots=True)
class Coin:
    """A token, and whether guards know its value wherever it stands."""

    token: str
    alone: bool


# Whose text it is and what is looked for, the text, its length, whether it is JSON. The hashes are Python's own keyed
# ones, which nobody outside the process can aim at.
Text = tuple[int, int, int, bool]
Reading = tuple[int, int, Inspection | None]  # how many announced values were known then, and how many tokens it has
UNTOUCHED: Reading = (0, 0, None)


class Tokens:
    """What one process remembers, for all its runs; nothing of it outlives an erasure."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self._erasures = vault.erasures()
        self._coins: OrderedDict[tuple[Owner, str, str], Coin] = OrderedDict()
        self._values: dict[tuple[Owner, str], str] = {}
        self._announced: OrderedDict[tuple[Owner, str], list[Known]] = OrderedDict()
        self._texts: OrderedDict[Text, Reading] = OrderedDict()

    def look(self) -> None:
        """Forget everything where somebody was erased since the last look."""
        erasures = self._vault.erasures()
        if erasures != self._erasures:
            with _TURN:
                self._erasures = erasures
                for memory in (self._coins, self._values, self._announced, self._texts):
                    memory.clear()

    def coin(self, owner: Owner, kind: str, value: str) -> Coin | None:
        """The token of a value that was seen before."""
        with _TURN:
            found = self._coins.get((owner, kind, value))
            if found is not None:
                self._coins.move_to_end((owner, kind, value))
            return found

    def value(self, owner: Owner, token: str) -> str | None:
        """What a token stands for, where it is remembered."""
        return self._values.get((owner, token))

    def learn(self, owner: Owner, kind: str, value: str, coin: Coin) -> None:
        """Remember a value and its token; the one used longest ago is forgotten."""
        with _TURN:
            self._coins[owner, kind, value] = coin
            self._values[owner, coin.token] = value
            if len(self._coins) > MOST_VALUES:
                (whose, _, _), oldest = self._coins.popitem(last=False)
                self._values.pop((whose, oldest.token), None)

    def announced(self, owner: Owner, run: str) -> Sequence[Known]:
        """The values of a run that only words around them give away."""
        return self._announced.get((owner, run), ())

    def announce(self, owner: Owner, run: str, known: Known) -> None:
        """From here on the value is looked for in all texts of the run."""
        with _TURN:
            listed = self._announced.setdefault((owner, run), [])
            self._announced.move_to_end((owner, run))
            if len(listed) < MOST_ANNOUNCED and all(one.value != known.value for one in listed):
                listed.append(known)
            if len(self._announced) > MOST_RUNS:
                self._announced.popitem(last=False)

    def reading(self, text: Text) -> Reading | None:
        """What a text was found to say before."""
        return self._texts.get(text)

    def keep(self, text: Text, reading: Reading) -> None:
        """Remember what a text says."""
        found = reading[2]
        if found is not None and len(found.text) > LONG:
            return
        with _TURN:
            self._texts[text] = reading
            if len(self._texts) > MOST_TEXTS:
                self._texts.popitem(last=False)
