"""The grammar of somebody else's question: one SELECT that names the views made for it and functions that compute."""

import json
import re
from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, Any

from comptroller.core.errors import ComptrollerError
from comptroller.store import statements

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

# A node of the tree that is no expression must be one of these: what a newer engine adds is refused until looked at.
_STRUCTURE = frozenset(
    (
        *("SELECT_NODE", "SET_OPERATION_NODE", "RECURSIVE_CTE_NODE", "CTE_NODE", "BASE_TABLE", "JOIN", "SUBQUERY"),
        *("TABLE_FUNCTION", "EMPTY", "PIVOT", "EXPRESSION_LIST", "DISTINCT_MODIFIER", "LIMIT_MODIFIER"),
        *("LIMIT_PERCENT_MODIFIER", "ORDER_MODIFIER", "ORDER_DEFAULT", "ASCENDING", "DESCENDING"),
    )
)
_TABLES = frozenset(("range", "generate_series", "unnest"))
_PURE = frozenset(("random", "uuid", "gen_random_uuid", "error", "unnest", "current_date", "current_timestamp", "now"))
_WINDOWS = frozenset(
    (
        *("row_number", "rank", "dense_rank", "rank_dense", "percent_rank", "cume_dist", "ntile", "lag", "lead"),
        *("first_value", "last_value", "nth_value", "fill"),
    )
)
# They tell of the engine or of others who use it, wait, or run what a text says.
_SHUT = re.compile(
    r"pg_(?!typeof$)|current_(?!date$|timestamp$|localtime)|__internal|json_(de)?serialize|json_execute|in_search_path|"
    r"getvariable|getenv|sleep|write_log|parse_duckdb|stats$|vector_type|txid|nextval|currval|setval|setseed|query|"
    r"read_|session_user|user$|has_|format_pg|map_to_pg|get_type$|get_block_size"
)
_KIND = re.compile(r"[A-Z_]+")
_NAME = re.compile(r"[^\W\d]\w{0,62}")
_functions_known: list[frozenset[str]] = []
_internal_known: list[frozenset[str]] = []


class BadQuestion(ComptrollerError):
    """The question cannot be asked, or its answer does not fit; `code` is for machines."""

    def __init__(self, message: str, code: str = "bad_query") -> None:
        super().__init__(message)
        self.code = code


def check(cursor: "DuckDBPyConnection", sql: str) -> None:
    """Raise BadQuestion for whatever is not one SELECT over the views."""
    if "\0" in sql:
        raise BadQuestion("The query holds a NUL. Leave it out.")
    try:
        row = cursor.execute("SELECT json_serialize_sql($sql::VARCHAR)", {"sql": sql}).fetchone()
        tree = json.loads(row[0]) if row else {}
    except (duckdb_error(), ValueError, RecursionError) as error:
        raise BadQuestion(f"The query cannot be read: {first_line(error)}. Ask for less at once.") from None
    if tree.get("error"):
        said = first_line(tree.get("error_message", ""))
        if "Only SELECT" in said:
            raise BadQuestion("Only a SELECT may be asked here. Write it as one; PIVOT goes into a subquery.")
        raise BadQuestion(f"The query cannot be read: {said}. Mend it.")
    if len(tree.get("statements", ())) != 1:
        raise BadQuestion("One SELECT may be asked at a time. Ask the others by themselves.")
    _walk(tree["statements"], _functions(cursor), _internal(cursor))


def _walk(tree: object, functions: frozenset[str], internal: frozenset[str]) -> None:
    nodes, ahead, common = [], [tree], set[str]()
    while ahead:
        at = ahead.pop()
        if isinstance(at, dict):
            nodes.append(at)
            common.update(_common(at))
            ahead.extend(at.values())
        elif isinstance(at, list):
            ahead.extend(at)
    for name in common:
        # A name counts everywhere, also where its WITH does not reach: there it must not mean something else.
        if name in internal or not _NAME.fullmatch(name):
            raise BadQuestion(f"WITH {name[:60]!r} has a name that cannot be used here. Choose another.")
    named = common | set(views())
    for node in nodes:
        _judge(node, named, functions)


