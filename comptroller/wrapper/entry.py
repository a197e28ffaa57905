"""The entry: what is known of one call while it runs, and the facts it leaves behind."""

from collections.abc import Callable, Mapping, Sequence, Set
from contextlib import suppress
from dataclasses import fields
from operator import attrgetter
from types import MappingProxyType
from typing import TYPE_CHECKING

from comptroller.core.approval import Told
from comptroller.core.call import Identity, Kind, Usage
from comptroller.core.errors import Denied, Refused, StoreError
from comptroller.core.facts import CALL_CLOSED, CALL_OPENED, HOLD_EXTENDED, Fact, Line
from comptroller.core.money import decimal_text
from comptroller.core.verdict import STRICTNESS, Action, Decision, Verdict
from comptroller.guardrails.chain import Inspection
from comptroller.guardrails.provenance import Flow
from comptroller.metering.prices import Price
from comptroller.tracing.step import TROUBLE
from comptroller.wrapper import dataflow, fallback
from comptroller.wrapper.asking import Binding, Matter
from comptroller.wrapper.context import RunState
from comptroller.wrapper.desk import Desk
from comptroller.wrapper.settling import rates_used, settled
from comptroller.wrapper.standing import Standing, run_key, standing_of, who_is

if TYPE_CHECKING:
    from comptroller.wrapper.judging import Heard

ERROR_TEXT = 300
COUNTS = tuple(field.name for field in fields(Usage))
_counts = attrgetter(*COUNTS)


