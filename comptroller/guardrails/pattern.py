"""What the scanner looks for: one pattern, how it is triggered, confirmed and bounded."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property

Check = Callable[[str, int, int], int]
"""Says where a match really ends (text, start, end -> end), or NO; reads its match and at most 16 characters before."""

NO = -1
REACH = 512  # no bounded match is longer; tests hold every pattern to it
SETTLE = 512  # an open run is certain after this many characters: checks read no more than 256
STRIDE = 64  # hits decided between two looks at the time limit
CLOSE = 16_384  # what may never close (PEM, JWT) is withheld this long, then counts as found

# ASCII on purpose: the scanner sees every other character as `?`, and both must agree on what a boundary is.
# A word before the secret blocks it, but not the letter of an escape such as `\n` in quoted text.
BEFORE = r"(?:(?<![A-Za-z0-9])|(?<=\\[nrtbf]))"
AFTER = r"(?![A-Za-z0-9])"
GAP = "[A-Za-z .:#'\"=()_/-]"  # between a word and the number it announces: no digit, no bracket of a placeholder


def nothing() -> None:
    """Time that is not looked at."""


def accept(text: str, start: int, end: int) -> int:
    """The check of a pattern that needs none."""
    return end


@dataclass(frozen=True)
class Pattern:
    """A shape worth finding.

    `trigger` (Hyperscan's syntax) must match in every text that `regex` matches, ending at most `back` characters
    after the match begins (exactly `back` where `exact`); `regex` decides, and its group `v`, if any, is the finding.
    """

    guard: str
    kind: str
    regex: str
    trigger: str
    back: int
    check: Check = accept
    exact: bool = False
    caseless: bool = False  # of the trigger only
    reach: int = REACH
    run: str = ""  # an open pattern: its match goes on while this matches
    settle: int = SETTLE
    closing: str = ""  # an open pattern that ends with a mark rather than with its run
    gap: int = 0  # a word that announces: this many characters after the trigger belong to it

    @cached_property
    def compiled(self) -> re.Pattern[str]:
        """The deciding expression."""
        return re.compile(self.regex)

    @cached_property
    def begun(self) -> re.Pattern[str]:
        """Matches up to where the expression begins, at most `back` on: a search would go on through all that follows.

        Where nothing is found, as behind the `[secret:` of a placeholder, it takes a twentieth of a search's time.
        """
        return re.compile(rf"(?s:.){{0,{self.back}}}?(?={self.regex})")

    @cached_property
    def onward(self) -> re.Pattern[str]:
        """What an open match goes on with."""
        return re.compile(self.run)

    @cached_property
    def closed_by(self) -> re.Pattern[str]:
        """The mark that ends it."""
        return re.compile(self.closing)

    def is_open(self, text: str, end: int) -> bool:
        """Whether what was triggered at `end` still goes on at the end of the text."""
        if not self.closing:
            going = self.onward.match(text, end) if self.run else None
            return going is not None and going.end() == len(text)
        match = self.compiled.match(text, end - self.back)
        if not match or self.check(text, *match.span()) == NO:
            return False
        return not self.closed_by.search(text, match.end())

    def find(
        self, text: str, ends: Iterable[int], after: int = 0, tick: Callable[[], None] = nothing
    ) -> "list[tuple[int, int]]":
        """Spans of all confirmed matches whose trigger ends at `ends` (rising), none of them begun before `after`."""
        found: list[tuple[int, int]] = []
        for count, end in enumerate(ends, 1):
            if not count % STRIDE:
                tick()
            at = max(after, end - self.back)
            last = end - self.back if self.exact else end - 1
            while at <= last and (match := self._match(text, at, end)) and match.start() <= last:
                stop = self.check(text, *_span(match))
                if stop != NO:
                    found.append((_span(match)[0], stop))
                # Matches of bounded patterns may overlap, so that each depends on its own place alone. Open ones
                # swallow what they hold: looking at each start within a long run would be quadratic.
                at = max(match.end(), stop) if self.run else match.start() + 1
            after = max(after, at)
        return found

    def _match(self, text: str, at: int, end: int) -> re.Match[str] | None:
        stop = len(text) if self.run else end + self.reach + 4
        if not self.exact:
            begun = self.begun.match(text, at, stop)
            if begun is None:
                return None
            at = begun.end()
        return self.compiled.match(text, at, stop)


def _span(match: re.Match[str]) -> tuple[int, int]:
    return match.span("v") if "v" in match.re.groupindex else match.span()


_FILLER = re.compile(
    r"example|placeholder|redacted|changeme|change[_-]me|dummy|your[_-]|insert[_-]|xxxxx|\*\*\*|\.\.\.|(.)\1{7}", re.I
)


def lifelike(value: str) -> bool:
    """Whether a value looks drawn rather than written as a stand-in: enough different characters, no filler word."""
    return len(set(value)) >= min(6, len(value) // 2) and not _FILLER.search(value)


def tokens(
    guard: str, kind: str, prefixes: str, alphabet: str, length: int, most: int | None = None, *, open: bool = False
) -> list[Pattern]:
    """Keys of the form prefix, alphabet, length: one pattern for each of the prefixes (apart by spaces)."""
    return [_token(guard, kind, prefix, alphabet, length, most or length, open) for prefix in prefixes.split()]


def _token(guard: str, kind: str, prefix: str, alphabet: str, least: int, most: int, open: bool) -> Pattern:
    fixed, seen = re.escape(prefix), min(least, 6)
    body = f"[{alphabet}]{{{least},}}" if open else f"[{alphabet}]{{{least},{most}}}{AFTER}"
    size = len(prefix)

    def check(text: str, start: int, end: int) -> int:
        return end if lifelike(text[start + size : min(end, start + 256)]) else NO

    return Pattern(
        guard,
        kind,
        regex=f"{BEFORE}{fixed}{body}",
        trigger=f"{fixed}[{alphabet}]{{{seen}}}",
        back=size + seen,
        check=check,
        exact=True,
        reach=size + most,
        run=f"[{alphabet}]*" if open else "",
    )
