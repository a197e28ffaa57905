"""The text of a file that people write, read as YAML with the line of every key; what could surprise is refused.

Scalars follow the JSON-like core of YAML 1.2, so `on`, `off`, `yes`, `no`, `012` and `1:30` stay the words they look
like. Aliases, tags and merge keys are refused: a policy or a contract should read from top to bottom.
"""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NoReturn

import yaml

from comptroller.core.mistakes import Mistake

MAX_BYTES = 4_000_000
MAX_DEPTH = 32
MAX_VALUES = 500_000

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml where the wheel has it: 15 times faster
_MERGE = "<<"
_WORDS = {"": None, "~": None, "null": None, "true": True, "false": False}
_INT = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_FLOAT = re.compile(r"[-+]?(?=\.?[0-9])(0|[1-9][0-9]*)?(\.[0-9]*)?([eE][-+]?[0-9]+)?")
_MAX_NUMBER = 40  # characters


@dataclass(slots=True)
class Lines:
    """Where a value stands: its own line, the line of each key, and the same for what it holds."""

    line: int
    keys: dict[str, int] = field(default_factory=dict)
    items: dict[str | int, "Lines"] = field(default_factory=dict)

    def find(self, path: tuple[str | int, ...]) -> int:
        """The line of the key at the path, or of the nearest thing above it that exists."""
        here, line = self, self.line
        for step in path:
            line = here.keys.get(str(step), line)
            if step not in here.items:
                break
            here = here.items[step]
            line = line if isinstance(step, str) else here.line
        return line


@dataclass(slots=True)
class Source:
    """A file's values and their lines; `mistakes` is empty unless the file cannot be read as it stands."""

    name: str
    values: dict[str, Any]
    lines: Lines
    mistakes: list[Mistake]


class _Stop(Exception):
    """The rest of the file cannot be made sense of."""


def read_source(name: str, text: str | bytes, what: str = "policy") -> Source:
    """Read the YAML of one file, which holds a `what`; never raises for what a user may have written."""
    reader = _Reader(name, what)
    try:
        value, lines = reader.read(_decode(reader, text))
    except _Stop:
        return Source(name, {}, Lines(1), reader.mistakes)
    if not isinstance(value, dict):
        reader.wrong(
            lines.line,
            f"{a(what).capitalize()} file is keys and values, this is {_kind(value)}. Begin with `{what}: NAME`.",
        )
        return Source(name, {}, lines, reader.mistakes)
    return Source(name, value, lines, reader.mistakes)


def _decode(reader: "_Reader", text: str | bytes) -> str:
    if len(text) > MAX_BYTES:
        reader.stop(1, f"The file is larger than {MAX_BYTES // 1_000_000} MB. Split it into several files.")
    data = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        reader.stop(data[: error.start].count(b"\n") + 1, "The file is not UTF-8. Save it as UTF-8.")


def a(noun: str) -> str:
    """The noun with its article."""
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


def _kind(value: object) -> str:
    return "a list" if isinstance(value, list) else "empty" if value is None else "a single value"


class _Reader:
    """Builds values from YAML events with its own stack, so that no depth of nesting can exhaust ours."""

    def __init__(self, name: str, what: str) -> None:
        self.name, self.what = name, what
        self.mistakes: list[Mistake] = []

    def wrong(self, line: int, text: str) -> None:
        self.mistakes.append(Mistake(self.name, line, text))

    def stop(self, line: int, text: str) -> NoReturn:
        self.wrong(line, text)
        raise _Stop

    def read(self, text: str) -> tuple[Any, Lines]:
        try:
            return self._build(yaml.parse(text, Loader=_Loader))
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            self.stop(mark.line + 1 if mark else 1, f"This is not YAML: {error.problem}. Mend the line or those above.")
        except (yaml.YAMLError, RecursionError) as error:
            self.stop(1, f"This is not YAML: {str(error).splitlines()[0]}. Save it as plain UTF-8 text.")

    def _build(self, events: Iterator[Any]) -> tuple[Any, Lines]:
        root = _Frame([], Lines(1))
        stack = [root]
        documents = 0
        for count, event in enumerate(events):
            line = event.start_mark.line + 1
            if count > MAX_VALUES:
                self.stop(line, f"The file holds more than {MAX_VALUES} values. Split it into several files.")
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    self.stop(line, "A second document begins here. Put it into a file of its own.")
            elif isinstance(event, yaml.AliasEvent):
                self.stop(line, f"The alias `*{event.anchor}` is not allowed. Write the value out.")
            elif isinstance(event, (yaml.MappingStartEvent, yaml.SequenceStartEvent)):
                self._check_tag(event, line)
                if len(stack) > MAX_DEPTH:
                    self.stop(line, f"This is nested deeper than {MAX_DEPTH} levels. No {self.what} needs that.")
                held: Any = {} if isinstance(event, yaml.MappingStartEvent) else []
                stack.append(_Frame(held, Lines(line)))
            elif isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
                done = stack.pop()
                self._put(stack[-1], done.value, done.lines)
            elif isinstance(event, yaml.ScalarEvent):
                self._check_tag(event, line)
                self._put(stack[-1], self._scalar(event, stack[-1], line), Lines(line))
        if not root.value:
            self.stop(1, f"The file is empty. Write {a(self.what)} into it, or take it off the list.")
        return root.value[0], root.lines.items[0]

    def _check_tag(self, event: Any, line: int) -> None:
        if event.tag not in (None, "!"):
            self.wrong(line, f"The tag `{event.tag}` is not allowed. Remove it; put quotes around what is text.")

    def _scalar(self, event: Any, frame: "_Frame", line: int) -> Any:
        if event.style or frame.waits_for_key:  # quoted, a block, or a key
            return event.value
        try:
            return _plain(event.value)
        except ValueError as error:
            self.wrong(line, str(error))
            return None

    def _put(self, frame: "_Frame", value: Any, lines: Lines) -> None:
        if isinstance(frame.value, list):
            frame.lines.items[len(frame.value)] = lines
            frame.value.append(value)
        elif frame.key is None:
            self._key(frame, value, lines.line)
        else:
            if frame.key not in frame.value and frame.key != _MERGE:  # of a duplicate the first stays
                frame.value[frame.key] = value
                frame.lines.items[frame.key] = lines
            frame.key = None

    def _key(self, frame: "_Frame", value: Any, line: int) -> None:
        if not isinstance(value, str):
            self.wrong(line, "A key must be a word, not a list or a mapping. Write `key: value`.")
            value = f"?{line}"
        if value in frame.value:
            first = frame.lines.keys[value]
            self.wrong(line, f"The key `{value}` is here twice (first in line {first}). Remove one.")
        elif value == _MERGE:
            self.wrong(line, "The merge key `<<` is not allowed. Write the values out.")
        else:
            frame.lines.keys[value] = line
        frame.key = value


@dataclass(slots=True)
class _Frame:
    value: Any
    lines: Lines
    key: str | None = None

    @property
    def waits_for_key(self) -> bool:
        return isinstance(self.value, dict) and self.key is None


def _plain(text: str) -> Any:
    if text in _WORDS:
        return _WORDS[text]
    if not _FLOAT.fullmatch(text):
        return text
    number = 0.0 if len(text) > _MAX_NUMBER else int(text) if _INT.fullmatch(text) else float(text)
    if len(text) > _MAX_NUMBER or not math.isfinite(number):
        raise ValueError(f"The number {text[:20]}... is too large. Put it in quotes if it is text.")
    return number
