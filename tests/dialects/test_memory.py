"""Requests to memories as vendors' clients send them, read entry by entry."""

import json
from typing import Any

import pytest

from comptroller.core.memory import STAMP
from comptroller.dialects.dialect import Unreadable
from comptroller.dialects.memory import chroma, graphql
from comptroller.dialects.memory.exchange import Asked, Exchange
from comptroller.dialects.memory.routes import Store, read, store_at

PINECONE = "support-notes-a1b2c3.svc.aped-4627-b74a.pinecone.io"
CHROMA = "/api/v2/tenants/default_tenant/databases/default_database/collections"


def asked(format: str, method: str, target: str, body: Any = None, host: str = "") -> Exchange | None:
    path, _, query = target.partition("?")
    data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    return read(Store("s", format), Asked(method, path, query, data, host))


def exchange(format: str, method: str, target: str, body: Any = None, host: str = "") -> Exchange:
    found = asked(format, method, target, body, host)
    assert found is not None
    return found


def texts(made: Exchange, reply: Any) -> list[str]:
    assert made.found is not None
    return [item.text() for batch in made.found(reply) for item in batch.items]


def without(made: Exchange, reply: Any, *gone: int) -> Any:
    assert made.found is not None
    for batch in made.found(reply):
        batch.leave_out(frozenset(gone))
    return reply


# -- which memory


@pytest.mark.parametrize(
    ("host", "path", "format"),
    [
        (PINECONE, "/vectors/upsert", "pinecone"),
        (f"{PINECONE}.", "/vectors/upsert", "pinecone"),
        ("xyz.eu-central.aws.cloud.qdrant.io", "/collections/a/points", "qdrant"),
        ("localhost", "/collections/a/points/search", "qdrant"),
        ("api.trychroma.com", f"{CHROMA}/x/get", "chroma"),
        ("10.0.0.7", f"{CHROMA}/x/get", "chroma"),
        ("c1.weaviate.cloud", "/v1/objects", "weaviate"),
        ("api.mem0.ai", "/v1/memories/", "mem0"),
    ],
)
def test_a_memory_is_known_by_its_host_or_by_a_path_of_its_own(host: str, path: str, format: str) -> None:
    found = store_at(host, path)
    assert found is not None
    assert found.format == format


@pytest.mark.parametrize(
    ("host", "path"),
    [("api.pinecone.io", "/indexes"), ("localhost", "/v1/objects"), ("example.com", "/query"), ("h", "/v1/memories/")],
)
def test_what_others_use_too_is_no_memory_unless_settings_say_so(host: str, path: str) -> None:
    assert store_at(host, path) is None


# -- writing


WRITES = [
    (
        "pinecone",
        "POST",
        "/vectors/upsert",
        {"vectors": [{"id": "1", "values": [0.1], "metadata": {"text": "a", "n": 1}}, {"id": "2", "values": []}],
         "namespace": "acme"},
        (["1", "2"], ["a", ""], ("support-notes", "acme")),
    ),
    (
        "pinecone",
        "POST",
        "/records/namespaces/acme/upsert",
        b'{"_id": "1", "chunk": "a"}\n{"id": "2", "chunk": "b"}\n',
        (["1", "2"], ["a", "b"], ("support-notes", "acme")),
    ),
    (
        "pinecone",
        "POST",
        "/vectors/update",
        {"id": "1", "setMetadata": {"text": "a"}},
        (["1"], ["a"], ("support-notes",)),
    ),
    (
        "qdrant",
        "PUT",
        "/collections/notes/points?wait=true",
        {"batch": {"ids": [1, 2], "vectors": [[0.1], [0.2]], "payloads": [{"text": "a"}, None]}},
        (["1", "2"], ["a", ""], ("notes",)),
    ),
    (
        "qdrant",
        "POST",
        "/collections/notes/points/payload",
        {"payload": {"text": "a"}, "points": [1, 2]},
        (["1", "2"], ["a"], ("notes",)),
    ),
    (
        "qdrant",
        "POST",
        "/collections/notes/points/batch",
        {"operations": [{"upsert": {"points": [{"id": 1, "payload": {"text": "a"}}]}}, {"delete": {"points": [2]}}]},
        (["1", "2"], ["a"], ("notes",)),
    ),
    (
        "chroma",
        "POST",
        f"{CHROMA}/c-1/upsert",
        {"ids": ["1", "2"], "documents": ["a", None], "metadatas": [None, {"by": "b"}], "embeddings": [[0.1], [0.2]]},
        (["1", "2"], ["a", "b"], ("c-1",)),
    ),
    (
        "weaviate",
        "POST",
        "/v1/objects",
        {"class": "Note", "properties": {"text": "a", "deep": {"list": ["b"]}}, "tenant": "acme"},
        ([], ["a\nb"], ("Note", "acme")),
    ),
    (
        "weaviate",
        "POST",
        "/v1/batch/objects",
        {"objects": [{"class": "Note", "id": "1", "properties": {"text": "a"}}]},
        (["1"], ["a"], ("Note",)),
    ),
    (
        "mem0",
        "POST",
        "/v3/memories/add/",
        {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}], "user_id": "u"},
        ([], ["a\nb"], ("u",)),
    ),
    ("mem0", "PUT", "/v1/memories/m1/", {"text": "a"}, (["m1"], ["a"], None)),
]  # fmt: skip


