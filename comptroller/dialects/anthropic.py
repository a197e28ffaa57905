"""Anthropic messages, as Anthropic and the gateways in front of it speak it."""

import re
from collections.abc import Hashable, Iterator, Mapping
from typing import Any

from msgspec import Raw

from comptroller.core.call import Change, Part, Reply, Request, ToolCall
from comptroller.dialects import fields, tree
from comptroller.dialects.anthropic_stream import AnthropicStream
from comptroller.dialects.anthropic_usage import read_usage
from comptroller.dialects.dialect import Unreadable
from comptroller.dialects.offers import withdraw_from_messages
from comptroller.dialects.tree import Path, count_or_none, dict_of, dump, list_of, load, text_of

# Fields whose strings no person wrote and no guard can read.
MARKS = frozenset({"type", "id", "tool_use_id", "file_id", "media_type", "cache_control", "error_code", "page_age"})
NO_TEXT = MARKS | {"signature", "data", "encrypted_content", "encrypted_index", "encrypted_stdout"}
# What is read, or holds words of the format only; `mcp_servers` holds keys that are meant for the provider.
READ = frozenset(
    {"messages", "model", "system", "max_tokens", "stream", "service_tier", "tool_choice", "thinking", "mcp_servers"}
    | {"container", "cache_control", "temperature", "top_p", "top_k"}
)
# What may be billed beyond what the body shows: what others do, other models, a conversation that is kept.
ELSEWHERE = ("mcp_servers", "container", "fallbacks", "thread")
MESSAGE = frozenset({"id", "type", "role", "model", "content", "stop_reason", "usage", "container"})
TEXT = frozenset({"type", "text", "cache_control"})
CLIENT_TOOLS = ("bash_", "text_editor_", "computer_", "browser_", "memory_")  # typed, yet run by the client
ERRORS = {402: "billing_error", 403: "permission_error", 409: "conflict_error", 429: "rate_limit_error"}
# The marker moves from message to message between turns; without it a message is the same in each of them.
# Unescaped quotes make this a field and never part of a text.
_MARKER = re.compile(
    rb'(,\s*)?"cache_control"\s*:\s*(?:null|\{\s*"type"\s*:\s*"ephemeral"\s*(?:,\s*"ttl"\s*:\s*"\w*"\s*)?\})(\s*,\s*)?'
)


class AnthropicMessages:
    """Reads and writes `/v1/messages`."""

    name = "anthropic"
    provider = "anthropic"

    def matches(self, method: str, path: str) -> bool:
        """True for /v1/messages itself; counting tokens is free and batches are another format."""
        return method.upper() == "POST" and path.rstrip("/").endswith("/v1/messages")

    def path_for(self, path: str, model: str) -> str:
        """The model stands in the body."""
        return path

    def read(self, body: bytes, path: str = "") -> Request:
        """The request, its system text first."""
        top = tree.fields(body)
        if "messages" not in top:
            raise Unreadable("The request has no messages.")
        messages = tree.items(top["messages"])
        reader = _Reader()
        reader.content(tree.value(top, "system"), ("system",), "system")
        for number, node in enumerate(load(top["messages"])):
            reader.message(number, node)
        names = reader.tools(tree.value(top, "tools"))
        reader.parts += fields.beside(top, READ)
        reader.unbounded += [name for name in ELSEWHERE if name in top and tree.value(top, name)]
        return Request(
            model=text_of(tree.value(top, "model")),
            stream=tree.value(top, "stream") is True,
            max_tokens=count_or_none(tree.value(top, "max_tokens")) or None,
            parts=reader.parts,
            messages=[_kept(top[name]) for name in ("tools", "system") if name in top] + [_kept(m) for m in messages],
            raw=body,
            tier="fast" if tree.value(top, "speed") == "fast" else "",
            tools=names,
            offers="tools" in top,
            unbounded=tuple(dict.fromkeys(reader.unbounded)),
            searches=reader.searches,
            media_bytes=reader.media_bytes,
            hints=_hints(tree.value(top, "metadata")),
        )

    def rewrite(self, request: Request, change: Change) -> bytes:
        """The body with the change made; messages without a change keep their bytes."""
        top = tree.replaced(tree.fields(request.raw), change.texts)
        if change.model is not None:
            top["model"] = Raw(dump(change.model))
        if change.max_tokens is not None:
            top["max_tokens"] = Raw(dump(change.max_tokens))
        if change.hidden:
            withdraw_from_messages(top, change.hidden, _client_name)
        return dump(top)

    def append(self, request: Request, text: str) -> bytes | None:
        """The body with one more message; all else keeps its bytes."""
        return tree.appended(request.raw, "messages", {"role": "user", "content": tree.clean(text)})

    def read_reply(self, body: bytes) -> Reply:
        """A whole message."""
        node = load(body)
        if not isinstance(node, dict) or not isinstance(node.get("content"), list):
            raise Unreadable("The reply has no content.")
        reply = Reply(id=text_of(node.get("id")), model=text_of(node.get("model")), raw=body)
        for number, block in enumerate(node["content"]):
            _read_block(reply, ("content", number), dict_of(block))
        reply.finish = text_of(node.get("stop_reason"))
        reply.usage = read_usage(node.get("usage"))
        reply.emitted = sum(len(part.text) for part in reply.parts) + sum(len(call.text) for call in reply.calls)
        reply.parts += _beside(node)
        return reply

    def rewrite_reply(self, reply: Reply, change: Change) -> bytes:
        """The message with texts replaced; a refused tool call becomes a block of text."""
        node = load(reply.raw)
        calls = {call.path for call in reply.calls}
        touched: list[dict[str, Any]] = []
        for path, text in change.texts.items():
            assert isinstance(path, tuple)
            if path[0] != "content":
                tree.put(node, path, tree.clean(text))
                continue
            block = node["content"][path[1]]
            if path in calls:
                block["input"] = tree.as_object(text)
            elif not block.get("signature"):  # the provider rejects signed thinking that was touched
                tree.put(node, path, tree.clean(text))
                touched.append(block)
        for block in touched:
            block.pop("citations", None)  # they quote the text
        for path, text in change.refused.items():
            assert isinstance(path, tuple)
            node["content"][path[1]] = {"type": "text", "text": tree.clean(text)}
        if change.refused and calls <= change.refused.keys() and node.get("stop_reason") == "tool_use":
            node["stop_reason"] = "end_turn"
        return dump(node)

    def stream(self, request: Request) -> AnthropicStream:
        """A reader for the events of a streamed message."""
        return AnthropicStream()

    def refusal(self, status: int, code: str, message: str, details: Mapping[str, object]) -> bytes:
        """Anthropic's error body; its SDK shows it as `e.body`."""
        error = {"reason": message, "rule": "", "remedy": "", **details}
        kind = ERRORS.get(status, "invalid_request_error" if status < 500 else "api_error")
        return dump({"type": "error", "error": {**error, "type": kind, "message": message, "code": code}})


