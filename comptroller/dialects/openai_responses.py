"""OpenAI responses, whole: requests as text or items, stateless or continuing what the provider keeps."""

import re
from collections.abc import Hashable, Mapping
from typing import Any

from msgspec import Raw

from comptroller.core.call import Change, Part, Reply, Request
from comptroller.dialects import tree
from comptroller.dialects.dialect import Unreadable
from comptroller.dialects.offers import LOADED, loaded_names, withdraw_from_responses
from comptroller.dialects.openai_chat_usage import tier_of
from comptroller.dialects.openai_responses_items import (
    CLIENT_CALLS,
    NO_TEXT,
    args_field,
    finish_of,
    read_item,
    read_usage,
    refused,
    retold,
    texts_in,
    tool_call,
    with_args,
)
from comptroller.dialects.openai_responses_stream import OpenAIResponsesStream
from comptroller.dialects.tree import Path, count_or_none, dict_of, dump, list_of, load, text_of

# A common word, so only behind a provider's version or deployment: other services have `responses` too.
_ROUTE = re.compile(r"/(?:v\d\w*|openai|deployments/([^/]+))/responses/?$")
HINTS = ("user", "prompt_cache_key", "safety_identifier", "previous_response_id")
# Content that is not in the body: its tokens cannot be bounded by it.
ELSEWHERE = ("previous_response_id", "conversation", "prompt")
CLIENT_TOOLS = ("local_shell", "apply_patch", "computer", "computer_use_preview")  # typed, yet run by the client
FREE_TOOLS = ("tool_search",)  # finds among the tools the request itself brings


class OpenAIResponses:
    """Reads and writes `/v1/responses`."""

    name = "openai_responses"
    provider = "openai"

    def matches(self, method: str, path: str) -> bool:
        """True for the route that creates a response, Azure's included."""
        return method.upper() == "POST" and _ROUTE.search(path) is not None

    def path_for(self, path: str, model: str) -> str:
        """The model stands in the body."""
        return path

    def read(self, body: bytes, path: str = "") -> Request:
        """The request; instructions and tools come before its items."""
        top = tree.fields(body)
        given = tree.value(top, "input")
        reader = _Reader()
        reader.instructions(tree.value(top, "instructions"))
        reader.input(given, is_needed=not any(tree.value(top, name) for name in ELSEWHERE))
        names = reader.tools(tree.value(top, "tools"), count_or_none(tree.value(top, "max_tool_calls")))
        reader.rest_of(top)
        before = [bytes(top[name]) for name in ("tools", "instructions") if tree.value(top, name)]
        items = tree.items(top["input"]) if isinstance(given, list) else [top["input"]] if given else []
        deployed = _ROUTE.search(path)
        return Request(
            model=(deployed[1] if deployed else "") or text_of(tree.value(top, "model")),
            stream=tree.value(top, "stream") is True,
            max_tokens=count_or_none(tree.value(top, "max_output_tokens")) or None,  # zero limits nothing
            parts=reader.parts,
            messages=before + [bytes(item) for item in items],
            raw=body,
            tier=tier_of(tree.value(top, "service_tier")),
            tools=names + tuple(name for name in reader.loaded if name),
            offers=bool(tree.value(top, "tools")),
            unbounded=tuple(dict.fromkeys(reader.unbounded)),
            searches=reader.searches,
            media_bytes=reader.media_bytes,
            hints=_hints(top),
        )

    def rewrite(self, request: Request, change: Change) -> bytes:
        """The body with the change made; items without a change keep their bytes."""
        top = tree.replaced(tree.fields(request.raw), change.texts, listed="input")
        if change.model is not None:
            top["model"] = Raw(dump(change.model))
        if change.max_tokens is not None:
            top["max_output_tokens"] = Raw(dump(change.max_tokens))
        if change.hidden:
            withdraw_from_responses(top, change.hidden)
        return dump(top)

    def append(self, request: Request, text: str) -> bytes | None:
        """The body with one more item; a conversation that the provider keeps holds the refused reply already."""
        if "conversation" in request.unbounded:
            return None
        top = tree.fields(request.raw)
        given = tree.value(top, "input")
        if isinstance(given, str):
            top["input"] = Raw(dump([{"role": "user", "content": given}]))
        elif given is None:
            top["input"] = Raw(b"[]")
        return tree.appended(dump(top), "input", {"role": "user", "content": tree.clean(text)})

    def read_reply(self, body: bytes) -> Reply:
        """A whole response."""
        node = load(body)
        if not isinstance(node, dict) or not isinstance(node.get("output"), list):
            raise Unreadable("The reply has no output.")
        reply = Reply(id=text_of(node.get("id")), model=text_of(node.get("model")), raw=body)
        for number, item in enumerate(node["output"]):
            read_item(reply, ("output", number), dict_of(item))
        said = "".join(part.text for part in reply.parts if part.kind == "text")
        if text_of(node.get("output_text")) not in ("", said):  # some servers sum the texts up
            reply.parts.append(Part("text", node["output_text"], ("output_text",), "assistant"))
        reply.finish, reply.usage = finish_of(node), read_usage(node)
        reply.emitted = sum(len(part.text) for part in reply.parts) + sum(len(call.text) for call in reply.calls)
        return reply

    def rewrite_reply(self, reply: Reply, change: Change) -> bytes:
        """The response with texts replaced; a refused tool call becomes a message."""
        node = load(reply.raw)
        output, calls = node["output"], {call.path for call in reply.calls}
        texts: dict[int, dict[Path, str]] = {}
        for path, text in change.texts.items():
            assert isinstance(path, tuple)
            if path in calls:
                output[path[1]] = with_args(output[path[1]], text)
            elif len(path) > 2 and path[2:] in {found.path for found in texts_in(output[path[1]])}:
                texts.setdefault(path[1], {})[path[2:]] = text
            else:
                tree.put(node, path, tree.clean(text))
        for number, found in texts.items():
            output[number] = retold(output[number], found)
        for path, text in change.refused.items():
            assert isinstance(path, tuple)
            output[path[1]] = refused(output[path[1]], text)
        if "output_text" in node and ("output_text",) not in change.texts:
            said = [t.text for item in output for t in texts_in(dict_of(item)) if t.kind == "text"]
            node["output_text"] = "".join(said)
        return dump(node)

    def stream(self, request: Request) -> OpenAIResponsesStream:
        """A reader for the events of a streamed response."""
        return OpenAIResponsesStream()

    def refusal(self, status: int, code: str, message: str, details: Mapping[str, object]) -> bytes:
        """OpenAI's error body; its SDK shows our code as `e.code` and the rest in `e.body`."""
        error = {"reason": message, "rule": "", "remedy": "", **details}
        return dump({"error": {**error, "message": message, "type": "comptroller", "param": None, "code": code}})


