"""A walk through all pages along their own links: what a page leads to is looked at too, a few of each kind."""

import json
import re
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from html import unescape
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from streamlit.testing.v1 import AppTest

from comptroller.dashboards.map import BY_KEY, PAGES
from comptroller.office.people import Person
from tests.dashboards.house import html, look

HREF = re.compile(r'href="([^"]*)"')
WORDS = ("tab", "by", "what", "part", "only", "kind", "status", "state", "sort")  # of which each says another page
Kind = tuple[str, ...]


def walk(person: Person, starts: Iterable[str] = (), each: int = 2) -> Iterator[tuple[str, AppTest]]:
    """Addresses and their pages, from all pages of the map on; at most so many of each kind, and every start."""
    first = dict.fromkeys((*starts, *(page.path for page in PAGES)))
    waiting, known, seen = deque(first), set(first), Counter[Kind]()
    while waiting:
        address = waiting.popleft()
        kind = kind_of(address)
        if kind is None or (seen[kind] >= each and address not in first):
            continue
        seen[kind] += 1
        page = at(address, person)
        yield address, page
        fresh = [one for one in links(page) if one not in known]
        known.update(fresh)
        waiting.extend(fresh)


def at(address: str, person: Person) -> AppTest:
    """The page at an address."""
    parts = urlsplit(address)
    return look(key_of(parts.path), person, **dict(parse_qsl(parts.query)))


def key_of(path: str) -> str:
    return path.strip("/") or "overview"


def kind_of(address: str) -> Kind | None:
    """What addresses that show the same with other rows have in common; None for what is no page."""
    parts = urlsplit(address)
    if key_of(parts.path) not in BY_KEY:
        return None
    said = parse_qsl(parts.query)
    names = sorted(f"{name}={value}" if name in WORDS else name for name, value in said)
    return (key_of(parts.path), *names)


def links(page: AppTest) -> list[str]:
    """Where a page leads, in the order of its links."""
    found = [unescape(address) for address in HREF.findall(html(page))]
    for part in page.get("bidi_component"):
        found += _addresses(json.loads(part.proto.json or "null"))
    return list(dict.fromkeys(found))


def _addresses(data: Any) -> Iterator[str]:
    """What in a part's data is an address within the console."""
    if isinstance(data, dict):
        for name, value in data.items():
            if name in ("h", "href", "link") and isinstance(value, str) and value.startswith("/"):
                yield value
            else:
                yield from _addresses(value)
    elif isinstance(data, list):
        for value in data:
            yield from _addresses(value)
