"""The gate for tools at the model boundary: tool calls in replies are decided on, results in requests looked at."""

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from comptroller.core.call import Part, Request, ToolCall
from comptroller.core.errors import Denied, OverBudget, Refused
from comptroller.core.facts import Line
from comptroller.core.verdict import Action, Verdict
from comptroller.metering.budget import lines_for
from comptroller.wrapper import dataflow, loops, memory_tools, restoring, shared
from comptroller.wrapper.admission import caps_for, reserve, short_details, short_reason
from comptroller.wrapper.asking import Edited, Matter, ask, shown_text, text_matter, use
from comptroller.wrapper.boundary import Asked, Boundary
from comptroller.wrapper.desk import Desk
from comptroller.wrapper.effects import Effect
from comptroller.wrapper.entry import Entry
from comptroller.wrapper.limits import draw, limit_of, refuse
from comptroller.wrapper.orders import must_live
from comptroller.wrapper.patience import Patience, cap_of, in_turn
from comptroller.wrapper.restoring import NOTHING, Back
from comptroller.wrapper.shared import STOPPING, case_for, enforce, enforce_guard, redacting

ROUNDS = 8  # how often approvers may edit one call, each upon the other


@dataclass(frozen=True, slots=True)
class Gate:
    """What becomes of a tool call: refused (with a text the model can read), or let through, maybe redacted."""

    refusal: str = ""
    args: str | None = None
    call: str = ""  # its record
    refused: Refused | None = None
    rows: Sequence[Mapping[str, object]] = ()  # what was decided
    approved: bool = False  # by a person, and passed on


def decide(entry: Entry, call: ToolCall, plan: Mapping[str, Action]) -> Generator[Effect, Any, Gate]:
    """Decide on one tool call a model asked for; a refusal is a call of its own on record."""
    tool = tool_entry(entry, call)
    try:
        asked, back = yield from restoring.restored(tool, call)
        if asked is not call:
            tool.tool["args"] = digest_of(tool.desk, call.name, asked.args, asked.text)
        ruling = yield from judge(tool, call.name, asked.args, asked.text, plan, back)
        yield from hold_tool(tool)
        if tool.passes:
            yield from use(tool)
    except Refused as refused:
        tool.refuse(refused)
        tool.close()
        entry.decisions.extend({**row, "tool": call.name} for row in tool.decisions)
        said = f"[{refused.code}: the call of {call.name} was refused. {refused}]"
        return Gate(said, None, tool.id, refused, tool.decisions)
    entry.decisions.extend({**row, "tool": call.name} for row in tool.decisions)
    if ruling.text is not None:  # what will be executed is what it became
        tool.tool["args"] = digest_of(tool.desk, call.name, _object(ruling.text), ruling.text)
    remember(tool, call)
    text = asked.text if ruling.text is None and asked is not call else ruling.text
    return Gate("", text, tool.id, approved=bool(tool.approvals))


@dataclass(frozen=True, slots=True)
class Ruling:
    """What became of a tool call's arguments: its text where it is another one now, and what an approver made of it."""

    text: str | None = None
    edited: Mapping[str, object] | None = None


AS_IT_IS = Ruling()


def judge(
    tool: Entry,
    name: str,
    args: Mapping[str, object] | None,
    text: str,
    plan: Mapping[str, Action],
    back: Back = NOTHING,
) -> Generator[Effect, Any, Ruling]:
    """Rules and guards on a tool call; where an approver edited it, all of them on what it became."""
    edited: Mapping[str, object] | None = None
    cleared = ""
    for _ in range(ROUNDS):
        try:
            found = yield from _judged(tool, name, args, text, plan, back, cleared)
        except Edited as change:
            args = edited = change.arguments
            text, cleared = msgspec.json.encode(args).decode(), change.rule
        else:
            if found is None and edited is None:
                return AS_IT_IS
            return Ruling(text if found is None else found, edited)
    because = f"The call of {name} was edited {ROUNDS} times, each time upon another edit. Approve or deny it as it is."
    raise Denied(because, {"rule": "approval"})


def _judged(
    tool: Entry,
    name: str,
    args: Mapping[str, object] | None,
    text: str,
    plan: Mapping[str, Action],
    back: Back,
    cleared: str,
) -> Generator[Effect, Any, str | None]:
    """Rules and guards on just these arguments; returns them where they are redacted.

    Rules see the values that were put back. Guards see the tokens, since the policy has named where those values may
    go; unless a rule says of just this call that what they find must be replaced.
    """
    tool.matter = lambda: _matter(name, args, text)
    if not cleared and (again := loops.calls(tool)):  # once edited by an approver, it was counted before
        yield from loops.act(tool, again)
    case = case_for(tool, "tool", tool=name, args=args, raw=text if args is None else "")
    if back.others and args is not None:
        case.origins = dataflow.origins_of(tool, back.traced(args))
    decision = yield from shared.decide(tool, case)
    dataflow.note(tool, name, args, text, case.origins)
    tool.note("tool", decision, name)
    action = decision.action
    if action in STOPPING:
        action = yield from enforce(tool, decision, cleared=cleared)
    if (way := memory_tools.way_of(tool, name, args)) is not None:
        plan = yield from memory_tools.decide(tool, way, text if args is None else args, plan, cleared)
    if action == "redact":
        plan = redacting(plan)
    found = tool.desk.inspect(text if action == "redact" else back.hidden_in(text), plan, as_json=True)
    if found is None:
        return None
    tool.found("tool", found, name)
    yield from enforce_guard(tool, found, cleared=cleared)
    return back.shown_in(found.text) if found.action == "redact" else None