class _Reader:
    """Gathers what guards must see from the items of a request."""

    def __init__(self) -> None:
        self.parts: list[Part] = []
        self.unbounded: list[str] = []
        self.media_bytes = 0
        self.searches = 0
        self.loaded: list[str] = []  # tools that items of the input bring
        self._names: dict[str, str] = {}  # of tools, by call id

    def instructions(self, node: Any) -> None:
        if isinstance(node, str) and node:
            self.parts.append(Part("text", node, ("instructions",), "system"))
        elif isinstance(node, list):
            for number, item in enumerate(node):
                self._item(item, ("instructions", number))

    def input(self, node: Any, is_needed: bool) -> None:
        if isinstance(node, str):
            if node:
                self.parts.append(Part("text", node, ("input",), "user"))
        elif isinstance(node, list):
            for number, item in enumerate(node):
                self._item(item, ("input", number))
        elif node is not None or is_needed:
            raise Unreadable("The request has no input.")

    def tools(self, node: Any, most_calls: int | None) -> tuple[str, ...]:
        """Names of the tools the client runs; those the provider runs without a bound we know are noted."""
        names: list[str] = []
        for tool in map(dict_of, list_of(node)):
            kind, name = text_of(tool.get("type")), text_of(tool.get("name"))
            if kind in ("", "function", "custom"):
                names.append(name)
            elif kind == "namespace":
                names += self.tools(tool.get("tools"), most_calls)
            elif kind in CLIENT_TOOLS or (kind == "shell" and not _is_hosted(tool)):
                names.append(kind.removesuffix("_use_preview"))
            elif kind.startswith("web_search") and most_calls is not None:
                self.searches = max(self.searches, most_calls)
            elif kind not in FREE_TOOLS:
                self.unbounded.append(kind)
        return tuple(name for name in names if name)

    def rest_of(self, top: Mapping[str, Raw]) -> None:
        """What stands beside the input, above all what the body only refers to."""
        self.unbounded += [name for name in ELSEWHERE if tree.value(top, name)]
        if tree.value(top, "background"):
            self.unbounded.append("background")  # it is billed whether or not anybody comes for the reply
        variables = dict_of(tree.value(top, "prompt")).get("variables") if "prompt" in top else None
        for name, node in dict_of(variables).items():
            if isinstance(node, str):
                self._walk(node, ("prompt", "variables", name), "user")
            else:
                self._piece(node, ("prompt", "variables", name), "user", "text", "", "")

    def _item(self, node: Any, path: Path) -> None:
        if not isinstance(node, dict):
            return self._walk(node, path, "")
        kind = text_of(node.get("type"))
        if kind == "message" or (not kind and "content" in node):
            self._content(node.get("content"), (*path, "content"), text_of(node.get("role")))
        elif kind in CLIENT_CALLS:
            self._call(node, path)
        elif kind.endswith("_call_output"):
            call_id = text_of(node.get("call_id")) or text_of(node.get("id"))
            name = self._names.get(call_id) or text_of(node.get("name"))
            self._content(node.get("output"), (*path, "output"), "tool", "tool_result", name, call_id)
        elif kind == "reasoning":
            parts = [Part(t.kind, t.text, (*path, *t.path), "assistant") for t in texts_in(node) if t.text]
            self.parts += parts
        else:
            self._other(kind, node, path)
        return None

    def _other(self, kind: str, node: dict[str, Any], path: Path) -> None:
        if kind in LOADED:
            self.loaded += loaded_names(node)
        if kind == "item_reference" or (not kind and "id" in node):
            self.unbounded.append("item_reference")
        elif kind == "additional_tools":
            self.tools(node.get("tools"), None)
        elif kind == "image_generation_call":
            self.media_bytes += len(text_of(node.get("result")))
            self.parts.append(Part("media", "", path, "assistant"))
            node = {**node, "result": None}
        self._walk(node, path, "assistant" if kind.endswith("_call") else "")

    def _call(self, node: dict[str, Any], path: Path) -> None:
        call = tool_call(node, path)
        self._names[call.id] = call.name
        field = args_field(node)
        if isinstance(node.get(field), str | dict) and call.text:
            self.parts.append(Part("tool_call", call.text, (*path, field), "assistant", call.name, call.id))
        else:
            self._walk(node.get(field), (*path, field), "assistant")

    def _content(
        self, content: Any, path: Path, role: str, kind: Any = "text", tool: str = "", call_id: str = ""
    ) -> None:
        if isinstance(content, str):
            if content:
                self.parts.append(Part(kind, content, path, role, tool, call_id))
        elif isinstance(content, list):
            for number, piece in enumerate(content):
                place = (*path, number)
                if isinstance(piece, dict) and isinstance(piece.get("text"), str):
                    self.parts.append(Part(kind, piece["text"], (*place, "text"), role, tool, call_id))
                else:
                    self._piece(piece, place, role, kind, tool, call_id)
        else:
            self._piece(content, path, role, kind, tool, call_id)

    def _piece(self, piece: Any, place: Path, role: str, kind: Any, tool: str, call_id: str) -> None:
        what = piece.get("type") if isinstance(piece, dict) else None
        if what in ("input_image", "input_file", "input_audio", "computer_screenshot", "input_video"):
            self._media(piece, place, role)
        elif what == "refusal" and text_of(piece.get("refusal")):
            self.parts.append(Part("refusal", piece["refusal"], (*place, "refusal"), role))
        else:
            self._walk(piece, place, role, kind, tool, call_id)

    def _media(self, piece: dict[str, Any], place: Path, role: str) -> None:
        self.parts.append(Part("media", "", place, role))
        for name in ("image_url", "file_url", "video_url"):
            url = text_of(piece.get(name)) or text_of(dict_of(piece.get(name)).get("url"))
            if url and not url.startswith("data:"):
                self.unbounded.append(name)
            self.media_bytes += len(url)
        self.media_bytes += len(text_of(piece.get("file_data")))
        self.media_bytes += len(text_of(dict_of(piece.get("input_audio")).get("data")))
        if piece.get("file_id"):
            self.unbounded.append("file_id")

    def _walk(self, node: Any, path: Path, role: str, kind: Any = "text", tool: str = "", call_id: str = "") -> None:
        for place, text in tree.strings(node, path, NO_TEXT):
            self.parts.append(Part(kind, text, place, role, tool, call_id))


def _is_hosted(tool: dict[str, Any]) -> bool:
    """True for a shell that runs in a container of the provider's."""
    return text_of(dict_of(tool.get("environment")).get("type")).startswith("container")


def _hints(top: Mapping[str, Raw]) -> dict[str, str]:
    hints: dict[str, Hashable] = {name: tree.value(top, name) for name in HINTS if name in top}
    conversation = tree.value(top, "conversation")
    hints["conversation"] = text_of(conversation) or dict_of(conversation).get("id")
    for name, value in dict_of(tree.value(top, "metadata")).items():
        hints[f"metadata.{name}"] = text_of(value)
    return {name: text for name, text in hints.items() if isinstance(text, str) and text}
