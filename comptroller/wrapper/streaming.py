"""A streamed reply on its way to the agent: text released as early as is safe, tool calls once decided."""

from collections.abc import Callable, Generator, Hashable, Iterable
from typing import TYPE_CHECKING, Any

from comptroller.core.call import Change, Chunk, ToolCall
from comptroller.core.errors import Denied, Refused
from comptroller.core.verdict import Verdict
from comptroller.dialects.dialect import Unreadable
from comptroller.guardrails.chain import Inspection
from comptroller.guardrails.window import Window
from comptroller.wrapper import healing, structured, toolgate
from comptroller.wrapper.asking import use
from comptroller.wrapper.capture import keep_reply
from comptroller.wrapper.effects import Answer, Effect, Emit, Next, Quick
from comptroller.wrapper.orders import found_stopped
from comptroller.wrapper.shared import case_for, decide, enforce

if TYPE_CHECKING:
    from comptroller.wrapper.reply import Call


TOO_LARGE = "The reply is larger than limits.body_mb allows. Raise it in comptroller.yaml."


class StreamedReply:
    """Relays events one by one. Rules on the reply's text need all of it, so where there are any it waits."""

    def __init__(self, call: "Call") -> None:
        self.call, self.entry, self.desk = call, call.entry, call.entry.desk
        self.stream = call.job.dialect.stream(call.request)
        call.reply = self.stream.reply
        self.plan = call.plan
        self.unbounded = call.is_unbounded()
        self.windows: dict[Hashable, Window] = {}
        self.looking: Window | None = None  # of what can only be handed on as it came
        self.looked_at: Hashable = None
        self.unsettled: list[bytes] = []  # events that wait for it
        self.refused: dict[Hashable, str] = {}
        self.texts: dict[Hashable, str] = {}
        self.watched = self.desk.book.watches("reply", self.entry.identity)
        self.holding = call.job.tries is not None  # not even the head is out: another try may take this one's place
        self.patient = self.watched or self.holding
        self.shape = structured.shape_for(call.job, call.request)
        self.gates: list[tuple[ToolCall, toolgate.Gate]] = []
        self.again = False
        self.came = 0  # bytes of a reply that is held
        self.most = self.desk.settings.limits.body_mb << 20
        self.over = False
        self.refusal = ("", "")
        self.trouble: Exception | None = None  # what the short way met, for the flow to deal with
        self.delta: Callable[[bytes], Chunk | None] | None = getattr(self.stream, "delta", None)
        self.stops = self.desk.ledger.stops  # empty but while somebody is stopped: looked at for each piece

    def run(self) -> Generator[Effect, Any, Answer]:
        """The loop: bytes in, decisions, bytes out."""
        entry = self.entry
        waiting: list[bytes] = []
        entry.status = "cut"  # until the stream says that it is complete
        entry.if_lost = self.lost
        data = yield Next(self.must_end) if self.holding else self.opening(b"")
        while data is not None:
            if self.stops and not self.entry.closed and (refused := found_stopped(self.entry)) is not None:
                ready = self.cut(refused)
            elif self.trouble is not None:
                ready = self.stopped(self.trouble)
            elif self.holding and self.grown(data):
                ready = self.cut(Denied(TOO_LARGE, {"rule": "size"}))
            else:
                ready = yield from self.relay(self.stream.feed(data))
            if self.over:
                entry.close()
                if not self.again:
                    yield self.given(self.unsaid() if self.patient else ready, last=True)
                return Answer()
            if self.stream.finished:
                self.finish()
            else:
                entry.keep_alive()
            if self.patient and not entry.closed:
                waiting.append(ready)
                ready = b""
            elif waiting:
                ready = b"".join((*waiting, ready))
                waiting = []
            data = yield self.given(ready)
        rest = yield from self.relay(self.stream.end())
        if not self.over:
            rest += yield from self.last_words()
        if not entry.closed and not self.over:
            self.finish()
        entry.close()
        if not self.again:
            yield self.given(self.unsaid() if self.over and self.patient else b"".join((*waiting, rest)), last=True)
        return Answer()

    def given(self, ready: bytes, last: bool = False) -> Effect:
        """Hand on what is ready; nothing, not even a head, while another try may still take its place."""
        if not self.holding:
            return Emit(ready, last)
        if not ready and not last:
            return Next(self.must_end)
        self.holding = False
        return self.opening(ready, last)

    def opening(self, ready: bytes, last: bool = False) -> Effect:
        """The head of the reply, and what is ready of it."""
        return Emit(ready, last, self.call.headers(), self.quick_way(), self.must_end)

    def grown(self, data: bytes) -> bool:
        """Whether more came than may be held of a reply that nobody sees before its end."""
        self.came += len(data)
        return self.came > self.most

    def must_end(self) -> bool:
        """Whether somebody stopped it."""
        return bool(self.stops) and not self.entry.closed and found_stopped(self.entry) is not None

    def last_words(self) -> Generator[Effect, Any, bytes]:
        """What was still held when the upstream closed; judged first where it closed before it was done."""
        try:
            if not self.stream.finished:
                yield from self.whole_text()
            return self.flush_all()
        except Refused as refused:
            return self.cut(refused)

    def unsaid(self) -> bytes:
        """The end of a reply of which nothing was handed out, because rules on all of it refused it."""
        code, message = self.refusal
        return self.call.job.dialect.stream(self.call.request).cut(code, message)

    def quick_way(self) -> Quick | None:
        return None if self.patient or self.delta is None else self.quick

    def quick(self, data: bytes) -> bytes | None:
        """What may be handed on of a single delta of text; None, with nothing lost, for anything else."""
        if self.stops and self.must_end():
            return None
        if self.delta is None or self.looking is not None or (self.unbounded and not self.call.has_room(len(data))):
            return None
        try:
            chunk = self.delta(data)
            if chunk is None:
                return None
            self.entry.keep_alive()
            return self.text(chunk) if self.plan else data
        except Exception as error:  # noqa: BLE001 - raised again in the flow, which puts it on record
            self.trouble = error
            return None

    def stopped(self, trouble: Exception) -> bytes:
        """What is handed on in place of a text that the short way found must not pass."""
        if isinstance(trouble, Refused):
            return self.cut(trouble)
        raise trouble

    def finish(self) -> None:
        """The reply is complete, or will never be: settle and record before the last bytes are handed out."""
        if self.stream.finished:
            self.entry.status = "ok"
        self.call.meter()
        self.keep()
        self.entry.close()

    def lost(self) -> None:
        """The caller left or the upstream broke: what was streamed is charged and kept."""
        self.call.estimate_so_far()
        self.keep()

    def unreadable(self, error: Unreadable) -> Denied:
        """What cannot be read cannot be governed, so it is not passed on."""
        said = f"The provider's stream could not be understood and was cut: {error}"
        self.entry.say("reply", Verdict("deny", "unreadable", "", said))
        self.entry.error = {"type": "Unreadable", "message": str(error), "place": "upstream"}
        return Denied(said, {"rule": "unreadable"})

    def keep(self) -> None:
        self.entry.if_lost = None
        self.stream.so_far()
        keep_reply(self.entry, self.call.reply, Change(texts=self.texts, refused=self.refused))

    def relay(self, chunks: Iterable[Chunk]) -> Generator[Effect, Any, bytes]:
        """What may be handed on of these events."""
        out: list[bytes] = []
        try:
            for chunk in chunks:
                if chunk.kind == "text":
                    out.append(self.settled() + (self.text(chunk) if self.plan or self.shape else chunk.raw))
                elif chunk.kind == "other" and self.plan and (chunk.text or chunk.slot == self.looked_at):
                    out.append(self.beside(chunk))
                elif chunk.kind == "call":
                    out.append(self.settled())
                    out.append((yield from self.tool_call(chunk)))
                elif chunk.kind == "end":
                    out.append(self.settled() + self.flush(chunk.slot) + chunk.raw)
                elif chunk.kind == "finish":
                    yield from self.whole_text()
                    out.append(self.flush_all() + chunk.raw)
                else:
                    out.append(self.settled() + chunk.raw if self.stream.finished else chunk.raw)
            if self.unbounded and not self.stream.finished and not (yield from self.call.room_left()):
                out.append(self.cut_for_money())
        except Refused as refused:
            out.append(self.cut(refused))
        except Unreadable as error:
            out.append(self.cut(self.unreadable(error)))
        return out[0] if len(out) == 1 else b"".join(out)

    def text(self, chunk: Chunk) -> bytes:
        """A delta through its window: usually the very bytes that came."""
        window = self.windows.get(chunk.slot)
        if window is None:
            window = self.windows[chunk.slot] = self.window()
        released = window.push(chunk.text)
        if released == chunk.text:
            return chunk.raw
        chunk.withheld = True
        if window.denied or window.failed:
            self.stop(window)
        return self.stream.text(chunk.slot, released) if released else b""

    def beside(self, chunk: Chunk) -> bytes:
        """An event that must go out as it came or not at all, once what it says is known to be harmless."""
        if chunk.text and chunk.slot != self.looked_at:
            ready = self.settled()
            self.looking, self.looked_at = self.desk.chain.window(self.plan), chunk.slot
        else:
            ready = b"" if chunk.text else self.settled()
        if self.looking is None or not chunk.text:
            return ready + chunk.raw
        self.looking.push(chunk.text)
        self.unsettled.append(chunk.raw)
        if self.looking.denied or self.looking.failed:
            self.stop(self.looking)
        if not chunk.raw:  # what it tells of comes next
            return ready + self.settled()
        if self.looking.held:
            return ready
        ready += b"".join(self.unsettled)
        self.unsettled.clear()
        return ready

    def settled(self) -> bytes:
        """Events that wait for their text to be looked at, which is over."""
        if self.looking is None:
            return b""
        window, self.looking, self.looked_at = self.looking, None, None
        window.finish()
        if window.denied or window.failed:
            self.unsettled.clear()
            self.stop(window)
        ready = b"".join(self.unsettled)
        self.unsettled.clear()
        return ready

    def flush(self, slot: Hashable) -> bytes:
        """What a window still holds when its text is over."""
        window = self.windows.pop(slot, None)
        if window is None:
            return b""
        rest = self.mended(slot, window) + window.finish()
        if window.denied or window.failed:
            self.stop(window)
        if window.findings:
            self.found(window)
        return self.stream.text(slot, rest) if rest else b""

    def window(self) -> Window:
        """What looks at a text; at all of it at once where it may have to be mended."""
        if self.shape is None or self.shape.demands.text is None:
            return self.desk.chain.window(self.plan)
        return structured.Whole(self.desk.chain, self.plan)

    def mended(self, slot: Hashable, window: Window) -> str:
        """What a window that waited for its text's end releases then."""
        if not isinstance(window, structured.Whole) or self.shape is None:
            return ""
        is_text = any(part.path == slot and part.kind == "text" for part in self.stream.so_far().parts)
        return window.take(self.shape if is_text else None)

    def flush_all(self) -> bytes:
        return b"".join([self.settled(), *(self.flush(slot) for slot in list(self.windows))])

    def stop(self, window: Window) -> None:
        self.found(window)
        raise Denied(self.entry.because, {"rule": self.entry.rule})

    def found(self, window: Window) -> None:
        self.entry.found("reply", Inspection(window.action, tuple(window.findings), "", window.because, window.failed))

    def tool_call(self, chunk: Chunk) -> Generator[Effect, Any, bytes]:
        """A whole tool call: decided on before the agent sees any of it."""
        assert chunk.call is not None
        call = chunk.call if self.shape is None else self.shape.call(chunk.call)
        gate = yield from toolgate.decide(self.entry, call, self.plan)
        self.gates.append((call, gate))
        if gate.refusal:
            self.refused[chunk.call.path] = gate.refusal
            return self.stream.refuse(chunk, gate.refusal)
        if gate.args is not None:
            self.texts[chunk.call.path] = gate.args
            return self.stream.call(chunk, gate.args)
        return chunk.raw if call is chunk.call else self.stream.call(chunk, call.text)

    def whole_text(self) -> Generator[Effect, Any, None]:
        """Rules on the reply, once all of it is there and (where there are any) before any of it is handed out."""
        if not self.patient:
            return
        self.stream.so_far()
        look = self.look()
        yield from self.rules()
        if self.shape is not None:
            structured.insist(self.entry, self.call.job, self.shape, look)
        if self.holding and self.refused:
            healing.refuse_calls(self.entry, self.call.job, self.gates)

    def look(self) -> structured.Look:
        """Hold the reply against the form that was asked for; rules then look at what it was mended to."""
        if self.shape is None:
            return structured.Look()
        look = self.shape.look(self.call.reply)
        structured.tell(self.entry, self.shape, look)
        self.texts.update(look.texts)
        return look

    def rules(self) -> Generator[Effect, Any, None]:
        """What the rules say of the reply."""
        if not self.watched:
            return
        case = case_for(self.entry, "reply", self.call.request, self.call.admission, self.call.reply)
        decision = yield from decide(self.entry, case)
        self.entry.note("reply", decision)
        yield from enforce(self.entry, decision, self.call.matter())
        if self.entry.passes:
            yield from use(self.entry)
            self.entry.reply_approved = True

    def cut(self, refused: Refused) -> bytes:
        """End the stream properly, with our code; what was emitted is charged."""
        self.over = True
        self.refusal = (refused.code, str(refused))
        self.call.meter()
        self.entry.refuse(refused)
        if self.holding:
            healing.withdraw(self.entry, self.gates)
            self.again = healing.again(self.entry, self.call.job, self.call.request, refused)
        self.keep()
        return self.stream.cut(refused.code, str(refused))

    def cut_for_money(self) -> bytes:
        because = "The stream used up the output its budget had held for it and was cut; state a larger max_tokens."
        self.over = True
        self.refusal = ("over_budget", because)
        self.entry.say("budget", Verdict("deny", "budget.stream", "", because))
        self.call.meter()
        self.keep()
        self.entry.status = "cut"
        return self.flush_all() + self.stream.cut("over_budget", because)
