"""Tokens in place of findings: which text stands for a value, how it is told from other text, and put back.

A token is `<kind:...>` with the keyed digest of what it stands for, spelled in letters. A number in it could read as a
phone's or an account's to the guards that look at the text afterwards; groups are copied more reliably than a long row.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from comptroller.core.verdict import STRICTNESS, Action
from comptroller.guardrails import jsontext
from comptroller.guardrails.bench import GuardFailed
from comptroller.guardrails.chain import Chain, Inspection, Plan, refused
from comptroller.guardrails.privacy import GUARD as PRIVACY
from comptroller.guardrails.redact import Spot, because, findings, merge, placeholder, redact
from comptroller.guardrails.scanner import PATTERNS

GUARD_OF: Mapping[str, str] = {pattern.kind: pattern.guard for pattern in PATTERNS}
PERSONAL = frozenset(kind for kind, guard in GUARD_OF.items() if guard == PRIVACY)
_HEX, _LETTERS = "0123456789abcdef", "bdfghjklmnprstvz"
_SPELL, _READ = str.maketrans(_HEX, _LETTERS), str.maketrans(_LETTERS, _HEX)
_GROUP = 8
# Also what is nearly one: a model that copied one badly must be told, and its tool must not be given half of one.
TOKEN = re.compile(f"<({'|'.join(sorted(GUARD_OF, key=len, reverse=True))}):([a-z-]{{20,48}})>")
_RANK = 2_000_000  # behind every pattern
_ALNUM = "[A-Za-z0-9]"


def spelled(kind: str, digest: str) -> str:
    """The token of a value of this kind, by the digest of what is kept of it."""
    letters = digest.translate(_SPELL)
    return f"<{kind}:{'-'.join(letters[at : at + _GROUP] for at in range(0, len(letters), _GROUP))}>"


def read(token: str) -> tuple[str, str] | None:
    """The kind and the digest that a token spells; None where it spells none."""
    match = TOKEN.fullmatch(token)
    if match is None:
        return None
    digest = match[2].replace("-", "").translate(_READ)
    is_one = len(digest) == 32 and not set(digest).difference(_HEX) and spelled(match[1], digest) == token
    return (match[1], digest) if is_one else None


@dataclass(frozen=True, slots=True)
class Known:
    """A value that was replaced before, and that guards tell only by the words around it: elsewhere it is looked up."""

    value: str
    kind: str
    pattern: re.Pattern[str]


def known(value: str, kind: str) -> Known:
    """A value to be found again wherever it stands by itself."""
    before = f"(?<!{_ALNUM})" if value[:1].isalnum() else ""
    behind = f"(?!{_ALNUM})" if value[-1:].isalnum() else ""
    return Known(value, kind, re.compile(before + re.escape(value) + behind))


@dataclass(frozen=True, slots=True)
class Exchange:
    """What is replaced by tokens, and how one is made: of the kind and the text that was found."""

    kinds: frozenset[str]
    make: Callable[[str, str], str]

    def covering(self, plan: Plan) -> dict[str, Action]:
        """The plan with every guard looking whose findings are replaced."""
        guards = {GUARD_OF[kind] for kind in self.kinds if kind in GUARD_OF}
        return {**plan, **{name: _at_least_redact(plan.get(name, "allow")) for name in guards}}

    def takes(self, spot: Spot) -> bool:
        """Whether a finding becomes a token."""
        return spot.kind in self.kinds and GUARD_OF.get(spot.kind) == spot.guard

    def stand(self, spot: Spot, found: str) -> str:
        """What stands in the place of a finding."""
        return self.make(spot.kind, found) if self.takes(spot) else placeholder(spot.guard, spot.kind)


def _at_least_redact(action: Action) -> Action:
    return action if STRICTNESS[action] > STRICTNESS["redact"] else "redact"


def exchange(
    chain: Chain, text: str, plan: Plan, ex: Exchange, again: Sequence[Known] = (), as_json: bool = False
) -> Inspection:
    """What guards say of a text, and the text with tokens for what is to become one, whatever else is said of it.

    A finding of a kind that is not replaced is dealt with as the plan says by itself.
    """
    leaves = jsontext.read(text) if as_json else None
    flat = text if leaves is None else leaves.flat
    try:
        found = chain.examine(flat, chain.groups(ex.covering(plan)))
    except GuardFailed as failure:
        return refused(failure, text)
    said = _by_action(found, plan, ex)
    gone = merge([*said.get("redact", ()), *(s for spots in said.values() for s in spots if ex.takes(s))])
    gone = merge([*gone, *_standing(again, flat)]) if again else gone
    if not said and not gone:
        return Inspection("allow", (), text)
    said["redact"] = gone
    if leaves is None:
        return _told(said, redact(text, gone, ex.stand))
    return _told({action: leaves.locate(spots) for action, spots in said.items()}, leaves.write(gone, ex.stand))


def _by_action(found: Mapping[Action, Sequence[Spot]], plan: Plan, ex: Exchange) -> dict[Action, list[Spot]]:
    """Findings by what is to happen to them: those that become tokens as found, all others as the plan says."""
    said: dict[Action, list[Spot]] = {}
    for action, spots in found.items():
        for spot in spots:
            does = action if ex.takes(spot) else plan.get(spot.guard, "allow")
            if does != "allow":
                said.setdefault(does, []).append(spot)
    return said


def _standing(again: Iterable[Known], flat: str) -> list[Spot]:
    return [
        Spot(*match.span(), _RANK, GUARD_OF[one.kind], one.kind)
        for one in again
        if one.value in flat
        for match in one.pattern.finditer(flat)
    ]


def _told(said: Mapping[Action, Sequence[Spot]], text: str) -> Inspection:
    heard = {action: spots for action, spots in said.items() if spots}
    action = max(heard, key=STRICTNESS.__getitem__)
    all_of_them = sorted({f for spots in heard.values() for f in findings(spots)}, key=lambda f: (f.start, f.end))
    return Inspection(action, tuple(all_of_them), text, because(findings(heard[action])))


def stands_alone(chain: Chain, kind: str, value: str) -> bool:
    """Whether guards recognise a value wherever it stands, without words before it that announce it."""
    guard = GUARD_OF[kind]
    lead = "x="
    try:
        found = chain.examine(f"{lead}{value}\n", chain.groups({guard: "redact"}))
    except GuardFailed:
        return False
    return any(s.start == len(lead) and s.end == len(lead) + len(value) for s in found.get("redact", ()))


# -- the way back


def tokens_in(node: object) -> set[str]:
    """Every token, or what is nearly one, in the texts of a value: keys and items alike."""
    if isinstance(node, str):
        return {match[0] for match in TOKEN.finditer(node)} if "<" in node else set()
    if isinstance(node, Mapping):
        return {token for pair in node.items() for part in pair for token in tokens_in(part)}
    if isinstance(node, (list, tuple)):
        return {token for item in node for token in tokens_in(item)}
    return set()


def replaced(node: object, by: Mapping[str, str]) -> object:
    """The value with texts in its texts replaced; whatever holds none of them stays the very same object."""
    if isinstance(node, str):
        return _exchanged(node, by)
    if isinstance(node, dict):
        pairs = [(replaced(name, by), replaced(value, by)) for name, value in node.items()]
        same = all(a is c and b is d for (a, b), (c, d) in zip(node.items(), pairs, strict=True))
        return node if same else dict(pairs)
    if isinstance(node, (list, tuple)):
        items = [replaced(item, by) for item in node]
        if all(a is b for a, b in zip(node, items, strict=True)):
            return node
        return items if isinstance(node, list) else _like(node, items)
    return node


def _like(node: tuple[object, ...], items: list[object]) -> object:
    make: Callable[..., object] = type(node)
    return make(*items) if hasattr(node, "_fields") else tuple(items)  # one with named fields takes them one by one


def _exchanged(text: str, by: Mapping[str, str]) -> str:
    # The longest first: one may hold another.
    present = sorted((one for one in by if one in text), key=len, reverse=True)
    if not present:
        return text
    return re.sub("|".join(map(re.escape, present)), lambda match: by[match[0]], text)