@pytest.mark.parametrize(("format", "method", "target", "body", "told"), WRITES)
def test_what_is_written_is_read_entry_by_entry(format: str, method: str, target: str, body: Any, told: Any) -> None:
    made = exchange(format, method, target, body, PINECONE)
    assert made.does == "write"
    assert (made.ids, [item.text() for item in made.items], made.names) == told


@pytest.mark.parametrize(("format", "method", "target", "body", "told"), WRITES)
def test_a_stamp_goes_into_the_entry_and_nothing_else_is_changed(
    format: str, method: str, target: str, body: Any, told: Any
) -> None:
    made = exchange(format, method, target, body, PINECONE)
    for item in made.items:
        item.holder[STAMP] = "s"
    packed = made.packed()
    assert packed is not None
    assert packed.count(STAMP.encode()) == len(made.items)
    again = exchange(format, method, target, packed, PINECONE)
    assert [item.content() for item in again.items] == [item.content() for item in made.items]


def test_mem0_writes_down_something_else_unless_told_not_to() -> None:
    body = {"messages": [{"role": "user", "content": "a"}], "user_id": "u"}
    assert exchange("mem0", "POST", "/v1/memories/", body).loose
    assert not exchange("mem0", "POST", "/v1/memories/", {**body, "infer": False}).loose


# -- reading


READS = [
    (
        "pinecone",
        "/query",
        {"topK": 2, "vector": [0.1], "includeMetadata": True},
        {"matches": [{"id": "1", "score": 1, "metadata": {"text": "a"}}, {"id": "2", "score": 1}]},
        ["a", ""],
    ),
    (
        "pinecone",
        "/records/namespaces/acme/search",
        {"query": {"inputs": {"text": "q"}, "top_k": 2}, "fields": ["chunk"]},
        {"result": {"hits": [{"_id": "1", "_score": 1, "fields": {"chunk": "a"}}]}},
        ["a"],
    ),
    (
        "qdrant",
        "/collections/notes/points/search/batch",
        {"searches": [{"vector": [0.1], "with_payload": True}]},
        {"result": [[{"id": 1, "score": 1, "payload": {"text": "a"}}], [{"id": 2, "payload": {"text": "b"}}]]},
        ["a", "b"],
    ),
    (
        "qdrant",
        "/collections/notes/points/query/groups",
        {"query": [0.1], "group_by": "doc", "with_payload": True},
        {"result": {"groups": [{"id": "d", "hits": [{"id": 1, "payload": {"text": "a"}}]}]}},
        ["a"],
    ),
    (
        "chroma",
        f"{CHROMA}/c-1/query",
        {"query_embeddings": [[0.1], [0.2]]},
        {"ids": [["1"], ["2"]], "documents": [["a"], ["b"]], "metadatas": [[None], [{"by": "c"}]], "distances": None},
        ["a", "b\nc"],
    ),
    (
        "weaviate",
        "/v1/graphql",
        {"query": '{ Get { Note(nearText: {concepts: ["q {"]}) { text _additional { id } } } }'},
        {"data": {"Get": {"Note": [{"text": "a", "_additional": {"id": "1"}}]}}},
        ["a"],
    ),
    ("mem0", "/v2/memories/search/", {"query": "q", "filters": {"user_id": "u"}}, [{"id": "1", "memory": "a"}], ["a"]),
    ("mem0", "/v2/memories/", {"filters": {"user_id": "u"}}, {"results": [{"id": "1", "memory": "a"}]}, ["a"]),
]


