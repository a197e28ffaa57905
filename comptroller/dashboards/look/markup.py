"""Markup for the few pieces of a page that are HTML: everything that is not markup already is text, and is escaped."""

import re
from collections.abc import Iterable, Mapping
from html import escape
from typing import TypeAlias

# What may stand in an attribute: nothing that loads, runs or posts. Addresses stay within the console.
_ATTRIBUTES = frozenset(
    {"class", "title", "href", "target", "role", "id", "lang", "dir", "tabindex", "colspan", "scope"}
)
_TAGS = frozenset(
    {"a", "article", "aside", "b", "br", "code", "dd", "div", "dl", "dt", "em", "footer", "h1", "h2", "h3", "h4", "hr"}
    | {"header", "kbd", "li", "ol", "p", "pre", "s", "section", "small", "span", "strong", "sub", "sup", "table"}
    | {"tbody", "td", "tfoot", "th", "thead", "time", "tr", "ul"}
)

# Control characters and those that turn the reading direction, as in `components/shared.js`.
_UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff\ud800-\udfff]")


class Markup(str):
    """A string that is HTML: made by `tag` alone."""

    __slots__ = ()


Child: TypeAlias = str | Markup | Iterable[str | Markup | None] | None


def tag(name: str, *children: Child, **attributes: str | None) -> Markup:
    """One element. Attribute names take `_` for `-`; `cls` is the class."""
    if name not in _TAGS:
        raise ValueError(f"<{name}> has no place in the console")
    said = "".join(_attribute(key, value) for key, value in attributes.items() if value is not None)
    inner = join(*children)
    return Markup(f"<{name}{said}>" if name in ("br", "hr") else f"<{name}{said}>{inner}</{name}>")


def join(*children: Child) -> Markup:
    """Pieces one after the other."""
    return Markup("".join(_piece(child) for child in children))


def local(address: str) -> str:
    """An address within the console, or nothing at all."""
    plain = address.startswith("/") and not address.startswith(("//", "/\\")) and not any(c < " " for c in address)
    return address if plain else "#"


def spelt(text: str) -> str:
    """A text whose unseen characters are spelt out: they must not rearrange what somebody decides on."""
    return _UNSEEN.sub(lambda found: f"⟨U+{ord(found[0]):04X}⟩", text)


def as_text(text: str) -> str:
    """A text for places where Streamlit reads Markdown (labels, captions): it comes out as it is."""
    return "".join(f"\\{c}" if c in "\\`*_{}[]()<>#+-.!|~$:&^=@" else c for c in text.replace("\n", " "))


def _attribute(key: str, value: str) -> str:
    name = "class" if key == "cls" else key.replace("_", "-")
    if name not in _ATTRIBUTES and not name.startswith(("aria-", "data-")):
        raise ValueError(f"{name}= has no place in the console")
    return f' {name}="{escape(local(value) if name == "href" else value)}"'


def _piece(child: object) -> str:
    if child is None:
        return ""
    if isinstance(child, Markup):
        return child
    if isinstance(child, str):
        return escape(spelt(child))
    if isinstance(child, Iterable) and not isinstance(child, Mapping):
        return "".join(_piece(each) for each in child)
    raise TypeError(f"{child!r} is neither text nor markup")
