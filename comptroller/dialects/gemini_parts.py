"""Parts of Gemini's contents: texts, thoughts, function calls (whole or in pieces), and what they were billed as."""

import re
from collections.abc import Iterator, Mapping
from hashlib import blake2b
from itertools import pairwise
from typing import Any

import msgspec

from comptroller.core.call import Part, Reply, ToolCall, Usage
from comptroller.dialects import tree
from comptroller.dialects.dialect import Unreadable
from comptroller.dialects.tree import Path, count_of, dict_of, dump, list_of, text_of

# Google reads both spellings of every field, so a guard must know both.
_SNAKE = re.compile(r"(?<!^)(?=[A-Z])")
_NAMES = (
    "systemInstruction",
    "generationConfig",
    "cachedContent",
    "functionDeclarations",
    "maxOutputTokens",
    "candidateCount",
    "responseModalities",
    "functionCall",
    "functionResponse",
    "inlineData",
    "fileData",
    "executableCode",
    "codeExecutionResult",
    "partialArgs",
    "willContinue",
    "jsonPath",
    "stringValue",
    "numberValue",
    "boolValue",
    "thoughtSignature",
    "serviceTier",
    "toolConfig",
    "functionCallingConfig",
    "allowedFunctionNames",
)
SNAKES = {name: _SNAKE.sub("_", name).lower() for name in _NAMES}
# Fields whose strings no person wrote and no guard can read.
NO_TEXT = frozenset({"mimeType", "mime_type", "data", "fileUri", "file_uri", "thoughtSignature", "thought_signature"})
NO_TEXT |= {"id", "name", "role", "language", "outcome", "toolType", "tool_type"}
# What quotes a reply's text or spells it out, beside the text itself.
QUOTING = ("citationMetadata", "groundingMetadata", "logprobsResult", "urlContextMetadata")
MODEL_ROLES = ("model", "assistant")
_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+)\]|\['((?:[^'\\]|\\.)*)'\]")
_MOST_STEPS = 10_000  # a place in an array beyond this would be an attack on our memory


def key(node: Mapping[str, Any], name: str) -> str:
    """How a node spells a field; one that stands there in both spellings could be read in two ways."""
    snake = SNAKES[name]
    if snake not in node:
        return name
    if name in node and snake != name:
        raise Unreadable(f"The field {name} is there in two spellings.")
    return snake


def field(node: Any, name: str) -> Any:
    """The value of a field in either spelling."""
    found = dict_of(node)
    return found.get(key(found, name))


def call_of(part: dict[str, Any], path: Path) -> ToolCall:
    """The function call in a part. Where it has no id it gets one that its name and arguments make."""
    function = dict_of(field(part, "functionCall"))
    name, given = text_of(function.get("name")), function.get("args")
    text = dump({} if given is None else given).decode()
    args = given if isinstance(given, dict) else {} if given is None else None
    return ToolCall(text_of(function.get("id")) or _made_id(name, given), name, text, args, path)


def with_args(part: dict[str, Any], args: str) -> dict[str, Any]:
    """The part with other arguments for its call; signatures and the like stay."""
    name = key(part, "functionCall")
    return {**part, name: {**dict_of(part[name]), "args": tree.as_object(args)}}


def _made_id(name: str, args: Any) -> str:
    body = msgspec.json.encode(args or {}, order="sorted", enc_hook=str)
    return f"{name}:{blake2b(body, digest_size=8).hexdigest()}"


def kind_of(part: dict[str, Any]) -> str:
    """What a part is: text, thought, call or other."""
    if field(part, "functionCall") is not None:
        return "call"
    if isinstance(part.get("text"), str):
        return "thought" if part.get("thought") is True else "text"
    return "other"


def read_part(reply: Reply, path: Path, part: dict[str, Any]) -> None:
    """Add what a part of a reply says and asks for."""
    kind = kind_of(part)
    if kind == "call":
        reply.calls.append(call_of(part, path))
        return
    if kind in ("text", "thought") and part["text"]:
        what: Any = "text" if kind == "text" else "reasoning"
        reply.parts.append(Part(what, part["text"], (*path, "text"), "assistant"))
    if field(part, "inlineData") is not None:
        reply.parts.append(Part("media", "", path, "assistant"))
    if len(part) > 1 or kind == "other":
        for place, text in tree.strings(part, path, NO_TEXT | {"text"}):
            is_result = "esult" in str(place[len(path)]) or "esponse" in str(place[len(path)])
            reply.parts.append(Part("tool_result" if is_result else "tool_call", text, place, "assistant"))


