"""Memories behind the gateway, each under a name of its own."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from comptroller.core.memory import STAMP
from comptroller.testing.stores import Stores
from tests.gateway.house import House, house

FORMATS = ("pinecone", "qdrant", "chroma", "weaviate", "mem0")
POLICY = """
policy: memory
memories:
  "*": {write: {when_tainted: note}, share: customer, keep: 30d}
"""
ACME, GLOBEX = ({"comptroller-customer": name} for name in ("acme", "globex"))
COLLECTION = "/api/v2/tenants/t/databases/d/collections"


@contextmanager
def behind(policy: str = POLICY, **more: Any) -> Iterator[tuple[House, Stores]]:
    with Stores() as stores:
        named = [
            {"name": name, "format": name, "url": f"{stores.url}/{name}", "key_env": "STORE_KEY"} for name in FORMATS
        ]
        with house(policy=policy, memories=named, **more) as there:
            yield there, stores


def write(there: House, format: str, text: str, who: dict[str, str]) -> Any:
    path, body = {
        "pinecone": ("/vectors/upsert", {"vectors": [{"id": "1", "values": [0.1], "metadata": {"text": text}}]}),
        "chroma": (f"{COLLECTION}/c1/add", {"ids": ["1"], "documents": [text]}),
        "weaviate": ("/v1/objects", {"class": "Note", "properties": {"text": text}}),
        "mem0": ("/v1/memories/", {"messages": [{"role": "user", "content": text}], "infer": False}),
    }.get(format, ("", {}))
    if format == "qdrant":
        points = {"points": [{"id": 1, "vector": [0.1], "payload": {"text": text}}]}
        return there.desk and _put(there, "/memory/qdrant/collections/notes/points", points, who)
    answer = there.post(f"/memory/{format}{path}", body, headers=who)
    assert answer.status_code < 300, answer.text
    return answer


def _put(there: House, path: str, body: Any, who: dict[str, str]) -> Any:
    import httpx

    return httpx.put(there.url + path, json=body, headers=who, trust_env=False)


def read(there: House, format: str, who: dict[str, str]) -> str:
    path, body = {
        "pinecone": ("/query", {"topK": 5, "vector": [0.1], "includeMetadata": True}),
        "qdrant": ("/collections/notes/points/query", {"query": [0.1], "with_payload": True}),
        "chroma": (f"{COLLECTION}/c1/get", {"include": ["documents"]}),
        "weaviate": ("/v1/graphql", {"query": "{ Get { Note(limit: 5) { text _additional { id } } } }"}),
        "mem0": ("/v2/memories/search/", {"query": "what?", "filters": {"user_id": "u"}}),
    }[format]
    answer = there.post(f"/memory/{format}{path}", body, headers=who)
    assert answer.status_code == 200, answer.text
    return answer.text


@pytest.mark.parametrize("format", FORMATS)
def test_what_was_written_for_one_customer_is_read_by_that_customer_alone(format: str) -> None:
    with behind() as (there, stores):
        write(there, format, "likes tea", ACME)
        assert STAMP in str(stores.asked[-1])
        told = read(there, format, ACME)
        assert "likes tea" in told
        assert STAMP not in told
        assert "likes tea" not in read(there, format, GLOBEX)
        left_out = there.last["tool"]["memory"]["left_out"]
    assert left_out == {"not shared": 1}