@pytest.mark.parametrize(("format", "target", "body", "reply", "told"), READS)
def test_what_is_read_is_found_in_the_reply(format: str, target: str, body: Any, reply: Any, told: list[str]) -> None:
    made = exchange(format, "POST", target, body)
    assert made.does == "read"
    assert texts(made, json.loads(json.dumps(reply))) == told


@pytest.mark.parametrize(("format", "target", "body", "reply", "told"), READS)
def test_an_entry_that_is_left_out_leaves_nothing_behind(
    format: str, target: str, body: Any, reply: Any, told: list[str]
) -> None:
    made = exchange(format, "POST", target, body)
    assert texts(made, without(made, json.loads(json.dumps(reply)), 0)) == told[len(told) :] + (
        [""] if target == "/query" else []
    )


def test_stamps_are_asked_for_with_the_fields_that_are_wanted() -> None:
    assert exchange("pinecone", "POST", "/query", {"topK": 1}).body["includeMetadata"] is True
    wanted = {"query": {"inputs": {"text": "q"}}, "fields": ["chunk"]}
    assert exchange("pinecone", "POST", "/records/namespaces/n/search", wanted).body["fields"] == ["chunk", STAMP]
    point = {"with_payload": {"exclude": [STAMP, "x"]}}
    assert exchange("qdrant", "POST", "/collections/n/points/search", point).body["with_payload"] == {"exclude": ["x"]}
    assert exchange("chroma", "POST", f"{CHROMA}/c/get", {"include": ["documents"]}).body["include"][1] == "metadatas"


def test_who_asked_for_no_fields_is_known() -> None:
    assert exchange("pinecone", "POST", "/query", {"topK": 1}).bare
    assert exchange("qdrant", "POST", "/collections/n/points/search", {}).bare
    assert not exchange("qdrant", "POST", "/collections/n/points/scroll", {}).bare
    assert exchange("chroma", "POST", f"{CHROMA}/c/get", {"include": ["documents"]}).bare


def test_what_a_search_says_in_words_is_told_to_rules() -> None:
    said = {"query": {"inputs": {"text": "to whom?"}, "top_k": 1}}
    assert exchange("pinecone", "POST", "/records/namespaces/n/search", said).asks == "to whom?"
    point = {"query": {"text": "to whom?", "model": "m"}}
    assert "to whom?" in exchange("qdrant", "POST", "/collections/n/points/query", point).asks
    assert "to whom?" in exchange("mem0", "POST", "/v1/memories/search/", {"query": "to whom?", "user_id": "u"}).asks


def test_chroma_tells_in_passing_which_id_is_which_collection() -> None:
    seen = Asked("POST", CHROMA, "", b"{}")
    assert chroma.named(seen, {"id": "c-1", "name": "notes"}) == {"c-1": "notes"}
    assert chroma.named(seen, [{"id": 7, "name": "x"}, "y"]) == {}
    assert chroma.named(Asked("POST", f"{CHROMA}/c-1/get", "", b"{}"), {"id": "c-2", "name": "notes"}) == {}


# -- GraphQL


