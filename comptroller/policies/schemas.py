"""Tools as others describe them: the lists of MCP servers, OpenAI, Anthropic and Gemini, and OpenAPI documents."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from comptroller.core.source import MAX_BYTES, read_source
from comptroller.policies.document import Tool

_KINDS = {"string": "string", "integer": "int", "number": "double", "boolean": "bool", "object": "object"}
_METHODS = ("get", "head", "put", "post", "delete", "patch", "options", "trace")
_READS = frozenset({"get", "head", "options", "trace"})
_DEEPEST = 20  # references followed
DIGITS = 16  # of a digest, as they stand in a table


class BadSchemas(Exception):
    """A file that describes no tools; says why and what would."""


@dataclass(frozen=True, slots=True)
class Schema:
    """One tool as its server describes it."""

    name: str
    args: Mapping[str, str]  # types as a tool table writes them
    digest: str  # of all that a model is told of it
    reads: bool | None = None  # whether it says that it only reads
    origin: str = ""  # the file

    def table(self) -> Tool:
        """The table it would have."""
        return Tool(effect="read" if self.reads else "write", args=dict(self.args))


def read_schemas(name: str, data: bytes) -> list[Schema]:
    """The tools a file describes; raises BadSchemas where it describes none."""
    if len(data) > MAX_BYTES:
        raise BadSchemas(f"{name}: is larger than {MAX_BYTES // 1_000_000} MB. Take out what is not about tools.")
    document = _parsed(name, data)
    found = list(_openapi(document) if isinstance(document, dict) and "paths" in document else _listed(document))
    if not found:
        raise BadSchemas(
            f"{name}: describes no tools. Give the result of an MCP server's `tools/list`, the `tools` of an OpenAI or "
            "Anthropic request, or an OpenAPI document."
        )
    return [Schema(tool, args, digest, reads, name) for tool, args, digest, reads in found]


_Found = tuple[str, dict[str, str], str, bool | None]


def _parsed(name: str, data: bytes) -> Any:
    try:
        return json.loads(data)
    except RecursionError:
        raise BadSchemas(f"{name}: is nested too deep.") from None
    except ValueError:  # UnicodeDecodeError is one
        source = read_source(name, data)
        if source.mistakes:
            raise BadSchemas(f"{name}: is neither JSON nor YAML. {source.mistakes[0]}") from None
        return source.values


def _listed(document: Any) -> Iterator[_Found]:
    """The tools of a list, wherever in the document it stands."""
    if isinstance(document, dict):
        inner = next((document[key] for key in ("result", "tools", "functionDeclarations") if key in document), None)
        if inner is not None:
            yield from _listed(inner)
        elif (one := _one(document)) is not None:
            yield one
    elif isinstance(document, list):
        for item in document:
            yield from _listed(item) if isinstance(item, dict) else ()


def _one(item: dict[str, Any]) -> _Found | None:
    described = item["function"] if isinstance(item.get("function"), dict) else item
    schema = next((described[key] for key in ("inputSchema", "input_schema", "parameters") if key in described), None)
    name = described.get("name")
    if not isinstance(name, str) or not isinstance(schema, dict):
        return None
    hints = described.get("annotations")
    reads = hints.get("readOnlyHint") if isinstance(hints, dict) else None
    told = {"name": name, "description": described.get("description", ""), "schema": schema}
    return name, _args(schema, schema), _digest(told), reads if isinstance(reads, bool) else None


def _openapi(document: dict[str, Any]) -> Iterator[_Found]:
    for path, operations in _dict(document.get("paths")).items():
        shared = _list(_dict(operations).get("parameters"))
        for method in _METHODS:
            operation = _dict(operations).get(method)
            if isinstance(operation, dict):
                name = operation.get("operationId") or f"{method} {path}"
                args = {**_parameters([*shared, *_list(operation.get("parameters"))], document)}
                body = _resolved(operation.get("requestBody"), document)
                args.update(_body(body, document))
                told = {"name": name, "operation": operation, "shared": shared, "args": args}
                yield str(name), args, _digest(told), method in _READS


def _parameters(found: list[Any], document: Any) -> dict[str, str]:
    args = {}
    for item in found:
        parameter = _resolved(item, document)
        if isinstance(parameter.get("name"), str) and parameter.get("in") in ("path", "query", "header", "cookie"):
            schema = parameter.get("schema", parameter)  # OpenAPI 2 has the type on the parameter itself
            args[parameter["name"]] = _optional(_type(schema, document), bool(parameter.get("required")))
    return args


def _body(body: dict[str, Any], document: Any) -> dict[str, str]:
    content = _dict(body.get("content"))
    media = next((content[name] for name in content if name.split(";")[0].endswith("json")), None)
    schema = _resolved(_dict(media).get("schema"), document)
    args = _args(schema, document)
    return args if body.get("required") else {name: _optional(kind, False) for name, kind in args.items()}


def _args(schema: dict[str, Any], document: Any) -> dict[str, str]:
    schema = _resolved(schema, document)
    required = set(map(str, _list(schema.get("required"))))
    parts = [schema, *(_resolved(part, document) for part in _list(schema.get("allOf")))]
    args: dict[str, str] = {}
    for part in parts:
        required |= set(map(str, _list(part.get("required"))))
        for name, inner in _dict(part.get("properties")).items():
            args[str(name)] = _type(inner, document)
    return {name: _optional(kind, name in required) for name, kind in args.items()}


def _type(schema: Any, document: Any, depth: int = 0) -> str:
    """A type as tables write it; `any` where a schema says no single one."""
    schema = _resolved(schema, document)
    choices = _list(schema.get("anyOf") or schema.get("oneOf"))
    if choices and depth < _DEEPEST:
        kinds = {_type(choice, document, depth + 1) for choice in choices}
        return _joined(kinds)
    kind = schema.get("type")
    if isinstance(kind, list):
        return _joined({_type({**schema, "type": one}, document, depth + 1) for one in kind} if depth < 2 else {"any"})
    if kind == "null":
        return "null"
    if kind == "array":
        item = _type(schema.get("items", {}), document, depth + 1) if depth < _DEEPEST else "any"
        return f"list<{item}>" if item in _KINDS.values() else "list"
    if kind is None and isinstance(schema.get("enum"), list) and all(isinstance(one, str) for one in schema["enum"]):
        return "string"
    found = _KINDS.get(str(kind).lower(), "any")
    return _optional(found, not schema.get("nullable"))


def _joined(kinds: set[str]) -> str:
    absent = any(kind == "null" or kind.endswith("?") for kind in kinds)
    rest = {kind.removesuffix("?") for kind in kinds if kind != "null"}
    kind = rest.pop() if len(rest) == 1 else "double" if rest == {"int", "double"} else "any"
    return _optional(kind, not absent)


def _optional(kind: str, required: bool) -> str:
    kind = "any" if kind == "null" else kind
    return kind if required or kind.endswith("?") else f"{kind}?"


def _resolved(schema: Any, document: Any) -> dict[str, Any]:
    """What a reference within the document leads to."""
    for _ in range(_DEEPEST):
        if not isinstance(schema, dict):
            return {}
        target = schema.get("$ref")
        if not isinstance(target, str):
            return schema
        schema = document
        for step in target.removeprefix("#/").split("/"):
            schema = _dict(schema).get(step.replace("~1", "/").replace("~0", "~"))
    return {}


def _digest(told: object) -> str:
    data = json.dumps(told, sort_keys=True, separators=(",", ":"), default=str)
    return sha256(data.encode("utf-8", "surrogatepass")).hexdigest()[:DIGITS]


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
