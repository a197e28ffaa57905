"""What a request demands of its reply: JSON of a certain form, as each provider's format says so."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from msgspec import Raw

from comptroller.core.call import Request
from comptroller.dialects import tree
from comptroller.dialects.tree import dict_of, list_of, text_of

Schema = Mapping[str, Any]
ANY_OBJECT: Schema = {"type": "object"}
MOST_SCHEMA = 65_536  # bytes of a request's part that holds schemas; beyond it nothing is demanded here
DEEPEST = 32
FITTING = ("ANY", "VALIDATED")  # Google's modes in which the arguments of functions keep to their schemas


@dataclass(frozen=True, slots=True)
class Demands:
    """JSON schemas of the reply's text, and of the arguments of tools that must fit theirs."""

    text: Schema | None = None
    tools: Mapping[str, Schema] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return self.text is not None or bool(self.tools)


NOTHING = Demands()


def demands_of(dialect: str, request: Request) -> Demands:
    """What the reply to a request has to be; nothing where its format has no word for that."""
    read = _READERS.get(dialect)
    return NOTHING if read is None else read(tree.fields(request.raw))


def _chat(top: Mapping[str, Raw]) -> Demands:
    wanted = dict_of(_small(top, "response_format"))
    kind = wanted.get("type")
    schema = dict_of(dict_of(wanted.get("json_schema")).get("schema")) if kind == "json_schema" else None
    text = ANY_OBJECT if kind == "json_object" else schema
    chosen = _chosen(tree.value(top, "tool_choice"))
    functions = (dict_of(dict_of(tool).get("function")) for tool in list_of(_small(top, "tools")))
    return Demands(text, dict(_tools(functions, "parameters", chosen)))


def _responses(top: Mapping[str, Raw]) -> Demands:
    wanted = dict_of(dict_of(_small(top, "text")).get("format"))
    kind = wanted.get("type")
    schema = dict_of(wanted.get("schema")) if kind == "json_schema" else None
    text = ANY_OBJECT if kind == "json_object" else schema
    functions = (dict_of(tool) for tool in list_of(_small(top, "tools")))
    return Demands(text, dict(_tools(functions, "parameters", _chosen(tree.value(top, "tool_choice")))))


def _messages(top: Mapping[str, Raw]) -> Demands:
    config = dict_of(_small(top, "output_config"))
    wanted = dict_of(config.get("format")) or dict_of(_small(top, "output_format"))
    text = dict_of(wanted.get("schema")) if wanted.get("type") == "json_schema" else None
    functions = (dict_of(tool) for tool in list_of(_small(top, "tools")))
    return Demands(text, dict(_tools(functions, "input_schema", _chosen(tree.value(top, "tool_choice")))))


def _contents(top: Mapping[str, Raw]) -> Demands:
    config = dict_of(_small(top, "generationConfig") or _small(top, "generation_config"))
    is_json = "json" in text_of(_either(config, "responseMimeType", "response_mime_type"))
    text = _googles(config, "responseJsonSchema", "response_json_schema", "responseSchema", "response_schema")
    return Demands((text or {}) if is_json else None, dict(_functions(top)))


def _functions(top: Mapping[str, Raw]) -> Iterator[tuple[str, Schema]]:
    """The functions whose arguments Google has keep to their schemas: all that may be called in such a mode."""
    config = dict_of(tree.value(top, "toolConfig") or tree.value(top, "tool_config"))
    calling = dict_of(_either(config, "functionCallingConfig", "function_calling_config"))
    if text_of(calling.get("mode")).upper() not in FITTING:
        return
    allowed = list_of(_either(calling, "allowedFunctionNames", "allowed_function_names"))
    for tool in map(dict_of, list_of(_small(top, "tools"))):
        for function in map(dict_of, list_of(_either(tool, "functionDeclarations", "function_declarations"))):
            name = text_of(function.get("name"))
            schema = _googles(function, "parametersJsonSchema", "parameters_json_schema", "parameters", "parameters")
            if name and schema and (not allowed or name in allowed):
                yield name, schema


def _googles(node: Mapping[str, Any], plain: str, plain_snake: str, own: str, own_snake: str) -> Schema | None:
    """A schema as one of the two fields for it has it: a plain one, or Google's own."""
    if schema := dict_of(_either(node, plain, plain_snake)):
        return schema
    return dict_of(as_json_schema(_either(node, own, own_snake))) or None


def _either(node: Mapping[str, Any], name: str, snake: str) -> Any:
    """Google reads both spellings of a field."""
    return node.get(name) or node.get(snake)


_READERS: Mapping[str, Callable[[Mapping[str, Raw]], Demands]] = {
    "openai_chat": _chat,
    "openai_responses": _responses,
    "anthropic": _messages,
    "gemini": _contents,
}


def as_json_schema(node: object, deep: int = 0) -> Any:
    """Google's own schema in the words of JSON Schema: types in lower case, `nullable` as one more type."""
    if deep > DEEPEST or not isinstance(node, dict):
        return node
    made: dict[str, Any] = {}
    for name, value in node.items():
        if name == "type" and isinstance(value, str):
            made["type"] = value.lower()
        elif name == "properties" and isinstance(value, dict):
            made["properties"] = {key: as_json_schema(inner, deep + 1) for key, inner in value.items()}
        elif name in ("items", "additionalProperties"):
            made[name] = as_json_schema(value, deep + 1)
        elif name in ("anyOf", "any_of") and isinstance(value, list):
            made["anyOf"] = [as_json_schema(inner, deep + 1) for inner in value]
        elif name in ("required", "enum", "minItems", "maxItems", "minimum", "maximum", "minLength", "maxLength"):
            made[name] = _counted(value)
    return {"anyOf": [made, {"type": "null"}]} if node.get("nullable") is True else made


def _counted(value: object) -> object:
    """Google writes 64-bit numbers as text."""
    return int(value) if isinstance(value, str) and value.lstrip("-").isdigit() else value


def _tools(functions: Iterator[dict[str, Any]], key: str, chosen: str) -> Iterator[tuple[str, Schema]]:
    """Tools whose arguments must fit: those that say so, and the one that is demanded, which is how a form is asked
    for where there is no other way.
    """
    for function in functions:
        name, schema = text_of(function.get("name")), function.get(key)
        if name and isinstance(schema, dict) and (function.get("strict") is True or name == chosen):
            yield name, schema


def _chosen(choice: object) -> str:
    """The tool that must be called, by its name."""
    node = dict_of(choice)
    return text_of(dict_of(node.get("function")).get("name")) or text_of(node.get("name"))


def _small(top: Mapping[str, Raw], name: str) -> Any:
    return tree.value(top, name) if name in top and len(bytes(top[name])) <= MOST_SCHEMA else None
