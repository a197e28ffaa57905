"""Globs for names of workflows, agents and tools: `*`, `?` and `[abc]`, case counts."""

import re
from collections.abc import Callable, Iterable
from fnmatch import translate
from functools import lru_cache
from unicodedata import category

Matches = Callable[[str], bool]


def check_visible(name: str) -> None:
    """Raise ValueError where a name holds what nobody can see: it looks like another name and never matches it."""
    hidden = next((char for char in name if category(char) in ("Cc", "Cf", "Zl", "Zp")), None)
    if hidden is not None:
        shown = "".join("\ufffd" if category(char) in ("Cc", "Cf", "Zl", "Zp") else char for char in name)
        raise ValueError(f"`{shown}` holds an invisible character, U+{ord(hidden):04X}. Type the name anew")


def check_glob(glob: str) -> str:
    """Return the glob, or raise ValueError with the remedy."""
    check_visible(glob)
    if not glob or glob != glob.strip():
        raise ValueError(f"{glob!r} is not a name or a glob. Write a name, or `*` for all")
    depth = 0
    for char in glob:
        depth = 1 if char == "[" and not depth else 0 if char == "]" else depth
    if depth:
        raise ValueError(f"`{glob}` opens a `[` that is never closed. Close it, or use `*`")
    return glob


def is_glob(name: str) -> bool:
    """Whether the name stands for several."""
    return any(char in name for char in "*?[")


def any_of(globs: Iterable[str]) -> Matches:
    """A test whether a name matches one of the globs."""
    return _any_of(tuple(globs))


@lru_cache(maxsize=4096)
def _any_of(globs: tuple[str, ...]) -> Matches:
    if "*" in globs:
        return _always
    plain = frozenset(glob for glob in globs if not is_glob(glob))
    patterns = [translate(glob) for glob in globs if is_glob(glob)]
    if not patterns:
        return plain.__contains__
    match = re.compile("|".join(patterns)).match
    return lambda name: name in plain or match(name) is not None


def _always(_name: str) -> bool:
    return True