class Entry:
    """One call under way. `close` may be asked for several times and happens once.

    Defaults live on the class: most calls touch few of them, and setting all for each would cost 15 us.
    """

    dialect = ""
    provider = ""
    stream = False
    attempt = 0
    first = 0
    status = "ok"
    action: Action = "allow"
    rule = ""
    because = ""
    place = ""
    usage: Usage | None = None
    estimated = False
    sent = False  # it left for the provider
    free = False  # nothing to pay: it never reached the provider, or the provider refused it
    worst = 0
    price: Price | None = None
    lines: Sequence[Line] = ()
    rates: Sequence[Sequence[object]] = ()  # what it takes of limits per second, minute, hour or day
    waited_ns = 0  # in line for room
    held = False  # the opened fact, with its hold, is on record
    unrecorded = False  # the ledger could not be written when the call began
    lease_ns = 0
    renew_at = 0
    request: Sequence[str] = ()
    request_after: Sequence[object] = ()  # (call, n): the first n messages are that call's
    reply: Sequence[str] = ()
    cached = ""  # the call whose reply this one was given out of the cache
    saved = 0  # what it would have cost
    error: Mapping[str, object] | None = None
    model = ""
    finish = ""
    opaque = False
    clean_request = False  # guards for all that is replaced before it is kept have found nothing in any of its texts
    clean_reply = False
    mark: int | None = None  # by which it is known when it is made again, where a policy looks for that
    closed = False
    charged: tuple[int, str] | None = None  # once it is closed
    _standing: Standing | None = None
    heard: "Heard | None" = None  # what was said to its agent, where a policy has something judged
    flow: Flow | None = None  # of the values it reads, where a policy asks
    hard = False  # a cap applies that must never be passed
    matter: Callable[[], Matter] | None = None  # what a person would be asked about
    passes: Mapping[Binding, Told] = MappingProxyType({})  # approvals that were found, and not used yet
    used: Set[Binding] = frozenset()  # what it passed on, over all its attempts
    approvals: Sequence[Mapping[str, object]] = ()
    approval = ""  # it waits for
    parked_ns = 0  # waiting for a person
    retry_of: Mapping[str, str] | None = None  # the call whose reply was refused and asked for again, and by which rule
    before: Sequence[tuple[int, str]] = ()  # what the tries before it were charged
    reply_approved = False  # by a person: it is not thrown away
    misshapen = False  # its reply was not the JSON that was asked for, and passed all the same
    if_lost: Callable[[], None] | None = None  # says what was used, should the call end before its reply does

    def __init__(self, desk: Desk, identity: Identity, run: RunState, kind: Kind, name: str = "") -> None:
        self.desk, self.identity, self.run, self.kind, self.name = desk, identity, run, kind, name
        self.id = desk.clock.new_id()
        self.started = desk.clock.now_ns()
        self.policy = desk.book.version
        self.decisions: list[dict[str, object]] = []
        self.upstream: dict[str, object] = {}
        self.tool: dict[str, object] = {}

    @property
    def standing(self) -> Standing:
        """What holds for all calls of this identity in this run."""
        if self._standing is None:
            self._standing = standing_of(self.desk, self.identity, self.run)
        return self._standing

    # -- decisions

    def note(self, stage: str, decision: Decision, tool: str = "") -> None:
        """Put a decision on the record of this call."""
        if decision.verdict is not None:
            self._say(stage, decision.verdict, tool)
            self._weigh(decision.verdict)
        for verdict in decision.notes:
            self._say(stage, verdict, tool)
        for verdict in decision.shadows:
            self._say(stage, verdict, tool, shadow=True)

    def found(self, stage: str, inspection: Inspection, tool: str = "") -> None:
        """Put what the guards found on the record: kinds and counts, never the text."""
        counts: dict[str, int] = {}
        for finding in inspection.findings:
            kind = f"{finding.guard}.{finding.kind}"
            counts[kind] = counts.get(kind, 0) + 1
        guard = inspection.failed or (inspection.findings[0].guard if inspection.findings else "guards")
        verdict = Verdict(inspection.action, f"guards.{guard}", "", inspection.because)
        row = self._say(stage, verdict, tool)
        row["findings"] = [{"kind": kind, "count": count} for kind, count in counts.items()]
        if inspection.failed:
            row["failed"] = inspection.failed
        self._weigh(verdict)

    def say(self, stage: str, verdict: Verdict, tool: str = "", **details: object) -> None:
        """Put a verdict that came from no rule or guard (a cap, an opaque body) on the record."""
        self._say(stage, verdict, tool).update(details)
        self._weigh(verdict)

    def _say(self, stage: str, verdict: Verdict, tool: str, shadow: bool = False) -> dict[str, object]:
        row: dict[str, object] = {"stage": stage, "action": verdict.action, "rule": verdict.rule}
        row["because"] = verdict.because
        for name, value in (("policy", verdict.policy), ("place", verdict.place), ("tool", tool)):
            if value:
                row[name] = value
        if shadow:
            row["shadow"] = True
        if verdict.error:
            row["error"] = True
        if verdict.judged is not None:
            row["judged"] = verdict.judged
        self.decisions.append(row)
        return row

    def _weigh(self, verdict: Verdict) -> None:
        # A tool call refused inside a reply does not make the model call a refused one: `action` is the strictest
        # thing said, `status` is what became of the call.
        if STRICTNESS[verdict.action] > STRICTNESS[self.action]:
            self.action, self.rule = verdict.action, verdict.rule
            self.because, self.place = verdict.because, verdict.place

    # -- how it ended

    def refuse(self, refused: Refused) -> None:
        self.status = {"approval_pending": "pending"}.get(refused.code, refused.code)

    def fail(self, error: BaseException, place: str) -> None:
        self.status = "error"
        self.error = {"type": type(error).__name__, "message": self._harmless(str(error)), "place": place}

    def _harmless(self, text: str) -> str:
        """An error text cut short, without what guards find: texts of others may quote a secret."""
        text = text[: 4 * ERROR_TEXT]
        return self.desk.chain.inspect(text, {"secrets": "redact", "privacy": "redact"}).text[:ERROR_TEXT]

    def harmless_bytes(self, body: bytes) -> str:
        """The start of an error body, without what guards find."""
        return self._harmless(body[: 4 * ERROR_TEXT].decode("utf-8", "replace"))

    def keep_alive(self) -> None:
        """Renew the hold's lease when half of it is over: a stream may go on for hours."""
        now = self.desk.clock.now_ns()
        if now < self.renew_at:
            return
        lease = self.desk.settings.limits.lease_s * 1_000_000_000
        self.renew_at = now + lease // 2
        if self.held and self.lease_ns:
            self.desk.ledger.renew(self.id, now + lease)

    def touched(self) -> None:
        """The first byte of the reply came."""
        if not self.first:
            self.first = self.desk.clock.now_ns()

    # -- what rules may ask of the run

    def run_spent(self) -> int:
        """Nanos the run has spent so far, in all processes."""
        return self.desk.ledger.counter(run_key(self.run.id), "USD")[0]

    def run_calls(self) -> int:
        """Model calls of the run so far, those under way included."""
        return sum(self.desk.ledger.counter(run_key(self.run.id), "calls"))

    def cost_text(self) -> str:
        cost, currency = self.charged or self._cost()
        cost += sum(self.desk.convert(nanos, unit, currency) or 0 for nanos, unit in self.before)
        return f"{decimal_text(cost)} {currency}"

    # -- facts

    def opened(self) -> Fact:
        """The fact that goes on record before the call leaves."""
        data = self._who()
        if self.lines or self.rates:
            now = self.desk.clock.now_ns()
            lease = self.desk.settings.limits.lease_s * 1_000_000_000
            self.lease_ns, self.renew_at = now + lease, now + lease // 2
            data["hold"] = {
                "id": self.id,
                "lines": self.lines,
                "lease_ns": self.lease_ns,
                "price": self.price.version if self.price else "",
            }
            if self.rates:
                data["hold"]["rates"] = self.rates  # type: ignore[index]
        if self.request:
            data["request"] = self.request
        if self.request_after:
            data["request_after"] = self.request_after
        return Fact(CALL_OPENED, self.desk.clock.new_id(), self.started, self.run.id, self.id, data)

    def extended(self, nth: int, lines: list[Line]) -> Fact:
        """The fact that makes this call's hold larger."""
        data: dict[str, object] = {"hold": {"id": self.id, "nth": nth, "lines": lines}}
        return Fact(HOLD_EXTENDED, self.desk.clock.new_id(), self.desk.clock.now_ns(), self.run.id, self.id, data)

    def close(self) -> None:
        """Settle and put on record, once."""
        if self.closed:
            return
        self.closed = True
        if self.if_lost is not None:
            with suppress(Refused):  # nobody is there any more to be refused anything
                self.if_lost()
        if self.flow is not None:
            dataflow.ended(self)
        fact = self._closed()
        if self.mark is not None:
            self._count(self.mark)
        if self.desk.book.heals:
            fallback.count(self)
        try:
            self.desk.record(fact)
        except StoreError as error:
            if self.unrecorded or self.status != "ok":
                self.desk.complain(error)
            else:
                self.store_failed(error)
        finally:
            if self.desk.queue.waiting:
                self.desk.queue.stir([(line.key, line.unit) for line in self.lines])
                self.desk.queue.stir([(str(key), str(unit)) for key, unit, *_ in self.rates])

    def _count(self, mark: int) -> None:
        """How it ended, for whoever counts what comes to nothing; one that waits for a person is to be made again."""
        watch, agent = self.run.watch, self.identity.agent
        if self.status == "pending":
            watch.parked(agent, mark)
            return
        failed = self.status in TROUBLE
        if self.charged is not None and self.charged[0]:
            watch.spend(*self.charged, in_vain=failed)
        if self.status != "cancelled":  # whoever leaves has not failed
            watch.ended(agent, mark, failed)

    def store_failed(self, error: StoreError) -> None:
        """Refuse the call, or let it pass and say so loudly."""
        if self.desk.must_record(self.hard or bool(self.rates) or any(line.cap is not None for line in self.lines)):
            because = f"The ledger cannot be written, so the call is refused: {error}"
            raise Denied(because, {"rule": "on_store_failure"}) from error
        self.desk.complain(error)

    def _closed(self) -> Fact:
        now = self.desk.clock.now_ns()
        cost, currency = self.charged = self._cost()
        data = self._who()
        # Asked one by one, with no table of what might be: what most calls leave out then costs a look and no more.
        data["started"], data["ended"], data["status"], data["action"] = self.started, now, self.status, self.action
        data["cost"], data["currency"] = cost, currency
        if self.first:
            data["first"] = self.first
        if self.usage is not None:
            data["usage"] = _plain(self.usage)
        self._price_into(data, cost)
        self._texts_into(data)
        if self.decisions:
            data["decisions"] = self.decisions
        if self.rule or self.because:
            self._reason_into(data)
        if self.held and (self.lines or self.rates):
            data["hold"] = {"id": self.id, "lines": settled(self, cost, currency)}
            if self.rates and (used := rates_used(self)):
                data["hold"]["rates"] = used  # type: ignore[index]
        if self.waited_ns:
            data["waited_ms"] = -(-self.waited_ns // 1_000_000)
        if self.approvals or self.approval or self.parked_ns:
            self._approvals_into(data)
        if self.upstream:
            data["upstream"] = self.upstream
        if self.error:
            data["error"] = self.error
        if self.attempt:
            data["attempt"] = self.attempt
        if self.retry_of is not None:
            data["retry_of"] = self.retry_of
        if self.tool:
            data["tool"] = self.tool
        if self.opaque:
            data["opaque"] = True
        if self.cached:
            data["cached"], data["saved"] = self.cached, self.saved
        if self.run.trace != self.run.id and self.run.trace:
            data["trace"] = self.run.trace
        return Fact(CALL_CLOSED, self.desk.clock.new_id(), now, self.run.id, self.id, data)

    def _price_into(self, data: dict[str, object], cost: int) -> None:
        if self.worst:
            data["worst"] = self.worst
        if self.price is not None and self.price.version:
            data["price"] = self.price.version
        if self.estimated:
            data["estimated"] = True
        if self.held and cost > self.worst:
            data["overrun"] = cost - self.worst
        if self._unpriced():
            data["unpriced"] = True
        if self._for_nothing():
            data["zero_cost"] = True

    def _texts_into(self, data: dict[str, object]) -> None:
        if self.request:
            data["request"] = self.request
        if self.request_after:
            data["request_after"] = self.request_after
        if self.reply:
            data["reply"] = self.reply
        if self.finish:
            data["finish"] = self.finish
        if self.model and self.model != self.name:
            data["model"] = self.model

    def _reason_into(self, data: dict[str, object]) -> None:
        for name, value in (("rule", self.rule), ("because", self.because), ("place", self.place)):
            if value:
                data[name] = value

    def _approvals_into(self, data: dict[str, object]) -> None:
        if self.approvals:
            data["approvals"] = self.approvals
        if self.approval:
            data["approval"] = self.approval
        if self.parked_ns:
            data["parked_ms"] = -(-self.parked_ns // 1_000_000)

    def _who(self) -> dict[str, object]:
        # A tool call's identity is its own; that of a model call is one of a few.
        data = who_is(self.identity) if self._standing is None else self._standing.who.copy()
        data["kind"], data["name"] = self.kind, self.name
        if self.dialect:
            data["dialect"] = self.dialect
        if self.stream:
            data["stream"] = True
        if self.policy:
            data["policy"] = self.policy
        return data

    def _cost(self) -> tuple[int, str]:
        if self.price is None:
            return 0, "USD"
        if self.free or self.usage is None:
            return 0, self.price.currency
        return self.price.cost(self.usage), self.price.currency

    def _unpriced(self) -> bool:
        return self.kind == "model" and self.price is None and not self.free and self.usage is not None

    def _for_nothing(self) -> bool:
        """Tokens that cost nothing are an alarm: a price that is wrong looks just like a model that is free."""
        return self.price is not None and self.price.free and not self.free and self.usage is not None


def _plain(usage: Usage) -> Mapping[str, object]:
    return {name: value for name, value in zip(COUNTS, _counts(usage), strict=True) if value}
