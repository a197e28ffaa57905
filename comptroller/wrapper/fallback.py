"""Who takes over from an agent that keeps failing: another model for its calls, or another agent for its work."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from comptroller.core.errors import Denied
from comptroller.core.facts import AGENT_HANDED_OVER, Fact
from comptroller.core.healing import Fallback
from comptroller.core.verdict import Verdict
from comptroller.policies.healing import healing_for
from comptroller.wrapper.standing import who_is

if TYPE_CHECKING:
    from comptroller.wrapper.admission import Admission
    from comptroller.wrapper.entry import Entry

AGENTS = 64  # of one run whose failures are counted
IN_VAIN = (408, 409, 425, 429)  # a provider's refusals that are not about the request


@dataclass(slots=True)
class Tally:
    """How an agent's calls of one run came out."""

    failed: int = 0
    good: int = 0  # on end, since another model took over
    told: bool = False  # that another agent is to go on


def apply(entry: "Entry", admission: "Admission") -> None:
    """Have another model asked, or refuse the call of an agent that is to hand over."""
    tally = entry.run.tallies.get(entry.identity.agent)
    healing = healing_for(entry.desk.book, entry.identity) if tally is not None else None
    if tally is None or healing is None:
        return
    agent = entry.identity.agent
    due = [one for one in healing.fallbacks if one.holds_for(agent) and tally.failed >= one.after]
    for one in due:
        if one.agent and one.agent != agent:
            hand_over(entry, one, tally)
    model = next((one for one in due if one.to), None)
    if model is not None and model.to != admission.model:
        _switch(entry, admission, model, tally)


def hand_over(entry: "Entry", fallback: Fallback, tally: Tally) -> None:
    """Refuse the call, and say once on record who is to go on."""
    agent = entry.identity.agent or "this run"
    because = f"{_times(tally.failed)} of {agent} failed. Hand over to {fallback.agent}."
    if not tally.told:
        tally.told = True
        data = {**who_is(entry.identity), "to": fallback.agent, "failed": tally.failed, "place": fallback.place}
        data["because"] = because
        desk = entry.desk
        desk.note(Fact(AGENT_HANDED_OVER, desk.clock.new_id(), desk.clock.now_ns(), entry.run.id, entry.id, data))
    entry.say("model", Verdict("deny", "fallback.agent", fallback.policy, because, fallback.place))
    raise Denied(because, {"rule": "fallback.agent", "hand_over": fallback.agent, "place": fallback.place})


def _switch(entry: "Entry", admission: "Admission", fallback: Fallback, tally: Tally) -> None:
    failed = f"{_times(tally.failed)} of {entry.identity.agent or 'this run'} failed"
    if admission.switch(fallback.to):
        because = f"{failed}, so {fallback.to} is asked instead of {admission.request.model}."
    else:
        because = f"{failed}, but nobody knows what {fallback.to} would count the kept conversation at: not switched."
    entry.say("model", Verdict("note", "fallback.model", fallback.policy, because, fallback.place))


def count(entry: "Entry") -> None:
    """A call is over: it counts for or against its agent, in a run that policies look after."""
    ambient = entry.desk.ambient
    if ambient is not None and ambient.run is entry.run:
        return  # calls outside any run have nothing in common
    healing = healing_for(entry.desk.book, entry.identity)
    if healing is None or not healing.fallbacks:
        return
    agent = entry.identity.agent
    if _failed(entry):
        tally = entry.run.tallies.get(agent)
        if tally is None and len(entry.run.tallies) < AGENTS:
            tally = entry.run.tallies[agent] = Tally()
        if tally is not None:
            tally.failed, tally.good = tally.failed + 1, 0
    elif entry.kind == "model" and entry.status == "ok" and agent in entry.run.tallies:
        _succeeded(entry.run.tallies[agent], healing.fallbacks, agent)


def _succeeded(tally: Tally, fallbacks: tuple[Fallback, ...], agent: str) -> None:
    """So many successes on end with the other model, and the first one gets another chance."""
    for one in fallbacks:
        if one.until and one.holds_for(agent) and tally.failed >= one.after:
            tally.good += 1
            if tally.good >= one.until:
                tally.failed = tally.good = 0
            return


def _failed(entry: "Entry") -> bool:
    """A try that came to nothing: the provider or the tool failed, or what came back could not be used."""
    if not entry.sent:
        return False
    if entry.kind == "tool":
        return entry.status == "error"
    if entry.kind != "model":
        return False
    if entry.status == "error":
        status = entry.upstream.get("status")
        return not isinstance(status, int) or status < 400 or status >= 500 or status in IN_VAIN
    return entry.misshapen or entry.status in ("denied", "cut")


def _times(count: int) -> str:
    return "1 try" if count == 1 else f"{count} tries"
