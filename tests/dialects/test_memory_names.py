"""What a request to a memory is about, however it is spelt: policies must not be passed by for another spelling."""

import json
from typing import Any

import pytest

from comptroller.dialects.memory.exchange import Asked, Exchange, Item
from comptroller.dialects.memory.routes import Store, read


def exchange(format: str, method: str, target: str, body: Any = None) -> Exchange:
    path, _, query = target.partition("?")
    found = read(Store("s", format), Asked(method, path, query, json.dumps(body).encode() if body else b""))
    assert found is not None
    return found


def names(made: Exchange) -> set[tuple[str, ...]] | None:
    return None if made.names is None else {made.names, *made.others}


@pytest.mark.parametrize(
    ("method", "target", "body", "told"),
    [
        ("GET", "/v1/objects/notes/1", None, ("Notes",)),
        ("GET", "/v1/objects/Notes/1?tenant=acme", None, ("Notes", "acme")),
        ("GET", "/v1/objects?class=notes&tenant=acme", None, ("Notes", "acme")),
        ("DELETE", "/v1/objects/Notes/1?tenant=acme", None, ("Notes", "acme")),
        ("DELETE", "/v1/batch/objects?tenant=acme", {"match": {"class": "notes"}}, ("Notes", "acme")),
        ("POST", "/v1/objects", {"class": "notes", "tenant": "acme"}, ("Notes", "acme")),
        ("PUT", "/v1/objects/Open/1", {"class": "Notes", "properties": {}}, ("Notes",)),
        ("PUT", "/v1/objects/Notes/1", {"class": "Open", "properties": {}}, ("Notes",)),
        ("POST", "/v1/graphql", {"query": '{Get{notes(tenant: "acme"){text}}}'}, ("Notes", "acme")),
    ],
)
def test_a_class_of_weaviate_is_known_by_either_spelling_and_with_its_tenant(
    method: str, target: str, body: Any, told: tuple[str, ...]
) -> None:
    found = names(exchange("weaviate", method, target, body))
    assert found is not None
    assert {told, (told[0].lower(), *told[1:])} <= found


def test_a_tenant_that_is_a_variable_is_not_known() -> None:
    query = "query Q($t: String) { Get { Notes(tenant: $t) { text } } }"
    assert exchange("weaviate", "POST", "/v1/graphql", {"query": query, "variables": {"t": "acme"}}).names is None


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({"query": "x", "user_id": "mine", "filters": {"user_id": "theirs"}}, {("mine",), ("theirs",)}),
        ({"query": "x", "user_id": "mine", "agent_id": "bot"}, {("mine",), ("bot",)}),
        ({"query": "x", "filters": {"AND": [{"user_id": "mine"}, {"app_id": "desk"}]}}, {("mine",), ("desk",)}),
        ({"query": "x", "user_id": "mine", "filters": {"agent_id": {"in": ["bot"]}}}, None),
        ({"query": "x", "user_id": "mine", "filters": {"OR": [{"user_id": "mine"}, {"created_at": {}}]}}, None),
        ({"query": "x", "user_id": "mine", "filters": {"NOT": [{"user_id": "mine"}]}}, None),
        ({"query": "x", "user_id": "*"}, None),
        ({"query": "x"}, None),
    ],
)
def test_a_search_in_mem0_is_about_all_whose_memory_it_names(body: Any, told: set[tuple[str, ...]] | None) -> None:
    assert names(exchange("mem0", "POST", "/v2/memories/search/", body)) == told


def test_a_query_of_several_classes_is_not_asked_again_without_stamps() -> None:
    two = exchange("weaviate", "POST", "/v1/graphql", {"query": "{Get{Fresh{a} Notes{text}}}"})
    one = exchange("weaviate", "POST", "/v1/graphql", {"query": "{Get{Notes{text}}}"})
    assert (two.plain is None, one.plain is None) == (True, False)


def test_a_group_is_not_called_by_what_stands_in_entries_that_were_left_out() -> None:
    made = exchange("qdrant", "POST", "/collections/n/points/query/groups", {"group_by": "text", "with_payload": False})
    assert made.body["with_payload"] is True
    assert made.bare is False
    groups = [
        {"id": "theirs", "hits": [{"id": 1, "payload": {"text": "theirs"}}]},
        {"id": "mine", "hits": [{"id": 2, "payload": {"text": "mine"}}]},
    ]
    reply = {"result": {"groups": groups}}
    assert made.found is not None
    for batch, gone in zip(list(made.found(reply)), ([0], []), strict=True):
        batch.leave_out(frozenset(gone))
    assert [group["id"] for group in reply["result"]["groups"]] == ["mine"]


def test_long_numbers_are_looked_at_as_texts_are_and_vectors_are_not() -> None:
    item = Item("1", {"iban": 4711081512, "card": 4111111111111111.0, "of": [4711081512], "v": [0.1234567], "n": 7})
    assert item.text().split() == ["4711081512", "4111111111111111", "4711081512"]


def test_ids_and_names_of_fields_that_are_no_plain_words_are_told() -> None:
    item = Item("jane@acme.com", {"source_text": "a", "DE89370400440532013000": {"4711081512": [{"x y z w": 1}]}})
    assert item.labels() == ["jane@acme.com", "DE89370400440532013000", "4711081512", "x y z w"]
