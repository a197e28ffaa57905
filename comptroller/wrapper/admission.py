"""Admission: which caps a call draws on, how much it may cost at worst, and what happens where there is no room."""

from collections.abc import Generator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from comptroller.core.call import Request
from comptroller.core.errors import Denied, OverBudget, StoreError
from comptroller.core.facts import Line, Shortfall
from comptroller.core.money import decimal_text, is_money
from comptroller.core.verdict import AskFor, Cap, Verdict
from comptroller.metering.budget import lines_for
from comptroller.metering.window import window_of
from comptroller.wrapper.asking import ask
from comptroller.wrapper.effects import Effect, Reserve
from comptroller.wrapper.entry import Entry
from comptroller.wrapper.estimate import input_bound, may_be_media, output_bound
from comptroller.wrapper.kept import NAMED
from comptroller.wrapper.limits import draw, limit_of, refuse
from comptroller.wrapper.orders import must_live, set_by_hand, stopped
from comptroller.wrapper.patience import Patience, Reserving, cap_of, in_turn, key_of
from comptroller.wrapper.standing import HARD, run_key

TRIES = 4  # others may take the room between looking and holding


def caps_for(entry: Entry, tool: str = "") -> tuple[Cap, ...]:
    """Caps of the policies and of the runs this call is part of. Tool calls draw on caps per tool alone."""
    if tool:
        return tuple(cap for cap in entry.desk.caps(entry.identity, tool) if cap.per == "tool")
    return entry.standing.caps


