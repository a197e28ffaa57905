"""A memory through its vendor's own client: `agent.py FORMAT write|read TEXT`; prints what is read."""

import os
import sys

URL = os.environ["MEMORY_URL"]
HEADERS = {"comptroller-customer": os.environ["MEMORY_CUSTOMER"]}


def pinecone(text: str) -> list[str]:
    from pinecone import Pinecone

    client = Pinecone(api_key="none", additional_headers=HEADERS)
    index = client.Index(host=f"{URL}/memory/pinecone")
    if text:
        index.upsert(vectors=[{"id": "1", "values": [0.1, 0.2], "metadata": {"text": text}}], namespace="notes")
    found = index.query(vector=[0.1, 0.2], top_k=3, include_metadata=True, namespace="notes")
    return [match.metadata["text"] for match in found.matches]


def qdrant(text: str) -> list[str]:
    from qdrant_client import QdrantClient
    from qdrant_client.models import PointStruct

    client = QdrantClient(url=URL, prefix="memory/qdrant", headers=HEADERS, timeout=20)
    if text:
        client.upsert("notes", [PointStruct(id=1, vector=[0.1, 0.2], payload={"text": text})])
    found = client.query_points("notes", query=[0.1, 0.2], limit=3).points
    return [point.payload["text"] for point in found]


def chroma(text: str) -> list[str]:
    import chromadb

    client = chromadb.HttpClient(host=f"{URL}/memory/chroma", headers=HEADERS)
    notes = client.get_or_create_collection("notes", embedding_function=None)
    if text:
        notes.add(ids=["1"], documents=[text], embeddings=[[0.1, 0.2]])
    return notes.get(include=["documents"])["documents"]


def mem0(text: str) -> list[str]:
    import httpx
    from mem0 import MemoryClient

    host = f"{URL}/memory/mem0"
    client = MemoryClient(api_key="none", host=host, client=httpx.Client(headers=HEADERS))
    if text:
        client.add([{"role": "user", "content": text}], user_id="u", infer=False)
    found = client.search("what?", filters={"user_id": "u"})
    return [one["memory"] for one in found["results"]]


if __name__ == "__main__":
    print(*{"pinecone": pinecone, "qdrant": qdrant, "chroma": chroma, "mem0": mem0}[sys.argv[1]](sys.argv[2]), sep="\n")
