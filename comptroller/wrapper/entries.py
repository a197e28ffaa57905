"""Entries of a memory: traced and stamped when they are written, judged by their stamps when they are read."""

from collections import Counter
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from comptroller.core.errors import Denied
from comptroller.core.memory import SHARES, STAMP, Share, Terms, Written
from comptroller.core.origin import LABELS, SECRECY, Label, Origin, Secrecy, worst
from comptroller.core.verdict import Action, Decision, Verdict, stricter
from comptroller.dialects.memory.exchange import Batch, Exchange, Item, as_text
from comptroller.guardrails.provenance import MOST_OF_ONE, Trust
from comptroller.guardrails.stamp import State, digests_of, read_stamp, stamp
from comptroller.wrapper import dataflow, shared
from comptroller.wrapper.asking import text_matter
from comptroller.wrapper.effects import Effect
from comptroller.wrapper.entry import Entry
from comptroller.wrapper.shared import case_for, enforce, enforce_guard, plan_for, redacting

PIECE = 60_000  # characters that are traced at a time; what a run has read is looked for in no longer text
OVERLAP = 500
MOST_WRITERS = 8  # told on record
Why = Literal["", "old", "not shared", "unstamped", "forged"]
_WORDS: Mapping[str, str] = {
    "old": "too old",
    "not shared": "not for this reader",
    "unstamped": "without a stamp",
    "forged": "with a stamp that is not theirs",
}


# -- writing


def write_down(entry: Entry, exchange: Exchange, terms: Terms, redact: bool) -> Generator[Effect, Any, None]:
    """Trace what is written to where it came from, decide on poison, take out what guards find, and stamp each."""
    origins = [_of_item(entry, item) for item in exchange.items]
    tainted = [origin for origin in origins if origin.label == "untrusted"]
    if tainted and terms.tainted is not None:
        yield from _poison(entry, terms.tainted, tainted)
    plan = stricter(plan_for(entry, "out"), terms.guards)
    for item in exchange.items:
        yield from _guarded(entry, item, redacting(plan) if redact else plan)
    for item, origin in zip(exchange.items, origins, strict=True):
        item.holder[STAMP] = _stamp(entry, item, origin, terms, exchange.loose)


def keep_others(entry: Entry, exchange: Exchange, terms: Terms) -> None:
    """Refuse to overwrite or delete what was written for somebody else, where it is at hand to be looked at."""
    if any(judge(entry, item, terms).gone == "not shared" for item in exchange.instead):
        because = f"What stands there in {terms.name} is not shared with this run. Take another key."
        raise Denied(because, {"rule": f"memories.{terms.name}.share", "policy": terms.policy, "place": terms.place})


def _poison(entry: Entry, verdict: Verdict, tainted: Sequence[Origin]) -> Generator[Effect, Any, None]:
    said = poisonous(verdict, tainted)
    entry.note("tool", Decision(said.action, said), entry.name)
    yield from enforce(entry, Decision(said.action, said))


def poisonous(verdict: Verdict, tainted: Sequence[Origin]) -> Verdict:
    """What is said of text that anybody outside could have written, and that would be kept for other runs."""
    names = list(dict.fromkeys(name for origin in tainted for name in origin.sources if name != "model"))
    because = f"{verdict.because} It comes from {', '.join(names[:4])}." if names else verdict.because
    return replace(verdict, because=because)


def _of_item(entry: Entry, item: Item) -> Origin:
    """Where an entry came from. Its id and names of fields count where strangers said them; else programs make them."""
    said = origin_of(entry, item.text())
    traced = dataflow.origins_of(entry)
    found = [traced.tracer.trace(label) for label in item.labels()] if traced is not None else []
    theirs = [origin for origin in found if origin.label == "untrusted" and origin.sources != ("unknown",)]
    sources = (name for origin in (said, *theirs) for name in origin.sources)
    secrecy = max((origin.secrecy for origin in (said, *theirs)), key=lambda one: SECRECY[one])
    return Origin(worst([one.label for one in (said, *theirs)]), tuple(dict.fromkeys(sources)), secrecy)


def origin_of(entry: Entry, said: object) -> Origin:
    """Where a text came from, or arguments. A model's own words are tainted once it has read what is untrusted."""
    traced = dataflow.origins_of(entry)
    if traced is None:  # no policy asks for it any more: a book may change between two looks
        return Origin("untrusted", ("unknown",))
    found = [traced.tracer.trace(piece) for piece in (_pieces(said) if isinstance(said, str) else [said])]
    label: Label = worst([origin.label for origin in found]) if said != "" else "model"  # yes, no, or a small number
    secrecies: list[Secrecy] = [origin.secrecy for origin in found]
    if label == "model":
        label = "untrusted" if traced.tainted else label
        secrecies.append(traced.flow.secrecy)
    secrecy = max(secrecies, key=lambda one: SECRECY[one])
    return Origin(label, tuple(dict.fromkeys(name for origin in found for name in origin.sources)), secrecy)


