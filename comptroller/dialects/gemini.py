"""Gemini's generateContent, as the Gemini API and Vertex speak it: the path names the model and tells of streams."""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, unquote

from msgspec import Raw

from comptroller.core.call import Change, Part, Reply, Request
from comptroller.dialects import tree
from comptroller.dialects.dialect import Unreadable
from comptroller.dialects.gemini_parts import (
    MODEL_ROLES,
    NO_TEXT,
    call_of,
    field,
    key,
    kind_of,
    read_part,
    read_usage,
    searches_in,
    tier_of,
    unquoted,
    with_args,
)
from comptroller.dialects.gemini_stream import GeminiStream
from comptroller.dialects.offers import withdraw_from_contents
from comptroller.dialects.tree import Path, count_of, count_or_none, dict_of, dump, list_of, load, text_of

_ROUTE = re.compile(r"(/(?:models|tunedModels|endpoints)/)([^/:]+):(generateContent|streamGenerateContent)/?$")
STATUS = {400: "INVALID_ARGUMENT", 402: "RESOURCE_EXHAUSTED", 403: "PERMISSION_DENIED", 409: "ABORTED"}
STATUS |= {429: "RESOURCE_EXHAUSTED"}
DECLARED = ("functionDeclarations", "function_declarations", "computerUse", "computer_use")  # the client runs these


