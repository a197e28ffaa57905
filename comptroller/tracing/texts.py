"""What the calls of a run said, by digest: whole requests out of those that name history, and prints to compare."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

HOPS = 1_000  # earlier calls that are followed for one message: facts may claim anything


@dataclass(frozen=True, slots=True)
class Text:
    """The digests of one call. Its request begins with the first `after_count` messages of the call `after`."""

    call: str
    request: tuple[str, ...] = ()
    reply: tuple[str, ...] = ()
    args: str = ""
    after: str = ""
    after_count: int = 0


class Texts:
    """The digests of one run. Prints are equal where the texts were; they hold within this process only.

    `alike` names for a digest the one it is to count as: texts that differ in nothing that matters.
    """

    def __init__(self, texts: Iterable[Text] = (), alike: Mapping[str, str] | None = None) -> None:
        self._texts = {text.call: text for text in texts}
        self._alike = alike or {}
        self._prints: dict[str, list[int] | None] = {}  # of a call's messages so far, from where its own begin

    def digests(self) -> set[str]:
        """All messages there are."""
        return {digest for text in self._texts.values() for digest in (*text.request, *text.reply)}

    def asked(self, call: str) -> int | None:
        """The print of what went in: all messages of a request, or a tool's arguments."""
        text = self._texts.get(call)
        if text is None or not (text.request or text.after_count):
            return hash(text.args) if text and text.args else None
        prints = self._own_prints(call)
        return prints[len(text.request)] if prints else None

    def answered(self, call: str) -> int | None:
        """The print of what came back."""
        text = self._texts.get(call)
        return hash(tuple(map(self._named, text.reply))) if text and text.reply else None

    def count(self, call: str) -> int:
        """How many messages a request has."""
        text = self._texts.get(call)
        return text.after_count + len(text.request) if text else 0

    def request(self, call: str) -> list[str]:
        """All messages of a request, as far back as they are known."""
        text = self._texts.get(call)
        if text is None:
            return []
        pieces, before = [text.request], (text.after, text.after_count)
        while before[1] and (owner := self._owner(*before)):
            earlier = self._texts[owner]
            pieces.append((earlier.request + earlier.reply)[: before[1] - earlier.after_count])
            before = (earlier.after, earlier.after_count)
        return [self._named(digest) for piece in reversed(pieces) for digest in piece]

    def _named(self, digest: str) -> str:
        return self._alike.get(digest, digest)

    def _owner(self, call: str, count: int) -> str:
        """The call among whose own messages the one of this number is; "" where that is not known."""
        for _ in range(HOPS):
            text = self._texts.get(call)
            if text is None:
                return ""
            if count > text.after_count:
                return call if count <= text.after_count + len(text.request) + len(text.reply) else ""
            call = text.after
        return ""

    def _own_prints(self, call: str) -> list[int] | None:
        """Without recursion: a conversation may be longer than Python nests calls."""
        chain: list[tuple[str, str]] = []
        while call not in self._prints:
            self._prints[call] = None  # stands where history leads in a circle
            text = self._texts[call]
            owner = self._owner(text.after, text.after_count) if text.after_count else ""
            chain.append((call, owner))
            if not owner:
                break
            call = owner
        for call, owner in reversed(chain):
            self._prints[call] = self._extended(self._texts[call], owner)
        return self._prints[call]

    def _extended(self, text: Text, owner: str) -> list[int] | None:
        prints = [0]
        if text.after_count:
            known = self._prints.get(owner)
            if known is None:
                return None
            prints = [known[text.after_count - self._texts[owner].after_count]]
        for digest in text.request + text.reply:
            prints.append(hash((prints[-1], self._named(digest))))
        return prints
