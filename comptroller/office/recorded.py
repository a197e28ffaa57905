"""Recorded calls as cases again: what the rules would have to look at, out of the books and the vault."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from heapq import heappop, heappush
from itertools import groupby
from typing import Any

from comptroller.core.call import Identity
from comptroller.core.money import NANOS
from comptroller.core.verdict import Case
from comptroller.dialects.said import Said, said_in
from comptroller.guardrails.provenance import Flow
from comptroller.office.account import Vault, body_of
from comptroller.policies.book import Book
from comptroller.wrapper.dataflow import trust_of

Row = dict[str, Any]
NEVER_KEPT = frozenset({"model.max_tokens", "has.model.max_tokens"})  # of a request that was sent: in no fact
REFUSED = ("denied", "over_budget", "rate_limited", "pending")  # never sent
_TEXTS = frozenset({"text", "reply.text", "has.text", "has.reply.text"})


@dataclass(frozen=True, slots=True)
class Recorded:
    """One call that was made, the cases the rules saw of it, and the inputs nobody can tell any more."""

    row: Row
    cases: tuple[Case, ...]
    lacks: frozenset[str] = frozenset()
    lost: bool = False  # the arguments of a tool call: kept as a digest only

    @property
    def identity(self) -> Identity:
        """Whose call it was."""
        return self.cases[0].identity


@dataclass(slots=True)
class Agents:
    """Who was opened in whom: for the depth of a call, and the scopes its agent held."""

    parents: dict[str, str] = field(default_factory=dict)
    scopes: dict[str, frozenset[str] | None] = field(default_factory=dict)

    @classmethod
    def of(cls, rows: Iterable[Row]) -> "Agents":
        """Out of the rows of the books."""
        made = cls()
        for row in rows:
            made.parents[row["span"]] = row["parent"] or ""
            made.scopes[row["span"]] = frozenset(row["scopes"]) if row["scopes"] is not None else None
        return made

    def around(self, parent: str) -> tuple[int, frozenset[str] | None]:
        """How many agents are around a call, and the scopes of the innermost."""
        depth, here, seen = 0, parent, set[str]()
        while here in self.parents and here not in seen:
            seen.add(here)
            depth, here = depth + 1, self.parents[here]
        return depth, self.scopes.get(parent)


def recorded(rows: Iterable[Row], agents: Agents, vault: Vault, book: Book) -> Iterator[Recorded]:
    """The calls of whole runs, in order. `book` says which tools are trusted, where the data flow matters."""
    for _, calls in groupby(rows, key=lambda row: row["run"]):
        yield from _Run(agents, vault, book).replay(list(calls))


class _Run:
    """One run, as far as it was read."""

    def __init__(self, agents: Agents, vault: Vault, book: Book) -> None:
        self.agents, self.vault, self.book = agents, vault, book
        self.flow = Flow()
        self.asked: dict[str, Mapping[str, Any] | None] = {}  # arguments by the id of the tool call
        self.tools: dict[str, str] = {}
        self.rows: dict[str, Row] = {}
        self.root: str | None = None
        self.seen: set[str] = set()
        self.spent = self.calls = 0
        self._open: list[tuple[datetime, int, int]] = []  # what calls under way will have cost, by their end

    def replay(self, calls: list[Row]) -> Iterator[Recorded]:
        for number, row in enumerate(calls):
            while self._open and self._open[0][0] <= row["started"]:
                self.spent += heappop(self._open)[2]
            self.rows[row["call"]] = row
            yield self._tool(row) if row["kind"] == "tool" else self._model(row)
            heappush(self._open, (row["ended"] or row["started"], number, nanos(row["cost"])))
            self.calls += row["kind"] == "model" and row["status"] not in REFUSED

    def _tool(self, row: Row) -> Recorded:
        identity = self._identity(row)
        if row["tool_call"] not in self.asked:
            return Recorded(row, (self._case("tool", row, identity),), lost=True)
        args = self.asked[row["tool_call"]]
        case = self._case("tool", row, identity)
        case.tool, case.args = row["name"], args
        if self.book.traces:
            case.origins = self.flow.origins(args)
        return Recorded(row, (case,))

    def _model(self, row: Row) -> Recorded:
        identity = self._identity(row)
        before, calls = self.spent, self.calls
        texts, whole = self._request(row, identity)
        case = self._case("model", row, identity)
        case.text = lambda: "\n".join(texts)
        replies, answered = self._reply(row)
        after = replace(case, stage="reply", reply_text=lambda: "\n".join(replies))
        after.spent_nanos, after.run_calls = (lambda: before), (lambda: calls + 1)
        lacks = NEVER_KEPT if whole and answered else NEVER_KEPT | _TEXTS
        cases = (case, after) if row["status"] not in REFUSED else (case,)
        return Recorded(row, cases, lacks)

    def _case(self, stage: Any, row: Row, identity: Identity) -> Case:
        spent, calls = self.spent, self.calls
        case = Case(stage, identity, kind=row["kind"], now_ns=nanoseconds(row["started"]))
        case.model, case.stream = row["model"] or row["name"], bool(row["stream"])
        case.input_tokens, case.worst_cost_nanos = int(row["input"] or 0), nanos(row["worst"])
        case.spent_nanos, case.run_calls = (lambda: spent), (lambda: calls)
        if self.book.traces:
            case.origins = self.flow.origins(None)
        return case

    def _identity(self, row: Row) -> Identity:
        parent, here = row["parent"] or "", self.rows.get(row["parent"] or "")
        while here is not None:  # a tool call lies inside the model call that asked for it
            parent = here["parent"] or ""
            here = self.rows.get(parent)
        depth, scopes = self.agents.around(parent)
        names = {name: row[name] or "" for name in ("customer", "user", "workflow", "run", "agent", "key")}
        return Identity(tenant=row["tenant"] or "default", scopes=scopes, depth=depth, parent=parent, **names)

    def _request(self, row: Row, identity: Identity) -> tuple[list[str], bool]:
        """The texts of a request with its history, and whether all were kept; what is new of them is taken in."""
        earlier = self.rows.get(row["after_call"] or "")
        history = [*(earlier["messages"] if earlier else ())][: row["after_count"] or 0]
        row["messages"] = [*history, *(row["request"] or ())]
        texts, whole = [], bool(row["messages"])
        for digest in row["messages"]:
            body = body_of(self.vault, digest)
            whole = whole and body is not None
            for said in said_in(body) if body is not None else ():
                texts.append(said.text)
                if digest not in self.seen:
                    self._take(said, identity)
            self.seen.add(digest)
        return texts, whole

    def _take(self, said: Said, identity: Identity) -> None:
        if said.kind == "call":
            self._ask(said)
        elif not self.book.traces:
            return
        elif said.kind == "user":
            self.root = identity.agent if self.root is None else self.root
            self.flow.user(said.text, own=identity.agent in ("", self.root), by=identity.agent)
        elif said.kind == "result":
            tool = said.tool or self.tools.get(said.call_id, "")
            self.flow.result(said.call_id, tool, said.text, trust_of(self.book, identity, tool))
        elif said.kind == "system":
            self.flow.system(said.text)
        else:
            self.flow.reply(said.text)

    def _ask(self, said: Said) -> None:
        if said.call_id in self.asked:
            return
        self.tools[said.call_id] = said.tool
        self.asked[said.call_id] = _object(said.text)
        if self.book.traces:
            self.flow.asked(said.call_id, said.tool, self.asked[said.call_id] or {})

    def _reply(self, row: Row) -> tuple[list[str], bool]:
        texts: list[str] = []
        whole = bool(row["reply"])
        for digest in row["reply"] or ():
            body = body_of(self.vault, digest)
            whole = whole and body is not None
            for said in said_in(body) if body is not None else ():
                if said.kind == "call":
                    self._ask(said)
                else:
                    texts.append(said.text)
                    if self.book.traces:
                        self.flow.reply(said.text)
        row["messages"] = [*row["messages"], *(row["reply"] or ())]
        return texts, whole


def nanos(amount: object) -> int:
    """Money of the books as nanos."""
    return int(Decimal(str(amount or 0)) * NANOS)


def nanoseconds(moment: datetime) -> int:
    """A moment of the books as they count in facts."""
    return int(moment.timestamp()) * 1_000_000_000 + moment.microsecond * 1_000


def _object(text: str) -> Mapping[str, Any] | None:
    try:
        args = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return args if isinstance(args, dict) else None
