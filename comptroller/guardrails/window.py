"""A text that arrives in pieces: held back just enough that no half of a finding ever leaves.

What is held: text is released up to the last *cut*, a place no finding can span. After a line break, after `, ` `; `
`! ` `? ` and after a letter of a script without spaces every place is a cut; between two words it is one if no digit
stands within 16 characters before it (cards, IBANs and phones come in groups), no `:` `=` `>` directly before it
(`password: ...`), and no announcing word (`passport`, `tel`, `-----BEGIN`) within 26 (for keys: 128) characters. So
prose flows word by word. Text without any cut, such as base64, is released at 2,048 held characters except for the
last 1,024. A PEM block or JWT is withheld until it closes or reaches 16 KB, then redacted up to its close. With a
guard from elsewhere in the plan, which may find anything anywhere, all is held until `finish`.
"""

import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from comptroller.core.verdict import STRICTNESS, Action, Finding
from comptroller.guardrails.bench import GuardFailed
from comptroller.guardrails.pattern import BEFORE, Pattern, nothing
from comptroller.guardrails.redact import NEAR, Spot, because, findings, redact
from comptroller.guardrails.scanner import plain

if TYPE_CHECKING:
    from comptroller.guardrails.chain import Chain, Plan

FORCE = 2 * NEAR
_LEFT = 16  # what checks may read before a match
_LEAD = 80  # the longest words before the value of an assignment or announcement

# The rightmost cut: greedy to the end, then backwards.
_CUT = re.compile(
    r"(?s:.*)(?:(?P<hard>(?<=\n)|(?<=[,;!?|][ \t])|(?<=[^\x00-\x7f\u00a0\u2000-\u206f\u2212\u3000\uff00-\uffef]))"
    r"|(?P<soft>(?<=[^:=>\s][ \t])(?=[A-Za-z])))"
).match
_DIGIT = re.compile("[0-9]").search
_FREE = re.compile(BEFORE).match


