"""Loops on the call path: what a run does is counted, and where it goes too far, done about as the policies say."""

from collections.abc import Generator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from comptroller.core.call import Identity, Reply, Request
from comptroller.core.errors import Denied, StoreError
from comptroller.core.facts import KILLED, Fact
from comptroller.core.loops import Bound, Then
from comptroller.core.money import decimal_text
from comptroller.core.verdict import Action, Decision, Verdict
from comptroller.policies.looping import bounds_for
from comptroller.policies.plan import sum_up
from comptroller.wrapper.context import RunState
from comptroller.wrapper.desk import Desk
from comptroller.wrapper.effects import Effect, Order, Pause
from comptroller.wrapper.orders import must_live
from comptroller.wrapper.queue import Ticket
from comptroller.wrapper.shared import enforce

if TYPE_CHECKING:
    from comptroller.wrapper.entry import Entry

LONGEST_S = 60.0  # that a call is slowed down
ACTIONS: dict[Then, Action] = {"note": "note", "slow": "note", "ask": "ask", "deny": "deny", "stop": "deny"}
Found = Sequence[tuple[Bound, Verdict, int]]  # and how far it went

WORDS = {
    "repeat": "{who} called `{name}` {count} times with the same arguments. Use what it returned, or ask otherwise.",
    "rounds": "{who} has made the same {size} calls {count} times on end, `{name}` among them. Try another way.",
    "ping_pong": "Agents hand over to each other with the same words: {size} turns, {count} times on end. Decide.",
    "retries": "`{name}` failed {count} times on end with the same request. Mend the request, or leave it.",
    "growth": "{who} says what it has said before, {count} replies on end, while its prompt grows. Begin anew.",
    "depth": "`{name}` would be {count} levels deep. Do it in the agent that wants it done.",
    "width": "`{name}` would be agent number {count} at work beneath one. Wait for others to end.",
    "waste": "This run has spent {spent} on calls that came to nothing. Look at why they fail.",
}


# -- what is counted


def asks(entry: "Entry", request: Request) -> Found:
    """A model is asked: counted; what is to be done about it, by `act`."""
    bounds = bounds_for(entry.desk.book, entry.identity)
    if bounds is None:
        return ()
    last = request.messages[-1] if request.messages else request.raw
    entry.mark = hash((request.model, len(request.raw), last))
    if not entry.attempt:
        entry.run.watch.asks(entry.identity.agent, request.model, len(request.raw))
    return () if entry.run.watch.quiet else _found(entry, bounds.models, entry.mark)


def calls(entry: "Entry") -> Found:
    """A tool is called: the same."""
    bounds = bounds_for(entry.desk.book, entry.identity)
    if bounds is None:
        return ()
    entry.mark = hash((entry.name, entry.tool["args"]))
    if bounds.ignored(entry.name):
        return _found(entry, bounds.passing, entry.mark)
    watch = entry.run.watch
    watch.calls(entry.identity.agent, entry.mark)
    return () if watch.quiet else _found(entry, bounds.tools, entry.mark)


def hear(entry: "Entry", reply: Reply) -> None:
    """A model has answered."""
    if entry.mark is not None:
        said = [part.text for part in reply.parts if part.kind == "text"]
        entry.run.watch.says(entry.identity.agent, hash((*said, *((call.name, call.text) for call in reply.calls))))


# -- what is done


def opens(
    desk: Desk, run: RunState, identity: Identity, parent: str, decision: Decision, anew: bool = True
) -> Decision:
    """An agent opens beneath another: what the rules said of it, and what is said of how deep and wide this is."""
    bounds = bounds_for(desk.book, identity)
    if bounds is None:
        return decision
    if anew:
        run.watch.opened(parent)
    said: list[tuple[Bound | None, Verdict]] = []
    for bound in bounds.agents:
        count = identity.depth if bound.way == "depth" else run.watch.children(parent)
        if count > bound.most:
            said.append((bound, _verdict(bound, WORDS[bound.way].format(name=identity.agent, count=count))))
    if not said:
        return decision
    shadows = decision.shadows
    said += [(None, verdict) for verdict in (decision.verdict, *decision.notes) if verdict is not None]
    made = sum_up(said)
    return replace(made, shadows=(*made.shadows, *shadows))


def stops(desk: Desk, identity: Identity, verdict: Verdict) -> bool:
    """Whether what was said of an agent ends its run."""
    bounds = bounds_for(desk.book, identity) if verdict.rule.startswith("loops.") else None
    return bounds is not None and any(_is(bound, verdict) and bound.then == "stop" for bound in bounds.agents)


def end_run_of(desk: Desk, identity: Identity, decision: Decision) -> None:
    """End the run of an agent that must not open, where that is what was said."""
    said = decision.verdict
    if said is not None and decision.action == "deny" and stops(desk, identity, said):
        try:
            desk.ledger.sync(_order(desk, identity, said))
        except StoreError as error:
            desk.complain(error)


def halt(entry: "Entry", conflict: Denied) -> Generator[Effect, Any, None]:
    """The same where a flow refuses the calls of an agent."""
    said = [str(conflict.details.get(name, "")) for name in ("rule", "policy", "place")]
    yield from _give(entry, Verdict("deny", said[0], said[1], str(conflict), said[2]))


