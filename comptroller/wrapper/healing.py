"""Asking again: a reply that is refused may be asked for once more, with the reason, as a call of its own.

The refused reply is left out of what goes back. Refused tool calls would need results in each provider's own form,
thinking is signed, and a poisoned text would be read a second time; the reason and the hint do without it, in all
dialects, and nothing that a guard stopped goes anywhere.
"""

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from comptroller.core.call import Request, ToolCall
from comptroller.core.errors import Denied, NotApproved, Refused
from comptroller.core.healing import MOST, SHAPE, Healing, Retry
from comptroller.core.verdict import Action, Verdict
from comptroller.policies.healing import healing_for
from comptroller.wrapper.effects import Answer, Effect, Stay
from comptroller.wrapper.orders import found_stopped
from comptroller.wrapper.shared import Job, refusal
from comptroller.wrapper.toolgate import Gate, unanswered

if TYPE_CHECKING:
    from comptroller.wrapper.entry import Entry

Flow = Generator[Effect, Any, Answer]
REDACTING: dict[str, Action] = {"secrets": "redact", "privacy": "redact"}
PASSING = (408, 409, 425, 429)  # refusals of a provider that have nothing to do with what was asked
Gates = Sequence[tuple[ToolCall, Gate]]


@dataclass(frozen=True, slots=True)
class Before:
    """The try before this one: what it came to, and what it said in the end."""

    call: str
    rule: str
    place: str
    reason: str
    answer: Answer
    body: bytes  # of the next try


@dataclass(slots=True)
class Tries:
    """All tries of one request."""

    healing: Healing
    first: Job
    request: Request | None = None  # as the caller sent it
    asked: dict[str, int] = field(default_factory=dict)  # how often, by the rule that refused
    charged: list[tuple[int, str]] = field(default_factory=list)  # those before this one
    before: Before | None = None
    next: Before | None = None  # there is to be another one
    words: str = ""  # of the validator, for the model's eyes only

    @property
    def number(self) -> int:
        """Of this try, from 1 on."""
        return len(self.charged) + 1

    def left(self, rules: Mapping[str, Retry]) -> bool:
        """Whether all of these may be asked for again."""
        return self.number <= MOST and all(self.asked.get(rule, 0) < retry.times for rule, retry in rules.items())


def tried(job: Job, call: Callable[[Job], Flow]) -> Flow:
    """Make a call, and make it again as long as its reply is refused and may be asked for again."""
    healing = healing_for(job.desk.book, job.identity)
    if healing is None or not healing.asks_again:
        return (yield from call(job))
    job.used = set() if job.used is None else job.used  # what a person approved holds for all tries
    tries = job.tries = Tries(healing, job)
    while True:
        answer = yield from call(job)
        if tries.next is None:
            return _told(tries, answer)
        tries.before, tries.next = tries.next, None
        job = replace(job, body=tries.before.body, request=None, attempt=job.attempt + 1)


def _told(tries: Tries, answer: Answer) -> Answer:
    """What the caller gets: a provider that rejects the further try has not refused what the caller asked."""
    if tries.before is None or answer.refused is not None or not 400 <= answer.status < 500:
        return answer
    return answer if answer.status in PASSING else tries.before.answer


# -- a further try as it begins


def begins(entry: "Entry", job: Job) -> Generator[Effect, Any, None]:
    """Say on the record of a further try which call it follows, and why. Nobody is asked again for who has left."""
    tries = job.tries
    if tries is None or tries.before is None:
        return
    before = tries.before
    entry.retry_of = {"call": before.call, "rule": before.rule}
    entry.before = tuple(tries.charged)
    said = f"Asked again (try {tries.number}), as {before.rule} refused the reply before it."
    entry.say("model", Verdict("note", f"retry.{before.rule}", "", said, before.place))
    yield Stay()


def both_reasons(entry: "Entry", job: Job, refused: Refused) -> Refused:
    """A further try that never went out is refused for its own reason, and there would be none without the first."""
    before = job.tries.before if job.tries is not None else None
    if before is not None and not entry.sent and not isinstance(refused, NotApproved):
        refused.args = (f"{refused} It was asked again because the reply before it was refused: {before.reason}",)
        refused.details = {**refused.details, "retry_of": before.call}
    return refused


# -- a reply that was refused