class Admission:
    """One attempt to hold the worst case of a model call under its caps; knows how to make the call smaller."""

    def __init__(self, entry: Entry, request: Request, caps: tuple[Cap, ...]) -> None:
        self.entry, self.request, self.caps = entry, request, caps
        self.input = input_bound(request)
        self.media = False
        self.model = request.model
        self.max_tokens: int | None = None  # set where the request must be clamped
        self.output = 0
        self.extended = 0
        self.waived: set[Cap] = set()  # caps that only note
        self.standing = entry.standing
        self.limits = self.standing.limits
        self.price_it()

    def price_it(self) -> None:
        """Look the price up and bound the output: both depend on the model, which a downgrade changes."""
        entry, request = self.entry, self.request
        self.media = may_be_media(request, self.model)
        entry.price = entry.desk.prices.find(self.model, entry.provider)
        self.output = output_bound(request, entry.price.context if entry.price else None)
        if self.max_tokens is not None:
            self.output = self.max_tokens * max(request.choices, 1)
        entry.worst = self.worst()

    def worst(self) -> int:
        """The most the call can cost."""
        price, request = self.entry.price, self.request
        if price is None:
            return 0
        return price.worst(self.input, self.output, request.tier, searches=request.searches, media=self.media)

    def hold(self) -> Generator[Effect, Any, None]:
        """Hold the worst case, or raise the refusal that says which cap has no room."""
        self.must_be_bounded()
        yield from self._take()

    def count(self) -> Generator[Effect, Any, None]:
        """Count a call that asks nothing of the provider: it takes no money and no tokens, but a cap in calls holds."""
        self.input = self.output = self.entry.worst = 0
        yield from self._take()

    def _take(self) -> Generator[Effect, Any, None]:
        entry = self.entry
        for _ in range(TRIES):
            if entry.desk.book.queued:
                patience = Patience(entry, self.caps, self.limits, self.asked)
                short = yield from in_turn(self.ask_once, patience)
            else:
                entry.lines = self.lines()
                short = yield from reserve(entry)
            if short is None:
                return
            yield from self.make_room(short)
        raise OverBudget("Others keep taking the room that is left under the cap. Try again in a moment.")

    def ask_once(self) -> Reserving:
        self.entry.lines = self.lines()
        return (yield from reserve(self.entry))

    def must_be_bounded(self) -> None:
        entry = self.entry
        if entry.price is not None and not self.request.unbounded:
            return
        money = [cap for cap in self.caps if cap.over in HARD and is_money(cap.unit)]
        if entry.price is None:
            choice = entry.desk.settings.prices.unpriced or ("deny" if money else "allow")
            because = (
                f"No price is known for the model {self.model!r}. Add it under prices.overrides in comptroller.yaml"
                + (", or set prices.unpriced to allow." if choice == "deny" else ".")
            )
            entry.say("model", Verdict("deny" if choice == "deny" else "note", "unpriced", "", because))
            if choice == "deny":
                raise Denied(because, {"rule": "unpriced"})
        unbounded = [name for name in self.request.unbounded if name != NAMED or self.request.earlier is None]
        if unbounded and money:
            what = ", ".join(unbounded)
            because = (
                f"The cost of {what} has no bound, and a hard cap applies ({money[0].place}). Bound it or lift the cap."
            )
            entry.say("model", Verdict("deny", "unbounded", "", because, money[0].place))
            raise Denied(because, {"rule": "unbounded"})

    def extension(self, output: int) -> Generator[Effect, Any, bool]:
        """Hold `output` more tokens for a stream that goes on; False where a cap has no room for them."""
        entry = self.entry
        before, self.output = entry.worst, self.output + output
        entry.worst = self.worst()
        amounts = self.amounts(entry.worst - before, output, calls=0)
        now = entry.desk.clock.now_ns()
        lines = lines_for(self.caps, amounts, now, entry.run.id) + self.run_lines(entry.worst - before, 0)
        self.extended += 1
        short: Shortfall | None = yield Reserve(entry.extended(self.extended, lines))
        if short is None:
            return True
        entry.worst, self.output = before, self.output - output
        return False

    def lines(self) -> list[Line]:
        """One line for each cap, in the units the cap counts."""
        entry = self.entry
        now = entry.desk.clock.now_ns()
        lines = self.standing.lines(self.asked(), entry.attempt > 0, now)
        if self.limits:
            lines += draw(entry, self.limits, self.input + self.output)
        if not self.waived:
            return lines
        notes = {(*key_of(cap, now, self.entry.run.id), cap.limit) for cap in self.waived}
        return [line._replace(cap=None) if (line.key, line.unit, line.cap) in notes else line for line in lines]

    def asked(self) -> dict[str, int]:
        """What the call asks of each unit."""
        return self.amounts(self.entry.worst, self.input + self.output, calls=1)

    def amounts(self, cost: int, tokens: int, calls: int) -> dict[str, int]:
        """What is asked of each unit that a cap counts."""
        amounts = {"tokens": tokens, "calls": calls, "USD": self.in_dollars(cost)}
        if self.entry.price is not None:
            for unit in self.standing.money:
                amounts[unit] = self.in_currency(cost, unit)
        return amounts

    def run_lines(self, cost: int, calls: int) -> list[Line]:
        """Counters of the run itself, for the rules that ask what it spent."""
        key = run_key(self.entry.run.id)
        return [Line(key, "USD", self.in_dollars(cost)), Line(key, "calls", calls)]

    def in_dollars(self, cost: int) -> int:
        """What the run's own counter is charged."""
        price = self.entry.price
        if price is None or price.currency == "USD":
            return cost if price is not None else 0
        return self.entry.desk.convert(cost, price.currency, "USD") or 0

    def in_currency(self, cost: int, unit: str) -> int:
        price = self.entry.price
        assert price is not None
        if price.currency == unit:
            return cost
        amount = self.entry.desk.convert(cost, price.currency, unit)
        if amount is None:
            raise Denied(
                f"A cap in {unit} applies, and there is no rate from {price.currency}. "
                f'Add `fx: {{"{price.currency}/{unit}": ...}}` to comptroller.yaml.',
                {"rule": "fx"},
            )
        return amount

    def make_room(self, short: Shortfall) -> Generator[Effect, Any, None]:
        """Do what the cap without room says: clamp, downgrade, note or ask; deny raises."""
        limit = limit_of(self.limits, short.line)
        if limit is not None:
            self.entry.run.retries.forget(self.request.raw)  # else nobody would count the call when it is tried again
            raise refuse(self.entry, limit, short)
        now = self.entry.desk.clock.now_ns()
        cap = cap_of(self.caps, short.line, now, self.entry.run.id) or set_by_hand(self.caps, short.line, now)
        if cap is None:
            return  # a new window has begun
        verdict = Verdict(_action(cap.over), f"budget.{cap.per}", "", self.reason(cap, short), cap.place)
        if cap.over == "note":
            self.entry.say("budget", verdict)
            self.waived.add(cap)
        elif cap.over == "clamp" and self.clamp(cap, short):
            said = f"{verdict.because} The reply was limited to {self.max_tokens} tokens."
            self.entry.say("budget", replace(verdict, because=said))
        elif cap.over == "downgrade" and self.downgrade():
            said = f"{verdict.because} {self.model} was asked instead of {self.request.model}."
            self.entry.say("budget", replace(verdict, because=said))
        elif cap.over == "ask":
            verdict = replace(verdict, ask=AskFor())
            self.entry.say("budget", verdict)
            yield from ask(self.entry, verdict, self.details(cap, short))
            self.waived.add(cap)
        else:
            self.entry.say("budget", replace(verdict, action="deny"))
            raise OverBudget(verdict.because, self.details(cap, short))

    def clamp(self, cap: Cap, short: Shortfall) -> bool:
        """Make the output as long as the room pays for; False where not even one token fits."""
        room = short.line.cap - short.settled - short.held if short.line.cap is not None else 0
        if cap.unit == "tokens":
            output = room - self.input
        elif cap.unit == "calls" or self.entry.price is None:
            return False
        else:
            price = self.entry.price
            nanos = self.entry.desk.convert(room, cap.unit, price.currency) or 0
            if price.currency != cap.unit:
                nanos -= 2  # both conversions round up; the hold must still fit
            searches = self.request.searches
            output = price.output_room(nanos, self.input, self.request.tier, searches=searches, media=self.media)
        each = output // max(self.request.choices, 1)
        if each < 1 or each >= self.output:
            return False
        self.max_tokens = each
        self.price_it()
        return True

    def downgrade(self) -> bool:
        to = self.entry.desk.book.downgrade_to(self.entry.identity)
        if not to or to == self.model:
            return False
        return self.switch(to) and self.entry.price is not None

    def switch(self, to: str) -> bool:
        """Have another model asked, at its price."""
        if self.request.earlier is not None:
            return False  # nobody knows what another model would count the kept conversation at
        if self.entry.run.bench is not None:
            return False  # a judge is the model a rule relies on: who spends much must not get a weaker one
        self.model = to
        self.price_it()
        return True

    def reason(self, cap: Cap, short: Shortfall) -> str:
        return short_reason(cap, short, self.entry.desk.clock.now_ns())

    def details(self, cap: Cap, short: Shortfall) -> dict[str, object]:
        return short_details(cap, short, self.entry.desk.clock.now_ns())


