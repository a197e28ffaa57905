"""What the scripted upstream says, to whom, and how it fails: plain data, so that a file can hold it."""

import re
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import Any, Literal
from urllib.parse import unquote

import msgspec
import yaml

from comptroller.core.errors import SettingsError

# hang: never answer. hang_midway: half a stream, then nothing. garbage: not JSON, not events.
# cut: half the reply, then the connection closes. cut_character: likewise, inside a multi-byte character.
Fault = Literal["", "hang", "hang_midway", "garbage", "cut", "cut_character"]


@dataclass(frozen=True, slots=True)
class Use:
    """A tool call the model makes. `args` is an object, or a text that need not even be JSON."""

    name: str
    args: Mapping[str, Any] | str = field(default_factory=dict)
    id: str = ""  # made up where empty


@dataclass(frozen=True, slots=True)
class Say:
    """One scripted reply. With `model`, `last` or `turn` it answers whatever fits them; else it waits its turn."""

    text: str = ""
    calls: Sequence[Use] = ()
    thinking: str = ""
    refusal: str = ""  # the model declines, in the provider's own field or stop reason
    finish: str = ""  # the provider's word for it; worked out where empty

    model: str = ""  # answers requests to this model
    last: str = ""  # answers where the last user text contains this
    turn: int | None = None  # answers the request with so many assistant messages before it

    usage: Mapping[str, Any] | None = None  # the provider's own fields, over those counted here
    usage_times: int = 1  # 0: never told; 2: told twice
    chunk: int = 16  # characters of a streamed delta
    wait_s: float = 0.0  # before the first byte
    pause_s: float = 0.0  # between the events of a stream

    status: int = 200
    retry_after: str = ""
    fault: Fault = ""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Received:
    """A request as it arrived."""

    number: int
    method: str
    path: str
    headers: Mapping[str, str]  # names in lower case
    body: bytes
    query: str = ""

    @cached_property
    def json(self) -> dict[str, Any]:
        """The body's object; empty where it is none."""
        try:
            node = msgspec.json.decode(self.body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return {}
        return node if isinstance(node, dict) else {}

    @property
    def model(self) -> str:
        """The model asked for, in the body or (Gemini's) in the path."""
        named = _IN_PATH.search(self.path)
        return str(self.json.get("model") or (unquote(named[1]) if named else ""))

    @property
    def stream(self) -> bool:
        """True where the reply is to come in events."""
        return self.json.get("stream") is True or self.path.endswith(":streamGenerateContent")

    @property
    def messages(self) -> list[dict[str, Any]]:
        """The messages sent, whatever their wire calls them, with `assistant` for whatever the model said."""
        found = next((self.json[name] for name in ("messages", "input", "contents") if name in self.json), None)
        if isinstance(found, str):
            return [{"role": "user", "content": found}]
        return [_message(item) for item in found if isinstance(item, dict)] if isinstance(found, list) else []

    @property
    def turn(self) -> int:
        """How many assistant messages the conversation already has."""
        return sum(message.get("role") == "assistant" for message in self.messages)

    @property
    def last(self) -> str:
        """The text of the last user message that has one."""
        for message in reversed(self.messages):
            text = plain_text(message.get("content")) if message.get("role") == "user" else ""
            if text:
                return text
        return ""


_IN_PATH = re.compile(r"/(?:models|tunedModels|endpoints)/([^/:]+):")
_SAID = ("function_call", "custom_tool_call")  # items of a response that are the model's turn, as a message is


def _message(item: dict[str, Any]) -> dict[str, Any]:
    if "parts" in item:
        return {**item, "role": "assistant" if item.get("role") == "model" else "user", "content": item["parts"]}
    return {"role": "assistant", **item} if item.get("type") in _SAID else item


Answering = Callable[[Received], "Say | str"]
Script = str | Say | Sequence[Say | str] | Answering


class Teller:
    """Chooses the reply to each request: what fits it, else the next in order; the last in order repeats."""

    def __init__(self, script: Script) -> None:
        self._answer = script if callable(script) else None
        says = [] if callable(script) else [script] if isinstance(script, str | Say) else list(script)
        made = [Say(say) if isinstance(say, str) else say for say in says]
        self._fitting = [say for say in made if _is_fitting(say)]
        self._in_order = [say for say in made if not _is_fitting(say)]
        self._next = 0
        self._lock = threading.Lock()

    def reply_to(self, asked: Received) -> Say:
        """The reply to a request."""
        if self._answer is not None:
            return _said(self._answer, asked)
        for say in self._fitting:
            if _fits(say, asked):
                return say
        if not self._in_order:
            return Say(status=400, text="The script has no reply that fits this request.")
        with self._lock:
            say = self._in_order[min(self._next, len(self._in_order) - 1)]
            self._next += 1
        return say


def load_script(path: Path) -> list[Say]:
    """Read a script from YAML or JSON: a list of replies, each a text or the fields of `Say`."""
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise SettingsError(f"{path}: cannot be read: {error}. Mend the file or name another.") from None
    if not isinstance(found, list):
        raise SettingsError(f"{path}: a script is a list of replies. Begin each with `- `.")
    return [_made(path, number, entry) for number, entry in enumerate(found, 1)]


def plain_text(content: object) -> str:
    """The text in a message's content, a string or a list of blocks."""
    if isinstance(content, str):
        return content
    blocks = content if isinstance(content, list) else []
    texts = [block.get("text") for block in blocks if isinstance(block, dict)]
    return "\n".join(text for text in texts if isinstance(text, str))


def _said(answer: Answering, asked: Received) -> Say:
    try:
        said = answer(asked)
    except Exception as error:  # noqa: BLE001 - whatever a user's script does wrong must show where it is looked for
        return Say(status=500, text=f"The script failed: {type(error).__name__}: {error}")
    return Say(said) if isinstance(said, str) else said


def _made(path: Path, number: int, entry: object) -> Say:
    if isinstance(entry, str):
        return Say(entry)
    known = {item.name for item in fields(Say)}
    if not isinstance(entry, dict) or not entry.keys() <= known:
        raise SettingsError(f"{path}: reply {number} may have the fields {', '.join(sorted(known))}, and no others.")
    try:
        calls = [Use(**call) for call in entry.get("calls") or ()]
    except TypeError:
        raise SettingsError(f"{path}: reply {number}: a call has a name, and may have args and an id.") from None
    return Say(**{**entry, "calls": calls})


def _is_fitting(say: Say) -> bool:
    return bool(say.model or say.last or say.turn is not None)


def _fits(say: Say, asked: Received) -> bool:
    return (
        (not say.model or say.model == asked.model)
        and (not say.last or say.last in asked.last)
        and (say.turn is None or say.turn == asked.turn)
    )
