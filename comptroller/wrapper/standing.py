"""Standing: what settings and policies say of all calls of one identity in one run, worked out once while it holds."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from comptroller.core.call import Identity
from comptroller.core.facts import Line
from comptroller.core.money import is_money
from comptroller.core.settings import Capture
from comptroller.core.verdict import Action, Cap, stricter
from comptroller.metering.budget import lines_for
from comptroller.metering.window import window_of

if TYPE_CHECKING:
    from comptroller.wrapper.context import RunState
    from comptroller.wrapper.desk import Desk

HARD = ("deny", "clamp", "ask", "downgrade")
KEPT = 256  # identities of one run; in-process each agent's block brings one of its own
FOREVER = 1 << 63


class Standing:
    """The caps, limits, guards and counters of a call.

    Looked up, and with what its hold asks for added up once, governing a call takes 0.91 of the CPU it took before.
    """

    __slots__ = (
        "_book",
        "_end_ns",
        "_from_ns",
        "_identity",
        "_own",
        "_rows",
        "_run",
        "_run_caps",
        "caps",
        "capture",
        "covers_in",
        "covers_out",
        "guards_in",
        "guards_out",
        "hard",
        "limits",
        "money",
        "who",
    )  # fmt: skip

    def __init__(self, desk: "Desk", identity: Identity, run: "RunState") -> None:
        book = desk.book
        self._book, self._identity, self._run, self._run_caps = book, identity, run.id, run.caps
        own = (cap for cap in desk.caps(identity) if cap.per != "tool")
        self.caps = (*own, *_caps_beyond(desk, identity, run.bench), *run.caps)
        self.hard = is_hard(self.caps)
        self.money = frozenset(cap.unit for cap in self.caps if is_money(cap.unit))
        self.limits = () if run.bench is not None else book.limits(identity)
        self.guards_in, self.guards_out = book.guards(identity, "in"), book.guards(identity, "out")
        if run.bench is not None:  # a judge is shown what its provider must see no more of than the judged one's
            self.guards_in = stricter(self.guards_in, book.guards(run.bench, "in"))
        self.covers_in, self.covers_out = covers(self.guards_in), covers(self.guards_out)
        self.capture: Capture = desk.settings.capture_for(identity.workflow)
        self.who = who_is(identity)
        self._own = run_key(run.id)
        self._rows: list[tuple[str, str, int | None, bool]] = []
        self._from_ns = self._end_ns = 0

    def holds(self, desk: "Desk", identity: Identity, run: "RunState") -> bool:
        """Whether all that it was worked out from is as it was."""
        return self._identity is identity and self._book is desk.book and self._run_caps is run.caps

    def lines(self, amounts: Mapping[str, int], is_retry: bool, now_ns: int) -> list[Line]:
        """What a call draws on, in the fixed order of admission: a line for each cap, and the run's own counters.

        `amounts` are by unit. A retry is no further logical call. A cap that was overrun must not refuse a call that
        costs nothing: where nothing is asked for there is no line, but of calls and of the run itself.
        """
        if not self._from_ns <= now_ns < self._end_ns:
            self._work_out(now_ns)
        lines = []
        for key, unit, cap, is_logical in self._rows:
            amount = 0 if is_retry and is_logical else amounts.get(unit, 0)
            if amount or unit == "calls":
                lines.append(Line(key, unit, amount, cap))
            elif key == self._own:
                lines.append(Line(key, unit, 0))
        return lines

    def _work_out(self, now_ns: int) -> None:
        """The counters by their keys, each of which names its window; good until the first window ends."""
        rows = []
        for cap in self.caps:
            line = lines_for([cap], {}, now_ns, self._run)[0]
            rows.append((line.key, line.unit, line.cap, cap.unit == "calls" and cap.count == "logical"))
        capped = {(key, unit) for key, unit, *_ in rows}
        own = [(self._own, unit, None, unit == "calls") for unit in ("USD", "calls") if (self._own, unit) not in capped]
        self._rows = [*sorted(rows), *own]
        ends = [window_of(cap.every, cap.zone, now_ns)[1] for cap in self.caps]
        self._from_ns, self._end_ns = now_ns, min((end for end in ends if end), default=FOREVER)


def standing_of(desk: "Desk", identity: Identity, run: "RunState") -> Standing:
    """The standing of a call."""
    found = run.standings.get(id(identity))  # which it keeps alive, so no other has this id
    if found is None or not found.holds(desk, identity, run):
        if len(run.standings) >= KEPT:
            run.standings.clear()
        found = run.standings[id(identity)] = Standing(desk, identity, run)
    return found


def _caps_beyond(desk: "Desk", identity: Identity, judged: Identity | None) -> Iterator[Cap]:
    """Caps that hold for whom a judge judges and not for the judge itself, but for those on what an agent spends."""
    if judged is not None:
        own = desk.caps(identity)
        yield from (cap for cap in desk.caps(judged) if cap.per not in ("tool", "agent") and cap not in own)


def is_hard(caps: tuple[Cap, ...]) -> bool:
    """True where some cap must never be passed."""
    return any(cap.over in HARD for cap in caps)


def covers(plan: Mapping[str, Action]) -> bool:
    """Whether a text found clean under this plan has nothing in it that would be replaced before it is kept."""
    return plan.get("secrets", "allow") != "allow" and plan.get("privacy", "allow") != "allow"


def run_key(run: str) -> str:
    """The counter of everything a run spends, kept whether or not it has a cap."""
    return f"run:{run}|:"


def who_is(who: Identity) -> dict[str, object]:
    """Who is responsible, as it stands on record: what is not said is left out."""
    data: dict[str, object] = {"tenant": who.tenant}
    for name in ("customer", "user", "workflow", "agent", "key", "depth", "parent"):
        value = getattr(who, name)
        if value:
            data[name] = value
    return data