def reserve(entry: Entry) -> Generator[Effect, Any, Shortfall | None]:
    """Write the opened fact and hold its lines; a ledger that cannot be written refuses where it must."""
    must_live(entry)
    entry.held = True  # from here on: a caller who leaves while it is asked for may leave a hold behind
    try:
        short: Shortfall | None = yield Reserve(entry.opened())
    except StoreError as error:
        entry.unrecorded = True
        entry.store_failed(error)
        return None
    entry.held = short is None
    if short is not None and short.stopped:
        raise stopped(entry, short)
    return short


def hold_unread(entry: Entry) -> Generator[Effect, Any, None]:
    """Count a call that nobody can read: its requests and calls at a time, as its tokens are not known."""
    limits = entry.desk.book.limits(entry.identity) if entry.kind == "model" else ()
    blind = next((limit for limit in limits if limit.unit == "tokens"), None)
    if blind is not None:
        because = f"The tokens of this request cannot be counted, and {blind.place} limits them. Use a chat route."
        entry.say("limit", Verdict("deny", "opaque", "", because, blind.place))
        raise Denied(because, {"rule": "opaque"})
    if not limits:
        yield from reserve(entry)
        return
    entry.lines = draw(entry, limits)
    short = yield from in_turn(lambda: reserve(entry), Patience(entry, (), limits, dict))
    limit = limit_of(limits, short.line) if short is not None else None
    if short is not None and limit is not None:
        raise refuse(entry, limit, short)


def short_reason(cap: Cap, short: Shortfall, now_ns: int) -> str:
    """Who would pass which cap, by how much, where to raise it and when it starts anew."""
    who = f"{cap.per} {cap.who!r}" if cap.who else cap.per
    every = {"": "", "run": " for the run", "day": " today"}.get(cap.every, f" this {cap.every}")
    left = f"spent {_units(short.settled, cap.unit)}, held {_units(short.held, cap.unit)}"
    asked = f"this call may take {_units(short.line.amount, cap.unit)}"
    resets = _resets(cap, now_ns)
    if _outsizes(cap, short):
        instead = ", or lower `max_tokens`; waiting would not help"
    else:
        instead = f" or wait until {resets}" if resets else ""
    remedy = f"Raise it in {cap.place or 'the policy'}{instead}."
    return f"{who} would pass its cap of {_units(cap.limit, cap.unit)}{every} ({left}; {asked}). {remedy}"


def short_details(cap: Cap, short: Shortfall, now_ns: int) -> dict[str, object]:
    """The same for machines."""
    lower = ", or lower `max_tokens`" if _outsizes(cap, short) else ""
    return {
        "rule": f"budget.{cap.per}",
        "scope": f"{cap.per}:{cap.who}",
        "unit": cap.unit,
        "cap": _number(cap.limit, cap.unit),
        "settled": _number(short.settled, cap.unit),
        "held": _number(short.held, cap.unit),
        "asked": _number(short.line.amount, cap.unit),
        "resets_at": _resets(cap, now_ns) or None,
        "remedy": f"Raise the cap{f' in {cap.place}' if cap.place else ''}{lower}.",
    }


def _outsizes(cap: Cap, short: Shortfall) -> bool:
    """Whether this call alone is larger than all that the cap ever holds."""
    return cap.unit != "calls" and short.line.amount > cap.limit


def _resets(cap: Cap, now_ns: int) -> str:
    _, end_ns = window_of(cap.every, cap.zone, now_ns)
    if not end_ns or cap.every in ("", "run"):
        return ""
    return datetime.fromtimestamp(end_ns // 1_000_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _number(amount: int, unit: str) -> str:
    return decimal_text(amount) if is_money(unit) else str(amount)


def _units(amount: int, unit: str) -> str:
    one = unit.removesuffix("s") if amount == 1 and not is_money(unit) else unit
    return f"{_number(amount, unit)} {one}"


def _action(over: str) -> Any:
    return {"clamp": "note", "note": "note", "downgrade": "downgrade", "ask": "ask"}.get(over, "deny")