def _matter(name: str, args: Mapping[str, object] | None, text: str) -> Matter:
    """What a person would be asked about: just this tool with just these arguments."""
    seen: dict[str, object] = shown_text(text) if args is None else {"args": args}
    return Matter("tool", name, plain_args(args, text), lambda: {"tool": name, **seen}, args)


def hold_tool(tool: Entry) -> Generator[Effect, Any, None]:
    """Caps per tool: a tool call costs no money of its own, it is counted."""
    must_live(tool)
    caps, limits = caps_for(tool, tool.name), tool.desk.book.limits(tool.identity, tool.name)
    if not caps and not limits:
        return
    now = tool.desk.clock.now_ns()
    tool.lines = lines_for(caps, {"calls": 1}, now, tool.run.id) + draw(tool, limits)
    patience = Patience(tool, caps, limits, lambda: {"calls": 1})
    short = yield from in_turn(lambda: reserve(tool), patience)
    while short is not None:
        limit, cap = limit_of(limits, short.line), cap_of(caps, short.line, now, tool.run.id)
        if limit is not None:
            raise refuse(tool, limit, short)
        assert cap is not None, "a line is of a limit or of a cap"
        verdict = Verdict("deny", f"budget.{cap.per}", "", short_reason(cap, short, now), cap.place)
        tool.say("budget", replace(verdict, action="note" if cap.over == "note" else verdict.action))
        if cap.over == "ask":
            yield from ask(tool, verdict, short_details(cap, short, now))
        elif cap.over != "note":
            raise OverBudget(verdict.because, short_details(cap, short, now))
        tool.lines = [_waive(line, short.line) for line in tool.lines]
        short = yield from in_turn(lambda: reserve(tool), patience)


def tool_entry(entry: Entry, call: ToolCall) -> Entry:
    """The record of a tool call, inside the model call that asked for it."""
    tool = Entry(entry.desk, replace(entry.identity, parent=entry.id), entry.run, "tool", name=call.name)
    tool.flow, tool.heard = entry.flow, entry.heard
    tool.tool = {"call_id": call.id, "args": digest_of(entry.desk, call.name, call.args, call.text)}
    known = entry.desk.book.tool(entry.identity, call.name)
    if known is not None:
        tool.tool["effect"] = known.effect
    return tool


def digest_of(desk: Desk, name: str, args: Mapping[str, object] | None, text: str = "") -> str:
    """The keyed digest of exactly this call: its name and arguments, whatever the spelling of the JSON."""
    return desk.ledger.digest(name.encode("utf-8", "replace") + b"\0" + plain_args(args, text))


def plain_args(args: Mapping[str, object] | None, text: str = "") -> bytes:
    """Arguments in one spelling; as they came where they are no JSON object."""
    try:
        return text.encode("utf-8", "surrogatepass") if args is None else msgspec.json.encode(args, order="sorted")
    except (TypeError, ValueError):
        return repr(args).encode("utf-8", "surrogatepass")


def _object(text: str) -> Mapping[str, object] | None:
    try:
        made = msgspec.json.decode(text)
    except msgspec.MsgspecError:
        return None
    return made if isinstance(made, dict) else None


def remember(tool: Entry, call: ToolCall) -> None:
    """Keep the decision for whoever comes first: the governed function that executes it, or its result."""
    asked = Asked(
        call=tool.id,
        call_id=call.id,
        name=call.name,
        digest=str(tool.tool["args"]),
        entry=tool,
    )
    for dropped in tool.run.boundary.allow(asked):
        unanswered(dropped)


def answers(entry: Entry, request: Request) -> None:
    """Record the tool calls whose results this request brings, and name the tools it leaves unsaid."""
    for number, part in enumerate(request.parts):
        if part.kind == "tool_result" and part.call_id:
            if not part.tool and (name := entry.run.boundary.named(part.call_id)):
                request.parts[number] = replace(part, tool=name)
            answered(entry.run.boundary, part.call_id)


def answered(boundary: Boundary, call_id: str) -> None:
    """The result of a tool call was seen; its record is complete."""
    asked = boundary.answer(call_id)
    if asked is not None:
        asked.entry.sent = True
        asked.entry.close()


def unanswered(asked: Asked) -> None:
    """A tool call that was allowed and whose result never came back."""
    asked.entry.status = "cancelled"
    asked.entry.because = asked.entry.because or "No result of this tool call was seen."
    asked.entry.close()


def result(entry: Entry, part: Part) -> Generator[Effect, Any, bool]:
    """Rules on a tool's result; True where they say that what guards find in it must go.

    History brings every result again, so a rule says the same each time; it is put on record the first time.
    """
    if not entry.desk.book.watches("result", entry.identity, part.tool):
        return False
    case = case_for(entry, "result", tool=part.tool)
    case.text = lambda: part.text
    decision = yield from shared.decide(entry, case)
    if not part.call_id or entry.run.boundary.first_sight(part.call_id) or decision.action in ("deny", "ask"):
        entry.note("result", decision, part.tool)
    action = yield from enforce(entry, decision, text_matter("result", part.tool, part.text))
    return action == "redact"


def _waive(line: Line, short: Line) -> Line:
    same = (line.key, line.unit, line.cap) == (short.key, short.unit, short.cap)
    return line._replace(cap=None) if same else line
