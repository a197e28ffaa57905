"""The nouns of one call: who makes it, what it asks, what came back, what it used."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["model", "tool", "agent", "external"]


@dataclass(frozen=True, slots=True)
class Identity:
    """Who is responsible for a call. Empty means not said; `scopes` of None means not limited."""

    tenant: str = "default"
    customer: str = ""
    user: str = ""
    workflow: str = ""
    run: str = ""
    agent: str = ""
    key: str = ""
    scopes: frozenset[str] | None = None
    depth: int = 0
    parent: str = ""  # id of the agent span or call this one happens inside


@dataclass(frozen=True, slots=True)
class Usage:
    """Units a provider bills. `input` counts all input (cached and written too), `output` all output.

    The parts (`cache_read`, `reasoning`, `audio_input`, ...) are contained in their totals, whatever the
    provider's own way of reporting them: a dialect's reader makes it so.
    """

    input: int = 0
    output: int = 0
    cache_read: int = 0
    cache_write_5m: int = 0
    cache_write_1h: int = 0
    reasoning: int = 0
    audio_input: int = 0
    audio_output: int = 0
    audio_cache_read: int = 0
    image_input: int = 0
    image_output: int = 0
    searches: int = 0
    tier: str = ""  # "", "batch", "flex", "priority": the one that billed


@dataclass(frozen=True, slots=True)
class Part:
    """One piece of a request or reply that a guard can read. `path` is how its dialect finds it again."""

    kind: Literal["text", "tool_call", "tool_result", "reasoning", "refusal", "media"]
    text: str
    path: Hashable
    role: str = ""
    tool: str = ""
    call_id: str = ""


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A tool call a model asked for. `args` is None where `text` is not a JSON object."""

    id: str
    name: str
    text: str
    args: Mapping[str, object] | None
    path: Hashable


@dataclass(slots=True)
class Request:
    """A model request as its dialect understood it."""

    model: str
    stream: bool
    max_tokens: int | None
    parts: list[Part]
    messages: list[bytes]  # raw JSON of the system text and of each message, in order: what the vault keeps
    raw: bytes
    choices: int = 1
    tier: str = ""
    tools: tuple[str, ...] = ()  # names of the client-side tools on offer
    offers: bool = False  # the first of `messages` is no message but the list of tools
    wants_usage: bool = True  # the client asked for the stream's usage itself
    unbounded: tuple[str, ...] = ()  # what has no bound we know: server tools without max_uses, remote images
    media_bytes: int = 0
    searches: int = 0  # at most, of the tools the provider runs itself
    hints: Mapping[str, str] = field(default_factory=dict)  # session hints some clients send
    tokens: int | None = None  # of input, where the body holds the tokens themselves and they can be counted
    earlier: int | None = None  # of the conversation a provider keeps and this goes on with, where they are known


@dataclass(frozen=True, slots=True)
class Change:
    """What the flow wants different in a request or a reply; the dialect writes it."""

    texts: Mapping[Hashable, str] = field(default_factory=dict)  # by Part.path
    refused: Mapping[Hashable, str] = field(default_factory=dict)  # ToolCall.path -> text the model can read
    model: str | None = None
    max_tokens: int | None = None
    ask_usage: bool = False  # ask the provider to report usage in the stream
    hidden: frozenset[str] = frozenset()  # names of tools that go out of the offer


@dataclass(slots=True)
class Reply:
    """A model reply as its dialect understood it; grows while a stream runs."""

    id: str = ""
    model: str = ""
    parts: list[Part] = field(default_factory=list)
    calls: list[ToolCall] = field(default_factory=list)
    usage: Usage | None = None
    finish: str = ""
    raw: bytes = b""
    emitted: int = 0  # characters of output seen so far (text, reasoning and tool arguments): bounds an estimate


ChunkKind = Literal["text", "call", "end", "finish", "usage", "other"]


@dataclass(slots=True)
class Chunk:
    """One event of a streamed reply.

    text: a delta of the text stream `slot`. call: a whole tool call, held by the dialect until complete, `raw`
    being all its events. end: the text stream `slot` is over. finish: the reply's finish reason. usage: only
    usage (raw is empty where the client must not see it). other: anything else, passed on as it is.
    """

    kind: ChunkKind
    raw: bytes
    slot: Hashable = None
    text: str = ""
    call: ToolCall | None = None
    withheld: bool = False  # set by whoever does not hand `raw` on as it is: later events may repeat its text