def read_usage(node: Any, model: str, searches: int = 0) -> Usage | None:
    """The usage of a reply; thoughts are output, what tools fetched is input."""
    found = dict_of(node)
    sent = count_of(found.get("promptTokenCount")) + count_of(found.get("toolUsePromptTokenCount"))
    thoughts = count_of(found.get("thoughtsTokenCount"))
    got = count_of(found.get("candidatesTokenCount")) + thoughts
    got = max(got, count_of(found.get("totalTokenCount")) - sent)
    if not sent and not got:
        return None
    into = _by_modality(found, "promptTokensDetails", "toolUsePromptTokensDetails")
    cached, out = _by_modality(found, "cacheTokensDetails"), _by_modality(found, "candidatesTokensDetails")
    read = min(count_of(found.get("cachedContentTokenCount")), sent)
    audio = min(into.get("AUDIO", 0), sent)
    # Up to Gemini 2 a grounded prompt is billed once, later each of its searches.
    billed = min(searches, 1) if re.match(r"gemini-[12]\b", model) else searches
    return Usage(
        input=sent,
        output=got,
        cache_read=read,
        reasoning=min(thoughts, got),
        audio_input=audio,
        audio_output=min(out.get("AUDIO", 0), got),
        audio_cache_read=min(cached.get("AUDIO", 0), audio, read),
        image_input=min(into.get("IMAGE", 0), sent - audio),
        image_output=min(out.get("IMAGE", 0), got),
        searches=billed,
        tier=tier_of(text_of(found.get("trafficType")) or text_of(found.get("serviceTier"))),
    )


def tier_of(said: str) -> str:
    """The service tier, where it changes the price."""
    last = said.lower().rpartition("_")[2]
    return last if last in ("batch", "flex", "priority") else ""


def searches_in(candidates: Any) -> int:
    """Web searches that a reply says it made."""
    metadata = [dict_of(dict_of(candidate).get("groundingMetadata")) for candidate in list_of(candidates)]
    return sum(len(list_of(found.get("webSearchQueries"))) for found in metadata)


def unquoted(candidate: dict[str, Any]) -> dict[str, Any]:
    """The candidate without what quotes its text."""
    return {name: value for name, value in candidate.items() if name not in QUOTING}


def _by_modality(found: dict[str, Any], *names: str) -> dict[str, int]:
    counts: dict[str, int] = {}
    for detail in (dict_of(detail) for name in names for detail in list_of(found.get(name))):
        modality = text_of(detail.get("modality"))
        counts[modality] = counts.get(modality, 0) + count_of(detail.get("tokenCount"))
    return counts


# -- function calls that come in pieces


class Pieces:
    """A function call under way: its arguments arrive place by place."""

    def __init__(self, part: dict[str, Any]) -> None:
        self.part = part
        self.args: dict[str, Any] = {}

    def add(self, part: dict[str, Any]) -> bool:
        """Take in a piece; True when the call is whole."""
        name = key(part, "functionCall")
        function = dict_of(part[name])
        before = dict_of(self.part.get(key(self.part, "functionCall")))
        known = {field: function[field] for field in ("name", "id") if function.get(field)}
        if known.get("name") and before.get("name") and known["name"] != before["name"]:
            raise Unreadable("A function call begins before the one under way is whole.")
        self.part = {**self.part, **part, name: {**before, **known}}
        if isinstance(function.get("args"), dict):
            self.args.update(function["args"])
        for piece in map(dict_of, list_of(field(function, "partialArgs"))):
            self._put(list(_steps(text_of(field(piece, "jsonPath")))), _value(piece))
        return field(function, "willContinue") is not True

    def whole(self) -> dict[str, Any]:
        """The part with all the arguments in one piece."""
        name = key(self.part, "functionCall")
        kept = {field: self.part[name][field] for field in ("name", "id") if field in self.part[name]}
        return {**self.part, name: {**kept, "args": self.args}}

    def _put(self, steps: list[str | int], value: Any) -> None:
        node: Any = self.args
        for step, following in pairwise(steps):
            node = _inside(node, step, [] if isinstance(following, int) else {})
        if not steps:
            raise Unreadable("A piece of a function call does not say where it belongs.")
        before = _inside(node, steps[-1], value)
        if before is not value:  # texts come in several pieces
            node[steps[-1]] = before + value if isinstance(before, str) and isinstance(value, str) else value


def _steps(path: str) -> Iterator[str | int]:
    at = 1 if path.startswith("$") else 0
    while at < len(path):
        match = _STEP.match(path, at)
        if match is None:
            raise Unreadable("A piece of a function call stands at a place that cannot be read.")
        yield int(match[2]) if match[2] else match[1] or match[3]
        at = match.end()


def _inside(node: Any, step: str | int, fresh: Any) -> Any:
    """What stands at a step of a node; made where nothing does."""
    if isinstance(step, int) and isinstance(node, list) and step < _MOST_STEPS:
        node.extend([None] * (step + 1 - len(node)))
        if node[step] is None:
            node[step] = fresh
        return node[step]
    if isinstance(step, str) and isinstance(node, dict):
        return node.setdefault(step, fresh)
    raise Unreadable("A piece of a function call does not fit the pieces before it.")


def _value(piece: dict[str, Any]) -> Any:
    for name in ("stringValue", "numberValue", "boolValue"):
        found = field(piece, name)
        if found is not None:
            return found
    return "" if "stringValue" in piece else None