@pytest.mark.parametrize(
    ("query", "classes"),
    [
        ("{Get{Note{text}}}", {"Note": "Note"}),
        ("query Q { Get { one: Note(limit: 1) { text } Fact { text } } }", {"one": "Note", "Fact": "Fact"}),
        ('{ Get { Note(where: {valueText: "} { #"}) { text } } } # more {', {"Note": "Note"}),
        ("{ Get { Note { text } #\r Fact { text }\n } }", {"Note": "Note", "Fact": "Fact"}),
        ('{ Get { Note(bm25: {query: "a \\" } b"}) { text, deep { name } _additional { id } } } }', {"Note": "Note"}),
    ],
)
def test_the_stamp_is_among_the_fields_of_each_class(query: str, classes: dict[str, str]) -> None:
    stamped, found = graphql.with_stamp(query)
    assert found == {shown: (name,) for shown, name in classes.items()}
    assert stamped.count(f"{{ {STAMP} ") == len(classes)
    assert stamped.replace(f" {STAMP} ", "") == query


@pytest.mark.parametrize(
    "query",
    [
        "",
        "{",
        "{ Get { Note",
        "{ Get { Note } }",
        "{ Get { ...F } } fragment F on Get { Note { text } }",
        "{ Aggregate { Note { text { topOccurrences { value } } } } }",
        "query A { Get { Note { text } } } query B { Aggregate { Note { meta { count } } } }",
        "mutation { x }",
        "{ Aggregate: Get { Note { text } } }",
        "{ Get { Note @include(if: true) { text } } }",
        "{ Get { } }",
        "{ Get { Note { text of { ... on Fact { text } } } } }",
        "{ Get { Note { text } #\x0c Fact { text }\n } }",
        '{ Get { Note(bm25: {query: """\\\\""" }) { text } Fact(bm25: {query: """ }) { text } } }',
        '{ Get { Note { _additional { generate(groupedResult: {task: "tell"}) { groupedResult } } } } }',
        "{ Get { Note { _additional { group { hits { text } } } } } }",
        "{ Get { Note { more: _additional { answer { result } } } } }",
        "{ Get { Note { _additional: text } } }",
        "{ Get { Note { _additional { id: distance } } } }",
        f"{{ Get {{ Note {{ text {STAMP}: by }} }} }}",
        "{" * 10_000,
        "{ Get { Note { text } } }" + " " * 300_000,
    ],
)
def test_a_query_that_might_tell_more_than_its_entries_is_not_read(query: str) -> None:
    with pytest.raises(Unreadable):
        graphql.with_stamp(query)


# -- what is not known


@pytest.mark.parametrize(
    ("format", "method", "target"),
    [
        ("pinecone", "POST", "/describe_index_stats"),
        ("pinecone", "GET", "/vectors/list?prefix=a"),
        ("qdrant", "GET", "/"),
        ("qdrant", "GET", "/aliases"),
        ("qdrant", "GET", "/collections"),
        ("qdrant", "PUT", "/collections/notes"),
        ("qdrant", "POST", "/collections/notes/points/count"),
        ("chroma", "POST", CHROMA),
        ("chroma", "GET", "/api/v2/heartbeat"),
        ("weaviate", "GET", "/v1/meta"),
        ("weaviate", "GET", "/v1/.well-known/ready"),
        ("weaviate", "GET", "/v1/nodes"),
        ("weaviate", "POST", "/v1/schema"),
        ("mem0", "GET", "/v1/ping/"),
        ("mem0", "GET", "/v1/entities/"),
    ],
)
def test_what_touches_no_entry_is_other_http(format: str, method: str, target: str) -> None:
    assert asked(format, method, target, {}) is None


