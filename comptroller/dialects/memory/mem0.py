"""mem0: memories of users and agents, which its service as a rule puts into words of its own."""

import re
from typing import Any
from urllib.parse import unquote

from comptroller.dialects.dialect import Unreadable
from comptroller.dialects.memory.exchange import (
    Asked,
    Batch,
    Exchange,
    Item,
    Names,
    Spot,
    as_list,
    as_object,
    batch_of,
    holder_in,
    texts_in,
)

HOSTS = ("api.mem0.ai",)
TEXT = "#memory"
_VERSIONS = ("old_memory", "new_memory", "memory", "input")
_OWNERS = ("user_id", "agent_id", "app_id", "run_id")
_ROUTE = re.compile(r"/v[123]/memories(?:/([^/]+))?(?:/(history))?")
# A user's profile, beneath the entities, is made of that user's memories.
_QUIET = re.compile(r"/v[12]/(?:ping|entities|users|(?:organizations|projects)(?:/.*)?)")
_MOST_FILTERS = 1_000


def read(asked: Asked) -> Exchange | None:
    """What is asked; None where no memory is written, read or deleted."""
    path, method = asked.path.rstrip("/"), asked.method
    if _QUIET.fullmatch(path) and method == "GET":
        return None
    if path == "/v1/batch":
        return _batch(asked)
    found = _ROUTE.fullmatch(path)
    if found is None:
        raise Unreadable(f"{method} {path[:100]} of mem0 is not known here")
    id, history = unquote(found[1] or ""), found[2]
    if method == "POST" and id in ("", "add", "search") and not history:
        return _post(asked, id)
    whose = _names({name: asked.parameter(name) for name in asked.parameters() if name in _OWNERS})
    if method == "GET":
        return _of(whose, Exchange("read", None, [id] if id else [], found=_history if history else _found))
    if method == "DELETE":
        return _of(whose, Exchange("delete", None, [id] if id else []))
    if method == "PUT" and id:
        body = asked.json()
        item = Item("", holder_in(body, "metadata"), _text(body))
        return Exchange("write", None, [id], [item], body=body)
    raise Unreadable(f"{method} {path[:100]} of mem0 is not known here")


def _post(asked: Asked, last: str) -> Exchange:
    body = asked.json()
    if last == "search" or (last == "" and "messages" not in body):
        asks = "\n".join(texts_in(body.get("query")))
        return _of(_names(body), Exchange("read", None, asks=asks, body=body, found=_found))
    return _add(body)


def _of(whose: list[Names], made: Exchange) -> Exchange:
    """What is asked, with all whose memory it is about."""
    made.names, made.others = (whose[0] if whose else None), whose[1:]
    return made


def _names(said: dict[str, Any]) -> list[Names]:
    """Whose memory it is: there are no collections, each user or agent has one. None of it where that is not plain."""
    found: dict[Names, None] = {}
    ahead: list[Any] = [{name: value for name, value in said.items() if name in (*_OWNERS, "filters")}]
    for _ in range(_MOST_FILTERS):
        if not ahead:
            return list(found)
        one = ahead.pop()
        if isinstance(one, list):
            ahead += one
        for name, value in one.items() if isinstance(one, dict) else ():
            if name in _OWNERS and isinstance(value, str) and value != "*":
                found[value,] = None
            elif name in (*_OWNERS, "OR", "NOT") and value is not None:
                return []  # of several, of all but some
            elif isinstance(value, (dict, list)):
                ahead.append(value)
    return []


def _add(body: dict[str, Any]) -> Exchange:
    """What is said in a conversation. Unless `infer` is off, the service writes down what it makes of it."""
    if isinstance(body.get("messages"), str):
        body["messages"] = [{"role": "user", "content": body["messages"]}]
    messages = [as_object(message) for message in as_list(body.get("messages"))]
    holder = holder_in(body, "metadata")
    more = [(TEXT, (message, "content")) for message in messages if "content" in message]
    loose = body.get("infer") is not False
    return _of(_names(body), Exchange("write", None, [], [Item("", holder, more)], body=body, loose=loose))


def _batch(asked: Asked) -> Exchange:
    body = asked.json()
    memories = [as_object(one) for one in as_list(body.get("memories"))]
    ids = [str(one.get("memory_id", "")) for one in memories]
    if asked.method == "DELETE":
        return Exchange("delete", None, ids, body=body)
    if asked.method != "PUT":
        raise Unreadable(f"{asked.method} {asked.path} of mem0 is not known here")
    items = [Item("", holder_in(one, "metadata"), _text(one)) for one in memories]
    return Exchange("write", None, ids, items, body=body)


def _memory(entry: dict[str, Any]) -> Item:
    more = [(TEXT, (entry, "memory"))] if isinstance(entry.get("memory"), str) else []
    return Item("", holder_in(entry, "metadata"), more)


def _text(body: dict[str, Any]) -> list[tuple[str, Spot]]:
    return [(TEXT, (body, "text"))] if "text" in body else []


def _found(reply: Any) -> list[Batch]:
    """A list of memories, as such or under `results`; else one."""
    if isinstance(reply, dict) and "results" not in reply and "memory" in reply:
        only = [reply]

        def leave_out(gone: frozenset[int]) -> None:
            if gone:
                reply.clear()

        return [Batch([_memory(one) for one in only], leave_out)]
    listed = reply if isinstance(reply, list) else as_object(reply).get("results")
    found = [batch_of(as_list(listed), _memory)]
    if isinstance(reply, dict) and reply.get("relations"):
        raise Unreadable("its reply brings relations, which hold no stamps. Ask without its graph")
    return found


def _history(reply: Any) -> list[Batch]:
    def version(entry: dict[str, Any]) -> Item:
        more = [(f"#{name}", (entry, name)) for name in _VERSIONS if entry.get(name)]
        return Item("", holder_in(entry, "metadata"), more)

    return [batch_of(as_list(reply), version)]
