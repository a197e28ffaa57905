"""Streams of the Responses API and of Gemini, shortened, and what the official SDKs make of them."""

import json
from typing import Any

import httpx2
from google import genai
from google.genai import types
from openai import OpenAI

from tests.dialects.recordings import data

Node = dict[str, Any]

# -- responses

USAGE = {
    "input_tokens": 20,
    "input_tokens_details": {"cached_tokens": 8, "cache_write_tokens": 0},
    "output_tokens": 10,
    "output_tokens_details": {"reasoning_tokens": 4},
    "total_tokens": 30,
}
RESPONSE: Node = {
    "id": "resp_1",
    "object": "response",
    "created_at": 1767225600,
    "status": "in_progress",
    "error": None,
    "incomplete_details": None,
    "instructions": None,
    "model": "gpt-4o-2024-08-06",
    "output": [],
    "parallel_tool_calls": True,
    "service_tier": "default",
    "tool_choice": "auto",
    "tools": [],
    "usage": None,
}


def numbered(*events: Node) -> bytes:
    """Events with their names and numbers."""
    lines = []
    for number, event in enumerate(events):
        told = {"type": event["type"], "sequence_number": number, **event}
        lines.append(b"event: " + event["type"].encode() + b"\n" + data(told))
    return b"".join(lines)


def response(*items: Node, kind: str = "completed", **more: Any) -> list[Node]:
    """The events around those of its items."""
    whole = {**RESPONSE, "status": kind, "output": list(items), "usage": USAGE, **more}
    begun = [{"type": f"response.{name}", "response": RESPONSE} for name in ("created", "in_progress")]
    told = [event for index, item in enumerate(items) for event in item_events(index, item)]
    return [*begun, *told, {"type": f"response.{kind}", "response": whole}]


def item_events(index: int, item: Node) -> list[Node]:
    """The events of one item, its texts in pieces of five characters."""
    name = {"message": "content", "reasoning": "summary"}.get(item["type"], "")
    where: Node = {"output_index": index, "item_id": item["id"]}
    start = {**item, "status": "in_progress", **({name: []} if name else {})}
    args = {
        "function_call": ("function_call_arguments", "arguments"),
        "custom_tool_call": ("custom_tool_call_input", "input"),
    }
    out: list[Node] = []
    if item["type"] in args:
        kind, field = args[item["type"]]
        start[field] = ""
        out += [{"type": f"response.{kind}.delta", **where, "delta": piece} for piece in pieces(item[field])]
        out.append({"type": f"response.{kind}.done", **where, field: item[field]})
    for at, part in enumerate(item.get(name, [])):
        out += part_events({**where, f"{name}_index": at}, part)
    added = {"type": "response.output_item.added", "output_index": index, "item": start}
    return [added, *out, {"type": "response.output_item.done", "output_index": index, "item": item}]


def part_events(where: Node, part: Node) -> list[Node]:
    """The events of one piece of content."""
    field = "refusal" if part["type"] == "refusal" else "text"
    kind = "reasoning_summary_part" if part["type"] == "summary_text" else "content_part"
    name = "reasoning_summary_text" if part["type"] == "summary_text" else part["type"]
    more: Node = {"logprobs": []} if field == "text" and kind == "content_part" else {}
    return [
        {"type": f"response.{kind}.added", **where, "part": {**part, field: ""}},
        *({"type": f"response.{name}.delta", **where, "delta": piece, **more} for piece in pieces(part[field])),
        {"type": f"response.{name}.done", **where, field: part[field], **more},
        {"type": f"response.{kind}.done", **where, "part": part},
    ]


def pieces(text: str) -> list[str]:
    """Five characters each."""
    return [text[at : at + 5] for at in range(0, len(text), 5)]


def message(*texts: str, item_id: str = "msg_1", **more: Any) -> Node:
    """A message of these texts."""
    content = [{"type": "output_text", "text": text, "annotations": [], "logprobs": []} for text in texts]
    return {"id": item_id, "type": "message", "status": "completed", "role": "assistant", "content": content, **more}


def call(name: str, args: str, call_id: str) -> Node:
    """A function call."""
    head = {"id": f"fc_{call_id}", "type": "function_call", "status": "completed"}
    return {**head, "call_id": call_id, "name": name, "arguments": args}


THOUGHT = {
    "id": "rs_1",
    "type": "reasoning",
    "summary": [{"type": "summary_text", "text": "Let me think."}, {"type": "summary_text", "text": "So."}],
    "encrypted_content": "eHh4",
}
CUSTOM = {"id": "ctc_1", "type": "custom_tool_call", "call_id": "call_c", "name": "sql", "input": "select 1"}
SHELL = {
    "id": "lsh_1",
    "type": "local_shell_call",
    "call_id": "call_s",
    "status": "completed",
    "action": {"type": "exec", "command": ["ls", "-l"], "env": {}},
}
SEARCH = {"id": "ws_1", "type": "web_search_call", "status": "completed", "action": {"type": "search", "query": "x"}}
REFUSED = message(content=[{"type": "refusal", "refusal": "I will not do it."}])
R_TEXT = numbered(*response(message("Grüße, Welt 🌍 und alle.")))
R_TWO = numbered(*response(message("one text", "two text")))
R_TOOLS = numbered(
    *response(
        message("Let me look."),
        call("pull_credit", '{"id":"123"}', "call_a"),
        call("send_money", '{"to":"bob"}', "call_b"),
    )
)
R_REASONING = numbered(*response(THOUGHT, message("42 is it")))
R_REFUSAL = numbered(*response(REFUSED))
R_OTHERS = numbered(*response(CUSTOM, SHELL, SEARCH, message("Done now.")))
R_INCOMPLETE = numbered(
    *response(message("Half of"), kind="incomplete", incomplete_details={"reason": "max_output_tokens"})
)
R_FAILED = numbered(*response(kind="failed", usage=None, error={"code": "server_error", "message": "Oops."}))
R_CRLF = R_TOOLS.replace(b"\n", b"\r\n")
RESPONSES = {
    "text": R_TEXT,
    "two texts": R_TWO,
    "tools": R_TOOLS,
    "reasoning": R_REASONING,
    "refusal": R_REFUSAL,
    "others": R_OTHERS,
    "incomplete": R_INCOMPLETE,
    "failed": R_FAILED,
    "crlf": R_CRLF,
}


