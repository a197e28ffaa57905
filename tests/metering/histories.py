"""What must hold of every step of every history, written down a second time and apart from the machine."""

from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

from comptroller.core.outcome import LIVE, STRENGTH, Outcome, OutcomeEvent
from tests.metering.lives import DAY, HOUR, NOW, Lives, made

OPEN = ("claimed", "pending")
MAP: dict[str, dict[str, tuple[str, ...]]] = {  # event -> state before -> states after
    "evidence": {s: (s,) for s in (*OPEN, "disputed", "disputed_unbilled")} | {"rejected": ("claimed",)},
    "verify_pass": {"claimed": ("claimed", "pending", "verified")},
    "verify_fail": {"claimed": ("rejected",)},
    "verify_unsure": {"claimed": ("claimed",)},
    **{word: {"pending": ("verified",)} for word in ("confirm", "human", "third_party", "judge", "silence")},
    **{word: dict.fromkeys(OPEN, ("rejected",)) for word in ("reject", "takeover")},
    "deadline": dict.fromkeys(OPEN, ("expired",)),
    "duplicate": dict.fromkeys(OPEN, ("duplicate",)) | dict.fromkeys(("verified", "billed"), ("reversed",)),
    "reopen": dict.fromkeys(OPEN, ("rejected",)) | dict.fromkeys(("verified", "billed"), ("reversed",)),
    "invoice": {"verified": ("billed",)},
    "dispute": {"verified": ("disputed_unbilled",), "billed": ("disputed",)},
    "upheld": {"disputed": ("reversed", "billed"), "disputed_unbilled": ("reversed", "verified")},
    "denied": {"disputed": ("billed",), "disputed_unbilled": ("verified",)},
    "credit": {"verified": ("verified", "reversed"), "billed": ("billed", "reversed")},
    "window_end": {"billed": ("final",)},
    "clawback": {"final": ("final", "clawed_back")},
}
ATTESTING = ("confirm", "human", "third_party", "judge", "silence")
WORDS = [*MAP, "claim", "cheer"]
KEYS = ("a", "b", "c")

moves = st.tuples(
    st.sampled_from(WORDS),
    st.sampled_from(KEYS),
    st.sampled_from(("s1", "s2")),
    st.sampled_from((0, HOUR, 23 * HOUR, 2 * DAY, 12 * DAY, 31 * DAY)),  # since the move before
    st.sampled_from(("acme", "clerk", "")),
    st.sampled_from((None, 1, 4_000_000_000, 10_000_000_000)),
    st.integers(0, 3),  # which version of the price holds
)
# What usually happens, so that chance also gets as far as money.
usual = st.sampled_from(
    [
        ["claim", "verify_pass", "confirm", "invoice", "dispute", "denied"],
        ["claim", "verify_pass", "human", "invoice", "window_end", "clawback"],
        ["claim", "verify_pass", "silence", "credit"],
        ["claim", "verify_fail", "evidence", "verify_pass"],
        ["claim", "claim", "claim"],
    ]
)


@st.composite
def histories(draw: st.DrawFn) -> list[OutcomeEvent]:
    """Events as the world sends them: in order, out of order, twice, too late, by the wrong people."""
    steps: list[Any] = draw(st.lists(moves, min_size=1, max_size=25))
    key, way = draw(st.sampled_from(KEYS)), draw(usual)
    gap = draw(st.sampled_from((HOUR, 25 * HOUR)))
    at, events = NOW, []
    for number, word in enumerate(way):
        at += 31 * DAY if word == "window_end" else gap
        events.append(event(number, (word, key, "s1", 0, "acme", None, number % 3), at, key))
    for number, step in enumerate(steps, len(events)):
        at += step[3]
        events.append(event(number, step, at, step[1]))
    order = draw(st.permutations(range(len(events)))) if draw(st.booleans()) else range(len(events))
    told = [events[i] for i in order]
    again = draw(st.lists(st.sampled_from(told), max_size=5))
    return told + again


def event(number: int, step: Any, at: int, key: str) -> OutcomeEvent:
    word, _, subject, _, who, amount, version = step
    data: dict[str, object] = {"price": f"p{version}", "fee": [10_000_000_000, "USD"], "reason": "fraud"}
    if word == "claim":
        more = {"identity": subject, "customer": "acme", "type": "loan.decided", "agents": ["clerk"]}
        return OutcomeEvent(f"{key}:claim", key, "claim", NOW, evidence=("e0",), data=more | {"subject": subject})
    if amount is not None:
        data["amount"] = amount
    if word.startswith("verify"):
        data["verifier"] = "decided"
    evidence = (f"e{number % 3}",) if word == "evidence" else ()
    return OutcomeEvent(f"e{number}", key, word, at, who, who if word in ATTESTING else "", None, evidence, data)


def play(events: list[OutcomeEvent], step: Any = None) -> Lives:
    """Tell them all, and hold every step against what must be."""
    lives = Lives(TYPE) if step is None else Lives(TYPE, step=step)
    for each in events:
        before = lives.outcomes.get(each.outcome)
        known = each.id in lives.seen
        why = lives.tell(each)
        after = lives.outcomes.get(each.outcome)
        if known:
            assert after == before, "an event told again changed something"
        elif why:
            assert after == (before and replace(before, ignored=before.ignored + 1)), "what was ignored changed more"
        else:
            assert after is not None
            check(before, after, each)
        whole(lives)
    return lives


def check(before: Outcome | None, after: Outcome, event: OutcomeEvent) -> None:
    """What must hold of one step."""
    if before is None:
        assert event.type == "claim"
        assert after.state in ("claimed", "duplicate")
        return
    assert after.state in MAP[event.type].get(before.state, ()), f"{before.state} -{event.type}-> {after.state}"
    terms = after.terms
    assert terms is not None
    verified = after.state == "verified" and before.state in OPEN
    if verified:
        assert after.price == event.data["price"], "the price is not the one of when it was verified"
        assert after.method is not None
        assert STRENGTH.index(after.method) <= STRENGTH.index(terms.minimum)
        assert not {event.attestor, event.actor} & set(after.agents) - {""}, "a performer attested its own work"
        assert after.method == "silence" or event.attestor, "nobody vouches for it"
        limit = (before.pending_at if before.state == "pending" else before.claimed_at) + terms.silence_ns
        assert after.method != "silence" or event.at >= limit, "silence was too short"
    else:
        assert (after.price, after.fee) == (before.price, before.fee), "price or fee moved after it was frozen"
    if event.type.startswith("verify_") and event.type != "verify_unsure":
        assert event.at <= before.claimed_at + terms.deadline_ns, "a verdict came after the deadline"
    if event.type in ("deadline", "window_end"):
        assert event.at >= before.due_at, "a deadline came early"
    fee = after.fee.nanos if after.fee else 0
    assert before.reversed_nanos <= after.reversed_nanos <= fee, "more came back than was paid"
    assert after.state != "reversed" or after.reversed_nanos == fee, "reversed, and not all of it came back"


def whole(lives: Lives) -> None:
    """What must hold of all outcomes together, at every instant."""
    live = [outcome.identity for outcome in lives.outcomes.values() if outcome.state in LIVE]
    assert len(live) == len(set(live)), "two live outcomes of one identity"


TYPE = made()
