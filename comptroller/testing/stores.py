"""Vector stores and an agent memory in one process, as much of each as agents ask for: nothing is searched.

`with Stores() as stores:` serves Pinecone, Qdrant, Chroma, Weaviate and mem0, each under `stores.url + "/NAME"`.
"""

import json
import re
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs, unquote
from uuid import UUID, uuid5

Row = dict[str, Any]
Told = tuple[int, Any]
SPACE = UUID("6ba7b810-9dad-11d1-80b4-00c04fd430c8")
MISSING: Told = (404, {"error": "not found"})


class Stores:
    """What was written, by store and collection; `asked` is every request as it came."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], dict[str, Row]] = {}
        self.asked: list[tuple[str, str, Any]] = []
        self.heads: list[Row] = []  # of what came over HTTP, names in lower case
        self._speak: dict[str, Callable[[str, str, Row, Any], Told]] = {
            "pinecone": self._pinecone,
            "qdrant": self._qdrant,
            "chroma": self._chroma,
            "weaviate": self._weaviate,
            "mem0": self._mem0,
        }
        self._server: ThreadingHTTPServer | None = None
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        """Where it listens."""
        assert self._server is not None, "it is started"
        return f"http://127.0.0.1:{self._server.server_port}"

    def rows(self, store: str, collection: str) -> dict[str, Row]:
        """The entries of a collection, by id."""
        return self.kept.setdefault((store, collection), {})

    def answer(self, method: str, store: str, target: str, data: bytes) -> Told:
        """What a store says to a request."""
        path, _, query = target.partition("?")
        lines = [json.loads(line) for line in data.split(b"\n") if line.strip()] if data else []
        body = lines if path.endswith("/upsert") and path.startswith("/records/") else (lines or [None])[0]
        self.asked.append((method, path, body))
        said = {name: values[0] for name, values in parse_qs(query).items()}
        return self._speak[store](method, unquote(path), said, body)

    # -- each in its own way

    def _pinecone(self, method: str, path: str, said: Row, body: Any) -> Told:
        if records := re.fullmatch(r"/records/namespaces/(.+)/(upsert|search)", path):
            rows = self.rows("pinecone", records[1])
            if records[2] == "upsert":
                rows.update((record.get("_id") or record["id"], record) for record in body)
                return 201, {}
            hits = [
                {"_id": id, "_score": 1.0, "fields": {name: value for name, value in row.items() if name != "_id"}}
                for id, row in rows.items()
            ]
            return 200, {"result": {"hits": hits}, "usage": {"read_units": 1}}
        rows = self.rows("pinecone", (body or said).get("namespace") or "")
        if path == "/vectors/upsert":
            rows.update((vector["id"], vector) for vector in body["vectors"])
            return 200, {"upsertedCount": len(body["vectors"])}
        if path == "/vectors/update":
            rows[body["id"]]["metadata"] |= body["setMetadata"]
            return 200, {}
        if path == "/vectors/delete":
            for id in body.get("ids", []):
                rows.pop(id, None)
            return 200, {}
        if path == "/query":
            shown = "metadata" if body.get("includeMetadata") else "id"
            found = [{"id": id, "score": 1.0, "values": [], shown: row[shown]} for id, row in rows.items()]
            return 200, {"matches": found, "namespace": body.get("namespace", ""), "usage": {"readUnits": 1}}
        if path == "/vectors/fetch":
            return 200, {"vectors": dict(rows), "namespace": said.get("namespace", ""), "usage": {"readUnits": 1}}
        return MISSING

    def _qdrant(self, method: str, path: str, said: Row, body: Any) -> Told:
        if path == "/":
            return 200, {"title": "qdrant", "version": "1.15.0"}
        found = re.fullmatch(r"/collections/([^/]+)/(points.*)", path)
        if found is None:
            return 200, {"result": True, "status": "ok", "time": 0.0}
        rows, rest = self.rows("qdrant", found[1]), found[2]
        done = {"operation_id": 1, "status": "completed"}
        if (method, rest) == ("PUT", "points"):
            rows.update((str(point["id"]), point) for point in body["points"])
            return 200, {"result": done, "status": "ok", "time": 0.0}
        if rest == "points/delete":
            for id in body.get("points", []):
                rows.pop(str(id), None)
            return 200, {"result": done, "status": "ok", "time": 0.0}
        payload = bool(body.get("with_payload", rest in ("points", "points/scroll")))
        points = [
            {"id": row["id"], "version": 1, "score": 1.0, "payload": row.get("payload") if payload else None}
            for row in rows.values()
        ]
        result: Any = {"points": points}
        if rest == "points/scroll":
            result["next_page_offset"] = None
        return 200, {"result": points if rest in ("points", "points/search") else result, "status": "ok", "time": 0.0}

    def _chroma(self, method: str, path: str, said: Row, body: Any) -> Told:
        if path == "/api/v2/auth/identity":
            return 200, {"user_id": "", "tenant": "default_tenant", "databases": ["default_database"]}
        if path == "/api/v2/pre-flight-checks":
            return 200, {"max_batch_size": 1000, "supports_base64_encoding": False}
        found = re.fullmatch(r"(.*/collections)(?:/([^/]+)(?:/([a-z]+))?)?", path)
        if found is None:
            return 200, {"name": path.rpartition("/")[2], "id": str(SPACE), "tenant": "default_tenant"}
        if found[3] is None:
            name = found[2] or body["name"]
            return 200, {
                "id": str(uuid5(SPACE, name)), "name": name, "metadata": None, "dimension": None,
                "tenant": "default_tenant", "database": "default_database", "log_position": 0, "version": 0,
                "configuration_json": {}, "schema": None,
            }  # fmt: skip
        rows = self.rows("chroma", found[2])
        if found[3] in ("add", "upsert"):
            columns = (body.get("documents") or [None] * len(body["ids"]), body["metadatas"])
            for id, document, metadata in zip(body["ids"], *columns, strict=True):
                rows[id] = {"document": document, "metadata": metadata}
            return 201, {}
        if found[3] == "delete":
            for id in body.get("ids") or list(rows):
                rows.pop(id, None)
            return 200, {}
        ids, included = list(rows), body["include"]
        made: Row = {"include": included, "embeddings": None, "uris": None, "data": None, "documents": None}
        made |= {"ids": ids, "metadatas": None}
        for name in ("documents", "metadatas"):
            if name in included:
                made[name] = [dict(row[name[:-1]]) if name == "metadatas" else row[name[:-1]] for row in rows.values()]
        if found[3] == "query":
            made["distances"] = [0.0] * len(ids) if "distances" in included else None
            made = {name: [one] if isinstance(one, list) and name != "include" else one for name, one in made.items()}
        return 200, made

    def _weaviate(self, method: str, path: str, said: Row, body: Any) -> Told:
        if path == "/v1/objects" and method == "POST":
            body.setdefault("id", str(uuid5(SPACE, json.dumps(body, sort_keys=True))))
            self.rows("weaviate", body["class"])[body["id"]] = body
            return 200, body
        if path == "/v1/batch/objects":
            for one in body["objects"]:
                self._weaviate("POST", "/v1/objects", {}, one)
            return 200, [{**one, "result": {"status": "SUCCESS"}} for one in body["objects"]]
        if found := re.fullmatch(r"/v1/objects/([^/]+)/([^/]+)", path):
            row = self.rows("weaviate", found[1]).get(found[2])
            return MISSING if row is None else (200, row)
        if path != "/v1/graphql":
            return 200, {"version": "1.30.0"}
        asked = re.search(r"Get\s*\{\s*(\w+)[^{]*\{([^{}]*)", body["query"])
        assert asked is not None, "only plain queries are made"
        rows, wanted = self.rows("weaviate", asked[1]), asked[2].split()
        known = {name for row in rows.values() for name in row["properties"]} | {"_additional"}
        if unknown := [name for name in wanted if name not in known]:
            message = f'Cannot query field "{unknown[0]}" on type "{asked[1]}".'
            return 200, {"data": None, "errors": [{"message": message}]}
        listed = [
            {name: {"id": id} if name == "_additional" else row["properties"].get(name) for name in wanted}
            for id, row in rows.items()
        ]
        return 200, {"data": {"Get": {asked[1]: listed}}}

    def _mem0(self, method: str, path: str, said: Row, body: Any) -> Told:
        rows = self.rows("mem0", "")
        path = re.sub(r"^/v\d/", "/", path).rstrip("/")
        if path in ("/memories", "/memories/add") and method == "POST" and "messages" in body:
            infer = body.get("infer") is not False
            for message in body["messages"]:
                id = str(uuid5(SPACE, message["content"]))
                text = f"It was said: {message['content']}" if infer else message["content"]
                rows[id] = {"id": id, "memory": text, "metadata": body.get("metadata"), "user_id": body.get("user_id")}
            return 200, {"results": [{"id": id, "event": "ADD"} for id in rows]}
        if path in ("/memories", "/memories/search"):
            return 200, {"results": [{**row, "metadata": dict(row["metadata"] or {})} for row in rows.values()]}
        if method == "DELETE" and path.startswith("/memories/"):
            rows.pop(path.rpartition("/")[2], None)
            return 200, {"message": "Memory deleted successfully!"}
        return 200, {"status": "ok", "org_id": "o", "project_id": "p", "user_email": "agent@example.com"}

    # -- over HTTP

    def __enter__(self) -> "Stores":
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), name="stores", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None, "it was started"
        assert self._thread is not None, "it was started"
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def _handler(stores: Stores) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.0"  # a connection for each request: none is left open at the end

        def _tell(self) -> None:
            data = self.rfile.read(int(self.headers.get("content-length") or 0))
            _, store, rest = self.path.split("/", 2)
            stores.heads.append({name.lower(): value for name, value in self.headers.items()})
            status, answer = stores.answer(self.command, store, f"/{rest}", data)
            told = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(told)))
            self.end_headers()
            self.wfile.write(told)

        do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = _tell

        def log_message(self, format: str, *args: object) -> None:
            """Nothing is said."""

    return Handler
