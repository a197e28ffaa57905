"""OpenAI chat completions, as OpenAI, Azure and the many compatible servers speak it."""

from collections.abc import Hashable, Iterator, Mapping
from typing import Any

from msgspec import Raw

from comptroller.core.call import Change, Part, Reply, Request
from comptroller.dialects import fields, tree
from comptroller.dialects.dialect import Unreadable
from comptroller.dialects.offers import chat_name, withdraw_from_chat
from comptroller.dialects.openai_chat_calls import inner_of, spelled, tool_call
from comptroller.dialects.openai_chat_plain import read_plain
from comptroller.dialects.openai_chat_rest import spelled_out
from comptroller.dialects.openai_chat_stream import OpenAIChatStream
from comptroller.dialects.openai_chat_usage import read_usage, tier_of
from comptroller.dialects.tree import Path, count_or_none, dict_of, dump, list_of, load, text_of

TEXT_FIELDS = (("reasoning_content", "reasoning"), ("reasoning", "reasoning"), ("refusal", "refusal"))
# Only OpenAI's own families are known to take `max_completion_tokens` (some of them take nothing else);
# compatible servers know `max_tokens`, and several reject a field they do not know.
NEWER_FAMILIES = ("gpt-", "o1", "o3", "o4", "o5", "chatgpt-", "codex-", "ft:gpt-", "computer-use")
HINTS = ("user", "prompt_cache_key", "safety_identifier")
PLAIN = frozenset({"role", "content"})
# What is read, or holds words of the format only. The rest is walked for the guards.
READ = frozenset(
    {"messages", "model", "stream", "stream_options", "prediction", "service_tier", "tool_choice", "modalities"}
    | {"reasoning_effort", "verbosity", "max_tokens", "max_completion_tokens", "n", "temperature", "top_p", "seed"}
)
MESSAGE = PLAIN | {"tool_calls", "function_call", "tool_call_id", "reasoning_content", "reasoning", "refusal"}
PIECE = frozenset({"type", "text"})
CALL = frozenset({"index", "id", "type", "function", "custom"})
CHOICE = frozenset({"index", "message", "finish_reason", "logprobs"})
COMPLETION = frozenset({"id", "object", "created", "model", "choices", "usage", "service_tier"})
USUAL = frozenset(  # of a request, what is read from every one, and what is read from none
    {"model", "messages", "stream", "stream_options", "max_tokens", "max_completion_tokens"}
    | {"temperature", "top_p", "seed"}
)
NO_TEXT = frozenset({"type", "id", "file_id", "file_data", "data", "format", "detail", "cache_control"})


