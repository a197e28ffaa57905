"""The account of one run: everything the books know of it, gathered for whoever shows it."""

import json
from decimal import Decimal
from typing import Any, Protocol

from comptroller.store.reader import Reader

Row = dict[str, Any]


class Vault(Protocol):
    """Whoever has the texts."""

    def fetch(self, digest: str) -> bytes | None: ...


def gather(reader: Reader, run: str, tenant: str | None = None) -> Row:
    """Everything the books know of a run; of its calls those of `tenant` alone, where one is said."""
    told = run_row(reader, run)
    texts = {row["call"]: row for row in reader.rows("run_texts", run=run)}
    said: dict[str, list[Row]] = {}
    for decision in reader.rows("run_decisions", run=run):
        said.setdefault(str(decision.pop("call")), []).append(decision)
    rows = reader.rows("run_tree", run=run, tenant=tenant)
    origins = origins_of(reader, run)
    told["calls_in_order"] = [
        _call(row, texts, said) | {"origins": origins.get(str(row["id"]), [])} for row in rows if row["row"] != "agent"
    ]
    told["agents"] = [
        {name: row[name] for name in ("id", "parent", "name", "status", "started", "ended")}
        for row in rows
        if row["row"] == "agent"
    ]
    told["claims"] = reader.rows("run_claims", run=run)
    told["inner"] = [
        {name: row[name] for name in ("run", "outer", "workflow", "customer", "status", "calls", "cost", "currency")}
        | {"costs": costs_of(row)}
        for row in inner_runs(reader, run)
    ]
    return told


def origins_of(reader: Reader, run: str) -> dict[str, list[Row]]:
    """Where the arguments of a run's tool calls came from, by call."""
    found: dict[str, list[Row]] = {}
    for row in reader.rows("run_origins", run=run):
        found.setdefault(str(row.pop("call")), []).append(row)
    return found


def origin_in_words(origin: Row) -> str:
    """`to: untrusted, from result:c0 (read_file)`."""
    tools = origin["tools"] or []
    sources = [
        f"{source} ({tool})" if tool else str(source)
        for source, tool in zip(origin["sources"], [*tools, *[""] * len(origin["sources"])], strict=False)
    ]
    alone = sources == [origin["label"]]
    return f"{origin['arg']}: {origin['label']}" + ("" if alone else f", from {', '.join(sources)}")


def run_row(reader: Reader, run: str) -> Row:
    """What the books know of a run as a whole."""
    row: Row = reader.rows("run", run=run, deserted=reader.deserted)[0]
    row["outer"] = row.pop("outer_run")
    row["costs"] = costs_of(row)
    return row


def inner_runs(reader: Reader, run: str) -> list[Row]:
    """The runs that were opened inside it, each with the run around it as `outer`."""
    rows: list[Row] = reader.rows("run_inner", run=run, deserted=reader.deserted)
    return [{**row, "outer": row["outer_run"]} for row in rows]


def costs_of(row: Row) -> dict[str, Decimal]:
    """What a run cost by currency; nothing that was never charged in any."""
    costs = {row["currency"]: row["cost"]} if row["currency"] else {}
    return costs | {other["currency"]: other["cost"] for other in row["other_costs"] or []}


def _call(row: Row, texts: dict[object, Row], said: dict[str, list[Row]]) -> Row:
    hidden = ("row", "seq", "upstream_status", "upstream_id")
    call = {("call" if name == "id" else name): value for name, value in row.items() if name not in hidden}
    kept = texts.get(row["id"], {})
    # History is named, not repeated: the first messages are those of an earlier call.
    call["request_after"] = [kept["after_call"], kept["after_count"]] if kept.get("after_count") else None
    call["request"], call["reply"] = kept.get("request") or [], kept.get("reply") or []
    call["args"] = kept.get("args") or ""
    call["upstream"] = {"status": row["upstream_status"], "id": row["upstream_id"]}
    call["decisions"] = said.get(str(row["id"]), [])
    return call


def bodies_of(call: Row, vault: Vault) -> Row:
    """The messages and a tool's arguments, for their digests, as they were kept: redacted ones stay redacted."""
    told: Row = {side: [body_of(vault, digest) for digest in call[side] or ()] for side in ("request", "reply")}
    return told | {"args": body_of(vault, call["args"]) if call["args"] else None}


def body_of(vault: Vault, digest: str) -> object:
    """One of them; None where it was not kept, or was erased."""
    data = vault.fetch(digest)
    if data is None:
        return None
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return data.decode("utf-8", "replace")


def cost_unknown(call: Row) -> bool:
    """True where a call was made whose cost nobody knows: 0 would be a guess."""
    refused = call["status"] in ("denied", "over_budget", "rate_limited", "pending", "open")
    return bool(call["unpriced"] or (call["opaque"] and not call["estimated"] and not refused))
