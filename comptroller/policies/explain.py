"""What pydantic found wrong with a frame, told as a cause and a remedy."""

from collections.abc import Mapping
from types import NoneType, UnionType
from typing import Any, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from comptroller.core.mistakes import did_you_mean
from comptroller.policies.document import Document

Path = tuple[str | int, ...]


def explain(error: Mapping[str, Any]) -> str:
    """One sentence of cause and one of remedy for an error of the frame."""
    path: Path = error["loc"]
    name = next((str(step) for step in reversed(path) if isinstance(step, str) and step != "[key]"), "policy")
    kind, context, given = error["type"], error.get("ctx", {}), error.get("input")
    if kind == "extra_forbidden":
        return f"There is no field `{name}` here. {did_you_mean(name, fields_at(path[:-1]))}"
    if kind == "missing":
        return f"The field `{name}` is missing. Add it."
    if kind == "literal_error":
        choice = str(context["expected"]).replace("'", "`").replace(" or ", ", ")
        return f"`{name}` cannot be {_shown(given)}. Use one of {choice}."
    if kind == "value_error":
        return f"`{name}`: {context['error']}."
    said = _KINDS[kind].format_map(context) if kind in _KINDS else error["msg"]
    return f"`{name}` {said}, not {_shown(given)}. {_REMEDIES.get(kind, 'Mend it.')}"


_KINDS = {
    "string_type": "must be text",
    "int_type": "must be a whole number",
    "bool_type": "must be true or false",
    "list_type": "must be a list",
    "dict_type": "must be keys and values",
    "model_type": "must be keys and values",
    "model_attributes_type": "must be keys and values",
    "too_short": "must hold at least one item, or it applies to nothing",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
}
_REMEDIES = {
    "string_type": "Put it in quotes.",
    "list_type": "Write it like `[a, b]`.",
    "dict_type": "Write it like `key: value`.",
    "model_type": "Write it like `key: value`.",
    "too_short": 'Name something, or `"*"` for all.',
}


def _shown(value: object) -> str:
    if value is None:
        return "empty"
    if isinstance(value, dict):
        return "keys and values"
    if isinstance(value, list):
        return "a list" if value else "an empty list"
    text = str(value).lower() if isinstance(value, bool) else str(value)
    shown = f"`{text[:40]}{'...' if len(text) > 40 else ''}`"
    return f"the text {shown}" if isinstance(value, str) and text[:1].isdigit() else shown


def fields_at(path: Path) -> list[str]:
    """The fields a frame has at a path of a policy file."""
    frame: Any = Document
    for step in path:
        frame = _there(frame)
        if isinstance(frame, type) and issubclass(frame, BaseModel):
            field = next((f for n, f in frame.model_fields.items() if step in (n, f.alias)), None)
            frame = field.annotation if field else None
        else:  # an item of a list or a mapping
            frame = _inner(frame)
    frame = _inner(frame)
    if not (isinstance(frame, type) and issubclass(frame, BaseModel)):
        return []
    return [field.alias or name for name, field in frame.model_fields.items()]


def _there(annotation: Any) -> Any:
    """What an optional is when it is there."""
    parts = [part for part in get_args(annotation) if part is not NoneType]
    return parts[0] if isinstance(annotation, UnionType) and len(parts) == 1 else annotation


def _inner(annotation: Any) -> Any:
    """What a list, a mapping or an optional holds; itself where it is none of these."""
    parts = [part for part in get_args(annotation) if part is not type(None) and not isinstance(part, FieldInfo)]
    return _inner(parts[-1]) if parts else annotation
