"""The list of models: what the upstreams offer, as far as the settings let it through."""

import asyncio
from typing import Any

import msgspec

from comptroller.core.errors import UpstreamError
from comptroller.gateway.asked import Asked
from comptroller.gateway.caller import caller_of
from comptroller.gateway.gate import Gate
from comptroller.gateway.hands import outgoing
from comptroller.gateway.stop import Stop
from comptroller.gateway.upstream import Target
from comptroller.policies.globs import any_of, is_glob

MOST_BYTES = 4 << 20
PATIENCE_S = 5
LONG_AGO = "1970-01-01T00:00:00Z"


async def list_models(gate: Gate, asked: Asked) -> bytes:
    """All models of all upstreams, in the shape of whoever asks."""
    caller_of(asked, gate.keys, gate.desk.settings.tenant)
    found = await _all(gate, asked)
    wanted = asked.path.removeprefix("/v1/models").strip("/")
    anthropic = b"anthropic-version" in asked.named
    rows = [_row(name, owner, anthropic) for name, owner in found.items()]
    if wanted:
        if wanted not in found:
            raise Stop(404, "model_not_found", f"No upstream offers the model {wanted[:100]!r}.", {"param": "model"})
        return msgspec.json.encode(_row(wanted, found[wanted], anthropic))
    if anthropic:
        ends = {"first_id": rows[0]["id"], "last_id": rows[-1]["id"]} if rows else {"first_id": None, "last_id": None}
        return msgspec.json.encode({"data": rows, "has_more": False, **ends})
    return msgspec.json.encode({"object": "list", "data": rows})


async def _all(gate: Gate, asked: Asked) -> dict[str, str]:
    """Owner by model; an upstream that does not answer contributes what the settings name."""
    targets = gate.upstreams.targets
    lists = await asyncio.gather(*(_offered(gate, asked, target) for target in targets))
    found: dict[str, str] = {}
    for target, offered in zip(targets, lists, strict=True):
        named = [name for name in target.provider.models if not is_glob(name)]
        fits = any_of(target.provider.models)
        for name in (*named, *filter(fits, offered)):
            found.setdefault(name, target.name)
    return found


async def _offered(gate: Gate, asked: Asked, target: Target) -> list[str]:
    if not any(is_glob(name) for name in target.provider.models):
        return []
    path = "/v1beta/models" if target.format == "gemini" else "/v1/models"
    try:
        async with asyncio.timeout(PATIENCE_S):
            reply = await gate.client.send(target.letter("GET", target.path(path, ""), outgoing(asked, target)))
            try:
                body = await reply.read(MOST_BYTES)
            finally:
                reply.close()
        return _names(msgspec.json.decode(body)) if reply.status == 200 and body else []
    except (UpstreamError, TimeoutError, msgspec.DecodeError, UnicodeDecodeError):
        return []


def _names(node: Any) -> list[str]:
    rows = node.get("data", node.get("models")) if isinstance(node, dict) else None
    names = [row.get("id", row.get("name")) for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
    return [name.removeprefix("models/") for name in names if isinstance(name, str)]


def _row(name: str, owner: str, anthropic: bool) -> dict[str, object]:
    if anthropic:
        return {"type": "model", "id": name, "display_name": name, "created_at": LONG_AGO}
    return {"id": name, "object": "model", "created": 0, "owned_by": owner}
