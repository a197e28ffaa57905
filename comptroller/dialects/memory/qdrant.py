"""Qdrant: points with a payload, in collections."""

import re
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import unquote

from comptroller.core.memory import STAMP
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
    texts_in,
    wants,
)

HOSTS = (".qdrant.io",)
_COLLECTION = re.compile(r"/collections/([^/]+)(?:/(.+))?")
_POINT = re.compile(r"points/([^/]+)")
_OURS = re.compile(r"/collections/[^/]+/points(?:/.*)?")
# Searches, and whether they bring payloads where they do not say.
_SEARCHES = {
    "points": True,
    "points/scroll": True,
    "points/search": False,
    "points/query": False,
    "points/recommend": False,
    "points/discover": False,
}
_GROUPS = {f"{name}/groups" for name in _SEARCHES}
_BATCHES = {f"{name}/batch" for name in _SEARCHES}
_QUIET = frozenset({"points/count", "index", "exists", "cluster", "aliases", "optimizations"})
# Of the server itself. Anything else may be a spelling of a path that it knows and we do not.
_OF_SERVER = "collections|aliases|telemetry|metrics|healthz|livez|readyz|cluster|issues|quotas"
_SERVER = re.compile(rf"/(?:(?:{_OF_SERVER})(?:/[^/]*)?)?")
_MOST_DEEP = 8  # levels of a reply that points are looked for in


def is_path(path: str) -> bool:
    """Whether a path is one that nobody else has."""
    return _OURS.fullmatch(path) is not None


def read(asked: Asked) -> Exchange | None:
    """What is asked; None where no point is written, read or deleted."""
    found = _COLLECTION.fullmatch(asked.path)
    if found is None:
        if "snapshots" in asked.path:
            raise Unreadable("snapshots hold entries of everybody")
        if not _SERVER.fullmatch(asked.path):
            raise Unreadable(f"{asked.method} {asked.path[:100]} of Qdrant is not known here")
        return None
    names, rest, method = (unquote(found[1]),), (found[2] or "").rstrip("/"), asked.method
    if names == ("aliases",) and not rest and method != "GET":
        raise Unreadable("under another name policies do not know a collection. Use its own")
    if not rest and method == "PUT" and asked.json().get("init_from") is not None:
        raise Unreadable("it copies a collection with the entries of everybody")
    if not rest:
        return Exchange("delete", names) if method == "DELETE" else None
    if rest in _QUIET or rest.startswith("index/"):
        return None
    change = _CHANGES.get((method, rest))
    if change is not None:
        return change(asked.json(), names)
    if method == "POST" and (rest in _SEARCHES or rest in _GROUPS or rest in _BATCHES):
        return _search(asked.json(), rest, names)
    if method == "GET" and (one := _POINT.fullmatch(rest)):
        return Exchange("read", names, [unquote(one[1])], found=_batches)
    raise Unreadable(f"{method} {asked.path[:100]} of Qdrant is not known here")


# -- reading


def _search(body: dict[str, Any], rest: str, names: Names) -> Exchange:
    searches = [as_object(one) for one in as_list(body.get("searches"))] if rest in _BATCHES else [body]
    usual = _SEARCHES.get(rest.removesuffix("/groups").removesuffix("/batch"), False)
    if rest in _GROUPS:
        body["with_payload"] = True  # a group is called by a field of its entries: what it tells has to be looked at
    bare = {_with_payload(search, usual) for search in searches}
    if len(bare) > 1:
        raise Unreadable("some of its searches bring payloads and some do not; ask them apart, or all alike")
    asks = "\n".join(text for search in searches for text in _words(search))
    return Exchange("read", names, texts_in(body.get("ids")), asks=asks, body=body, found=_batches, bare=True in bare)


def _with_payload(search: dict[str, Any], usual: bool) -> bool:
    """Have the stamp come along; returns whether no payload was asked for."""
    if search.get("with_lookup") or search.get("lookup_from"):
        raise Unreadable("it looks into a second collection. Ask for that one by itself")
    wanted = search.get("with_payload")
    if wanted is None:
        wanted = usual
    if wanted is False:
        search["with_payload"] = True
        return True
    if isinstance(wanted, list):
        search["with_payload"] = [*wanted, STAMP]
    elif isinstance(wanted, dict) and wanted.get("include") is not None:
        wants(wanted, "include")
    elif isinstance(wanted, dict) and wanted.get("exclude") is not None:
        wanted["exclude"] = [name for name in as_list(wanted["exclude"]) if name != STAMP]
    return False


def _words(search: dict[str, Any]) -> Iterator[str]:
    """What a search says in words, which the server turns into a vector."""
    ahead: list[Any] = [search.get("query"), search.get("prefetch"), search.get("filter")]
    for _ in range(1_000):
        if not ahead:
            return
        value = ahead.pop()
        if isinstance(value, dict):
            ahead += value.values()
        elif isinstance(value, list):
            ahead += [one for one in value if isinstance(one, (str, dict, list))]
        elif isinstance(value, str):
            yield value


