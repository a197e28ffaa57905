"""What one event of a streamed chat completion carries, thing by thing, so that each can be judged by itself."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from comptroller.dialects import tree
from comptroller.dialects.dialect import Unreadable
from comptroller.dialects.openai_chat_calls import inner_of, spelled
from comptroller.dialects.tree import dict_of, dump, text_of

TEXT_KINDS: dict[str, Any] = {
    "content": "text",
    "reasoning_content": "reasoning",
    "reasoning": "reasoning",
    "refusal": "refusal",
    "audio": "text",  # its transcript
}


@dataclass(slots=True)
class Piece:
    """One of the things an event carries."""

    kind: str  # text | tool | function | finish | other
    index: int
    delta: dict[str, Any]
    name: str = ""
    text: str = ""


def pieces_of(choice: dict[str, Any]) -> Iterator[Piece]:
    """Everything a choice of an event carries, in the order it is handed on; always at least one."""
    rest = dict(dict_of(choice.get("delta")))
    index = _index(choice)
    pieces = [piece for name in TEXT_KINDS if (piece := _text_piece(index, name, rest)) is not None]
    if rest.get("tool_calls") and not isinstance(rest["tool_calls"], list):
        raise Unreadable("The tool calls of the stream are not a list.")
    if rest.get("tool_calls"):
        pieces += [_tool_piece(index, dict_of(item)) for item in rest.pop("tool_calls")]
    if isinstance(rest.get("function_call"), dict):
        function = rest.pop("function_call")
        pieces.append(Piece("function", index, {"function_call": function}, text=spelled(function.get("arguments"))))
    finish = text_of(choice.get("finish_reason"))
    if finish:
        pieces.append(Piece("finish", index, {}, text=finish))
    if not pieces:
        pieces.append(Piece("other", index, {}))
    if pieces[0].kind == "text" and "role" in rest:
        pieces.insert(0, Piece("other", index, {}))  # the role must reach the client even where the text may not
    pieces[0].delta = {**rest, **pieces[0].delta}
    return iter(pieces)


def _index(choice: dict[str, Any]) -> int:
    index = choice.get("index")
    if index is None:
        return 0
    if type(index) is not int or index < 0:
        raise Unreadable("A choice of the stream has no number.")
    return index


def _text_piece(index: int, name: str, rest: dict[str, Any]) -> Piece | None:
    value = rest.get(name)
    if name == "audio":
        audio = dict_of(value)
        text = "" if audio.get("data") else text_of(audio.get("transcript"))
    elif isinstance(value, str):
        text = value
    else:  # Mistral's lists of typed pieces
        text = "".join(found for path, found in tree.strings(value, ()) if path[-1] != "type")
    if not text:
        return None
    return Piece("text", index, {name: rest.pop(name)}, name, text)


def _tool_piece(index: int, item: dict[str, Any]) -> Piece:
    inner, field_name = inner_of(item)
    return Piece("tool", index, {"tool_calls": [item]}, text=spelled(inner.get(field_name)))


def written(node: dict[str, Any], choice: dict[str, Any], piece: Piece, last: bool) -> bytes:
    """An event of its own for one of several things."""
    finish = piece.text if piece.kind == "finish" else None
    own = {**choice, "delta": piece.delta, "finish_reason": finish}
    if piece.kind != "text":
        own.pop("logprobs", None)
    event = {**node, "choices": [own]}
    if not last:
        event.pop("usage", None)
    return b"data: " + dump(event) + b"\n\n"