class Window:
    """One text stream of a reply. `push` and `finish` return what may be released; after a denial that is nothing."""

    def __init__(self, chain: "Chain", plan: "Plan") -> None:
        self.denied: Finding | None = None
        self.findings: list[Finding] = []
        self.action: Action = "allow"
        self.failed = ""
        self.because = ""  # what decided the action, in words
        self._chain = chain
        self._scanner = chain.scanner
        self._buffer = ""
        self._left = ""  # the end of what was released last, where it was not released at a cut
        self._base = 0  # place of the buffer's first character in the whole stream
        self._seen = 0  # no cut lies before this place of the buffer
        self._force = FORCE
        self._await: Pattern | None = None  # a PEM block that is open: nothing to do until it closes
        self._engulfed: _Engulfed | None = None
        self._ghost: Spot | None = None  # the finding that `_left` is the end of, where it is one
        self._tick: Callable[[], None] = nothing
        self._stopped = False
        try:
            self._groups = chain.groups(plan)
        except GuardFailed as failure:
            self._groups = ()
            self._fail(failure)
        self._guards = frozenset().union(*(group.built_in for group in self._groups))
        self._whole = any(group.extra for group in self._groups)

    @property
    def held(self) -> int:
        """How many characters are held back."""
        return len(self._buffer)

    def push(self, delta: str) -> str:
        """Take a piece, return what may leave."""
        if not self._groups or self._stopped:
            return "" if self._stopped else delta
        try:
            return self._push(delta)
        except GuardFailed as failure:
            return self._fail(failure)
        except Exception as error:  # noqa: BLE001 - whatever breaks in a guard must refuse, never let through
            return self._fail(GuardFailed("+".join(sorted(self._guards)), f"{type(error).__name__}: {error}"))

    def finish(self) -> str:
        """The stream is over: return the rest."""
        if not self._groups or self._stopped:
            return ""
        try:
            return self._finish()
        except GuardFailed as failure:
            return self._fail(failure)
        except Exception as error:  # noqa: BLE001 - as above
            return self._fail(GuardFailed("+".join(sorted(self._guards)), f"{type(error).__name__}: {error}"))

    def _push(self, delta: str) -> str:
        passed = ""
        if self._engulfed:
            passed, delta = self._engulf(delta)
        buffer = self._buffer = self._buffer + delta
        if self._whole or (self._await and self._awaits(len(delta))):
            return passed
        match = _CUT(buffer, self._seen)
        cut = self._sure(match) if match else 0
        self._seen = max(0, len(buffer) - 2)
        if not cut:
            return passed + (self._forced() if len(buffer) >= self._force else "")
        text = self._left + buffer[:cut] if self._left else buffer[:cut]
        hits = self._scanner.hits(text if text.isascii() else plain(text))
        if hits or self._ghost:
            return passed + self._decide(cut, hits)
        self._buffer, self._left, self._force = buffer[cut:], "", FORCE
        self._base += cut
        self._seen = max(0, len(buffer) - cut - 2)
        return passed + buffer[:cut] if passed else buffer[:cut]

    def _sure(self, match: re.Match[str] | None) -> int:
        """The rightmost cut that no group of digits may span; 0 if there is none."""
        while match:
            cut = match.end()
            digit = _DIGIT(self._buffer, max(0, cut - 16), cut) if match.lastgroup == "soft" else None
            if digit is None:
                return cut
            match = _CUT(self._buffer, min(self._seen, digit.start()), digit.start())
        return 0

    def _advance(self, cut: int, left: str = "") -> None:
        self._buffer = self._buffer[cut:]
        self._base += cut
        self._left = left
        self._ghost = None
        self._seen = max(0, len(self._buffer) - 2)
        self._force = FORCE

    def _decide(self, cut: int, hits: list[tuple[int, int]]) -> str:
        """There is something before the cut: release up to where all is certain."""
        skip = len(self._left)
        text = plain(self._left + self._buffer)
        self._tick = self._chain.timer(len(text), self._guards)
        while (limit := self._limit(text, hits, cut + skip) - skip) < cut:
            self._tick()
            self._seen = 0  # a cut that is not safe yet may become so
            cut = self._sure(_CUT(self._buffer, 0, limit)) if limit > 0 else 0
            hits = [hit for hit in hits if hit[1] <= cut + skip]
            if not cut:
                return self._forced() if len(self._buffer) >= self._force else ""
        seen = self._seen
        spots = self._confirm(text[: cut + skip], hits)
        released = self._release(text, cut, spots)
        self._advance(cut)
        self._seen = min(seen, self._seen)
        return released

    def _limit(self, text: str, hits: Sequence[tuple[int, int]], cut: int) -> int:
        """How far words that announce, and blocks that have not closed, let the cut go."""
        limit = cut
        for number, end in hits:
            pattern = self._scanner.patterns[number]
            if pattern.guard not in self._guards:
                continue
            start = max(0, end - pattern.back - 1)
            if pattern.gap and end + pattern.gap > cut:
                limit = min(limit, start)
            if pattern.closing and start < limit and self._closes(pattern, text, end) > cut:
                limit = min(limit, start)
        return limit

    def _closes(self, pattern: Pattern, text: str, end: int) -> int:
        """Where the block ends; beyond the text while it is open."""
        if pattern.is_open(text, end):
            self._await = pattern
            return len(text) + 1
        match = pattern.compiled.match(text, end - pattern.back)
        return max(match.end(), pattern.check(text, *match.span())) if match else 0

    def _awaits(self, fresh: int) -> bool:
        pattern = self._await
        assert pattern
        fresh_from = max(0, len(self._buffer) - fresh - _LEAD)
        if len(self._buffer) < self._force and not pattern.closed_by.search(self._buffer, fresh_from):
            return True
        self._await, self._seen = None, 0
        return False

    def _forced(self) -> str:
        """No cut for long: release what is older than any bounded finding can reach back."""
        skip = len(self._left)
        text = plain(self._left + self._buffer)
        self._tick = self._chain.timer(len(text), self._guards)
        hits = self._scanner.hits(text)
        spots = self._confirm(text, hits)
        waiting, certain = self._open_ones(text, hits, spots)
        if certain and not waiting:
            return self._swallow_all(text, spots, max(certain, key=lambda p: (bool(p.closing), len(p.run))))
        # Not up to the very start of what is open: once it is a finding, its neighbour may turn out to be one.
        upto = min([len(text) - NEAR, *(start - NEAR // 2 for start in waiting)])
        upto = _clear(upto, spots, self._scanner.patterns)
        if upto <= skip:
            self._force = len(self._buffer) + FORCE
            return ""
        raw = self._left + self._buffer
        spots = [spot for spot in spots if spot.end <= upto]
        released = self._release(text, upto - skip, spots)
        edge = max((spot.end for spot in spots), default=0)  # what is behind a finding stands at an edge
        self._advance(upto - skip, raw[max(0, edge, upto - _LEFT) : upto])
        return released

    def _open_ones(
        self, text: str, hits: Sequence[tuple[int, int]], spots: Sequence[Spot]
    ) -> tuple[list[int], list[Pattern]]:
        """Where something begins that goes on and may prove a finding, and what has gone on long enough to be one."""
        waiting, certain = [], []
        for number, end in hits:
            pattern, start = self._scanner.patterns[number], end - self._scanner.patterns[number].back
            if pattern.guard not in self._guards or not pattern.is_open(text, end):
                continue
            if start < len(self._left) and not self._ghost:
                continue
            if not pattern.closing and not _FREE(text, start):
                continue
            if len(text) - start < pattern.settle:
                waiting.append(start)
            elif any(s.rank == number and start <= s.start and s.end == len(text) for s in spots):
                certain.append(pattern)
        return waiting, certain

    def _swallow_all(self, text: str, spots: list[Spot], pattern: Pattern) -> str:
        """A finding has begun that need not be seen to its end to be one."""
        size = len(self._buffer)
        released = self._release(text, size, spots)
        last = next((i for i, f in enumerate(self.findings) if f.end == self._base + size), -1)
        action = next((g.action for g in self._groups if pattern.guard in g.built_in), "deny")
        self._engulfed = _Engulfed(pattern, last, action != "redact", self._buffer[-_LEAD:])
        self._advance(size)
        return released

    def _engulf(self, delta: str) -> tuple[str, str]:
        """What of a piece still belongs to the open finding (passed on only where findings are), and the rest."""
        open_one = self._engulfed
        assert open_one
        taken = open_one.take(plain(delta))
        self._base += taken
        if open_one.index >= 0:
            found = self.findings[open_one.index]
            self.findings[open_one.index] = Finding(found.guard, found.kind, found.start, found.end + taken)
        if taken < len(delta):
            self._engulfed, self._left = None, open_one.tail
            self._ghost = Spot(0, len(self._left), -1, open_one.pattern.guard, open_one.pattern.kind)
        return (delta[:taken] if open_one.passes else ""), delta[taken:]

    def _confirm(self, text: str, hits: Sequence[tuple[int, int]]) -> list[Spot]:
        """What is found in `_left` and buffer. Behind a finding that went on, one may begin within its last words."""
        if not self._ghost:
            return self._scanner.confirm(text, hits, self._guards, len(self._left), tick=self._tick)
        return [self._ghost, *self._scanner.confirm(text, hits, self._guards, tick=self._tick)]

    def _release(self, text: str, cut: int, spots: list[Spot]) -> str:
        """Record what was found and write the first `cut` characters of the buffer as the plan wants them."""
        skip = len(self._left)
        raw = self._buffer[:cut]
        if not spots:
            return raw
        found = self._chain.sort_out(spots, text, self._groups, self._tick)
        kept = {a: [s for s in listed if skip <= s.start and s.end <= cut + skip] for a, listed in found.items()}
        self._record(kept, self._base - skip)
        if self._stopped:
            return ""
        moved = [s._replace(start=s.start - skip, end=s.end - skip) for s in kept.get("redact", [])]
        return redact(raw, moved)

    def _record(self, found: dict[Action, list[Spot]], offset: int) -> None:
        for action, spots in found.items():
            listed = findings(spots, offset)
            self.findings += listed
            if listed and STRICTNESS[action] > STRICTNESS[self.action]:
                self.action, self.because = action, because(listed)
            if listed and action in ("deny", "ask") and not self.denied:
                self.denied = listed[0]
                self._stop()

    def _finish(self) -> str:
        text = self._left + self._buffer
        if self._whole:
            spots_by = self._chain.examine(text, self._groups)
            self._record(spots_by, self._base)
            released = "" if self._stopped else redact(text, spots_by.get("redact", []))
        else:
            seen = plain(text)
            self._tick = self._chain.timer(len(text), self._guards)
            spots = self._confirm(seen, self._scanner.hits(seen))
            released = self._release(seen, len(self._buffer), spots)
        self._advance(len(self._buffer))
        return released

    def _stop(self) -> None:
        self._stopped = True
        self._buffer = self._left = ""

    def _fail(self, failure: GuardFailed) -> str:
        self.failed, self.because, self.action = failure.guard, failure.told, "deny"
        self._stop()
        return ""


class _Engulfed:
    """A finding that goes on: which pattern, which entry of the findings, whether its text is passed on."""

    __slots__ = ("index", "passes", "pattern", "tail")

    def __init__(self, pattern: Pattern, index: int, passes: bool, tail: str) -> None:
        self.pattern, self.index, self.passes, self.tail = pattern, index, passes, tail

    def take(self, delta: str) -> int:
        """How many characters of a piece belong to it."""
        if self.pattern.closing:
            seen = self.tail + delta
            closed = self.pattern.closed_by.search(seen)
            taken = len(delta) if closed is None else max(0, closed.end() - len(self.tail))
        else:
            match = self.pattern.onward.match(delta)
            taken = match.end() if match else 0
        self.tail = (self.tail + delta[:taken])[-_LEAD:]
        return taken


def _clear(upto: int, spots: Sequence[Spot], patterns: Sequence[Pattern]) -> int:
    """The last place at or before `upto` that lies in no finding and in no words before one."""
    moved = True
    while moved:
        moved = False
        for spot in spots:
            begin = spot.start - (_LEAD if "v" in patterns[spot.rank].compiled.groupindex else 0)
            if begin < upto < spot.end:
                upto, moved = begin, True
    return upto
