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
    Names,
    as_list,
    as_object,
    batch_of,
    holder_in,
    texts_in,
)

HOSTS = (".weaviate.cloud", ".weaviate.network")
_OBJECT = re.compile(r"/v1/objects(?:/([^/]+))?(?:/([^/]+))?(/references/.+)?")
_CLASS = re.compile(r"/v1/schema/([^/]+)(?:/.+)?")
_QUIET = re.compile(r"/v1/(?:meta|schema|\.well-known/.+)?(?:/.*)?")
_RUNNING = re.compile(r"/v1/(?:nodes|cluster|authz|users|backups)(?:/.*)?")  # of whoever runs it, but for a look
_READ = frozenset({"query", "variables", "class", "id", "properties", "tenant", "objects", "match"})
_ADDED = frozenset({"_additional"})


def read(asked: Asked) -> Exchange | None:
    """What is asked; None where no object is written, read or deleted."""
    made = _read(asked)
    return None if made is None else _spelt_both_ways(made)


def _spelt_both_ways(made: Exchange) -> Exchange:
    """Classes begin with a capital whether or not a request says so; policies may say either."""
    found = [names for names in (made.names, *made.others) if names]
    if made.names is not None:
        made.names = _capital(made.names)
    spelt = [spell(names) for names in found for spell in (_capital, _small)]
    made.others = [names for names in dict.fromkeys(spelt) if names != made.names]
    return made


def _capital(names: Names) -> Names:
    return (names[0][:1].upper() + names[0][1:], *names[1:])


def _small(names: Names) -> Names:
    return (names[0][:1].lower() + names[0][1:], *names[1:])


def _read(asked: Asked) -> Exchange | None:
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
    if method in ("GET", "HEAD") and _RUNNING.fullmatch(path):
        return None
    raise Unreadable(f"{method} {path[:100]} of Weaviate is not known here")


def _object(asked: Asked, first: str, second: str, references: str | None) -> Exchange | None:
    method = asked.method
    if first == "validate" and method == "POST":
        return None
    if references:
        raise Unreadable("references between objects are not read here. Write them as properties")
    if not first and method == "POST":
        body = _plain(asked.json())
        return Exchange("write", _names(body), texts_in(body.get("id")), [_written(body)], body=body)
    id, tenant = second or first, asked.parameter("tenant")
    if not first and method == "GET":
        return Exchange("read", _names({"class": asked.parameter("class"), "tenant": tenant or None}), found=_listed)
    names = _names({"class": first, "tenant": tenant or None}) if second else None
    if method == "GET":
        return Exchange("read", names, [id], found=_single)
    if method == "DELETE":
        return Exchange("delete", names, [id])
    if method == "HEAD":
        return None
    if method in ("PUT", "PATCH"):
        body = _plain(asked.json())
        body.setdefault("id", id)
        said = _names({"class": first if second else None, **body})
        others = [(first, *texts_in(body.get("tenant")))] if second else []
        return Exchange("write", said, [id], [_written(body)], body=body, others=others)
    raise Unreadable(f"{method} {asked.path[:100]} of Weaviate is not known here")


def _plain(body: dict[str, Any]) -> dict[str, Any]:
    """The object, where no name in it means another to a server that does not tell capitals from small letters."""
    if any(name not in _READ and name.casefold() in _READ for name in body):
        raise Unreadable("a name in it is written with capitals")
    return body


def _names(body: dict[str, Any]) -> Names | None:
    name = body.get("class")
    return (name, *texts_in(body.get("tenant"))) if isinstance(name, str) and name else None


def _written(body: dict[str, Any]) -> Item:
    return Item(str(body.get("id") or ""), holder_in(body, "properties"))


def _batch(asked: Asked) -> Exchange:
    body = _plain(asked.json())
    if asked.method == "DELETE":
        match = _plain(as_object(body.get("match")))
        return Exchange("delete", _names({**match, "tenant": asked.parameter("tenant") or None}), body=body)
    if asked.method != "POST":
        raise Unreadable(f"{asked.method} {asked.path} of Weaviate is not known here")
    objects = [_plain(as_object(one)) for one in as_list(body.get("objects"))]
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
    body = _plain(asked.json())
    query = body.get("query")
    if not isinstance(query, str):
        raise Unreadable("it holds no query")
    stamped, classes = graphql.with_stamp(query)
    told = dict.fromkeys(classes.values())
    names = [one for one in told if one is not None]
    body["query"] = stamped
    variables = body.get("variables")
    asks = query if not variables else f"{query}\n{variables}"
    # Asked again as it was, all comes without stamps: of one class only, lest one without any hides those of others.
    plain = asked.body if len(classes) == 1 else None
    of = None if None in told else names[0]
    return Exchange("read", of, asks=asks, body=body, plain=plain, others=names, found=_got)


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
