"""Requests that no dialect reads: free ones are looked at and passed on, paid ones are on record as opaque."""

import msgspec

from comptroller.core.errors import UpstreamError
from comptroller.gateway.asked import Asked, Send
from comptroller.gateway.caller import Caller, caller_of
from comptroller.gateway.gate import Gate
from comptroller.gateway.hands import Hands
from comptroller.gateway.relay import enter
from comptroller.gateway.reply import tell_answer
from comptroller.gateway.runs import Place
from comptroller.gateway.stop import Stop, format_of
from comptroller.wrapper.drive import Awaiting
from comptroller.wrapper.external import ExternalJob, Flow, external_call, unread_model_call


class _Named(msgspec.Struct):
    model: str = ""


async def pass_through(
    gate: Gate, asked: Asked, paid: bool, send: Send, caller: Caller | None = None, model: str = ""
) -> int:
    """Send a request on as it is, after the guards had a look and, where it is paid, no hard cap forbids it."""
    caller = caller or caller_of(asked, gate.keys, gate.desk.settings.tenant)
    target = gate.upstreams.line(format_of(asked.path), model or _model_of(asked.body))[0]
    place = await enter(gate, asked, caller, None)
    host = target.origin.host
    job = ExternalJob(
        gate.desk, place.identity, place.state, asked.method, host, asked.path, asked.body, place.refusal()
    )
    job.kind_of_body, job.to_model = asked.header(b"content-type"), True
    hands = Hands(gate.client, gate.upstreams, target, asked, "")
    return await carry(gate, place, unread_model_call(job) if paid else external_call(job), hands, send)


async def carry(gate: Gate, place: Place, flow: Flow, hands: Hands, send: Send) -> int:
    """Drive a request whose reply goes on as it comes, or whole; returns the status."""
    drive = Awaiting(gate.desk, flow, hands)
    place.run.busy += 1
    try:
        answer = await drive.start()
        assert answer is not None, "what no dialect reads does not stream"
        if answer.refused is not None:
            gate.meters.refused(answer.refused.code)
        return await tell_answer(send, hands, answer, gate.desk.settings.gateway.over_budget_status)
    except UpstreamError as error:
        gate.meters.failed(hands.target.name, type(error).__name__)
        raise Stop(502, "upstream_error", str(error), headers=()) from None
    finally:
        place.run.busy -= 1
        drive.flow.close()
        await hands.close()


def _model_of(body: bytes) -> str:
    try:
        return msgspec.json.decode(body, type=_Named).model
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ""
