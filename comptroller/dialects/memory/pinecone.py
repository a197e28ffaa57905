"""Pinecone: vectors with metadata, and records whose text it embeds itself; an index has a host of its own."""

import re
from typing import Any
from urllib.parse import unquote

import msgspec

from comptroller.dialects.dialect import Unreadable
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
    parsed,
    texts_in,
    wants,
)

HOSTS = (".pinecone.io",)
_RECORDS = re.compile(r"/records/namespaces/([^/]+)/(upsert|search)")
_NAMESPACE = re.compile(r"/namespaces/([^/]+)")
_IDS = frozenset({"_id", "id"})
_UPDATES = frozenset({"id", "values", "sparseValues", "setMetadata", "namespace"})
_QUIET = frozenset({"/describe_index_stats", "/vectors/list", "/namespaces"})


def read(asked: Asked) -> Exchange | None:
    """What is asked; None where no entry is written, read or deleted."""
    if asked.path in _QUIET or (asked.method == "GET" and _NAMESPACE.fullmatch(asked.path)):
        return None
    records = _RECORDS.fullmatch(asked.path)
    if records is not None and asked.method == "POST":
        names = _names(asked, unquote(records[1]))
        return _upsert_records(asked, names) if records[2] == "upsert" else _search_records(asked, names)
    if asked.method == "DELETE" and (gone := _NAMESPACE.fullmatch(asked.path)):
        return Exchange("delete", _names(asked, unquote(gone[1])))
    if (asked.method, asked.path) == ("GET", "/vectors/fetch"):
        said = asked.parameters()
        names = _names(asked, asked.parameter("namespace"))
        return Exchange("read", names, said.get("ids", []), found=_fetched)
    reading = _POSTS.get(asked.path) if asked.method == "POST" else None
    if reading is None:
        raise Unreadable(f"{asked.method} {asked.path[:100]} of Pinecone is not known here")
    body = asked.json()
    return reading(body, _names(asked, str(body.get("namespace") or "")))


def _names(asked: Asked, namespace: str) -> Names:
    """The index, as its host begins, and the namespace."""
    label = asked.host.partition(".")[0].rpartition("-")[0] if asked.host.endswith(HOSTS) else ""
    return tuple(name for name in (label, "" if namespace == "__default__" else namespace) if name)


def _upsert(body: dict[str, Any], names: Names) -> Exchange:
    items = [
        Item(str(vector.get("id", "")), holder_in(vector, "metadata"))
        for vector in map(as_object, as_list(body.get("vectors")))
    ]
    return Exchange("write", names, [item.id for item in items], items, body=body)


def _update(body: dict[str, Any], names: Names) -> Exchange:
    if "filter" in body:
        raise Unreadable("an update by a filter changes entries that nobody names")
    if odd := body.keys() - _UPDATES:  # `set_metadata` is read by some of its servers
        raise Unreadable(f"{min(odd)[:40]} of an update is not known here")
    items = []
    if body.get("setMetadata") is not None:
        items.append(Item(str(body.get("id", "")), as_object(body["setMetadata"])))
    return Exchange("write", names, texts_in(body.get("id")), items, body=body)


def _delete(body: dict[str, Any], names: Names) -> Exchange:
    return Exchange("delete", names, texts_in(body.get("ids")), body=body)


def _query(body: dict[str, Any], names: Names) -> Exchange:
    bare = not body.get("includeMetadata")
    body["includeMetadata"] = True
    return Exchange("read", names, texts_in(body.get("id")), body=body, found=_matches, bare=bare)


def _by_metadata(body: dict[str, Any], names: Names) -> Exchange:
    return Exchange("read", names, body=body, found=_fetched)


_POSTS = {
    "/vectors/upsert": _upsert,
    "/vectors/update": _update,
    "/vectors/delete": _delete,
    "/query": _query,
    "/vectors/fetch_by_metadata": _by_metadata,
}


def _vector(vector: dict[str, Any]) -> Item:
    return Item(str(vector.get("id", "")), holder_in(vector, "metadata"))


def _matches(reply: Any) -> list[Batch]:
    return [batch_of(as_object(reply).setdefault("matches", []), _vector)]


def _fetched(reply: Any) -> list[Batch]:
    vectors = as_object(as_object(reply).setdefault("vectors", {}))
    names = list(vectors)

    def leave_out(gone: frozenset[int]) -> None:
        for number in gone:
            del vectors[names[number]]

    # The name it is found under counts: an entry must not speak for another.
    return [Batch([Item(name, holder_in(as_object(vectors[name]), "metadata")) for name in names], leave_out)]


def _upsert_records(asked: Asked, names: Names) -> Exchange:
    """One object a line."""
    records = [as_object(parsed(line)) for line in asked.body.split(b"\n") if line.strip()]
    items = [_record(record, record) for record in as_list(records)]
    return Exchange("write", names, [item.id for item in items], items, body=records, pack=_lines)


def _lines(records: Any) -> bytes:
    return b"".join(msgspec.json.encode(record) + b"\n" for record in records)


def _record(record: dict[str, Any], fields: dict[str, Any]) -> Item:
    return Item(str(record.get("_id", record.get("id", ""))), fields, not_ours=_IDS)


def _search_records(asked: Asked, names: Names) -> Exchange:
    body = asked.json()
    query = as_object(body.get("query"))
    bare = body.get("fields") == []
    if body.get("fields") is not None:
        wants(body, "fields")
    said = query.get("inputs")
    asks = "\n".join(texts_in(list(said.values()))) if isinstance(said, dict) else ""
    return Exchange("read", names, texts_in(query.get("id")), asks=asks, body=body, found=_hits, bare=bare)


def _hits(reply: Any) -> list[Batch]:
    result = as_object(as_object(reply).get("result"))
    return [batch_of(result.setdefault("hits", []), lambda hit: _record(hit, holder_in(hit, "fields")))]
