"""The OpenAPI document: what the routes say of themselves, written down."""

import re
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from comptroller.gateway.api.frame import JSON, Route
from comptroller.gateway.api.shapes import Error, Nothing

VERSION = "1"
PLACE = "#/components/schemas/"
ALWAYS = (400, 401, 403, 503)  # a mistake, no key, no right, no ledger
OF_BODIES = (413, 415)
_CONVERTED = re.compile(r"\{(\w+)(?::\w+)?\}")
ID: Mapping[str, object] = {"type": "string", "minLength": 1, "maxLength": 128, "pattern": "^[A-Za-z0-9_-]+$"}


def document(routes: Iterable[Route]) -> dict[str, object]:
    """The document for these routes."""
    routes = tuple(routes)
    shapes = _schemas(routes)
    paths: dict[str, dict[str, object]] = {}
    for route in routes:
        paths.setdefault(_CONVERTED.sub(r"{\1}", route.path), {})[route.method.lower()] = _operation(route, shapes)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Comptroller", "version": VERSION, "description": "The books and the office over HTTP."},
        "security": [{"key": []}],
        "paths": paths,
        "components": {
            "schemas": dict(sorted(shapes.items())),
            "securitySchemes": {
                "key": {"type": "http", "scheme": "bearer", "description": "A Comptroller key, ck_..."}
            },
        },
    }


def _schemas(routes: Iterable[Route]) -> dict[str, Any]:
    wanted: dict[tuple[type[BaseModel], JsonSchemaMode], None] = {(Error, "serialization"): None}
    for route in routes:
        wanted[route.reply, "serialization"] = None
        wanted[route.query, "validation"] = None
        if route.body is not None:
            wanted[route.body, "validation"] = None
    return dict(models_json_schema(list(wanted), ref_template=PLACE + "{model}")[1]["$defs"])


def _operation(route: Route, shapes: Mapping[str, Any]) -> dict[str, object]:
    made: dict[str, object] = {
        "operationId": route.answer.__name__,
        "summary": route.does,
        "tags": [route.path.split("/")[2]],
        "description": f"Needs the scope `{route.right}`." if route.right else "Any key may ask.",
        "parameters": [*_of_path(route), *_of_query(route, shapes)],
        "responses": _responses(route),
    }
    if route.body is not None:
        needed = any(said.is_required() for said in route.body.model_fields.values())
        made["requestBody"] = {"required": needed, "content": {JSON: {"schema": _ref(route.body)}}}
    return made


def _of_path(route: Route) -> list[dict[str, object]]:
    return [
        {"name": name, "in": "path", "required": True, "schema": dict(ID)} for name in _CONVERTED.findall(route.path)
    ]


def _of_query(route: Route, shapes: Mapping[str, Any]) -> list[dict[str, object]]:
    if route.query is Nothing:
        return []
    schema = shapes[route.query.__name__]
    return [
        {"name": name, "in": "query", "required": name in schema.get("required", ()), "schema": _unnulled(said)}
        for name, said in schema["properties"].items()
    ]


def _unnulled(schema: Mapping[str, Any]) -> dict[str, Any]:
    """A query has no null: what may be left out is left out."""
    said = {name: value for name, value in schema.items() if name not in ("anyOf", "default") or value is not None}
    kinds = [kind for kind in said.get("anyOf", ()) if kind != {"type": "null"}]
    if len(kinds) == 1:
        del said["anyOf"]
        said |= kinds[0]
    return said


def _responses(route: Route) -> dict[str, object]:
    right = {JSON: {"schema": _ref(route.reply)}, **route.media}
    found: dict[str, object] = {str(route.status): {"description": HTTPStatus(route.status).phrase, "content": right}}
    for status in sorted({*ALWAYS, *route.fails, *(OF_BODIES if route.body is not None else ())}):
        content = {JSON: {"schema": _ref(Error)}}
        found[str(status)] = {"description": HTTPStatus(status).phrase, "content": content}
    return found


def _ref(shape: type[BaseModel]) -> dict[str, str]:
    return {"$ref": PLACE + shape.__name__}