def _common(node: dict[str, Any]) -> Iterator[str]:
    """The names of a WITH clause."""
    held = node.get("cte_map")
    for entry in held.get("map", ()) if isinstance(held, dict) else ():
        yield str(entry.get("key", "")).lower()
    if node.get("type") in ("RECURSIVE_CTE_NODE", "CTE_NODE"):
        yield str(node.get("cte_name", "")).lower()


def _judge(node: dict[str, Any], named: set[str], functions: frozenset[str]) -> None:
    kind, sort = node.get("type"), node.get("class")
    if sort in ("FUNCTION", "WINDOW"):
        _judge_function(node, functions)
    if sort == "PARAMETER":
        raise BadQuestion("The query has a parameter, and none can be given. Write its value.")
    if sort is not None or not isinstance(kind, str) or not _KIND.fullmatch(kind):
        return
    if kind == "BASE_TABLE":
        _judge_table(node, named)
    elif kind == "TABLE_FUNCTION":
        name = str((node.get("function") or {}).get("function_name", "")).lower()
        if name not in _TABLES:
            raise BadQuestion(f"The table function {name[:60]} is not for questions to the books. {_offered()}")
    elif kind not in _STRUCTURE and _is_node(kind, node):
        raise BadQuestion(f"{kind.replace('_', ' ').capitalize()} is not for questions to the books. Use a SELECT.")


def _judge_function(node: dict[str, Any], functions: frozenset[str]) -> None:
    name = str(node.get("function_name", "")).lower()
    qualified = node.get("schema") not in (None, "", "main") or node.get(
        "catalog"
    )  # a list says main.list_value itself
    if qualified or (name and name not in functions and name not in _TABLES):
        raise BadQuestion(f"The function {name[:60]} is not for questions to the books. Do without it.")


def _is_node(kind: str, node: dict[str, Any]) -> bool:
    return kind.endswith(("_NODE", "_REF")) or "query_location" in node


def _judge_table(node: dict[str, Any], named: set[str]) -> None:
    name = str(node.get("table_name", ""))
    if node.get("schema_name") or node.get("catalog_name") or name.lower() not in named:
        raise BadQuestion(f"There is no table {name[:60]!r} here. {_offered()}")


def _offered() -> str:
    return f"There are: {', '.join(views())}."


@cache
def views() -> dict[str, str]:
    """What may be asked about: name and SQL of each view, in the order they are made in."""
    return statements.views()


def _internal(cursor: "DuckDBPyConnection") -> frozenset[str]:
    """The engine's own tables and views, which tell of all that is in it."""
    if not _internal_known:
        rows = cursor.execute(
            "SELECT view_name FROM duckdb_views() WHERE internal "
            "UNION SELECT table_name FROM duckdb_tables() WHERE internal"
        ).fetchall()
        _internal_known.append(frozenset(str(name).lower() for (name,) in rows))
    return _internal_known[0]


def _functions(cursor: "DuckDBPyConnection") -> frozenset[str]:
    """Functions that only compute: a new volatile one of the engine is none of them."""
    if not _functions_known:
        rows = cursor.execute(
            "SELECT function_name FROM duckdb_functions() WHERE function_type IN ('scalar', 'aggregate', 'macro') "
            "AND internal GROUP BY function_name HAVING bool_and(coalesce(stability, '') <> 'VOLATILE' "
            "AND NOT coalesce(has_side_effects, false))"
        ).fetchall()
        computing = {str(name).lower() for (name,) in rows}
        _functions_known.append(frozenset(name for name in computing if not _SHUT.match(name)) | _PURE | _WINDOWS)
    return _functions_known[0]


def first_line(error: object) -> str:
    """What an error of the engine says, in a line."""
    return str(error).strip().split("\n")[0].rstrip(".")


def duckdb_error() -> type[Exception]:
    """The engine's errors."""
    import duckdb

    return duckdb.Error