def _pieces(text: str) -> Iterator[str]:
    for start in range(0, len(text) or 1, PIECE - OVERLAP):
        yield text[start : start + PIECE]


def _guarded(entry: Entry, item: Item, plan: Mapping[str, Action]) -> Generator[Effect, Any, None]:
    labels = "\n".join(item.labels())
    found = entry.desk.inspect(labels, plan) if labels else None
    if found is not None:
        entry.found("tool", found, entry.name)
        yield from enforce_guard(entry, found)
        if found.action == "redact":
            because = f"{found.because}. It stands in an id or the name of a field, and cannot be taken out of those."
            raise Denied(because, {"rule": "guards.redact"})
    for box, key in list(item.spots()):
        found = entry.desk.inspect(as_text(box[key]), plan)
        if found is None:
            continue
        entry.found("tool", found, entry.name)
        yield from enforce_guard(entry, found)
        if found.action == "redact":
            box[key] = found.text


def _stamp(entry: Entry, item: Item, origin: Origin, terms: Terms, loose: bool) -> str:
    now, who = entry.desk.clock.now_ns(), entry.identity
    written = Written(
        run=entry.run.id,
        agent=who.agent,
        customer=_whose(entry, "customer", who.customer),
        tenant=_whose(entry, "tenant", who.tenant),
        label=origin.label,
        secrecy=origin.secrecy,
        at=now,
        until=now + terms.keep_ns if terms.keep_ns else 0,
        share=terms.share or "",
        user=_whose(entry, "user", who.user),
        loose=loose,
        fields=frozenset() if loose else digests_of(item.id, item.content()),
    )
    return stamp(written, entry.desk.ledger.vouch)


def _whose(entry: Entry, what: str, name: str) -> str:
    """A name as a stamp says it: known again, and not told to whoever runs the store."""
    return entry.desk.ledger.vouch(f"{what}\0{name}".encode("utf-8", "surrogatepass"))[:32] if name else ""


# -- reading


@dataclass(frozen=True, slots=True)
class Seen:
    """One entry of a reply: who wrote it, why it is left out if it is, and what it brings into the run."""

    state: State
    written: Written | None
    gone: Why
    trusted: bool
    secrecy: Secrecy


def look_through(
    entry: Entry, batches: Sequence[Batch], terms: Terms, bare: bool = False
) -> Generator[Effect, Any, None]:
    """Leave out what this reader is not to see, take in the rest with its labels, and look at it as at any result."""
    kept: list[tuple[Item, Seen]] = []
    gone: Counter[Why] = Counter()
    for batch in batches:
        seen = [judge(entry, item, terms) for item in batch.items]
        gone.update(one.gone for one in seen if one.gone)
        kept += [(item, one) for item, one in zip(batch.items, seen, strict=True) if not one.gone]
        batch.leave_out(frozenset(number for number, one in enumerate(seen) if one.gone))
    for item, _ in kept:
        item.holder.pop(STAMP, None)
        if bare:
            item.holder.clear()
    _record(entry, kept, gone, terms)
    _take_in(entry, kept)
    yield from _results(entry, [item for item, _ in kept])


def judge(entry: Entry, item: Item, terms: Terms) -> Seen:
    """What the stamp of an entry says to this reader."""
    state, written = read_stamp(item.holder.get(STAMP), item.id, item.content(), entry.desk.ledger.vouch)
    trusted = terms.returns == "trusted"
    if written is None:
        gone: Why = "unstamped" if terms.leaves_unstamped else ""
        if state == "broken":  # of one without a stamp a policy may say that it was always everybody's; not of these
            gone = "forged" if terms.share or terms.keep_ns else ""
        return Seen(state, None, gone, trusted, "public")
    if terms.returns == "as_written" and not written.loose:
        trusted = _is_trusted(entry, written)
    return Seen(state, written, _gone(entry, written, terms), trusted, written.secrecy)


def _is_trusted(entry: Entry, written: Written) -> bool:
    """What a user said is that user's word: to those who serve somebody else it is a stranger's."""
    if written.label == "user":
        who = entry.identity
        same = written.customer == _whose(entry, "customer", who.customer)
        return same and (bool(who.customer) or written.user == _whose(entry, "user", who.user))
    return LABELS[written.label] < LABELS["untrusted"]


def _gone(entry: Entry, written: Written, terms: Terms) -> Why:
    now = entry.desk.clock.now_ns()
    if (terms.keep_ns and now - written.at >= terms.keep_ns) or (written.until and now >= written.until):
        return "old"
    said: list[Share] = [share for share in (terms.share, written.share) if share in SHARES]  # type: ignore[misc]
    narrowest = sorted(said, key=SHARES.__getitem__)[:1]
    return "" if all(_may_see(entry, written, share) for share in narrowest) else "not shared"