class OpenAIChat:
    """Reads and writes `/chat/completions`."""

    name = "openai_chat"
    provider = "openai"

    def matches(self, method: str, path: str) -> bool:
        """True for any path that ends in /chat/completions, Azure's deployments included."""
        return method.upper() == "POST" and path.rstrip("/").endswith("/chat/completions")

    def path_for(self, path: str, model: str) -> str:
        """The model stands in the body."""
        return path

    def read(self, body: bytes, path: str = "") -> Request:
        """The request; on Azure the deployment in the path is the model, whatever the body says: it is what answers."""
        top = tree.fields(body)
        if "messages" not in top:
            raise Unreadable("The request has no messages.")
        messages = tree.items(top["messages"])
        reader = _Reader()
        for number, node in enumerate(load(top["messages"])):
            reader.message(number, node)
        request = Request(
            model=_deployment(path) or text_of(tree.value(top, "model")),
            stream=tree.value(top, "stream") is True,
            max_tokens=_max_tokens(top),
            parts=reader.parts,
            messages=[bytes(raw) for raw in messages],
            raw=body,
            wants_usage=_wants_usage(top),
            media_bytes=reader.media_bytes,
        )
        if not top.keys() <= USUAL:  # few do, and to ask each for it took 0.3 of all
            _unusual(request, reader, top)
        request.unbounded = tuple(dict.fromkeys(reader.unbounded))
        return request

    def rewrite(self, request: Request, change: Change) -> bytes:
        """The body with the change made; messages without a change keep their bytes."""
        top = tree.replaced(tree.fields(request.raw), change.texts)
        if change.model is not None:
            top["model"] = Raw(dump(change.model))
        if change.max_tokens is not None:
            for name in _max_fields(top, change.model or request.model):
                top[name] = Raw(dump(change.max_tokens))
        if change.ask_usage and request.stream:
            options = dict_of(tree.value(top, "stream_options"))
            top["stream_options"] = Raw(dump({**options, "include_usage": True}))
        if change.hidden:
            withdraw_from_chat(top, change.hidden)
        return dump(top)

    def append(self, request: Request, text: str) -> bytes | None:
        """The body with one more message; all else keeps its bytes."""
        return tree.appended(request.raw, "messages", {"role": "user", "content": tree.clean(text)})

    def read_reply(self, body: bytes) -> Reply:
        """A whole completion, all its choices."""
        plain = read_plain(body)
        if plain is not None:
            return plain
        node = load(body)
        if not isinstance(node, dict) or not isinstance(node.get("choices"), list):
            raise Unreadable("The reply has no choices.")
        reply = Reply(id=text_of(node.get("id")), model=text_of(node.get("model")), raw=body)
        for number, choice in enumerate(node["choices"]):
            _read_choice(reply, number, dict_of(choice))
        reply.usage = read_usage(node)
        emitted = list(reply.parts)
        reply.parts += fields.walk_rest(node, COMPLETION, ())
        for number, choice in enumerate(node["choices"]):
            reply.parts += _beside(dict_of(choice), ("choices", number))
        reply.emitted = sum(len(part.text) for part in emitted) + sum(len(call.text) for call in reply.calls)
        return reply

    def rewrite_reply(self, reply: Reply, change: Change) -> bytes:
        """The completion with texts replaced; a refused tool call becomes text of its choice."""
        node = load(reply.raw)
        calls = {call.path: call for call in reply.calls}
        for path, text in change.texts.items():
            assert isinstance(path, tuple)
            if path[-1] != "logprobs":
                tree.put(node, _args_path(node, path) if path in calls else path, tree.clean(text))
            if path[0] == "choices":
                node["choices"][path[1]].pop("logprobs", None)  # they spell the text out, token by token
        for number, choice in enumerate(node["choices"]):
            refused = {path: text for path, text in change.refused.items() if _choice_of(path) == number}
            if refused:
                _refuse(choice, refused)
        return dump(node)

    def stream(self, request: Request) -> OpenAIChatStream:
        """A reader for the events of a streamed completion."""
        return OpenAIChatStream(wants_usage=request.wants_usage)

    def refusal(self, status: int, code: str, message: str, details: Mapping[str, object]) -> bytes:
        """OpenAI's error body; its SDK shows our code as `e.code` and the rest in `e.body`."""
        error = {"reason": message, "rule": "", "remedy": "", **details}
        return dump({"error": {**error, "message": message, "type": "comptroller", "param": None, "code": code}})


