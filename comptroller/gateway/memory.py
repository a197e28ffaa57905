"""Memories behind the gateway: `/memory/NAME/...` goes on to the store of that name, governed like a tool."""

import re
from dataclasses import replace
from urllib.parse import unquote

from comptroller.dialects.routes import plain_path
from comptroller.gateway.asked import Asked, Send
from comptroller.gateway.caller import caller_of
from comptroller.gateway.gate import Gate
from comptroller.gateway.hands import Hands
from comptroller.gateway.passing import carry
from comptroller.gateway.relay import enter
from comptroller.gateway.stop import Stop
from comptroller.gateway.upstream import Target
from comptroller.wrapper.external import ExternalJob, external_call
from comptroller.wrapper.memory import Place, memory_call

ROOT = "/memory/"
_SEPARATORS = re.compile(r"[/\\]")


async def remember(gate: Gate, asked: Asked, send: Send) -> int:
    """Answer one request to a memory; returns the status."""
    caller = caller_of(asked, gate.keys, gate.desk.settings.tenant)
    name, _, rest = asked.target.removeprefix(ROOT).partition("/")
    store, target = gate.shelves.find(unquote(name))
    if not {".", ".."}.isdisjoint(_SEPARATORS.split(unquote(rest))):
        raise Stop(404, "not_found", "There is nothing above the address of a memory. Write the path beneath it.")
    place = await enter(gate, asked, caller, None)
    beneath = f"/{rest}"
    job = ExternalJob(
        gate.desk, place.identity, place.state, asked.method, target.origin.host, plain_path(unquote(beneath)),
        asked.body, place.refusal(), asked.header(b"content-type"),
    )  # fmt: skip
    job.unled = not place.state.flow.made + place.state.flow.live
    flow = memory_call(job, Place(store, beneath, asked.query))
    if "memories" not in gate.desk.book.says:
        flow = external_call(job)
    hands = Hands(gate.client, gate.upstreams, target, _onward(asked, target, beneath), "")
    return await carry(gate, place, flow, hands, send)


def _onward(asked: Asked, target: Target, beneath: str) -> Asked:
    """The request as the store is asked: beneath its own address, with its key in place of the client's."""
    key = b"" if target.auth is None else target.auth[0]
    return replace(asked, target=beneath, headers=[field for field in asked.headers if field[0] != key])