def _may_see(entry: Entry, written: Written, share: Share) -> bool:
    """Whether this reader is one of those it was written for; nobody without a name shares with anybody."""
    who = entry.identity
    if written.tenant != _whose(entry, "tenant", who.tenant):
        return False
    if share == "run":
        return written.run == entry.run.id
    if share == "agent":
        return bool(who.agent) and written.agent == who.agent
    if share == "customer":
        return bool(who.customer) and written.customer == _whose(entry, "customer", who.customer)
    return True


def _record(entry: Entry, kept: Sequence[tuple[Item, Seen]], gone: Counter[Why], terms: Terms) -> None:
    """How many came, how many were left out and why, who wrote them: on record, and in words where any is missing."""
    told: dict[str, Any] = dict(entry.tool.get("memory") or {})  # type: ignore[call-overload]
    told["count"] = len(kept)
    if gone:
        told["left_out"] = dict(gone)
        why = ", ".join(f"{count} {_WORDS[reason]}" for reason, count in gone.items())
        because = f"{sum(gone.values())} of {len(kept) + sum(gone.values())} entries were left out: {why}."
        entry.say("result", Verdict("note", f"memories.{terms.name}.read", terms.policy, because, terms.place))
    if untrusted := sum(not one.trusted for _, one in kept):
        told["untrusted"] = untrusted
    if forged := sum(one.state == "broken" for _, one in kept):
        told["forged"] = forged
        because = f"{forged} of the entries hold a stamp that was not made for them; they are not trusted."
        entry.say("result", Verdict("note", f"memories.{terms.name}.forged", terms.policy, because, terms.place))
    if writers := _writers(kept):
        told["from"] = writers
    entry.tool["memory"] = told


def _writers(kept: Sequence[tuple[Item, Seen]]) -> list[dict[str, object]]:
    counts: Counter[tuple[str, str, Label]] = Counter(
        (one.written.run, one.written.agent, one.written.label) for _, one in kept if one.written is not None
    )
    return [
        {"run": run, "agent": agent, "label": label, "count": count}
        for (run, agent, label), count in counts.most_common(MOST_WRITERS)
    ]


def _take_in(entry: Entry, kept: Sequence[tuple[Item, Seen]]) -> None:
    """What the run has read now, each piece with the label it was written with."""
    texts: dict[Trust, dict[str, None]] = {}  # few sources of many pieces: each costs a look with every value traced
    for item, one in kept:
        text = "\n".join(dict.fromkeys([item.text(), *item.labels(), item.id]))
        texts.setdefault(Trust("trusted" if one.trusted else "untrusted", one.secrecy), {})[text] = None
    pieces = [("\0".join(part), trust) for trust, said in texts.items() for part in _parts(list(said))]
    told = entry.tool.get("memory")
    assert isinstance(told, dict), "it was put on record before"
    dataflow.read_back(entry, _from(told), pieces)


def _parts(texts: list[str]) -> Iterator[list[str]]:
    """Texts in lists that are not longer than is looked at in one piece."""
    part, size = list[str](), 0
    for text in texts:
        if part and size + len(text) > MOST_OF_ONE // 2:
            yield part
            part, size = [], 0
        part.append(text)
        size += len(text)
    if part:
        yield part


def _from(told: Mapping[str, Any]) -> str:
    """The memory and who wrote there, as the tree of a run tells it."""
    place = "/".join(name for name in (told["store"], told["collection"]) if name)
    worst = max(told.get("from") or (), key=lambda one: LABELS[one["label"]], default=None)
    by = "" if worst is None else f", written by {worst['agent'] or 'an agent'} in run {worst['run']}"
    return f"memory.read of {place}{by}"


def _results(entry: Entry, items: Sequence[Item]) -> Generator[Effect, Any, None]:
    """Rules and guards on what comes back; here, unlike of a function's value, something can be taken out."""
    plan, text = plan_for(entry, "in"), "\n".join(item.text() for item in items)
    matter = text_matter("result", entry.name, text)
    if entry.desk.book.watches("result", entry.identity, entry.name):
        case = case_for(entry, "result", tool=entry.name)
        case.text = lambda: text
        decision = yield from shared.decide(entry, case)
        entry.note("result", decision, entry.name)
        if (yield from enforce(entry, decision, matter)) == "redact":
            plan = redacting(plan)
    for item in items if plan else ():
        for box, key in list(item.spots()):
            found = entry.desk.inspect(as_text(box[key]), plan)
            if found is not None:
                entry.found("result", found, entry.name)
                yield from enforce_guard(entry, found, matter)
                if found.action == "redact":
                    box[key] = found.text