class _Reader:
    """Gathers what guards must see from the messages of a request."""

    def __init__(self) -> None:
        self.parts: list[Part] = []
        self.unbounded: list[str] = []
        self.media_bytes = 0
        self._tools: dict[str, str] = {}  # names by call id

    def message(self, number: int, node: Any) -> None:
        path: Path = ("messages", number)
        if not isinstance(node, dict):
            return self._walk(node, path, "")
        role = text_of(node.get("role"))
        if role in ("tool", "function"):
            call_id = text_of(node.get("tool_call_id"))
            tool = self._tools.get(call_id) or text_of(node.get("name"))
            self.parts += fields.walk_rest(node, MESSAGE, path)
            return self._content(node.get("content"), path, role, tool, call_id)
        self._content(node.get("content"), path, role)
        if not node.keys() <= PLAIN:
            self._beside_content(node, path, role)
        return None

    def rest_of(self, top: Mapping[str, Raw]) -> None:
        """What stands beside the messages."""
        if "prediction" in top:
            self._walk(tree.value(top, "prediction"), ("prediction",), "")
        self.parts += fields.beside(top, READ)
        if tree.value(top, "web_search_options") is not None:
            self.unbounded.append("web_search")
        if tree.value(top, "models") or tree.value(top, "plugins"):
            self.unbounded.append("fallbacks")  # a router may answer with another model, at its price

    def _content(self, content: Any, path: Path, role: str, tool: str = "", call_id: str = "") -> None:
        kind: Any = "tool_result" if role in ("tool", "function") else "text"
        if isinstance(content, str):
            if content:
                self.parts.append(Part(kind, content, (*path, "content"), role, tool, call_id))
            return None
        if not isinstance(content, list):
            return self._walk(content, (*path, "content"), role)
        for number, piece in enumerate(content):
            place = (*path, "content", number)
            if isinstance(piece, dict) and isinstance(piece.get("text"), str):
                self.parts.append(Part(kind, piece["text"], (*place, "text"), role, tool, call_id))
                if len(piece) > 2:
                    self.parts += fields.walk_rest(piece, PIECE, place)
            else:
                self._piece(piece, place, role)
        return None

    def _piece(self, piece: Any, place: Path, role: str) -> None:
        kind = piece.get("type") if isinstance(piece, dict) else None
        if kind in ("image_url", "input_audio", "file", "video_url", "audio_url"):
            self._media(piece, place, str(kind), role)
        elif kind == "refusal" and text_of(piece.get("refusal")):
            self.parts.append(Part("refusal", piece["refusal"], (*place, "refusal"), role))
        else:
            self._walk(piece, place, role)

    def _media(self, piece: dict[str, Any], place: Path, kind: str, role: str) -> None:
        node = dict_of(piece.get(kind)) or {"url": piece.get(kind)}
        self.parts += fields.walk_rest(piece, PIECE | {kind}, place)
        self.parts.append(Part("media", "", place, role))
        for part in fields.walk(piece.get(kind), (*place, kind)):
            if not part.text.startswith("data:"):
                self.parts.append(part)
        for name in ("url", "data", "file_data"):
            text = text_of(node.get(name))
            if name == "url" and text and not text.startswith("data:"):
                self.unbounded.append(kind)
            self.media_bytes += len(text)
            if text.startswith("data:text/"):
                spot = (*place, kind, name) if isinstance(piece.get(kind), dict) else (*place, kind)
                self.parts.append(Part("text", tree.text_in(text), spot, role))
        if node.get("file_id"):
            self.unbounded.append("file_id")

    def _beside_content(self, node: dict[str, Any], path: Path, role: str) -> None:
        for name, kind in TEXT_FIELDS:
            if text_of(node.get(name)):
                self.parts.append(Part(kind, node[name], (*path, name), role))  # type: ignore[arg-type]
        if dict_of(node.get("audio")).get("id"):
            self.unbounded.append("audio")
        self.parts += fields.walk_rest(node, MESSAGE, path)
        for number, item in enumerate(list_of(node.get("tool_calls"))):
            self._call(dict_of(item), (*path, "tool_calls", number), role)
        if isinstance(node.get("function_call"), dict):
            function = node["function_call"]
            args = spelled(function.get("arguments"))
            place = (*path, "function_call", "arguments")
            if args:
                self.parts.append(Part("tool_call", args, place, role, text_of(function.get("name"))))

    def _call(self, item: dict[str, Any], place: Path, role: str) -> None:
        what, inner = inner_of(item)
        field = "custom" if inner == "input" else "function"
        name, args = text_of(what.get("name")), spelled(what.get(inner))
        call_id = text_of(item.get("id"))
        self._tools[call_id] = name
        self.parts += fields.walk_rest(item, CALL, place)
        if args:
            self.parts.append(Part("tool_call", args, (*place, field, inner), role, name, call_id))

    def _walk(self, node: Any, path: Path, role: str) -> None:
        for place, text in tree.strings(node, path, NO_TEXT):
            self.parts.append(Part("text", text, place, role))


def _unusual(request: Request, reader: _Reader, top: Mapping[str, Raw]) -> None:
    """What only some requests hold."""
    reader.rest_of(top)
    if "tools" in top:
        request.messages.insert(0, bytes(top["tools"]))
        request.offers = True
    request.choices = max(tree.count_of(tree.value(top, "n")), 1)
    request.tier = tier_of(tree.value(top, "service_tier"))
    request.tools = _tool_names(top)
    request.hints = _hints(top)


def _wants_usage(top: Mapping[str, Raw]) -> bool:
    return "stream_options" in top and dict_of(tree.value(top, "stream_options")).get("include_usage") is True


def _max_tokens(top: Mapping[str, Raw]) -> int | None:
    """The larger of the two fields, as nobody knows which one a server goes by; zero or less limits nothing."""
    stated = [count_or_none(tree.value(top, name)) for name in ("max_tokens", "max_completion_tokens")]
    return max((count for count in stated if count), default=None)


def _max_fields(top: Mapping[str, Raw], model: str) -> list[str]:
    given = [name for name in ("max_tokens", "max_completion_tokens") if tree.value(top, name) is not None]
    newer = model.rsplit("/", 1)[-1].startswith(NEWER_FAMILIES)
    return given or ["max_completion_tokens" if newer else "max_tokens"]


