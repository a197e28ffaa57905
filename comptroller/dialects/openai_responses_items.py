"""Items of the Responses API: messages, reasoning, and the many kinds of tool calls."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from comptroller.core.call import Part, Reply, ToolCall, Usage
from comptroller.dialects import tree
from comptroller.dialects.openai_chat_usage import tier_of
from comptroller.dialects.tree import Path, count_of, dict_of, dump, list_of, text_of

# What a client executes (or approves), and where its arguments stand: a text, an object or a list of objects.
CLIENT_CALLS = {
    "function_call": ("arguments",),
    "custom_tool_call": ("input",),
    "local_shell_call": ("action",),
    "shell_call": ("action",),
    "apply_patch_call": ("operation",),
    "computer_call": ("action", "actions"),
    "tool_search_call": ("arguments",),
    "mcp_approval_request": ("arguments",),
}
NAMED = frozenset({"function_call", "custom_tool_call", "mcp_approval_request"})
# Fields whose strings no person wrote and no guard can read.
NO_TEXT = frozenset({"type", "id", "call_id", "status", "role", "phase", "detail", "file_id", "container_id"})
NO_TEXT |= {"encrypted_content", "fingerprint", "server_label", "image_url", "file_data", "logprobs"}
_LISTS = {"message": ("content",), "reasoning": ("summary", "content")}
_KINDS: dict[str, Any] = {"output_text": "text", "refusal": "refusal"}


class Text(NamedTuple):
    """A text inside an item: in which list, at which place, in which field."""

    kind: Any
    name: str
    at: int
    field: str
    text: str

    @property
    def path(self) -> Path:
        return self.name, self.at, self.field


def texts_in(item: dict[str, Any]) -> Iterator[Text]:
    """The texts of a message or of reasoning, in order, empty ones included."""
    for name in _LISTS.get(text_of(item.get("type")), ()):
        for at, piece in enumerate(list_of(item.get(name))):
            found = text_in(name, at, dict_of(piece), text_of(item.get("type")))
            if found is not None:
                yield found


def text_in(name: str, at: int, piece: dict[str, Any], kind: str) -> Text | None:
    """The text in one piece of content, or None where it holds none."""
    field = "refusal" if piece.get("type") == "refusal" else "text"
    if not isinstance(piece.get(field), str):
        return None
    what = "reasoning" if kind == "reasoning" else _KINDS.get(text_of(piece.get("type")), "text")
    return Text(what, name, at, field, piece[field])


def is_client_call(item: dict[str, Any]) -> bool:
    """True for a tool call that the client runs; shells in a container and found tools may be the provider's."""
    kind = text_of(item.get("type"))
    if kind == "shell_call":
        return not text_of(dict_of(item.get("environment")).get("type")).startswith("container")
    if kind == "tool_search_call":
        return item.get("execution") == "client"
    return kind in CLIENT_CALLS


def tool_call(item: dict[str, Any], path: Path) -> ToolCall:
    """The tool call in such an item."""
    kind, field = text_of(item.get("type")), args_field(item)
    given = item.get(field)
    name = text_of(item.get("name")) if kind in NAMED else kind.removesuffix("_call")
    call_id = text_of(item.get("call_id")) or text_of(item.get("id"))
    if isinstance(given, str):
        return ToolCall(call_id, name, given, tree.object_or_none(given) if given.strip() else {}, path)
    args = given if isinstance(given, dict) else {} if given is None else {field: given}
    return ToolCall(call_id, name, dump(args).decode(), args, path)


def with_args(item: dict[str, Any], args: str) -> dict[str, Any]:
    """The tool call with other arguments."""
    field = args_field(item)
    given = item.get(field)
    if isinstance(given, str):
        return {**item, field: tree.clean(args)}
    made = tree.as_object(args)
    return {**item, field: made.get(field, []) if isinstance(given, list) else made}