def _give(entry: "Entry", verdict: Verdict) -> Generator[Effect, Any, bool]:
    """Have the run stopped; False where that cannot be put on record: its calls are refused one by one, then."""
    try:
        yield Order(_order(entry.desk, entry.identity, verdict))
    except StoreError as error:
        entry.desk.complain(error)
        return False
    return True


def _order(desk: Desk, identity: Identity, verdict: Verdict) -> Fact:
    """The fact that ends a run: known to every process of the ledger, as if somebody had stopped it by hand."""
    because = f"{verdict.because} ({verdict.place})" if verdict.place else verdict.because
    data: dict[str, object] = {"scope": "run", "who": identity.run, "tenant": identity.tenant}
    data |= {"by": f"policy {verdict.policy}", "because": because, "rule": verdict.rule}
    return Fact(KILLED, desk.clock.new_id(), desk.clock.now_ns(), identity.run, data=data)


def act(entry: "Entry", found: Found) -> Generator[Effect, Any, None]:
    """Do about it what the policies say: a person is asked, the call waits or is refused, the run ends."""
    must_live(entry)  # nobody is asked for what was stopped, and nothing is stopped twice
    decision = sum_up([(bound, verdict) for bound, verdict, _ in found])
    entry.note("loops", decision, entry.name if entry.kind == "tool" else "")
    serious = [(bound, verdict, count) for bound, verdict, count in found if not bound.shadow]
    for bound, verdict, _ in serious:
        if bound.then == "stop":
            yield from _stop(entry, bound, verdict)
    for bound, _, _ in serious:
        if bound.then == "deny" and bound.way in ("growth", "ping_pong"):  # else no call would ever pass again
            entry.run.watch.pardon(bound, entry.identity.agent)
    yield from enforce(entry, decision)
    for bound, _, _ in serious:
        if bound.then == "ask":  # and somebody said yes
            entry.run.watch.pardon(bound, entry.identity.agent, entry.mark or 0)
    delays = [_delay_s(bound, count) for bound, _, count in serious if bound.then == "slow"]
    if delays:
        yield from _slow(entry, max(delays))


def _stop(entry: "Entry", bound: Bound, verdict: Verdict) -> Generator[Effect, Any, None]:
    """End the run. From here on it counts anew: whoever revives it wants it to go on."""
    if (yield from _give(entry, verdict)):
        entry.run.watch.pardon(bound, entry.identity.agent, entry.mark or 0)
    revive = f"`comptroller kill --run {entry.run.id} --revive` lets it go on."
    details: dict[str, object] = {"rule": verdict.rule, "policy": verdict.policy, "place": verdict.place}
    details["remedy"] = revive
    raise Denied(f"{verdict.because} The run was stopped. {revive}", details)


def _slow(entry: "Entry", seconds: float) -> Generator[Effect, Any, None]:
    clock = entry.desk.clock
    began = clock.monotonic_ns()
    try:
        yield Pause(Ticket(("loops", entry.id), woken=False), seconds)
    finally:
        entry.waited_ns += max(clock.monotonic_ns() - began, 0)


def _delay_s(bound: Bound, count: int) -> float:
    """Twice as long each time."""
    beyond = min(max(count - bound.most, 0), 16) if bound.way != "waste" else 0
    return min(bound.delay_s * 2.0**beyond, LONGEST_S)


def _found(entry: "Entry", bounds: Sequence[Bound], mark: int) -> Found:
    agent, watch = entry.identity.agent, entry.run.watch
    found: list[tuple[Bound, Verdict, int]] = []
    for bound in bounds:
        if bound.way == "waste":
            if (spent := _too_much(entry, bound)) is not None:
                found.append((bound, _verdict(bound, WORDS["waste"].format(spent=spent)), bound.most))
            continue
        count, size = watch.count(bound.way, agent, mark)
        if count >= bound.most:
            who = f"Agent `{agent}`" if agent else "This run"
            words = WORDS[bound.way].format(who=who, name=entry.name, count=count, size=size)
            found.append((bound, _verdict(bound, words), count))
    return found


def _too_much(entry: "Entry", bound: Bound) -> str | None:
    """What was spent in vain, where that is too much."""
    all_of_it = in_vain = 0
    watch, convert = entry.run.watch, entry.desk.convert
    for currency in watch.currencies():
        total, lost = watch.wasted(currency)
        all_of_it += convert(total, currency, bound.unit) or 0
        in_vain += convert(lost, currency, bound.unit) or 0
    if bound.after:
        too_much = all_of_it >= bound.after and in_vain * 1_000 >= all_of_it * bound.most
        said = f"{decimal_text(in_vain)} of {decimal_text(all_of_it)} {bound.unit}"
    else:
        too_much, said = in_vain >= bound.most and in_vain > 0, f"{decimal_text(in_vain)} {bound.unit}"
    return said if too_much and in_vain else None


def _verdict(bound: Bound, words: str) -> Verdict:
    return Verdict(ACTIONS[bound.then], bound.rule, bound.policy, words, bound.place, ask=bound.ask)


def _is(bound: Bound, verdict: Verdict) -> bool:
    return (bound.rule, bound.place, bound.shadow) == (verdict.rule, verdict.place, False)
