"""Judges on the call path: what they are shown, whom it makes sense to ask, and what a decision is once they have said.

Nothing of it happens unless the condition of a judged rule holds, and nobody is asked whose answer changes nothing.
"""

from collections.abc import Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from comptroller.core.call import Reply, Request
from comptroller.core.judges import Opinion, Question, Result, Unasked
from comptroller.core.verdict import Case, Decision
from comptroller.guardrails.votes import tally
from comptroller.policies.judging import joined, matters, verdict_of
from comptroller.wrapper.asking import packed
from comptroller.wrapper.bench import Asked, Hearing
from comptroller.wrapper.context import RunState
from comptroller.wrapper.effects import Effect, Judge

if TYPE_CHECKING:
    from comptroller.wrapper.entry import Entry

SYSTEM = ("system", "developer")
NOT_KNOWN = "(not known)"
MOST_HEARD = 64  # agents of a run whose words are remembered


@dataclass(frozen=True, slots=True)
class Heard:
    """What was said to an agent, as far as a judge may be shown it."""

    said: str = NOT_KNOWN
    instructions: str = NOT_KNOWN


NOTHING = Heard()


def listen(entry: "Entry", request: Request) -> None:
    """Remember what led to what this call, and the tools it calls, may be judged for."""
    texts = [part for part in request.parts if part.kind == "text"]
    said = [part.text for part in texts if part.role == "user"]
    orders = [part.text for part in texts if part.role in SYSTEM]
    entry.heard = Heard("\n".join(said) or NOT_KNOWN, "\n".join(orders) or NOT_KNOWN)
    ambient = entry.desk.ambient
    if ambient is not None and ambient.run is entry.run:
        return  # outside any run, nothing says which conversation a tool belongs to
    heard = entry.run.heard
    if len(heard) >= MOST_HEARD:
        heard.clear()
    heard[entry.identity.agent] = entry.heard


def hear(entry: "Entry", case: Case, unasked: Unasked) -> Generator[Effect, Any, Decision]:
    """The decision, with what the judges say."""
    from comptroller.wrapper.orders import must_live  # which knows entries, as they know who judges

    rest = unasked.rest
    if entry.run.bench is not None:
        return rest  # a judge is not judged: there would be no end of it
    questions = [question for question in unasked.questions if matters(question, rest)]
    if not questions:
        return rest
    heard = entry.heard or entry.run.heard.get(entry.identity.agent) or NOTHING
    asked = [one for question in questions for one in put(question, case, heard, entry.id, entry.run)]
    opinions: list[Opinion] = yield Judge(Hearing(entry.desk.bench, asked))
    must_live(entry)  # judges take their time, and what was stopped meanwhile goes no further
    said = results(questions, opinions)
    return joined(rest, [(question, verdict_of(question, result, own)) for question, result, own in said])


def put(question: Question, case: Case, heard: Heard, call: str, run: RunState) -> list[Asked]:
    """A question as it is put to each of its judges, about a case of a call."""
    shown = shown_to(question, case, heard)
    return [Asked(judge, question, shown, case.identity, call, run) for judge in question.judges]


def results(questions: list[Question], opinions: list[Opinion]) -> list[tuple[Question, Result, list[Opinion]]]:
    """What the opinions, in order, come to."""
    found = []
    for question in questions:
        count = len(question.judges)
        own, opinions = opinions[:count], opinions[count:]
        cast = [(one.word, judge.weight) for one, judge in zip(own, question.judges, strict=True)]
        found.append((question, tally(cast, question.manner, question.need), own))
    return found


def shown_to(question: Question, case: Case, heard: Heard) -> list[tuple[str, str]]:
    """What a judge sees of a case, piece by piece."""
    return [(view, _view(view, case, heard)) for view in question.sees]


def _view(view: str, case: Case, heard: Heard) -> str:
    if view == "said":
        return heard.said
    if view == "instructions":
        return heard.instructions
    if view == "reply":
        return case.reply_text()
    if view == "args":
        return case.reply_calls() if case.stage == "reply" else _call(case)
    return _sources(case) if view == "sources" else case.text()


def _call(case: Case) -> str:
    """A tool call; one whose arguments we cannot read as they came, for an agent might."""
    return packed({"tool": case.tool, "args": case.raw if case.args is None else case.args}).decode()


def calls_in(reply: Reply) -> str:
    """The tool calls of a reply, as a judge sees them."""
    rows = [{"tool": call.name, "args": call.text if call.args is None else call.args} for call in reply.calls]
    return packed(rows).decode()


def _sources(case: Case) -> str:
    """Where each argument came from: labels and names of sources, never what they said."""
    if case.origins is None:
        return NOT_KNOWN
    found = ((name, case.origins.of(name)) for name in case.args or {})
    told = [f"{name}: {one.label} ({', '.join(one.sources)})" for name, one in found if one is not None]
    return "\n".join(told) or NOT_KNOWN
