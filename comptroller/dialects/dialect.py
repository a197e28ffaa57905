"""What every dialect promises: to read, to rewrite and to refuse a provider's requests and replies."""

from collections.abc import Hashable, Iterator, Mapping
from typing import Protocol

from comptroller.core.call import Change, Chunk, Reply, Request


class Unreadable(ValueError):
    """A body or stream that a dialect does not understand. The message never holds any of its text."""


class Demanded(ValueError):
    """A request demands a call of a tool that is to be taken out of it: of this name, or of any where none is left."""


class Stream(Protocol):
    """Reads one streamed reply, and writes the events that take the place of what must not pass as it came.

    `feed` and `end` are lazy: take each chunk, hand on its `raw` (or what `text`, `refuse` or `call` return in its
    place), then take the next. A chunk counts as handed on once the next one is asked for, so that `cut` closes
    exactly what the client saw open, and later events fit what was refused before them. Drop the iterator and
    `cut` when the stream must stop.
    """

    reply: Reply
    finished: bool  # the provider said that the stream is complete

    def feed(self, data: bytes) -> Iterator[Chunk]:
        """Chunks of the events completed by `data`, which may be split anywhere. Raises Unreadable."""
        ...

    def end(self) -> Iterator[Chunk]:
        """The upstream closed: what was still under way."""
        ...

    def so_far(self) -> Reply:
        """The reply as far as it came: open texts are folded into its parts."""
        ...

    def text(self, slot: Hashable, text: str) -> bytes:
        """An event with a delta of text on an open slot."""
        ...

    def refuse(self, chunk: Chunk, text: str) -> bytes:
        """Events with a text in place of a call chunk; the finish reason follows."""
        ...

    def call(self, chunk: Chunk, args: str) -> bytes:
        """Events of the same tool call with other arguments."""
        ...

    def cut(self, code: str, message: str) -> bytes:
        """Events that end the stream from where it stands, in good order, with our code in the last."""
        ...


class Deltas(Protocol):
    """What a stream may offer beside `feed`: a short way for the commonest bytes."""

    def delta(self, data: bytes) -> Chunk | None:
        """The one delta of text that `data` is; None, and nothing is taken, where it may be anything else."""
        ...


class Dialect(Protocol):
    """One provider's wire format."""

    name: str
    provider: str  # whose prices to look at first

    def matches(self, method: str, path: str) -> bool:
        """True where such a request is in this dialect; `path` is without its query."""
        ...

    def path_for(self, path: str, model: str) -> str:
        """The path for another model: the same, unless it is the path that names the model."""
        ...

    def read(self, body: bytes, path: str = "") -> Request:
        """The request; `path` helps where it names the model. Raises Unreadable."""
        ...

    def rewrite(self, request: Request, change: Change) -> bytes:
        """The body with the change made; all else keeps its bytes. Raises Demanded."""
        ...

    def append(self, request: Request, text: str) -> bytes | None:
        """The body with one more message of the user's side; None where another try would not begin where this did."""
        ...

    def read_reply(self, body: bytes) -> Reply:
        """A whole reply. Raises Unreadable."""
        ...

    def rewrite_reply(self, reply: Reply, change: Change) -> bytes:
        """The reply with texts replaced and refused tool calls turned into text the model can read."""
        ...

    def stream(self, request: Request) -> Stream:
        """A reader for the streamed reply to this request."""
        ...

    def refusal(self, status: int, code: str, message: str, details: Mapping[str, object]) -> bytes:
        """An error body as the provider would write it, with our code, reason, rule and remedy inside."""
        ...