class Gemini:
    """Reads and writes `models/{model}:generateContent` and `:streamGenerateContent`."""

    name = "gemini"
    provider = "google"

    def matches(self, method: str, path: str) -> bool:
        """True for both methods on any model, tuned ones and Vertex's included; counting tokens is free."""
        return method.upper() == "POST" and _ROUTE.search(path) is not None

    def path_for(self, path: str, model: str) -> str:
        """The path with another model in it."""
        return _ROUTE.sub(lambda match: f"{match[1]}{quote(model, safe='')}:{match[3]}", path)

    def read(self, body: bytes, path: str = "") -> Request:
        """The request; the model and the wish for a stream are in the path."""
        top = tree.fields(body)
        if "contents" not in top:
            raise Unreadable("The request has no contents.")
        contents = tree.items(top["contents"])
        reader = _Reader()
        system = key(top, "systemInstruction")
        reader.content(tree.value(top, system), (system,), "system")
        for number, node in enumerate(load(top["contents"])):
            reader.content(node, ("contents", number))
        names = reader.tools(tree.value(top, "tools"))
        if tree.value(top, key(top, "cachedContent")):
            reader.unbounded.append("cachedContent")
        config = dict_of(tree.value(top, key(top, "generationConfig")))
        if {"TEXT"} < {"TEXT", *map(text_of, list_of(field(config, "responseModalities")))}:
            reader.unbounded.append("responseModalities")  # pictures and sound have lengths of their own
        route = _ROUTE.search(path)
        kept = [bytes(top[name]) for name in ("tools", system) if name in top]
        return Request(
            model=unquote(route[2]) if route else "",
            stream=route is not None and route[3] == "streamGenerateContent",
            max_tokens=count_or_none(field(config, "maxOutputTokens")) or None,  # zero limits nothing
            parts=reader.parts,
            messages=kept + [bytes(raw) for raw in contents],
            raw=body,
            choices=max(count_of(field(config, "candidateCount")), 1),
            tier=tier_of(text_of(tree.value(top, key(top, "serviceTier")))),
            tools=names,
            offers="tools" in top,
            unbounded=tuple(dict.fromkeys(reader.unbounded)),
            media_bytes=reader.media_bytes,
            hints={f"metadata.{name}": text_of(text) for name, text in dict_of(tree.value(top, "labels")).items()},
        )

    def rewrite(self, request: Request, change: Change) -> bytes:
        """The body with the change made; contents without a change keep their bytes. The model is in the path."""
        top = tree.replaced(tree.fields(request.raw), change.texts, listed="contents")
        if change.max_tokens is not None:
            name = key(top, "generationConfig")
            config = dict_of(tree.value(top, name))
            top[name] = Raw(dump({**config, key(config, "maxOutputTokens"): change.max_tokens}))
        if change.hidden:
            withdraw_from_contents(top, change.hidden, key)
        return dump(top)

    def append(self, request: Request, text: str) -> bytes | None:
        """The body with one more message; all else keeps its bytes."""
        return tree.appended(request.raw, "contents", {"role": "user", "parts": [{"text": tree.clean(text)}]})

    def read_reply(self, body: bytes) -> Reply:
        """A whole reply, or the array of replies that a stream without `alt=sse` is."""
        node = _merged(load(body))
        if not isinstance(node.get("candidates"), list) and not isinstance(node.get("promptFeedback"), dict):
            raise Unreadable("The reply has no candidates.")
        reply = Reply(id=text_of(node.get("responseId")), model=text_of(node.get("modelVersion")), raw=body)
        for number, candidate in enumerate(map(dict_of, list_of(node.get("candidates")))):
            reply.finish = reply.finish or text_of(candidate.get("finishReason"))
            for at, part in enumerate(list_of(dict_of(candidate.get("content")).get("parts"))):
                read_part(reply, ("candidates", number, "content", "parts", at), dict_of(part))
        reply.finish = reply.finish or text_of(dict_of(node.get("promptFeedback")).get("blockReason"))
        reply.usage = read_usage(node.get("usageMetadata"), reply.model, searches_in(node.get("candidates")))
        reply.emitted = sum(len(part.text) for part in reply.parts) + sum(len(call.text) for call in reply.calls)
        return reply

    def rewrite_reply(self, reply: Reply, change: Change) -> bytes:
        """The reply with texts replaced; a refused function call becomes a part of text."""
        whole = load(reply.raw)
        node = _merged(whole)
        calls = {call.path for call in reply.calls}
        for path, text in (*change.texts.items(), *change.refused.items()):
            assert isinstance(path, tuple)
            candidate = node["candidates"][path[1]]
            parts = candidate["content"]["parts"]
            if path in change.refused:
                parts[path[4]] = {"text": tree.clean(text)}
            elif path in calls:
                parts[path[4]] = with_args(parts[path[4]], text)
            else:
                tree.put(node, path, tree.clean(text))
                node["candidates"][path[1]] = unquoted(candidate)
        return dump([node] if isinstance(whole, list) else node)

    def stream(self, request: Request) -> GeminiStream:
        """A reader for the events of a streamed reply."""
        return GeminiStream(request.choices)

    def refusal(self, status: int, code: str, message: str, details: Mapping[str, object]) -> bytes:
        """Google's error body, with our code as the reason of its details."""
        ours = {"reason": message, "rule": "", "remedy": "", **details}
        told = {name: str(value) for name, value in ours.items() if value not in (None, "")}
        info = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": code.upper(), "domain": "comptroller"}
        kind = STATUS.get(status, "FAILED_PRECONDITION" if status < 500 else "INTERNAL")
        error = {"code": status, "message": message, "status": kind, "details": [{**info, "metadata": told}]}
        return dump({"error": {**ours, **error, "comptroller": code}})


