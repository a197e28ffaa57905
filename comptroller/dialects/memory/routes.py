"""Which memory a request goes to: by a host of its vendor's, or by a path that nobody else has."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from comptroller.dialects.memory import chroma, mem0, pinecone, qdrant, weaviate
from comptroller.dialects.memory.exchange import Asked, Exchange

Format = Literal["pinecone", "weaviate", "qdrant", "chroma", "mem0"]


Read = Callable[[Asked], Exchange | None]
FORMATS: Mapping[str, tuple[tuple[str, ...], Read]] = {
    "pinecone": (pinecone.HOSTS, pinecone.read),
    "weaviate": (weaviate.HOSTS, weaviate.read),
    "qdrant": (qdrant.HOSTS, qdrant.read),
    "chroma": (chroma.HOSTS, chroma.read),
    "mem0": (mem0.HOSTS, mem0.read),
}
PATHS = {"qdrant": qdrant.is_path, "chroma": chroma.is_path}  # the others' are words that many use


@dataclass(frozen=True, slots=True)
class Store:
    """A memory that a request goes to: as policies call it, and how it speaks."""

    name: str
    format: str


def store_at(host: str, path: str) -> Store | None:
    """The memory at a host or path that is known without being told."""
    host = host.removesuffix(".")  # the same host, said in full
    for format, (hosts, _) in FORMATS.items():
        if host.endswith(hosts):
            # Pinecone's own host for making and listing indexes holds no entries.
            return None if host.startswith("api.") and format == "pinecone" else Store(host, format)
    return next((Store(host, format) for format, is_path in PATHS.items() if is_path(path)), None)


def read(store: Store, asked: Asked) -> Exchange | None:
    """What is asked of the store; None where no entry is touched. Raises Unreadable for what is not known."""
    return FORMATS[store.format][1](asked)
