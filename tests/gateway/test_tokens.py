"""Tokens through the gateway: no value reaches a model in any format, and tools get it back, whole and streamed."""

import json
import re
from typing import Any

import pytest
from websockets.sync.client import connect

from comptroller.testing.script import Received, Say, Use
from tests.gateway.house import House, house

POLICY = """
policy: tokens
guards: {privacy: {in: redact, out: redact}}
tokens: {back: {send_mail: [to, cc]}}
"""
JANE, BOB = "jane@acme.com", "bob@initech.io"
TOKEN = re.compile(r"<email:[a-z-]+>")
TOOL = {"name": "send_mail", "description": "Sends.", "parameters": {"type": "object", "properties": {}}}
UPSTREAMS = [
    {"name": "openai", "format": "openai", "url": "{up}/v1"},
    {"name": "anthropic", "format": "anthropic", "url": "{up}"},
    {"name": "gemini", "format": "gemini", "url": "{up}", "models": ["gemini-*"]},
]
ARGS = {"to": JANE, "cc": [{"of": JANE}], "note": "as asked"}


def chat(stream: bool) -> tuple[str, dict[str, Any]]:
    call = {"id": "c0", "type": "function", "function": {"name": "send_mail", "arguments": json.dumps(ARGS)}}
    messages: list[Any] = [
        {"role": "user", "content": f"Write to {JANE}"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c0", "content": f"Sent to {JANE}; {BOB} bounced"},
        {"role": "user", "content": "Again"},
    ]
    tools = [{"type": "function", "function": TOOL}]
    body = {"model": "gpt-4o-mini", "max_tokens": 50, "messages": messages, "tools": tools, "stream": stream}
    return "/v1/chat/completions", body


def responses(stream: bool) -> tuple[str, dict[str, Any]]:
    items: list[Any] = [
        {"role": "user", "content": f"Write to {JANE}"},
        {"type": "function_call", "call_id": "c0", "name": "send_mail", "arguments": json.dumps(ARGS)},
        {"type": "function_call_output", "call_id": "c0", "output": f"Sent to {JANE}; {BOB} bounced"},
        {"role": "user", "content": "Again"},
    ]
    tools = [{"type": "function", **TOOL}]
    body = {"model": "gpt-4o-mini", "max_output_tokens": 50, "input": items, "tools": tools, "stream": stream}
    return "/v1/responses", body


def claude(stream: bool) -> tuple[str, dict[str, Any]]:
    use = {"type": "tool_use", "id": "c0", "name": "send_mail", "input": ARGS}
    result = {"type": "tool_result", "tool_use_id": "c0", "content": f"Sent to {JANE}; {BOB} bounced"}
    messages: list[Any] = [
        {"role": "user", "content": f"Write to {JANE}"},
        {"role": "assistant", "content": [use]},
        {"role": "user", "content": [result, {"type": "text", "text": "Again"}]},
    ]
    tools = [{"name": "send_mail", "description": "Sends.", "input_schema": {"type": "object"}}]
    body = {"model": "claude-haiku-4-5", "max_tokens": 50, "messages": messages, "tools": tools, "stream": stream}
    return "/v1/messages", body


def gemini(stream: bool) -> tuple[str, dict[str, Any]]:
    outcome = {"output": f"Sent to {JANE}; {BOB} bounced"}
    contents: list[Any] = [
        {"role": "user", "parts": [{"text": f"Write to {JANE}"}]},
        {"role": "model", "parts": [{"functionCall": {"name": "send_mail", "args": ARGS}}]},
        {"role": "user", "parts": [{"functionResponse": {"name": "send_mail", "response": outcome}}]},
        {"role": "user", "parts": [{"text": "Again"}]},
    ]
    body = {"contents": contents, "tools": [{"functionDeclarations": [TOOL]}]}
    way = "streamGenerateContent?alt=sse" if stream else "generateContent"
    return f"/v1beta/models/gemini-2.5-flash:{way}", body


def obeys(asked: Received) -> Say:
    """A model that writes to the first address it was told, and says so."""
    token = TOKEN.findall(asked.body.decode())[0]
    args = {"to": token, "cc": [{"of": f"Jane <{token}>"}], "note": f"for {token}"}
    return Say(f"Writing to {token}.", calls=[Use("send_mail", args, id="c1")], chunk=7)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("form", [chat, responses, claude, gemini])
def test_the_model_sees_tokens_and_the_tool_gets_the_values(form: Any, stream: bool) -> None:
    seen: list[str] = []

    def model(asked: Received) -> Say:
        seen.append(asked.body.decode())
        return obeys(asked)

    path, body = form(stream)
    with house(model, policy=POLICY, upstreams=UPSTREAMS) as at:
        answer = at.post(path, body, headers={"comptroller-run": "r1", "comptroller-customer": "acme"})
        assert answer.status_code == 200, answer.text
        tool = next(call for call in at.desk.ledger.of("call.closed") if "decisions" in call.data)
    assert JANE not in seen[0]
    assert BOB not in seen[0]
    tokens = TOKEN.findall(seen[0])
    assert len(set(tokens)) == 2  # two people, told apart in every place where they stand
    told = args_in(answer.text)
    assert told["to"] == JANE
    assert told["cc"] == [{"of": f"Jane <{JANE}>"}]
    assert told["note"] == f"for {tokens[0]}"  # not named: it stays
    assert any(row.get("back") == {"to": 1, "cc": 1} for row in tool.data["decisions"])  # type: ignore[attr-defined]


def args_in(text: str) -> dict[str, Any]:
    """The arguments of the one tool call in a reply of any format, put together from its events."""
    found: list[Any] = []
    pieces: list[str] = []
    for line in text.splitlines() if "data: " in text else [f"data: {text}"]:
        data = line.removeprefix("data: ")
        if line.startswith("data: ") and data != "[DONE]":
            gather(json.loads(data), found, pieces)
    whole = "".join(pieces)
    return json.loads(whole) if whole else found[0]  # type: ignore[no-any-return]


def gather(node: Any, found: list[Any], pieces: list[str]) -> None:
    if isinstance(node, dict):
        if node.get("type") in ("response.function_call_arguments.delta", "input_json_delta"):
            pieces.append(node.get("delta") or node.get("partial_json"))
            return
        for name, value in node.items():
            if name == "arguments" and isinstance(value, str) and "function_call" not in str(node.get("type")):
                pieces.append(value)
            elif name == "arguments" and isinstance(value, str) and value:
                found.append(json.loads(value))
            elif name in ("args", "input") and isinstance(value, dict) and value:
                found.append(value)
            else:
                gather(value, found, pieces)
    elif isinstance(node, list):
        for item in node:
            gather(item, found, pieces)


def write(at: House, text: str, **headers: str) -> str:
    body = {"model": "gpt-4o-mini", "max_tokens": 50, "messages": [{"role": "user", "content": text}]}
    told = {f"comptroller-{name}": value for name, value in headers.items()}
    answer: str = at.post(body=body, headers=told).text
    return answer


@pytest.mark.parametrize("other", [{"customer": "initech"}, {"customer": "acme", "run": "r2"}])
def test_a_token_of_somebody_elses_conversation_is_worth_nothing(other: dict[str, str]) -> None:
    stolen: list[str] = []

    def model(asked: Received) -> Say:
        stolen.extend(TOKEN.findall(asked.body.decode()))
        return Say(calls=[Use("send_mail", {"to": stolen[0]}, id="c1")])

    policy = POLICY.replace("tokens: {", "tokens: {per: run, ") if "run" in other else POLICY
    with house(model, policy=policy) as at:
        assert JANE in write(at, f"Write to {JANE}", run="r1", customer="acme")
        answer = write(at, f"Write to {stolen[0]}", **{"run": "r1b", **other})
    assert JANE not in answer
    assert "stands for nothing here" in answer


def test_over_a_socket_a_token_of_an_earlier_turn_that_the_provider_keeps_is_put_back() -> None:
    seen: list[str] = []

    def model(asked: Received) -> Say:
        seen.append(asked.body.decode())
        token = TOKEN.findall(seen[0])[0]
        return Say(calls=[Use("send_mail", {"to": token}, id="c1")]) if len(seen) > 1 else Say(f"Noted {token}.")

    with house(model, policy=POLICY) as at, connect(at.url.replace("http", "ws") + "/v1/responses", proxy=None) as wire:
        more: dict[str, Any] = {}
        for text in (f"Remember {JANE}", "Write to her"):
            wire.send(json.dumps({"type": "response.create", "model": "gpt-4o-mini", "input": text, **more}))
            ended: dict[str, Any] = {}
            while ended.get("type") not in ("response.completed", "error"):
                ended = json.loads(wire.recv(timeout=10))
            more = {"previous_response_id": ended["response"]["id"]}
    calls = [item["arguments"] for item in ended["response"]["output"] if item["type"] == "function_call"]
    assert calls == [f'{{"to":"{JANE}"}}']
    assert all(JANE not in body for body in seen)
