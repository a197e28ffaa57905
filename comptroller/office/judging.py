"""Judging transcripts: what the policies would have said of each step of runs, by the engine that decides live."""

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from comptroller.core.call import Identity
from comptroller.core.clock import SYSTEM, Clock
from comptroller.core.verdict import STRICTNESS, Action, Case, Decision, Verdict
from comptroller.guardrails.chain import Chain, Inspection
from comptroller.guardrails.provenance import Flow
from comptroller.policies.book import Book
from comptroller.policies.recollection import decided
from comptroller.wrapper import tokens
from comptroller.wrapper.dataflow import sources_of, trust_of

MOST_RUNS = 20_000  # under way at a time; the one silent for longest is forgotten, and what it knew with it
EVENTS = ("system", "user", "reply", "call", "result", "claim")
FORGOTTEN = "more runs were under way in this transcript than are remembered"
Row = dict[str, Any]
_decode = msgspec.json.Decoder().decode


class BadLine(Exception):
    """A line that is no event; says why and what would be."""


@dataclass(slots=True, eq=False)
class Told:
    """One run of a transcript, as far as it was told."""

    flow: Flow = field(default_factory=Flow)
    tools: dict[str, str] = field(default_factory=dict)  # by the ids of their calls
    root: str | None = None  # the agent the user spoke to
    calls: int = 0