def _served(body: bytes) -> httpx2.Client:
    headers = {"content-type": "text/event-stream"}
    return httpx2.Client(transport=httpx2.MockTransport(lambda _: httpx2.Response(200, headers=headers, content=body)))


def responses_makes_of(stream: bytes) -> Node:
    """The response that the openai SDK puts together from a stream."""
    with _served(stream) as http:
        client = OpenAI(api_key="none", base_url="http://x/v1", http_client=http)
        with client.responses.stream(model="m", input="hi") as events:
            return events.get_final_response().model_dump()


def responses_iterates(stream: bytes) -> list[Any]:
    """The events as the openai SDK hands them out, put together by it as well."""
    with _served(stream) as http:
        client = OpenAI(api_key="none", base_url="http://x/v1", http_client=http)
        with client.responses.stream(model="m", input="hi") as events:
            return list(events)


def nodes(stream: bytes) -> list[Node]:
    """The events of a stream as JSON."""
    lines = stream.replace(b"\r", b"").split(b"\n")
    return [json.loads(line[6:]) for line in lines if line.startswith(b"data: {")]


# -- gemini

G_USAGE = {
    "promptTokenCount": 20,
    "candidatesTokenCount": 6,
    "thoughtsTokenCount": 4,
    "totalTokenCount": 30,
    "cachedContentTokenCount": 8,
    "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 15}, {"modality": "AUDIO", "tokenCount": 5}],
}


def g_event(*parts: Node, finish: str = "", index: int = 0, **more: Any) -> bytes:
    """An event with one candidate."""
    candidate: Node = {"content": {"parts": list(parts), "role": "model"}}
    if index:
        candidate["index"] = index
    if finish:
        candidate["finishReason"] = finish
        more.setdefault("usageMetadata", G_USAGE)
    return g_data({"candidates": [candidate], **more})


def g_data(node: Node) -> bytes:
    """An event as Google ends its lines."""
    told = {**node, "modelVersion": "gemini-2.5-flash", "responseId": "gem_1"}
    return b"data: " + json.dumps(told, ensure_ascii=False).encode() + b"\r\n\r\n"


def g_text(text: str, **more: Any) -> Node:
    """A part of text."""
    return {"text": text, **more}


def g_call(name: str, args: Node, **more: Any) -> Node:
    """A part with a function call."""
    return {"functionCall": {"name": name, "args": args}, **more}


G_TEXT = g_event(g_text("Grüße, ")) + g_event(g_text("Welt 🌍")) + g_event(g_text(" und alle."), finish="STOP")
G_LATE = g_event(g_text("hi")) + g_event(finish="STOP")
G_THINKING = g_event(g_text("Hm, ", thought=True)) + g_event(g_text("so.", thought=True))
G_THINKING += g_event(g_text("42")) + g_event(g_text(" it is"), g_text("", thoughtSignature="c2ln"), finish="STOP")
G_TOOLS = g_event(g_text("Let me look.")) + g_event(
    g_call("pull_credit", {"id": "123"}, thoughtSignature="c2ln"), g_call("send_money", {"to": "bob"}), finish="STOP"
)
G_ALL_AT_ONCE = g_event(g_text("Both."), g_call("f", {"a": 1}), g_text("Then."), finish="STOP")
G_TWO = g_event(g_text("one")) + g_event(g_text("two"), index=1)
G_TWO += g_event(finish="STOP") + g_event(g_text(" more"), finish="STOP", index=1)
G_CODE = g_event({"executableCode": {"language": "PYTHON", "code": "print(1)"}})
G_CODE += g_event({"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "1"}}) + g_event(
    g_text("1"), finish="STOP"
)
G_BLOCKED = g_data({"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {"promptTokenCount": 9}})
G_LF = G_TOOLS.replace(b"\r\n", b"\n")
GEMINI = {
    "text": G_TEXT,
    "late": G_LATE,
    "thinking": G_THINKING,
    "tools": G_TOOLS,
    "all at once": G_ALL_AT_ONCE,
    "code": G_CODE,
    "lf": G_LF,
}


def gemini_makes_of(stream: bytes) -> tuple[list[Node], str]:
    """The parts that google-genai hands out, and the last finish reason."""
    found, finish = [], ""
    with _served(stream) as http:
        options = types.HttpOptions(base_url="http://x", httpx_client=http)
        client = genai.Client(api_key="none", http_options=options)
        for reply in client.models.generate_content_stream(model="gemini-2.5-flash", contents="hi"):
            for candidate in reply.candidates or []:
                finish = candidate.finish_reason.value if candidate.finish_reason else finish
                content = candidate.content
                found += [part.model_dump(exclude_none=True) for part in (content.parts if content else None) or []]
    return found, finish
