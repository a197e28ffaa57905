"""What it costs to understand a call: reading requests, replies and streamed events, in microseconds of CPU."""

import time
from collections.abc import Callable

import msgspec

from benchmarks.table import conditions, table
from comptroller.core.call import Change
from comptroller.dialects.anthropic import AnthropicMessages
from comptroller.dialects.gemini import Gemini
from comptroller.dialects.openai_chat import OpenAIChat
from comptroller.dialects.openai_responses import OpenAIResponses

WORDS = "the order arrived late and the customer asks whether we can send another one before the week ends "


def main() -> None:
    """Print a table of each dialect's work on bodies of about 4 KB and on single events."""
    rows = []
    for name, dialect, event in (
        ("openai_chat", OpenAIChat(), OPENAI_EVENT),
        ("anthropic", AnthropicMessages(), ANTHROPIC_EVENT),
        ("openai_responses", OpenAIResponses(), RESPONSES_EVENT),
        ("gemini", Gemini(), GEMINI_EVENT),
    ):
        body, reply = request_of(name, 4096), reply_of(name, 1024)
        request = dialect.read(body)
        change = Change(texts={request.parts[-1].path: "other"}, max_tokens=5)
        stream = dialect.stream(request)
        for opening in event[:-1]:
            list(stream.feed(opening))
        rows.append([name, "parse alone (msgspec, 4 KB)", best(lambda b=body: msgspec.json.decode(b))])
        rows.append([name, "read, 4 KB in 8 messages", best(lambda d=dialect, b=body: d.read(b))])
        rows.append([name, "rewrite one text of it", best(lambda d=dialect, r=request, c=change: d.rewrite(r, c))])
        rows.append([name, "read_reply, 1 KB", best(lambda d=dialect, r=reply: d.read_reply(r))])
        rows.append([name, "one text event", best(lambda s=stream, e=event[-1]: feed(s, e))])
    table(f"dialects ({conditions()}, best of 7)", ["dialect", "work", "us"], rows)


def feed(stream: object, event: bytes) -> None:
    """One event, all its chunks."""
    for _ in stream.feed(event):  # type: ignore[attr-defined]
        pass


def request_of(name: str, size: int) -> bytes:
    """A conversation of eight messages."""
    text = (WORDS * (size // len(WORDS)))[: size // 8]
    if name == "gemini":
        contents = [{"role": "model" if i % 2 else "user", "parts": [{"text": text}]} for i in range(8)]
        return msgspec.json.encode({"contents": contents, "generationConfig": {"maxOutputTokens": 400}})
    messages = [{"role": "assistant" if i % 2 else "user", "content": text} for i in range(8)]
    named = "input" if name == "openai_responses" else "messages"
    return msgspec.json.encode({"model": "gpt-4o-mini", "max_tokens": 400, named: messages, "stream": True})


def reply_of(name: str, size: int) -> bytes:
    """A whole reply."""
    text = (WORDS * 99)[:size]
    if name == "anthropic":
        content = [{"type": "text", "text": text}]
        usage = {"input_tokens": 9, "output_tokens": 9}
        return msgspec.json.encode({"id": "m", "model": "c", "content": content, "stop_reason": "x", "usage": usage})
    if name == "openai_responses":
        item = {"id": "m", "type": "message", "content": [{"type": "output_text", "text": text}]}
        return msgspec.json.encode({"id": "r", "output": [item], "usage": {"input_tokens": 9, "output_tokens": 9}})
    if name == "gemini":
        candidate = {"content": {"parts": [{"text": text}]}, "finishReason": "STOP"}
        return msgspec.json.encode({"candidates": [candidate], "usageMetadata": {"promptTokenCount": 9}})
    choices = [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}]
    usage = {"prompt_tokens": 9, "completion_tokens": 9}
    return msgspec.json.encode({"id": "c", "model": "gpt-4o-mini", "choices": choices, "usage": usage})


def best(act: Callable[[], object], times: int = 2000) -> str:
    """Microseconds of one act, the best of seven rounds."""
    rounds = []
    for _ in range(7):
        begun = time.process_time_ns()
        for _ in range(times):
            act()
        rounds.append((time.process_time_ns() - begun) / times / 1000)
    return f"{min(rounds):.2f}"


def _openai(delta: str) -> bytes:
    head = (
        '{"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"gpt-4o-mini","service_tier":"default"'
    )
    choice = '{"index":0,"delta":' + delta + ',"logprobs":null,"finish_reason":null}'
    return f'data: {head},"system_fingerprint":"fp","choices":[{choice}],"usage":null}}\n\n'.encode()


OPENAI_EVENT = (_openai('{"role":"assistant","content":""}'), _openai('{"content":" another one"}'))
ANTHROPIC_EVENT = (
    b'event: message_start\ndata: {"type":"message_start","message":{"id":"m","model":"c","content":[]}}\n\n',
    b'event: content_block_start\ndata: {"type":"content_block_start","index":0,'
    b'"content_block":{"type":"text","text":""}}\n\n',
    b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,'
    b'"delta":{"type":"text_delta","text":" another one"}}\n\n',
)


def _response(kind: str, fields: str) -> bytes:
    """An event without a number: the same one can be fed again and again."""
    return f'event: response.{kind}\ndata: {{"type":"response.{kind}",{fields}}}\n\n'.encode()


_PLACE = '"item_id":"m","output_index":0,"content_index":0'
RESPONSES_EVENT = (
    _response("created", '"response":{"id":"r","model":"gpt-4o-mini"}'),
    _response("output_item.added", '"output_index":0,"item":{"id":"m","type":"message","content":[]}'),
    _response("content_part.added", f'{_PLACE},"part":{{"type":"output_text","text":""}}'),
    _response("output_text.delta", f'{_PLACE},"delta":" another one","logprobs":[],"obfuscation":"x8Fk2q"'),
)
GEMINI_EVENT = (
    b'data: {"candidates": [{"content": {"parts": [{"text": " another one"}],"role": "model"},"index": 0}],'
    b'"usageMetadata": {"promptTokenCount": 9,"totalTokenCount": 12},"modelVersion": "gemini-2.5-flash"}\r\n\r\n',
) * 2

if __name__ == "__main__":
    main()
