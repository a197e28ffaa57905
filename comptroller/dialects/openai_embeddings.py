"""OpenAI embeddings: text or tokens in, numbers out, and no output that anybody bills."""

import re
from collections.abc import Mapping
from typing import Any

from msgspec import Raw

from comptroller.core.call import Change, Part, Reply, Request, Usage
from comptroller.dialects import tree
from comptroller.dialects.dialect import Stream, Unreadable
from comptroller.dialects.tree import count_of, dict_of, dump, text_of

_ROUTE = re.compile(r"/(?:v\d\w*|openai|deployments/([^/]+))/embeddings/?$")


class OpenAIEmbeddings:
    """Reads and writes `/v1/embeddings`."""

    name = "openai_embeddings"
    provider = "openai"

    def matches(self, method: str, path: str) -> bool:
        """True for the route of embeddings, Azure's deployments included."""
        return method.upper() == "POST" and _ROUTE.search(path) is not None

    def path_for(self, path: str, model: str) -> str:
        """The model stands in the body."""
        return path

    def read(self, body: bytes, path: str = "") -> Request:
        """The request: its texts as parts, or its tokens counted exactly."""
        top = tree.fields(body)
        given = tree.value(top, "input")
        if not isinstance(given, str | list):
            raise Unreadable("The request has no input.")
        deployed = _ROUTE.search(path)
        tokens = _tokens_in(given)
        texts = [] if tokens is not None else tree.strings(given, ("input",), frozenset({"type", "data"}))
        return Request(
            model=(deployed[1] if deployed else "") or text_of(tree.value(top, "model")),
            stream=False,
            max_tokens=0,
            parts=[Part("text", text, place, "user") for place, text in texts],
            messages=_messages(top["input"], given, tokens),
            raw=body,
            hints={"user": user} if (user := text_of(tree.value(top, "user"))) else {},
            tokens=tokens,
        )

    def rewrite(self, request: Request, change: Change) -> bytes:
        """The body with texts and model replaced."""
        top = tree.replaced(tree.fields(request.raw), change.texts, listed="input")
        if change.model is not None:
            top["model"] = Raw(dump(change.model))
        return dump(top)

    def append(self, request: Request, text: str) -> bytes | None:
        """Numbers are never refused, so nothing is asked for again."""
        return None

    def read_reply(self, body: bytes) -> Reply:
        """The usage of a reply; its numbers stay bytes, which is most of them."""
        top = tree.fields(body)
        if "data" not in top:
            raise Unreadable("The reply has no data.")
        usage = dict_of(tree.value(top, "usage"))
        count = count_of(usage.get("prompt_tokens")) or count_of(usage.get("total_tokens"))
        reply = Reply(model=text_of(tree.value(top, "model")), raw=body, finish="stop")
        reply.usage = Usage(input=count) if count else None
        return reply

    def rewrite_reply(self, reply: Reply, change: Change) -> bytes:
        """Nothing in the reply is text, so nothing in it changes."""
        return reply.raw

    def stream(self, request: Request) -> Stream:
        """Embeddings come whole."""
        raise Unreadable("Embeddings do not come as a stream.")

    def refusal(self, status: int, code: str, message: str, details: Mapping[str, object]) -> bytes:
        """OpenAI's error body; its SDK shows our code as `e.code` and the rest in `e.body`."""
        error = {"reason": message, "rule": "", "remedy": "", **details}
        return dump({"error": {**error, "message": message, "type": "comptroller", "param": None, "code": code}})


def _tokens_in(given: Any) -> int | None:
    """How many tokens an array of tokens, or of such arrays, holds; None for anything else."""
    if not isinstance(given, list) or not given:
        return None
    if all(type(token) is int for token in given):
        return len(given)
    counts = [_tokens_in(inner) if isinstance(inner, list) else None for inner in given]
    return None if None in counts else sum(count for count in counts if count is not None)


def _messages(raw: Raw, given: Any, tokens: int | None) -> list[bytes]:
    """What the vault keeps: each text by itself, so that one embedded twice is kept once."""
    if isinstance(given, list) and tokens is None:
        return [bytes(item) for item in tree.items(raw)]
    return [bytes(raw)]
