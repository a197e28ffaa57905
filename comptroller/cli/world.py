"""The refund desk of the demo: four agents, a program from elsewhere, two tools, and the clients of two providers."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from comptroller.core.errors import OverBudget
from comptroller.wrapper.run import Run
from comptroller.wrapper.tools import tool

Say = Callable[[str, str], None]
LIGHT, HEAVY, OTHER = "gpt-4o-mini", "gpt-4o", "claude-sonnet-5"
ORDERS = {"1042": {"item": "desk lamp", "paid": 250.0, "state": "arrived broken"}}
# The address and the key are made up; both have the form that the guards look for.
KEY = "AKIA" + "Q3EGRIVTTHKJ7B2M"
COMPLAINT = f"Order 1042 arrived broken. Write to ada@example.org. The slip in the box showed a key of yours: {KEY}"


@tool(effect="read")
def read_order(order: str) -> dict[str, object]:
    """What the shop knows of an order."""
    return dict(ORDERS[order])


@tool(effect="write")
def issue_refund(order: str, amount: float) -> str:
    """Pay money back."""
    return f"Refunded {amount:.2f} USD for order {order}."


TOOLS: Mapping[str, Callable[..., object]] = {"read_order": read_order, "issue_refund": issue_refund}


def work(openai: Any, anthropic: Any, elsewhere: Callable[[Run], str], say: Say) -> str:
    """One complaint, from its arrival to the letter that answers it; returns the run's id.

    `elsewhere` starts the courier: a program without a line of ours, that reaches its model through a gateway.
    """
    with Run("refund-desk", customer="acme") as run:
        with run.agent("lead") as lead:
            say("lead", _plan(openai))
            with lead.agent("lookup", scopes=["orders:read"]):
                say("lookup", _look_up(openai))
            with lead.agent("refunds", scopes=["refunds:write"]):
                _refund(anthropic, say)
            with lead.agent("letters"):
                say("letters", _write(openai))
                _overreach(openai, say)
        say("courier", f"(through the gateway) is refused: {elsewhere(run)}")
        run.claim("complaint.resolved", subject="order-1042", evidence={"refunded": "80.00 USD"})
        say("lead", "claims: complaint.resolved for order-1042")
    return run.id


def _plan(client: Any) -> str:
    """The complaint carries an address and a key: the model sees neither."""
    return str(_ask(client, [{"role": "user", "content": f"Plan who should do what. {COMPLAINT}"}]).content)


def _look_up(client: Any) -> str:
    """A tool the policy allows: asked for by the model, run by the agent, its result read by the model."""
    messages: list[Any] = [{"role": "user", "content": "Look up order 1042."}]
    asked = _ask(client, messages, tools=[_described("read_order", order="string")])
    messages.append(asked.model_dump(exclude_none=True))
    for call in asked.tool_calls:
        result = TOOLS[call.function.name](**json.loads(call.function.arguments))
        messages.append({"role": "tool", "tool_call_id": call.id, "content": json.dumps(result)})
    return str(_ask(client, messages).content)


def _refund(client: Any, say: Say) -> None:
    """The model wants to pay back everything: a rule forbids it, the model reads why, and asks for less."""
    messages: list[Any] = [{"role": "user", "content": "Refund order 1042 in full: 250 USD."}]
    refused = _message(client, messages)
    say("refunds", f"is refused: {refused.content[0].text}")
    messages += [
        {"role": "assistant", "content": refused.content[0].text},
        {"role": "user", "content": "Then refund what you may."},
    ]
    asked = _message(client, messages)
    for block in asked.content:
        if block.type == "tool_use":
            say("refunds", str(TOOLS[block.name](**block.input)))


def _write(client: Any) -> str:
    """A streamed reply."""
    messages = [{"role": "user", "content": "Write two friendly lines to the customer: 80 USD are on their way."}]
    stream = client.chat.completions.create(model=LIGHT, max_tokens=200, messages=messages, stream=True)
    return "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)


def _overreach(client: Any, say: Say) -> None:
    """One call that could cost more than the whole run may: it is never sent."""
    try:
        client.chat.completions.create(
            model=HEAVY, max_tokens=100_000, messages=[{"role": "user", "content": "Now write a book about lamps."}]
        )
    except OverBudget as refusal:
        say("letters", f"is refused: {refusal}")


def _ask(client: Any, messages: list[Any], **more: Any) -> Any:
    reply = client.chat.completions.create(model=LIGHT, max_tokens=200, messages=messages, **more)
    return reply.choices[0].message


def _message(client: Any, messages: list[Any]) -> Any:
    schema = {"type": "object", "properties": {"order": {"type": "string"}, "amount": {"type": "number"}}}
    refund = {"name": "issue_refund", "description": "Pay money back.", "input_schema": schema}
    return client.messages.create(model=OTHER, max_tokens=300, messages=messages, tools=[refund])


def _described(name: str, **args: str) -> dict[str, object]:
    """A tool as the OpenAI format describes it to the model."""
    properties = {arg: {"type": kind} for arg, kind in args.items()}
    parameters = {"type": "object", "properties": properties, "required": list(args)}
    return {"type": "function", "function": {"name": name, "parameters": parameters}}
