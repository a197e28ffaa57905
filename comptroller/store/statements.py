"""SQL by name: the queries people ask of the books, and the statements that fill them."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable

from comptroller.core.errors import StoreError
from comptroller.tracing.masks import masked

_SHORT = re.compile(r"\{(masked|only|between|days|hours|costs|status|names) ?([a-z._, ]*)\}")
_PARAMETER = re.compile(r"\$([a-z_]+)")
_REMARK = re.compile(r"--[^\n]*")
_HEAD = re.compile(r"^-- name: (\w+)\n", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Query:
    """A question to the books: its text and the parameters it may be given; those not given are NULL."""

    name: str
    sql: str
    parameters: frozenset[str]

    def bind(self, given: dict[str, object]) -> dict[str, object]:
        """The values for each parameter; a name the query does not know is a mistake of the caller."""
        unknown = sorted(given.keys() - self.parameters)
        if unknown:
            raise StoreError(
                f"The query {self.name} has no parameter {', '.join(unknown)}. "
                f"It takes: {', '.join(sorted(self.parameters)) or 'none'}."
            )
        return {name: given.get(name) for name in self.parameters}


@cache
def query(name: str) -> Query:
    """The query in `queries/<name>.sql`."""
    if name not in names():
        raise StoreError(f"There is no query called {name!r}. There are: {', '.join(names())}.")
    sql = _text("queries", f"{name}.sql")
    return Query(name, sql, frozenset(_PARAMETER.findall(_REMARK.sub("", sql))))


@cache
def names() -> tuple[str, ...]:
    """Every query there is."""
    return tuple(sorted(p.name[:-4] for p in _folder("queries") if p.name.endswith(".sql")))


@cache
def migrations() -> tuple[tuple[int, str], ...]:
    """The steps that make the tables, in order: `schema/NNN_*.sql`. A new version of them has a new number."""
    steps = [p.name for p in _folder("schema") if re.match(r"\d{3}_\w+\.sql$", p.name)]
    return tuple((int(name[:3]), _text("schema", name)) for name in sorted(steps))


@cache
def ingest() -> dict[str, str]:
    """The statements of `schema/ingest.sql` and `schema/rollups.sql` by name."""
    return _by_name("ingest.sql") | _by_name("rollups.sql")


@cache
def usage() -> dict[str, str]:
    """The statements of `schema/usage.sql` by name."""
    return _by_name("usage.sql")


@cache
def views() -> dict[str, str]:
    """The views of `schema/views.sql` by name, in the order they are made in."""
    return _by_name("views.sql")


def written(script: str) -> dict[str, str]:
    """The statements of a script, each under the name that stands above it."""
    _, *parts = _HEAD.split(_filled(script))
    return dict(zip(parts[::2], parts[1::2], strict=True))


def _by_name(file: str) -> dict[str, str]:
    return written(files("comptroller.store").joinpath("schema", file).read_text(encoding="utf-8"))


def _folder(name: str) -> Iterator[Traversable]:
    return files("comptroller.store").joinpath(name).iterdir()


def _text(folder: str, name: str) -> str:
    return _filled(files("comptroller.store").joinpath(folder, name).read_text(encoding="utf-8"))


def _filled(text: str) -> str:
    """SQL with what is written short in it written out."""
    return _SHORT.sub(lambda found: _LONG[found[1]](found[2]), text)


def _only(columns: str) -> str:
    """Rows that have the value each column is asked for, where one is given."""
    return " AND ".join(_where(column.strip()) for column in columns.split(","))


def _where(column: str) -> str:
    *table, name = column.split(".")
    return f"(${name}::VARCHAR IS NULL OR {'.'.join([*table, _quoted(name)])} = ${name}::VARCHAR)"


def _quoted(name: str) -> str:
    return f'"{name}"'


def _span(since: str, until: str = "{column} < $until::VARCHAR::TIMESTAMPTZ") -> Callable[[str], str]:
    """Rows of a span of time; whole days or hours where those are what a table has."""
    both = f"($since::VARCHAR IS NULL OR {since}) AND ($until::VARCHAR IS NULL OR {until})"
    return lambda column: both.format(column=column)


# What queries write short, as `{only tenant, customer}` or `{between started}`.
_LONG: dict[str, Callable[[str], str]] = {
    "masked": masked,  # a failure's words as they are grouped
    "only": _only,
    "between": _span("{column} >= $since::VARCHAR::TIMESTAMPTZ"),
    "days": _span("{column} >= $since::VARCHAR::TIMESTAMPTZ::DATE"),
    "hours": _span("{column} >= date_trunc('hour', $since::VARCHAR::TIMESTAMPTZ)"),
    "status": lambda _: (
        "CASE WHEN status = 'open' AND (lost > last OR $deserted::BOOLEAN) THEN 'abandoned' ELSE status END"
    ),
    "names": lambda column: f"list_filter(string_split({column}, chr(10)), lambda name: name <> '')",
    "costs": lambda _: (
        "list(struct_pack(currency := currency, cost := cost) ORDER BY currency) FILTER (currency <> '')"
    ),
}