def _batches(reply: Any) -> list[Batch]:
    """Every list of points in a reply, in groups and batches too, and a single one."""
    answer = as_object(reply)
    if isinstance(answer.get("result"), dict) and _is_point(answer["result"]):

        def leave_out(gone: frozenset[int]) -> None:
            if gone:
                answer["result"] = None

        return [Batch([_point(answer["result"])], leave_out)]
    return list(_lists(answer.get("result"), _MOST_DEEP))


def _lists(value: Any, deep: int) -> Iterator[Batch]:
    if not deep:
        raise Unreadable("its reply is nested deeper than is looked into")
    if isinstance(value, list):
        if value and all(isinstance(one, dict) and isinstance(one.get("hits"), list) for one in value):
            yield from [_group(value, one) for one in as_list(value)]
            return
        if value and all(isinstance(one, dict) and _is_point(one) for one in value):
            yield batch_of(value, _point)
            return
        for one in as_list(value):
            yield from _lists(one, deep - 1)
    elif isinstance(value, dict):
        if _is_point(value):
            raise Unreadable("a point stands where none was expected")
        for one in value.values():
            if isinstance(one, (dict, list)):
                yield from _lists(one, deep - 1)


def _group(groups: list[Any], group: dict[str, Any]) -> Batch:
    """Entries of a group, whose id is a field of theirs: it goes with the last of them."""
    made = batch_of(group["hits"], _point)
    leave_out = made.leave_out

    def with_group(gone: frozenset[int]) -> None:
        leave_out(gone)
        if not group["hits"]:
            groups[:] = [one for one in groups if one is not group]

    return Batch(made.items, with_group)


def _is_point(value: dict[str, Any]) -> bool:
    return "payload" in value or ("id" in value and not {"hits", "points"} & value.keys())


def _point(point: dict[str, Any]) -> Item:
    return Item(str(point.get("id", "")), holder_in(point, "payload"))


# -- writing


def _upsert(body: dict[str, Any], names: Names) -> Exchange:
    items = _points(body)
    return Exchange("write", names, [item.id for item in items], items, body=body)


def _points(body: dict[str, Any]) -> list[Item]:
    """Points one by one, or as a column of each kind."""
    if "batch" not in body:
        return [_point(as_object(point)) for point in as_list(body.get("points"))]
    if "points" in body:
        raise Unreadable("it holds points one by one and as columns, of which a server takes only one kind")
    batch = as_object(body["batch"])
    ids = as_list(batch.get("ids"))
    payloads = batch["payloads"] = as_list(batch.get("payloads") or [None] * len(ids))
    if len(payloads) != len(ids):
        raise Unreadable("it has not as many payloads as ids")
    payloads[:] = [{} if payload is None else as_object(payload) for payload in payloads]
    return [Item(str(id), payload) for id, payload in zip(ids, payloads, strict=True)]


def _set_payload(body: dict[str, Any], names: Names) -> Exchange:
    """The same payload for one point or several: a stamp for one id would not hold for another."""
    if body.get("key"):
        raise Unreadable("it changes what is deep inside a payload. Set the whole field")
    if body.get("filter") is not None:
        raise Unreadable("an update by a filter changes entries that nobody names")
    ids = texts_in(body.get("points"))
    item = Item(ids[0] if len(ids) == 1 else "", as_object(body.get("payload")))
    return Exchange("write", names, ids, [item], body=body)


def _delete_fields(body: dict[str, Any], names: Names) -> Exchange:
    if any(STAMP in key for key in texts_in(body.get("keys"))):
        raise Unreadable("it takes stamps away, and with them whose entries these are")
    return _delete(body, names)


def _delete(body: dict[str, Any], names: Names) -> Exchange:
    return Exchange("delete", names, texts_in(body.get("points")), body=body)


def _vectors(body: dict[str, Any], names: Names) -> Exchange:
    return Exchange("write", names, body=body)


def _operations(body: dict[str, Any], names: Names) -> Exchange:
    made = Exchange("write", names, body=body)
    for operation in map(as_object, as_list(body.get("operations"))):
        for name, said in operation.items():
            if name not in _OPERATIONS:
                raise Unreadable(f"the operation {name[:40]} of Qdrant is not known here")
            one = _OPERATIONS[name](as_object(said), names)
            made.ids += one.ids
            made.items += one.items
    return made


_OPERATIONS: dict[str, Callable[[dict[str, Any], Names], Exchange]] = {
    "upsert": _upsert,
    "set_payload": _set_payload,
    "overwrite_payload": _set_payload,
    "delete": _delete,
    "delete_payload": _delete_fields,
    "clear_payload": _delete,
    "update_vectors": _vectors,
    "delete_vectors": _vectors,
}
_CHANGES: dict[tuple[str, str], Callable[[dict[str, Any], Names], Exchange]] = {
    ("PUT", "points"): _upsert,
    ("POST", "points/payload"): _set_payload,
    ("PUT", "points/payload"): _set_payload,
    ("POST", "points/payload/delete"): _delete_fields,
    ("POST", "points/payload/clear"): _delete,
    ("POST", "points/delete"): _delete,
    ("PUT", "points/vectors"): _vectors,
    ("POST", "points/vectors/delete"): _vectors,
    ("POST", "points/batch"): _operations,
}