class _Reader:
    """Gathers what guards must see from the contents of a request."""

    def __init__(self) -> None:
        self.parts: list[Part] = []
        self.unbounded: list[str] = []
        self.media_bytes = 0
        self._asked: list[tuple[str, str]] = []  # names and ids of calls without a response so far

    def content(self, node: Any, path: Path, role: str = "") -> None:
        said = text_of(dict_of(node).get("role"))
        role = role or ("assistant" if said in MODEL_ROLES else "tool" if said == "function" else "user")
        parts = dict_of(node).get("parts")
        if not isinstance(parts, list):
            return self._walk(node, path, role)
        for number, part in enumerate(parts):
            place = (*path, "parts", number)
            if isinstance(part, dict):
                self._part(part, place, role)
            else:
                self._walk(part, place, role)
        return None

    def tools(self, node: Any) -> tuple[str, ...]:
        """Names of the functions the client runs; what Google runs itself has no bound we know."""
        names = []
        for tool in map(dict_of, list_of(node) or [node]):
            for function in list_of(field(tool, "functionDeclarations")):
                names.append(text_of(dict_of(function).get("name")))
            self.unbounded += [name for name, value in tool.items() if value is not None and name not in DECLARED]
        return tuple(name for name in names if name)

    def _part(self, part: dict[str, Any], place: Path, role: str) -> None:
        kind = kind_of(part)
        if kind in ("text", "thought") and part["text"]:
            what: Any = "text" if kind == "text" else "reasoning"
            self.parts.append(Part(what, part["text"], (*place, "text"), role))
        if len(part) == 1 and kind != "call" and kind != "other":
            return
        for name, value in part.items():
            if name in ("functionCall", "function_call"):
                self._call(part, (*place, name), role)
            elif name in ("functionResponse", "function_response"):
                self._response(dict_of(value), (*place, name))
            elif name in ("inlineData", "inline_data", "fileData", "file_data"):
                self._media(dict_of(value), place, role)
            elif name not in ("text", "thought") and name not in NO_TEXT:
                self._walk(value, (*place, name), role)

    def _call(self, part: dict[str, Any], place: Path, role: str) -> None:
        call = call_of(part, place)
        self._asked.append((call.name, call.id))
        if dict_of(field(part, "functionCall")).get("args") is not None:
            self.parts.append(Part("tool_call", call.text, (*place, "args"), role, call.name, call.id))

    def _response(self, node: dict[str, Any], place: Path) -> None:
        name, call_id = text_of(node.get("name")), text_of(node.get("id"))
        asked = next((pair for pair in self._asked if pair[1] == call_id or (not call_id and pair[0] == name)), None)
        if asked is not None:
            self._asked.remove(asked)
        call_id = call_id or (asked[1] if asked else "")
        for number, part in enumerate(list_of(node.get("parts"))):
            self._part(dict_of(part), (*place, "parts", number), "tool")
        self._walk(node.get("response"), (*place, "response"), "tool", "tool_result", name, call_id)

    def _media(self, node: dict[str, Any], place: Path, role: str) -> None:
        self.parts.append(Part("media", "", place, role))
        self.media_bytes += len(text_of(node.get("data")))
        if node.get("fileUri") or node.get("file_uri"):
            self.unbounded.append("fileData")

    def _walk(self, node: Any, path: Path, role: str, kind: Any = "text", tool: str = "", call_id: str = "") -> None:
        skipped = NO_TEXT if kind == "text" else frozenset[str]()  # what a tool answers may be called anything
        for place, text in tree.strings(node, path, skipped):
            self.parts.append(Part(kind, text, place, role, tool, call_id))


def _merged(node: Any) -> dict[str, Any]:
    """One reply out of an array of them; texts that follow one another become one, so that guards see them whole."""
    if not isinstance(node, list):
        return dict_of(node)
    whole: dict[str, Any] = {}
    candidates: dict[int, dict[str, Any]] = {}
    for reply in map(dict_of, node):
        whole.update({name: value for name, value in reply.items() if name != "candidates"})
        for candidate in map(dict_of, list_of(reply.get("candidates"))):
            before = candidates.setdefault(count_of(candidate.get("index")), {"content": {"parts": []}})
            content = dict_of(candidate.get("content"))
            parts = [*before["content"]["parts"], *map(dict_of, list_of(content.get("parts")))]
            before.update({**candidate, "content": {**before["content"], **content, "parts": parts}})
    for candidate in candidates.values():
        candidate["content"]["parts"] = _joined(candidate["content"]["parts"])
    if candidates or any("candidates" in dict_of(reply) for reply in node):
        whole["candidates"] = list(candidates.values())
    return whole


def _joined(parts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    out: list[dict[str, Any]] = []
    for part in parts:
        kind = kind_of(part)
        if out and kind in ("text", "thought") and kind_of(out[-1]) == kind:
            out[-1] = {**out[-1], **part, "text": out[-1]["text"] + part["text"]}
        else:
            out.append(part)
    return out