class Examiner:
    """Judges the events of many runs, in order and interleaved."""

    def __init__(self, book: Book, chain: Chain, agent: str = "", workflow: str = "", clock: Clock = SYSTEM) -> None:
        self.book, self.chain, self.clock = book, chain, clock
        self.agent, self.workflow = agent, workflow
        self._runs: OrderedDict[str, Told] = OrderedDict()
        self._forgot: set[str] = set()
        self._identities: dict[tuple[str, str], Identity] = {}

    def judge(self, lines: Iterable[bytes | str]) -> Iterator[Row]:
        """A row for each call, and for what else a rule or a guard has something to say about."""
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                row = self.event(_decode(line))
            except (msgspec.DecodeError, BadLine, UnicodeDecodeError) as error:
                row = {"decision": "error", "rule": "transcript", "because": str(error)}
            if row is not None:
                yield {"line": number, **row}

    def event(self, event: object) -> Row | None:
        """What is said of one event; None for one nothing is said about."""
        if not isinstance(event, dict):
            raise BadLine('It is no object. Write {"run": ..., "event": ..., ...}.')
        kind, run = event.get("event"), event.get("run")
        if not isinstance(run, str) or kind not in EVENTS:
            raise BadLine(f"It needs `run` as a text, and `event` as one of {', '.join(EVENTS)}.")
        told = self._told(run)
        identity = self._identity(run, str(event.get("agent") or ""))
        row: Row | None = getattr(self, f"_{kind}")(told, identity, event)
        if row is None:
            return None
        told_id = {"id": event["id"]} if "id" in event else {}
        return {"run": run, **told_id, **({} if kind == "call" else {"event": kind}), **row}

    def _told(self, run: str) -> Told:
        told = self._runs.get(run)
        if told is None:
            told = self._runs[run] = Told()
            if run in self._forgot:
                told.flow.lose(FORGOTTEN)
            if len(self._runs) > MOST_RUNS:
                self._forgot.add(self._runs.popitem(last=False)[0])
        else:
            self._runs.move_to_end(run)
        return told

    def _identity(self, run: str, agent: str) -> Identity:
        key = (run, agent)
        found = self._identities.get(key)
        if found is None:
            if len(self._identities) >= MOST_RUNS:
                self._identities.clear()
            found = self._identities[key] = Identity(run=run, workflow=self.workflow, agent=self.agent or agent)
        return found

    # -- one method for each kind of event

    def _system(self, told: Told, identity: Identity, event: Row) -> Row | None:
        if self.book.traces:
            told.flow.system(_text(event))
        return None

    def _user(self, told: Told, identity: Identity, event: Row) -> Row | None:
        text, agent = _text(event), str(event.get("agent") or "")
        told.root = agent if told.root is None else told.root
        if self.book.traces:
            told.flow.user(text, own=agent in ("", told.root), by=agent)
        return self._guarded(identity, text, "in", Decision())

    def _reply(self, told: Told, identity: Identity, event: Row) -> Row | None:
        text = _text(event)
        if self.book.traces:
            told.flow.reply(text)
        decision = Decision()
        if self.book.watches("reply", identity):
            case = self._case("reply", told, identity)
            case.reply_text = case.text = lambda: text
            decision = self.book.decide(case)
        return self._guarded(identity, text, "out", decision)

    def _call(self, told: Told, identity: Identity, event: Row) -> Row:
        tool, args = event.get("tool"), event.get("args")
        if not isinstance(tool, str) or not tool:
            raise BadLine("A call needs `tool`, its name.")
        if args is not None and not isinstance(args, dict):
            raise BadLine("The `args` of a call are an object, or are left out.")
        call = str(event.get("id") or "")
        told.calls += 1
        told.tools[call] = tool
        case = self._case("tool", told, identity, tool, args or {})
        decision = decided(self.book, case)
        text = msgspec.json.encode(args or {}).decode()
        row = self._guarded(identity, text, "out", decision, always=True, as_json=True)
        assert row is not None
        if self.book.traces:
            assert case.origins is not None
            row["sources"] = sources_of(case.origins)  # type: ignore[arg-type]
            told.flow.asked(call, tool, args or {})
        return row

    def _result(self, told: Told, identity: Identity, event: Row) -> Row | None:
        text, call = _text(event), str(event.get("id") or "")
        tool = str(event.get("tool") or told.tools.get(call, ""))
        if self.book.traces:
            told.flow.result(call, tool, text, trust_of(self.book, identity, tool))
        decision = Decision()
        if self.book.watches("result", identity, tool):
            case = self._case("result", told, identity, tool)
            case.text = lambda: text
            decision = self.book.decide(case)
        return self._guarded(identity, text, "in", decision)

    def _claim(self, told: Told, identity: Identity, event: Row) -> Row | None:
        case = self._case("outcome", told, identity)
        case.known = {"outcome.type": str(event.get("type") or "")}
        decision = self.book.decide(case)
        return self._row(decision, None) if decision.verdict is not None or decision.shadows else None

    # -- what they have in common

    def _case(
        self, stage: Any, told: Told, identity: Identity, tool: str = "", args: Mapping[str, object] | None = None
    ) -> Case:
        kind = "tool" if stage in ("tool", "result") else "outcome" if stage == "outcome" else "model"
        case = Case(stage, identity, kind=kind, tool=tool, args=args, now_ns=self.clock.now_ns())
        case.run_calls = lambda: told.calls
        if self.book.traces:
            case.origins = told.flow.origins(args)
        return case

    def _guarded(
        self, identity: Identity, text: str, way: Any, decision: Decision, always: bool = False, as_json: bool = False
    ) -> Row | None:
        """What the guards find in a text, beside what the rules say of it."""
        plan = self.book.guards(identity, way)
        found = None
        if text and way == "in":
            found = tokens.told(self.chain, self.book, identity, text, plan)
        elif text and plan:
            found = self.chain.inspect_json(text, plan) if as_json else self.chain.inspect(text, plan)
        if found is not None:
            found = found if found.findings or found.failed or found.action != "allow" else None
        if found is None and not always and decision.verdict is None and not decision.shadows:
            return None
        return self._row(decision, found)

    def _row(self, decision: Decision, found: Inspection | None) -> Row:
        verdict = decision.verdict
        action: Action = decision.action
        if found is not None and (verdict is None or STRICTNESS[found.action] > STRICTNESS[action]):
            guard = found.failed or found.findings[0].guard
            action, verdict = found.action, Verdict(found.action, f"guards.{guard}", "", found.because)
        shadow = [{"decision": said.action, "rule": said.rule, "because": said.because} for said in decision.shadows]
        told = {
            "decision": "error" if verdict is not None and verdict.error else _WORDS.get(action, action),
            "rule": verdict.rule if verdict is not None else "",
            "because": verdict.because if verdict is not None else "",
            "sources": {},
            "shadow": shadow,
        }
        if decision.unasked is not None:
            told["judges"] = "not asked"
        return told


_WORDS = {"note": "allow", "downgrade": "allow"}  # both let a step pass


def _text(event: Row) -> str:
    text = event.get("text")
    if text is None:
        return ""
    return text if isinstance(text, str) else msgspec.json.encode(text).decode()