class _Reader:
    """Gathers what guards must see from the blocks of a request."""

    def __init__(self) -> None:
        self.parts: list[Part] = []
        self.unbounded: list[str] = []
        self.media_bytes = 0
        self.searches = 0
        self._tools: dict[str, str] = {}  # names by call id

    def message(self, number: int, node: Any) -> None:
        path: Path = ("messages", number)
        if isinstance(node, dict):
            self.content(node.get("content"), (*path, "content"), text_of(node.get("role")))
            self.parts += fields.walk_rest(node, MESSAGE, path)
        else:
            self._walk(node, path, "")

    def tools(self, node: Any) -> tuple[str, ...]:
        """Names of the tools the client runs; those the provider runs without a limit are noted."""
        names = []
        for tool in map(dict_of, list_of(node)):
            kind, name = text_of(tool.get("type")), text_of(tool.get("name"))
            if _is_client(tool):
                names.append(name)
            elif (most := count_or_none(tool.get("max_uses"))) is None:
                self.unbounded.append(name or kind)
            else:
                self.searches += most
        return tuple(name for name in names if name)

    def content(self, content: Any, path: Path, role: str, tool: str = "", call_id: str = "") -> None:
        kind: Any = "tool_result" if call_id or tool else "text"
        if isinstance(content, str):
            if content:
                self.parts.append(Part(kind, content, path, role, tool, call_id))
            return
        for number, block in enumerate(list_of(content)):
            place = (*path, number)
            if not isinstance(block, dict):
                self._walk(block, place, role)
            elif block.get("type") == "text" and isinstance(block.get("text"), str):
                self.parts.append(Part(kind, block["text"], (*place, "text"), role, tool, call_id))
                if len(block) > 2:
                    self.parts += fields.walk_rest(block, TEXT, place)
            else:
                self._block(block, place, role, kind, tool, call_id)

    def _block(self, block: dict[str, Any], place: Path, role: str, kind: Any, tool: str, call_id: str) -> None:
        what = block.get("type")
        if what == "tool_result":
            asked = text_of(block.get("tool_use_id"))
            self.content(block.get("content"), (*place, "content"), role, self._tools.get(asked, ""), asked)
        elif what in ("tool_use", "server_tool_use", "mcp_tool_use"):
            self._call(block, place, role)
        elif what in ("image", "document"):
            self._media(block, place, role, kind, tool, call_id)
        elif what == "thinking":
            self._text(block, "thinking", place, _signed(block, role), "reasoning")
        elif what == "container_upload":
            self.unbounded.append("file_id")
        elif what != "redacted_thinking":
            self._walk(block, place, role, kind, tool, call_id)

    def _call(self, block: dict[str, Any], place: Path, role: str) -> None:
        name, call_id = text_of(block.get("name")), text_of(block.get("id"))
        self._tools[call_id] = name
        if block.get("input"):
            text = dump(block["input"]).decode()
            self.parts.append(Part("tool_call", text, (*place, "input"), role, name, call_id))

    def _media(self, block: dict[str, Any], place: Path, role: str, kind: Any, tool: str, call_id: str) -> None:
        source = dict_of(block.get("source"))
        for name in ("title", "context"):
            self._text(block, name, place, role, kind, tool, call_id)
        if source.get("type") == "text":
            self._text(source, "data", (*place, "source"), role, kind, tool, call_id)
        elif source.get("type") == "content":
            self.content(source.get("content"), (*place, "source", "content"), role, tool, call_id)
        else:
            self.parts.append(Part("media", "", place, role, tool, call_id))
            self.media_bytes += len(text_of(source.get("data")))
            if source.get("type") != "base64":
                self.unbounded.append(f"{block['type']}_{text_of(source.get('type')) or 'source'}")

    def _text(
        self, node: dict[str, Any], name: str, place: Path, role: str, kind: Any, tool: str = "", call_id: str = ""
    ) -> None:
        if text_of(node.get(name)):
            self.parts.append(Part(kind, node[name], (*place, name), role, tool, call_id))

    def _walk(self, node: Any, path: Path, role: str, kind: Any = "text", tool: str = "", call_id: str = "") -> None:
        for place, text in tree.strings(node, path, NO_TEXT):
            self.parts.append(Part(kind, text, place, role, tool, call_id))