def args_field(item: dict[str, Any]) -> str:
    """Where the arguments of a tool call stand."""
    names = CLIENT_CALLS[text_of(item.get("type"))]
    return next((name for name in names if item.get(name) is not None), names[0])


def message(item_id: str, text: str, status: str = "completed") -> dict[str, Any]:
    """A message of one text, as the model would have said it."""
    return {
        "id": item_id,
        "type": "message",
        "status": status,
        "role": "assistant",
        "content": [{"type": "output_text", "annotations": [], "logprobs": [], "text": tree.clean(text)}],
    }


def refused(item: dict[str, Any], text: str) -> dict[str, Any]:
    """What takes the place of a refused tool call."""
    return message("msg_" + (text_of(item.get("id")) or text_of(item.get("call_id"))).removeprefix("fc_"), text)


def retold(item: dict[str, Any], texts: dict[Path, str]) -> dict[str, Any]:
    """The item with texts replaced; what quotes or spells out a text goes with it."""
    out = dict(item)
    for (name, at, field), text in texts.items():
        pieces = list(list_of(out.get(str(name))))
        piece = {**dict_of(pieces[int(at)]), str(field): tree.clean(text)}
        piece.update({quoting: [] for quoting in ("annotations", "logprobs") if quoting in piece})
        pieces[int(at)] = piece
        out[str(name)] = pieces
    return out


def read_item(reply: Reply, path: Path, item: dict[str, Any]) -> None:
    """Add what an output item says and asks for to a reply."""
    if is_client_call(item):
        reply.calls.append(tool_call(item, path))
        return
    kind = text_of(item.get("type"))
    if kind in _LISTS:
        reply.parts += [Part(t.kind, t.text, (*path, *t.path), "assistant") for t in texts_in(item) if t.text]
        return
    skipped = NO_TEXT | {"name"}
    if kind == "image_generation_call":
        reply.parts.append(Part("media", "", path, "assistant"))
        skipped |= {"result"}
    for place, text in tree.strings(item, path, skipped):
        step = place[len(path)]
        what: Any = "tool_result" if step in ("output", "outputs", "results", "tools") else "tool_call"
        reply.parts.append(Part(what, text, place, "assistant", text_of(item.get("name")) or kind))


def read_usage(response: dict[str, Any]) -> Usage | None:
    """The usage of a response; parts never count more than their totals."""
    found = dict_of(response.get("usage"))
    total_in, total_out = count_of(found.get("input_tokens")), count_of(found.get("output_tokens"))
    total_out = max(total_out, count_of(found.get("total_tokens")) - total_in)
    if not total_in and not total_out:
        return None
    sent, got = dict_of(found.get("input_tokens_details")), dict_of(found.get("output_tokens_details"))
    cached = min(count_of(sent.get("cached_tokens")), total_in)
    return Usage(
        input=total_in,
        output=total_out,
        cache_read=cached,
        cache_write_5m=min(count_of(sent.get("cache_write_tokens")), total_in - cached),
        reasoning=min(count_of(got.get("reasoning_tokens")), total_out),
        audio_input=min(count_of(sent.get("audio_tokens")), total_in),
        audio_output=min(count_of(got.get("audio_tokens")), total_out),
        image_input=min(count_of(sent.get("image_tokens")), total_in),
        image_output=min(count_of(got.get("image_tokens")), total_out),
        searches=sum(_is_search(dict_of(item)) for item in list_of(response.get("output"))),
        tier=tier_of(response.get("service_tier")),
    )


def finish_of(response: dict[str, Any]) -> str:
    """Why a response ended: its status, or what left it incomplete."""
    return text_of(dict_of(response.get("incomplete_details")).get("reason")) or text_of(response.get("status"))


def _is_search(item: dict[str, Any]) -> bool:
    """True for a web search that is billed; looking into a page found is not."""
    action = dict_of(item.get("action")).get("type")
    return item.get("type") == "web_search_call" and action in (None, "search")