def again(entry: "Entry", job: Job, request: Request | None, refused: Refused) -> bool:
    """Whether a refused reply is asked for again; its try is the last one where not."""
    tries = job.tries
    if tries is None or request is None or type(refused) is not Denied or not entry.sent or entry.reply_approved:
        return False
    rows = [row for row in entry.decisions if _refuses(row) and row["stage"] in ("reply", "tool")]
    rules = _rules(tries.healing, rows, entry.standing.guards_out)
    if rules is None or not tries.left(rules) or found_stopped(entry) is not None:
        return False
    reason = str(refused)
    body = job.dialect.append(tries.request or request, _message(entry, tries, reason, rules))
    if body is None:
        said = "The reply was not asked for again: its provider keeps the conversation, and has the reply in it."
        entry.say("reply", Verdict("note", "retry", "", said))
        return False
    for rule in rules:
        tries.asked[rule] = tries.asked.get(rule, 0) + 1
    rule, place = str(rows[0]["rule"]), str(rows[0].get("place", ""))
    tries.next = Before(entry.id, rule, place, reason, refusal(job.dialect, entry, refused), body)
    entry.say("reply", Verdict("note", f"retry.{rule}", "", "The model was sent back with the reason."))
    return True


def settled(entry: "Entry", job: Job) -> None:
    """A try is over and charged."""
    if job.tries is not None and entry.charged is not None:
        job.tries.charged.append(entry.charged)


def refuse_calls(entry: "Entry", job: Job, gates: Gates) -> None:
    """Refuse a reply for the tool calls in it that were refused, where all of them may be asked for again."""
    tries = job.tries
    refused = [gate for _, gate in gates if gate.refused is not None]
    if tries is None or not refused or any(type(gate.refused) is not Denied for gate in refused):
        return
    rows = [row for gate in refused for row in gate.rows if _refuses(row)]
    rules = _rules(tries.healing, rows, entry.standing.guards_out)
    if rules is None or not tries.left(rules):
        return
    if entry.reply_approved or any(gate.approved for _, gate in gates):
        said = "The reply was not asked for again: a person approved a part of it."
        entry.say("reply", Verdict("note", "retry", "", said))
        return
    withdraw(entry, gates)
    because = " ".join(dict.fromkeys(str(gate.refused) for gate in refused))
    raise Denied(because, {"rule": str(rows[0]["rule"]), "place": rows[0].get("place", "")})


def withdraw(entry: "Entry", gates: Gates) -> None:
    """Tool calls that were allowed in a reply nobody gets."""
    for call, gate in gates:
        asked = entry.run.boundary.withdraw(call.id, gate.call)
        if asked is not None:
            asked.entry.because = asked.entry.because or "The reply it stood in was not handed out."
            unanswered(asked)


def _refuses(row: Mapping[str, object]) -> bool:
    return row["action"] == "deny" and not row.get("shadow")


def _rules(
    healing: Healing, rows: Sequence[Mapping[str, object]], plan: Mapping[str, Action]
) -> dict[str, Retry] | None:
    """What refused it, with how each may be asked again; None where one may not, or could not be decided."""
    found: dict[str, Retry] = {}
    for row in rows:
        for rule in _names(row, plan):
            retry = healing.retries.get(rule)
            if retry is None or row.get("error") or row.get("failed"):
                return None
            found[rule] = retry
    return found or None


def _names(row: Mapping[str, object], plan: Mapping[str, Action]) -> list[str]:
    """The rule of a decision; of guards that looked together, those that refuse what they find."""
    findings = row.get("findings")
    if not isinstance(findings, list) or not findings:
        return [str(row["rule"])]
    guards = dict.fromkeys(str(finding["kind"]).partition(".")[0] for finding in findings)
    return [f"guards.{guard}" for guard in guards if plan.get(guard) == "deny"] or [str(row["rule"])]


def _message(entry: "Entry", tries: Tries, reason: str, rules: Mapping[str, Retry]) -> str:
    """What the model is told. What guards would replace is replaced, whoever wrote it."""
    hints = " ".join(dict.fromkeys(retry.hint for retry in rules.values() if retry.hint))
    words = f" {tries.words}" if tries.words and SHAPE in rules else ""
    text = f"Your last reply was refused and has not been handed on. Reason: {reason}{words}"
    text = f"{text}\n{hints}\nAnswer again." if hints else f"{text}\nAnswer again."
    found = entry.desk.inspect(text, REDACTING)
    return text if found is None else found.text