def _is_client(tool: dict[str, Any]) -> bool:
    """True for a tool the client runs."""
    kind = text_of(tool.get("type"))
    return kind in ("", "custom") or kind.startswith(CLIENT_TOOLS)


def _client_name(tool: dict[str, Any]) -> str:
    return text_of(tool.get("name")) if _is_client(tool) else ""


def _kept(raw: Raw) -> bytes:
    data = bytes(raw)
    return _MARKER.sub(_comma, data) if b'"cache_control"' in data else data


def _comma(match: re.Match[bytes]) -> bytes:
    return match[1] if match[1] and match[2] else b""


def _hints(metadata: Any) -> dict[str, str]:
    """Session hints; Claude Code writes a session id into `user_id`, as JSON or (older ones) at its end."""
    user = text_of(dict_of(metadata).get("user_id"))
    if not user:
        return {}
    session = text_of((tree.object_or_none(user) or {}).get("session_id")) or user.partition("_session_")[2]
    return {"user": user, "session_id": session} if session else {"user": user}


def _signed(block: dict[str, Any], role: str) -> str:
    """The role of thinking: a signed piece must go back as it came, and says so."""
    return "signed" if block.get("signature") else role


def _read_block(reply: Reply, path: Path, block: dict[str, Any]) -> None:
    kind = block.get("type")
    if kind == "text":
        if text_of(block.get("text")):
            reply.parts.append(Part("text", block["text"], (*path, "text"), "assistant"))
    elif kind == "thinking":
        if text_of(block.get("thinking")):
            role = _signed(block, "assistant")
            reply.parts.append(Part("reasoning", block["thinking"], (*path, "thinking"), role))
    elif kind == "tool_use":
        reply.calls.append(tool_call(block, path))
    elif kind != "redacted_thinking":
        for place, text in tree.strings(block, path, NO_TEXT | {"name"}):
            what: Any = "tool_call" if "input" in place else "tool_result"
            reply.parts.append(Part(what, text, place, "assistant", text_of(block.get("name"))))


def _beside(node: dict[str, Any]) -> Iterator[Part]:
    """Strings of a message that are neither its text nor input of its tool calls."""
    yield from fields.walk_rest(node, MESSAGE, ())
    for number, block in enumerate(map(dict_of, node["content"])):
        if block.get("type") == "text":
            yield from fields.walk_rest(block, TEXT, ("content", number))
        elif block.get("type") == "tool_use" and text_of(block.get("name")):
            yield Part("text", block["name"], ("content", number, "name"), fields.FIELD)


def tool_call(block: dict[str, Any], path: Hashable) -> ToolCall:
    """The tool call in a `tool_use` block."""
    given = block.get("input")
    text = dump({} if given is None else given).decode()
    args = given if isinstance(given, dict) else {} if given is None else None
    return ToolCall(text_of(block.get("id")), text_of(block.get("name")), text, args, path)
