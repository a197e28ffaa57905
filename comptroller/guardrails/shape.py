"""The shape of a reply that is to be JSON: mended where that loses nothing, and held against its schema, within bounds.

Schemas come from callers and texts from models, so neither is trusted to be small: nothing is fetched, patterns run in
linear time, and what would take too many steps is not looked at.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any

import msgspec

from comptroller.guardrails.weighing import MOST_PATTERNS, Steps, Unchecked, patterns_in

MOST_TEXT = 262_144  # characters of a reply that are looked at
MOST_STARTS = 64  # places in a text where JSON may begin
MOST_CAREFUL = 3  # of them, where it is read letter by letter
MOST_TOLD = 3  # mistakes
MOST_WORDS = 300  # characters of one
MASK = "It"  # in place of what is wrong: the model wrote it, maybe after what a page told it
_COMMA = re.compile(r",\s*[}\]]")
_raw_decode = json.JSONDecoder().raw_decode


class Form:
    """A JSON schema that values are held against."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        from jsonschema_rs import RegexOptions, validator_for  # 8 ms of an import, and few calls demand a form

        self._schema = schema
        if patterns_in(schema) > MOST_PATTERNS:
            raise Unchecked(f"its schema has more than {MOST_PATTERNS} patterns")
        try:
            self._validator = validator_for(
                dict(schema), validate_formats=False, retriever=_fetch,
                pattern_options=RegexOptions(size_limit=1 << 18), mask=MASK,
            )  # fmt: skip
        except (ValueError, TypeError, RecursionError) as error:
            raise Unchecked(f"its schema cannot be used: {str(error).splitlines()[0][:MOST_WORDS]}") from None

    def mistakes(self, value: object) -> list[str]:
        """What is wrong with a value, in the validator's words, which quote names and no text. Raises Unchecked."""
        Steps(self._schema).take(self._schema, value)
        found = []
        for error in self._validator.iter_errors(value):
            place = "/".join(str(step) for step in error.instance_path)
            found.append(f"{place}: {error.message}"[:MOST_WORDS] if place else error.message[:MOST_WORDS])
            if len(found) == MOST_TOLD:
                break
        return found


def form_of(schema: Mapping[str, Any]) -> Form:
    """The form of a schema; an agent brings the same one with every call."""
    return _form_of(msgspec.json.encode(schema))


@lru_cache(maxsize=128)
def _form_of(schema: bytes) -> Form:
    return Form(msgspec.json.decode(schema))


def _fetch(uri: str) -> Any:
    raise ValueError(f"it refers to {uri[:MOST_WORDS]}, and nothing is fetched")


# -- mending


def parsed(text: str) -> tuple[bool, object]:
    """Whether a text is JSON, and its value."""
    try:
        return True, msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return False, None


def mended(text: str, fits: Callable[[object], bool]) -> tuple[str, tuple[str, ...]] | None:
    """The JSON in a text that fits, where there is just one such, and what stood in its way; None where there is none.

    Nothing is made up and nothing is lost: a fence, words around it and commas before a closing bracket say nothing.
    A bracket or a quote that is missing may have held anything, so that is never mended.
    """
    found = [(value, kinds) for value, kinds in _candidates(text) if _fits(value, fits)]
    alone = len({value for value, _ in found}) == 1 and _is_alone(text, found)
    return found[0] if alone else None


def _fits(value: str, fits: Callable[[object], bool]) -> bool:
    is_json, made = parsed(value)  # what is decoded here may be more than JSON: NaN, say
    return is_json and fits(made)


def _is_alone(text: str, found: list[tuple[str, tuple[str, ...]]]) -> bool:
    """Whether no bracket of its kind stands beside it: a draft must not be taken for an answer that is broken."""
    opening = found[0][0][0]
    return text.count(opening) == sum(value.count(opening) for value, _ in found)


def _candidates(text: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Each JSON object or array that stands in a text by itself."""
    at = starts = 0
    while starts < MOST_STARTS and (start := _next(text, at)) >= 0:
        starts += 1
        found = _value_at(text, start, careful=starts <= MOST_CAREFUL)
        if found is None:
            at = start + 1
            continue
        value, at = found
        if not _is_closed(text[:start]):
            continue  # a part of something larger that was cut off: what is missing of it nobody knows
        commas = () if at - start == len(value) else ("trailing comma",)
        yield value, (*_around(text[:start], text[at:]), *commas)


def _is_closed(before: str) -> bool:
    return before.count("{") == before.count("}") and before.count("[") == before.count("]")


def _value_at(text: str, start: int, careful: bool) -> tuple[str, int] | None:
    """The JSON value that begins at a bracket, and where it ends in the text."""
    try:
        end = _raw_decode(text, start)[1]
        return text[start:end], end
    except (ValueError, RecursionError):
        if not careful or _COMMA.search(text, start) is None:
            return None
    # From a bracket on it is clear what is inside of a string; of the words before it that cannot be said.
    plain, places = without_commas(text[start:])
    try:
        end = _raw_decode(plain)[1]
    except (ValueError, RecursionError):
        return None
    return plain[:end], start + end + sum(place < end for place in places)


def _next(text: str, at: int) -> int:
    places = [place for bracket in "{[" if (place := text.find(bracket, at)) >= 0]
    return min(places, default=-1)


def _around(before: str, after: str) -> Iterator[str]:
    before, after = before.strip("\ufeff \t\r\n"), after.strip()
    opening = before.rpartition("\n")[2].strip()
    if opening.startswith("```") and after.startswith("```"):
        yield "code fence"
        before, after = before.rpartition("\n")[0].strip(), after[3:].strip()
    if before or after:
        yield "words around it"


def without_commas(text: str) -> tuple[str, list[int]]:
    """A text without the commas that stand before a closing bracket, outside of strings; and where they would be."""
    out: list[str] = []
    places: list[int] = []
    inside = escaped = False
    for char in text:
        if inside:
            inside, escaped = char != '"' or escaped, char == "\\" and not escaped
        elif char == '"':
            inside = True
        elif char in "]}":
            places += _drop_comma(out)
        out.append(char)
    return "".join(out), places


def _drop_comma(out: list[str]) -> list[int]:
    """Take out a comma that nothing but space follows."""
    place = len(out) - 1
    while place >= 0 and out[place] in " \t\r\n":
        place -= 1
    if place <= 0 or out[place] != ",":
        return []
    del out[place]
    return [place]
