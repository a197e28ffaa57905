"""What stands in a chat completion beside the fields that are read: strings that guards see and nothing else does."""

from collections.abc import Iterator
from typing import Any

from comptroller.dialects import tree
from comptroller.dialects.tree import dict_of, text_of

MARKS = frozenset({"id", "object", "created", "model", "choices", "service_tier", "usage", "obfuscation"})
TOLD = frozenset({"content", "reasoning_content", "reasoning", "refusal", "role", "tool_calls", "function_call"})
NO_TEXT = frozenset({"type", "id", "data", "format", "signature", "encrypted_content"})


def beside(node: dict[str, Any], choices: list[dict[str, Any]], first: dict[str, Any]) -> Iterator[str]:
    """Strings of an event that belong to no text and no tool call. Those told in each event are in `first`, once."""
    for name in node.keys() - MARKS:
        if first.get(name) != node[name]:
            first[name] = node[name]
            yield from _strings(node[name])
    for choice in choices:
        for name, value in choice.items():
            if value is not None and name not in ("index", "delta", "finish_reason"):
                yield from spelled_out(value) if name == "logprobs" else _strings(value)
        yield from _beside_delta(dict_of(choice.get("delta")))


def spelled_out(logprobs: Any) -> Iterator[str]:
    """The texts that lists of tokens spell."""
    for tokens in dict_of(logprobs).values():
        listed = tokens if isinstance(tokens, list) else []
        if text := "".join(text_of(dict_of(token).get("token")) for token in listed):
            yield text


def _beside_delta(delta: dict[str, Any]) -> Iterator[str]:
    if delta.keys() <= TOLD:
        return
    for name in delta.keys() - TOLD:
        if name != "audio" or dict_of(delta["audio"]).get("data"):
            yield from _strings(delta[name])


def _strings(value: Any) -> Iterator[str]:
    for _, text in tree.strings(value, (), NO_TEXT):
        yield text
