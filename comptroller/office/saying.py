"""What people and systems say of an outcome: confirm, reject, dispute, decide, report that the subject came back."""

from collections.abc import Mapping
from dataclasses import dataclass

from comptroller.core.errors import SettingsError
from comptroller.core.money import Money, parse_money
from comptroller.core.outcome import Method, Outcome, OutcomeEvent
from comptroller.metering.outcome_frame import read_share
from comptroller.office.evidence import gathered, keep
from comptroller.office.outcomes import Registry
from comptroller.office.verifiers.shown import value_of

ATTESTING: dict[Method, str] = {"customer": "confirm", "human": "human", "third_party": "third_party"}
WORDS = {  # what is said -> the event it is; `confirm` depends on who says it
    "confirm": "",
    "reject": "reject",
    "takeover": "takeover",
    "duplicate": "duplicate",
    "evidence": "evidence",
    "reopen": "reopen",
    "dispute": "dispute",
    "uphold": "upheld",
    "deny": "denied",
    "credit": "credit",
    "clawback": "clawback",
}
AMOUNTS = ("uphold", "credit", "clawback")


@dataclass(frozen=True, slots=True)
class Speaker:
    """Who says it, and in which capacity."""

    name: str
    method: Method = "human"
    key: str = ""  # the Comptroller key it was said with


@dataclass(frozen=True, slots=True)
class More:
    """What may be said besides."""

    because: str = ""
    amount: str = ""  # of the fee, like `1.50 USD`; the whole of it where none is said
    degree: str = ""
    reason: str = ""  # of a claw-back, as the contract names it
    of: str = ""  # the outcome a duplicate is one of
    evidence: Mapping[str, object] | None = None


@dataclass(frozen=True, slots=True)
class Said:
    """What came of it; `ignored` says why nothing did."""

    outcome: Outcome
    event: str
    ignored: str = ""


NOTHING = More()


def say(registry: Registry, word: str, key: str, by: Speaker, more: More = NOTHING, id: str = "") -> Said:
    """Put it on record. SettingsError for what cannot be meant; what may not happen now is on record as ignored.

    With an `id` of one's own the same may be said again and counts once.
    """
    known = registry.outcomes.get(key)
    if known is None:
        raise SettingsError(f"There is no outcome {key!r}. List them with `comptroller outcomes ls`.")
    type = ATTESTING.get(by.method, "") if word == "confirm" else WORDS.get(word, "")
    if not type:
        raise SettingsError(f"{word!r} cannot be said of an outcome by {by.method}.")
    data, digests = _told(registry, known, word, more)
    if by.key:
        data["key"] = by.key
    if word == "confirm" and (refused := _not_among(registry, known, by)):
        data["refused"] = refused
    event = OutcomeEvent(
        id=f"{key}:{type}:{id or registry.desk.clock.new_id()}",
        outcome=key,
        type=type,
        at=registry.desk.clock.now_ns(),
        actor=by.name,
        attestor=by.name if word == "confirm" else "",
        method=by.method if word == "confirm" else None,
        evidence=digests,
        data=data,
    )
    made = registry.tell(event)
    assert made is not None, "it was there before"
    return Said(made, event.id, registry.why(event.id, key))


def _told(registry: Registry, known: Outcome, word: str, more: More) -> tuple[dict[str, object], tuple[str, ...]]:
    data: dict[str, object] = {name: told for name in ("because", "reason", "of") if (told := getattr(more, name))}
    if more.amount:
        if word not in AMOUNTS:
            raise SettingsError(f"An amount says nothing where an outcome is to {word}. Leave it out.")
        data["amount"] = _amount(more.amount, known).nanos
    if more.degree:
        try:
            data["degree"] = read_share(more.degree)
        except ValueError as error:
            raise SettingsError(f"degree: {error}.") from None
    if more.evidence is None:
        if word == "evidence":
            raise SettingsError("There is no evidence in it. Give some, as a JSON object.")
        return data, ()
    digest = keep(registry.desk, known, more.evidence)
    return data | _worth(registry, known, more.evidence), (digest,)


def _worth(registry: Registry, known: Outcome, evidence: Mapping[str, object]) -> dict[str, object]:
    """The value that evidence tells which came later, where none was told before."""
    type = registry.type(known.type)
    if type is None or type.document.value is None or known.value is not None:
        return {}
    before, _ = gathered(registry.desk, known)
    try:
        value = value_of(type.document.value, {**before, **evidence})
    except ValueError:
        return {}
    return {"value": [value.nanos, value.currency]}


def _amount(text: str, known: Outcome) -> Money:
    try:
        money = parse_money(text)
    except ValueError as error:
        raise SettingsError(f"amount: {error}") from None
    if known.fee is not None and known.fee.currency != money.currency:
        raise SettingsError(f"The fee is in {known.fee.currency}, not in {money.currency}. Say the amount in that.")
    return money


def _not_among(registry: Registry, known: Outcome, by: Speaker) -> str:
    """Why somebody may not attest it, where its type names who may."""
    type = registry.type(known.type)
    for attest in type.document.attest if type else ():
        if attest.by == by.method and attest.of and by.name not in attest.of:
            return f"{by.name} is not among those who may attest it"
    return ""
