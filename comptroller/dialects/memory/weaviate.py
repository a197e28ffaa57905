"""Weaviate over REST and GraphQL: objects of a class. What its newer clients say over gRPC is not seen here."""

import re
from typing import Any
from urllib.parse import unquote

from comptroller.dialects.dialect import Unreadable
from comptroller.dialects.memory import graphql
from comptroller.dialects.memory.exchange import (
    Asked,
    Batch,
    Exchange,
    Item,
    as_list,
    as_object,
    batch_of,
    holder_in,
    texts_in,
)

HOSTS = (".weaviate.cloud", ".weaviate.network")
_OBJECT = re.compile(r"/v1/objects(?:/([^/]+))?(?:/([^/]+))?(/references/.+)?")
_CLASS = re.compile(r"/v1/schema/([^/]+)(?:/.+)?")
_QUIET = re.compile(r"/v1/(?:meta|nodes|schema|\.well-known/.+|cluster/.+|authz/.+|users/.+|backups/.+)?(?:/.*)?")
_ADDED = frozenset({"_additional"})


def read(asked: Asked) -> Exchange | None:
    """What is asked; None where no object is written, read or deleted."""
    path, method = asked.path.rstrip("/"), asked.method
    if path == "/v1/graphql" and method == "POST":
        return _graphql(asked)
    if path == "/v1/batch/objects":
        return _batch(asked)
    if found := _OBJECT.fullmatch(path):
        return _object(asked, unquote(found[1] or ""), unquote(found[2] or ""), found[3])
    if (gone := _CLASS.fullmatch(path)) and method == "DELETE":
        return Exchange("delete", (unquote(gone[1]),))
    if path == "/v1/objects/validate" or _QUIET.fullmatch(path):
        return None
    raise Unreadable(f"{method} {path[:100]} of Weaviate is not known here")


def _object(asked: Asked, first: str, second: str, references: str | None) -> Exchange | None:
    method = asked.method
    if first == "validate" and method == "POST":
        return None
    if references:
        raise Unreadable("references between objects are not read here. Write them as properties")
    if not first and method == "POST":
        body = asked.json()
        return Exchange("write", _names(body), texts_in(body.get("id")), [_written(body)], body=body)
    id = second or first
    if not first and method == "GET":
        said = asked.parameters()
        return Exchange("read", tuple(said.get("class", [])) or None, found=_listed)
    names = (first,) if second else None
    if method == "GET":
        return Exchange("read", names, [id], found=_single)
    if method == "DELETE":
        return Exchange("delete", names, [id])
    if method == "HEAD":
        return None
    if method in ("PUT", "PATCH"):
        body = asked.json()
        body.setdefault("id", id)
        return Exchange("write", names or _names(body), [id], [_written(body)], body=body)
    raise Unreadable(f"{method} {asked.path[:100]} of Weaviate is not known here")


def _names(body: dict[str, Any]) -> tuple[str, ...] | None:
    name = body.get("class")
    return (name, *texts_in(body.get("tenant"))) if isinstance(name, str) and name else None


def _written(body: dict[str, Any]) -> Item:
    return Item(str(body.get("id") or ""), holder_in(body, "properties"))


def _batch(asked: Asked) -> Exchange:
    body = asked.json()
    if asked.method == "DELETE":
        match = as_object(body.get("match"))
        return Exchange("delete", _names(match), body=body)
    if asked.method != "POST":
        raise Unreadable(f"{asked.method} {asked.path} of Weaviate is not known here")
    objects = [as_object(one) for one in as_list(body.get("objects"))]
    classes = [_names(one) for one in objects]
    items = [_written(one) for one in objects]
    made = Exchange("write", classes[0] if classes else None, [item.id for item in items], items, body=body)
    if None in classes:
        made.names = None
    made.others = [one for one in dict.fromkeys(classes) if one is not None]
    return made


def _single(reply: Any) -> list[Batch]:
    answer = as_object(reply)

    def leave_out(gone: frozenset[int]) -> None:
        if gone:
            answer.clear()

    return [Batch([_written(answer)], leave_out)]


def _listed(reply: Any) -> list[Batch]:
    return [batch_of(as_list(as_object(reply).get("objects") or []), _written)]


# -- GraphQL


def _graphql(asked: Asked) -> Exchange:
    body = asked.json()
    query = body.get("query")
    if not isinstance(query, str):
        raise Unreadable("it holds no query")
    stamped, classes = graphql.with_stamp(query)
    names: list[tuple[str, ...]] = [(name,) for name in dict.fromkeys(classes.values())]
    body["query"] = stamped
    variables = body.get("variables")
    asks = query if not variables else f"{query}\n{variables}"
    made = Exchange("read", names[0], asks=asks, body=body, plain=asked.body, others=names)
    made.found = _got
    return made


def _got(reply: Any) -> list[Batch]:
    data = as_object(reply).get("data")
    if data is None:
        return []
    found = as_object(as_object(data).get("Get") or {})
    return [batch_of(entries, _selected) for entries in found.values() if entries]


def _selected(entry: dict[str, Any]) -> Item:
    added = entry.get("_additional")
    id = str(added.get("id") or "") if isinstance(added, dict) else ""
    return Item(id, entry, not_ours=_ADDED)