def _deployment(path: str) -> str:
    steps = path.split("/")
    return steps[steps.index("deployments") + 1] if "deployments" in steps[:-1] else ""


def _tool_names(top: Mapping[str, Raw]) -> tuple[str, ...]:
    names = [chat_name(dict_of(tool)) for tool in list_of(tree.value(top, "tools"))]
    names += [text_of(dict_of(function).get("name")) for function in list_of(tree.value(top, "functions"))]
    return tuple(name for name in names if name)


def _hints(top: Mapping[str, Raw]) -> dict[str, str]:
    hints = {name: text_of(tree.value(top, name)) for name in HINTS if name in top}
    for name, value in dict_of(tree.value(top, "metadata")).items():
        hints[f"metadata.{name}"] = text_of(value)
    return {name: text for name, text in hints.items() if text}


# -- replies


def _read_choice(reply: Reply, number: int, choice: dict[str, Any]) -> None:
    path: Path = ("choices", number, "message")
    message = dict_of(choice.get("message"))
    reply.finish = reply.finish or text_of(choice.get("finish_reason"))
    for name, kind in TEXT_FIELDS:
        if text_of(message.get(name)):
            reply.parts.append(Part(kind, message[name], (*path, name), "assistant"))  # type: ignore[arg-type]
    content = message.get("content")
    if isinstance(content, str):
        if content:
            reply.parts.append(Part("text", content, (*path, "content"), "assistant"))
    else:  # Mistral's lists of typed pieces
        for place, text in tree.strings(content, (*path, "content"), NO_TEXT):
            reply.parts.append(Part("text", text, place, "assistant"))
    audio = dict_of(message.get("audio"))
    if audio:
        reply.parts.append(Part("media", "", (*path, "audio"), "assistant"))
        if text_of(audio.get("transcript")):
            reply.parts.append(Part("text", audio["transcript"], (*path, "audio", "transcript"), "assistant"))
    asked = message.get("tool_calls")
    if asked is not None and not isinstance(asked, list):
        raise Unreadable("The tool calls of the reply are not a list.")
    for at, item in enumerate(list_of(asked)):
        reply.calls.append(tool_call(dict_of(item), (*path, "tool_calls", at)))
    if isinstance(message.get("function_call"), dict):
        reply.calls.append(tool_call({"function": message["function_call"]}, (*path, "function_call")))


def _beside(choice: dict[str, Any], path: Path) -> Iterator[Part]:
    """Strings of a choice that are neither its text nor arguments of its tool calls."""
    message, place = dict_of(choice.get("message")), (*path, "message")
    yield from fields.walk_rest(choice, CHOICE, path)
    yield from fields.walk_rest(message, MESSAGE | {"audio"}, place)
    for text in spelled_out(choice.get("logprobs")):
        yield Part("text", text, (*path, "logprobs"), fields.FIELD)
    for number, item in enumerate(map(dict_of, list_of(message.get("tool_calls")))):
        spot = (*place, "tool_calls", number)
        yield from fields.walk_rest(item, CALL - {"custom", "function"}, spot) if len(item) > 3 else ()
        inner, name = inner_of(item)
        what = "custom" if name == "input" else "function"
        if text_of(inner.get("name")):
            yield Part("text", inner["name"], (*spot, what, "name"), fields.FIELD)


def _args_path(node: Any, path: Path) -> Path:
    if path[-1] == "function_call":
        return (*path, "arguments")
    item = node
    for step in path:
        item = item[step]
    name = inner_of(item)[1]
    return (*path, "custom" if name == "input" else "function", name)


def _choice_of(path: Hashable) -> object:
    return path[1] if isinstance(path, tuple) else None


def _refuse(choice: dict[str, Any], refused: Mapping[Hashable, str]) -> None:
    """Take the refused calls out of a choice and say so in its text."""
    message = choice["message"]
    gone = {path[-1] for path in refused if isinstance(path, tuple)}
    if "function_call" in gone:
        message.pop("function_call")
    left = [item for place, item in enumerate(list_of(message.get("tool_calls"))) if place not in gone]
    message.pop("tool_calls", None)
    if left:
        message["tool_calls"] = left
    words = [text_of(message.get("content")), *(tree.clean(text) for text in refused.values())]
    message["content"] = "\n\n".join(text for text in words if text)
    if not left and choice.get("finish_reason") in ("tool_calls", "function_call"):
        choice["finish_reason"] = "stop"
