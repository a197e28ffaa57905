"""Chroma: documents with metadata in collections, which its requests name by their ids; columns instead of rows."""

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
    texts_in,
)

HOSTS = (".trychroma.com",)
_COLLECTIONS = re.compile(r"/api/v2/tenants/([^/]+)/databases/([^/]+)/collections(?:/([^/]+)(?:/([a-z_]+))?)?/?")
_OLD = re.compile(r"/api/v1/collections(?:/.*)?")
_COLUMNS = ("documents", "metadatas", "embeddings", "uris", "distances", "data")


def is_path(path: str) -> bool:
    """Whether a path is one that nobody else has."""
    return _COLLECTIONS.fullmatch(path) is not None


def read(asked: Asked) -> Exchange | None:
    """What is asked; None where no entry is written, read or deleted."""
    found = _COLLECTIONS.fullmatch(asked.path)
    if found is None:
        if _OLD.fullmatch(asked.path):
            raise Unreadable("the first version of Chroma's API is not read here. Use its second")
        if "/collections/" in asked.path:
            raise Unreadable(f"{asked.method} {asked.path[-100:]} of Chroma is not known here")
        return Exchange("delete", ()) if asked.path.rstrip("/") == "/api/v2/reset" else None
    collection, doing = unquote(found[3] or ""), found[4]
    if doing is None and asked.method == "PUT" and asked.json().get("new_name") is not None:
        raise Unreadable("a collection of another name is one that policies do not know. Make a new one")
    if not collection or (doing is None and asked.method in ("GET", "PUT")) or doing == "count":
        return None
    names = (collection,)
    if doing is None and asked.method == "DELETE":
        return Exchange("delete", names)
    if asked.method != "POST" or doing not in ("add", "upsert", "update", "get", "query", "delete"):
        raise Unreadable(f"{asked.method} {asked.path[-100:]} of Chroma is not known here")
    body = asked.json()
    if doing == "delete":
        return Exchange("delete", names, texts_in(body.get("ids")), body=body)
    return _reading(body, doing, names) if doing in ("get", "query") else _writing(body, names)


def named(asked: Asked, reply: Any) -> dict[str, str]:
    """The names of collections by their ids, as a reply tells them: requests for entries say only the id."""
    found = _COLLECTIONS.fullmatch(asked.path)
    if found is None or found[4] is not None:
        return {}
    told = reply if isinstance(reply, list) else [reply]
    pairs = [(one.get("id"), one.get("name")) for one in told if isinstance(one, dict)]
    return {id: name for id, name in pairs if isinstance(id, str) and isinstance(name, str)}


def _writing(body: dict[str, Any], names: Names) -> Exchange:
    ids = as_list(body.get("ids"))
    documents = as_list(body.get("documents") or [None] * len(ids))
    uris = as_list(body.get("uris") or [None] * len(ids))
    metadatas = body["metadatas"] = as_list(body.get("metadatas") or [None] * len(ids))
    if not len(ids) == len(documents) == len(metadatas) == len(uris):
        raise Unreadable("its columns are not of one length")
    metadatas[:] = [{} if metadata is None else as_object(metadata) for metadata in metadatas]
    items = [Item(str(id), metadatas[at], _beside(documents, uris, at)) for at, id in enumerate(ids)]
    return Exchange("write", names, [item.id for item in items], items, body=body)


def _beside(documents: list[Any], uris: list[Any], at: int) -> list[tuple[str, Spot]]:
    columns = (("#document", documents), ("#uri", uris))
    return [(name, (column, at)) for name, column in columns if at < len(column) and column[at] is not None]


def _reading(body: dict[str, Any], doing: str, names: Names) -> Exchange:
    wanted = body.get("include")
    if wanted is None:
        wanted = ["metadatas", "documents"] + (["distances"] if doing == "query" else [])
    bare = "metadatas" not in wanted
    body["include"] = [*as_list(wanted), "metadatas"] if bare else wanted
    asks = "\n".join(texts_in(body.get("query_texts")))
    return Exchange("read", names, texts_in(body.get("ids")), asks=asks, body=body, found=_batches, bare=bare)


def _batches(reply: Any) -> list[Batch]:
    """One list of entries, or one for each question."""
    answer = as_object(reply)
    ids = as_list(answer.get("ids"))
    columns = [name for name in _COLUMNS if isinstance(answer.get(name), list)]
    if any(len(answer[name]) != len(ids) for name in columns):
        raise Unreadable("the columns of its reply are not of one length")
    if not any(isinstance(one, list) for one in ids):
        return [_batch(ids, {name: answer[name] for name in columns})]
    return [
        _batch(as_list(row), {name: as_list(answer[name][at]) for name in columns if answer[name][at] is not None})
        for at, row in enumerate(ids)
    ]


def _batch(ids: list[Any], columns: dict[str, list[Any]]) -> Batch:
    metadatas, documents = columns.get("metadatas", []), columns.get("documents", [])
    if any(len(column) != len(ids) for column in columns.values()):
        raise Unreadable("the columns of its reply are not of one length")
    metadatas[:] = [{} if metadata is None else as_object(metadata) for metadata in metadatas]
    uris = columns.get("uris", [])
    items = [
        Item(str(id), metadatas[at] if metadatas else {}, _beside(documents, uris, at)) for at, id in enumerate(ids)
    ]

    def leave_out(gone: frozenset[int]) -> None:
        for column in (ids, *columns.values()):
            column[:] = [one for number, one in enumerate(column) if number not in gone]

    return Batch(items, leave_out)
