"""What providers keep of responses: deleted and listed for whoever made them, never handed out past the guards."""

import re
from dataclasses import replace

from comptroller.gateway.asked import Asked, Send
from comptroller.gateway.caller import caller_of
from comptroller.gateway.gate import Gate
from comptroller.gateway.passing import pass_through
from comptroller.gateway.stop import Stop

_ROUTE = re.compile(r"/v1/responses/([\w.-]{1,128})(/input_items|/cancel)?", re.ASCII)


def is_stored(method: str, path: str) -> bool:
    """True for routes of a response that was made before."""
    found = _ROUTE.fullmatch(path)
    if found is None or found[1] in ("compact", "input_tokens"):
        return False
    return method in (("POST",) if found[2] == "/cancel" else ("GET",) if found[2] else ("GET", "DELETE"))


async def answer_stored(gate: Gate, asked: Asked, send: Send) -> int:
    """Pass on what is harmless, to the upstream of the model that made the response; refuse the rest with the why."""
    caller = caller_of(asked, gate.keys, gate.desk.settings.tenant)
    found = _ROUTE.fullmatch(asked.path)
    assert found is not None, "the route was looked at before"
    if found[2] == "/cancel":
        raise Stop(404, "not_found", "Responses in the background are not served here, so there is none to cancel.")
    if asked.method == "GET" and not found[2]:
        raise Stop(
            404,
            "not_found",
            "What the provider keeps is what the model said before rules and guards had looked at it, so it is not "
            "handed out. Keep the reply you got; on record it is in `comptroller runs show`.",
        )
    past = gate.kept.find(caller.identity, found[1])
    if past is None:
        raise Stop(
            404,
            "not_found",
            f"No response {found[1][:64]!r} of yours is known here: made with another key, elsewhere, or long ago. "
            "Ask the provider itself.",
        )
    caller = replace(caller, said={**caller.said, "run": caller.said.get("run") or past.run})
    status = await pass_through(gate, asked, False, send, caller, past.model)
    if asked.method == "DELETE" and status < 300:
        gate.kept.forget(caller.identity, found[1])
    return status
