"""Profiles: what a tool table alone says of a call, given where its arguments came from and what the user asked for.

`least-privilege`: tools that read are allowed. One that acts is allowed when the user's words call for it and every
sensitive argument comes from the user or from who is trusted; else a person is asked. What nobody called for is
denied once the run has read something untrusted.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from comptroller.core.intent import Wish, calling
from comptroller.core.origin import LABELS, Origin, Origins
from comptroller.core.verdict import Action, AskFor, Case, Verdict

if TYPE_CHECKING:  # a process without policies has no use for pydantic's frames
    from comptroller.policies.document import Tool

# An argument's part in a call, where its table does not say: by its name, then by its type.
CONTENT = frozenset({
    "body", "content", "text", "message", "subject", "title", "description", "note", "notes", "comment", "comments",
    "summary", "caption", "html", "markdown", "reason", "memo", "prompt", "question", "answer",
})  # fmt: skip
FIGURES = frozenset({"int", "double", "bool", "list<int>", "list<double>"})
TIMES = ("date", "day", "time", "start", "end", "deadline", "until", "since", "timezone")
EXITS = ("url", "uri", "link", "href", "webhook", "endpoint", "host", "domain", "website", "callback")
OURS = frozenset({"user", "system", "trusted"})
NOTHING = Wish(frozenset(), frozenset(), frozenset())


@dataclass(frozen=True, slots=True, eq=False)
class Judge:
    """A profile bound to one tool of one policy's table."""

    tool: str
    policy: str
    place: str
    table: "Tool"
    uncalled: Action = "deny"
    shadow: bool = False
    ask: AskFor | None = None
    wish: Wish = NOTHING

    def judge(self, case: Case) -> Verdict | None:
        """What the profile says of a call; None where it lets it pass."""
        origins, args = case.origins, case.args or {}
        if self._is_harmless(args):
            return None
        if origins is None:
            return self._say("deny", "unknown", "Where its arguments came from is not known here.", error=True)
        if self.table.effect == "read":
            return self._exit(origins, args)
        return self._uncalled(origins) or self._arguments(origins, args)

    def _is_harmless(self, args: Mapping[str, object]) -> bool:
        return self.table.effect == "read" and not any(self._is_exit(name) for name in args)

    def _is_exit(self, name: str) -> bool:
        if self.table.exits is not None:
            return name in self.table.exits
        return any(name == word or name.endswith(f"_{word}") for word in EXITS)

    def _exit(self, origins: Origins, args: Mapping[str, object]) -> Verdict | None:
        """What only reads, and can carry data out by what it asks for.

        An address copied whole from one place carries nothing of the run; one that was put together may.
        """
        if not origins.tainted and "secret" not in origins.labels:
            return None
        for name in args:
            origin = origins.of(name) if self._is_exit(name) else None
            if origin is not None and origin.label not in OURS and not origin.whole:
                return self._say("ask", "exit", f"`{name}` could carry data out, and was put together by the model.")
        return None

    def _uncalled(self, origins: Origins) -> Verdict | None:
        """Deny what the user's own words do not call for, where others had a word; where they had none, ask."""
        called = origins.called_for(self.wish)
        if called or "*" in (self.table.asked_by or ()):
            return None
        if called is None:
            nobody = f"Nobody is known to have asked for anything, and `{self.tool}` acts on what the run has read."
            return self._say("ask", "uncalled", nobody) if origins.tainted else None
        because = f"Nothing the user said calls for `{self.tool}`."
        if not origins.tainted or origins.handed_over:
            return self._say("ask" if self.uncalled == "deny" else self.uncalled, "uncalled", because)
        return self._say(self.uncalled, "uncalled", because)

    def _arguments(self, origins: Origins, args: Mapping[str, object]) -> Verdict | None:
        if not origins.tainted:
            return None
        for name, value in args.items():
            origin = origins.of(name) if value is not None else None
            why = self._why(name, origin) if origin is not None else ""
            if why:
                return self._say("ask", "sensitive", f"`{name}` {why}.")
        return None

    def _why(self, name: str, origin: Origin) -> str:
        """What speaks against an argument in a run that has read something untrusted."""
        part = self._part(name)
        if part == "content":
            if origin.reach is not None and origin.reach not in OURS:
                return "holds an address or a link that neither the user nor anything trusted gave"
            return "holds what is secret" if origin.secrecy == "secret" and origin.label not in OURS else ""
        if part == "figure":
            return f"comes from {_told(origin)}" if origin.label == "untrusted" else ""
        if origin.label not in OURS:
            return f"comes from {_told(origin)}"
        return "is named by something untrusted, and not by the user" if origin.named else ""

    def _part(self, name: str) -> str:
        if name in (self.table.sensitive or ()):
            return "sensitive"
        if self.table.content is not None and name in self.table.content:
            return "content"
        if self.table.content is None and name in CONTENT:
            return "content"
        kind = (self.table.args or {}).get(name, "").removesuffix("?")
        # A table that says which arguments are sensitive has thought of all of them.
        return "figure" if self.table.sensitive is not None or kind in FIGURES or _is_time(name) else "sensitive"

    def _say(self, action: Action, rule: str, because: str, error: bool = False) -> Verdict | None:
        if action == "allow":
            return None
        ask = self.ask if action == "ask" else None
        return Verdict(action, f"profile.{rule}", self.policy, because, self.place, error, ask)


def judge_of(tool: str, table: "Tool", policy: str, place: str, uncalled: Action, shadow: bool, ask: AskFor) -> Judge:
    """The profile of one tool, with the words that call for it worked out."""
    wish = calling(tool, table.asked_by or ())
    return Judge(tool, policy, place, table, uncalled, shadow, ask, wish)


def _is_time(name: str) -> bool:
    return any(name == word or name.endswith(f"_{word}") or name.startswith(f"{word}_") for word in TIMES)


def _told(origin: Origin) -> str:
    if origin.label == "model":
        return "the model, which had read something untrusted"
    sources = ", ".join(origin.sources[:3])
    return f"{sources}, which is untrusted" if LABELS[origin.label] == 4 and sources else origin.label