@pytest.mark.parametrize(
    ("format", "method", "target", "body"),
    [
        ("pinecone", "POST", "/bulk/imports", {}),
        ("pinecone", "POST", "/vectors/upsert", {"vectors": [1]}),
        ("pinecone", "POST", "/vectors/upsert", {"vectors": [{"id": "1", "metadata": "text"}]}),
        ("pinecone", "POST", "/vectors/update", {"filter": {}, "setMetadata": {"a": "b"}}),
        ("pinecone", "POST", "/vectors/update", {"id": "1", "set_metadata": {"a": "b"}}),
        ("pinecone", "POST", "/records/namespaces/n/upsert", b'{"_id": "1"}\n['),
        ("qdrant", "POST", "/collections/n/snapshots", {}),
        ("qdrant", "POST", "/snapshots", {}),
        ("qdrant", "POST", "/collections/n/points/batch", {"operations": [{"unheard": {}}]}),
        ("qdrant", "POST", "/collections/n/points/payload", {"payload": {"a": "b"}, "key": "deep", "points": [1]}),
        ("qdrant", "POST", "/collections/n/points/payload", {"payload": {"a": "b"}, "filter": {}}),
        ("qdrant", "POST", "/collections/n/points/payload/delete", {"keys": [STAMP], "points": [1]}),
        ("qdrant", "POST", "/collections/n/points/batch", {"operations": [{"delete_payload": {"keys": [STAMP]}}]}),
        ("qdrant", "PUT", "/collections/n/points", {"batch": {"ids": []}, "points": [{"id": 1}]}),
        ("qdrant", "POST", "/collections/aliases", {"actions": []}),
        ("qdrant", "PUT", "/collections/copy", {"init_from": {"collection": "n"}}),
        ("qdrant", "POST", "/%63ollections/n/points/scroll", {}),
        ("pinecone", "GET", "/vectors/fetch?ids=1&namespace=mine&namespace=theirs", None),
        ("chroma", "PUT", f"{CHROMA}/c", {"new_name": "free"}),
        ("chroma", "POST", "/api/v1/collections/x/add", {}),
        ("chroma", "POST", f"{CHROMA}/c/fork", {}),
        ("chroma", "POST", f"{CHROMA}/c/functions/attach", {}),
        ("chroma", "POST", f"{CHROMA}/c/add", {"ids": ["1", "2"], "documents": ["a"]}),
        ("weaviate", "POST", "/v1/graphql", {"query": 7}),
        ("weaviate", "POST", "/v1/batch/references", []),
        ("weaviate", "POST", "/v1/objects/Note/1/references/of", {}),
        ("weaviate", "GET", "/v1/objects?class=Mine&class=Theirs", None),
        ("weaviate", "POST", "/v1/graphql", {"query": "{Get{Note{text}}}", "Query": "{Get{Fact{text}}}"}),
        ("weaviate", "POST", "/v1/objects", {"class": "Note", "Cla\u017fs": "Fact", "properties": {}}),
        ("weaviate", "POST", "/v1/users/db/eve", {}),
        ("weaviate", "POST", "/v1/backups/s3", {}),
        ("mem0", "GET", "/v1/memories/?user_id=mine&user_id=theirs", None),
        ("mem0", "GET", "/v1/events/", None),
        ("mem0", "GET", "/v2/entities/user/theirs/profile/", None),
        ("mem0", "GET", "/v1/api-keys/", None),
        ("mem0", "POST", "/v1/exports/", {}),
        ("mem0", "GET", "/v1/exports/", None),
    ],
)
def test_what_is_not_known_is_not_guessed_at(format: str, method: str, target: str, body: Any) -> None:
    with pytest.raises(Unreadable):
        asked(format, method, target, body)


@pytest.mark.parametrize(
    ("format", "method", "target", "body"),
    [
        ("pinecone", "POST", "/vectors/delete", {"ids": ["1"]}),
        ("pinecone", "DELETE", "/namespaces/acme", None),
        ("qdrant", "DELETE", "/collections/notes", None),
        ("qdrant", "POST", "/collections/notes/points/payload/clear", {"points": ["1"]}),
        ("chroma", "POST", f"{CHROMA}/c/delete", {"ids": ["1"]}),
        ("chroma", "POST", "/api/v2/reset", {}),
        ("weaviate", "DELETE", "/v1/objects/Note/1", None),
        ("weaviate", "DELETE", "/v1/schema/Note", None),
        ("weaviate", "DELETE", "/v1/batch/objects", {"match": {"class": "Note", "where": {}}}),
        ("mem0", "DELETE", "/v1/memories/1/", None),
        ("mem0", "DELETE", "/v1/memories/?user_id=u", None),
    ],
)
def test_what_takes_entries_away_is_a_delete(format: str, method: str, target: str, body: Any) -> None:
    assert exchange(format, method, target, body).does == "delete"
