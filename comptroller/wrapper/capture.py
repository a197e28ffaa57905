"""What is kept of a call's texts: bodies into the vault as the workflow's capture setting says, digests on record."""

from collections.abc import Hashable, Sequence

import msgspec

from comptroller.core.call import Change, Part, Reply, Request, ToolCall
from comptroller.core.errors import StoreError
from comptroller.core.settings import Capture
from comptroller.core.verdict import Action
from comptroller.dialects.dialect import Dialect
from comptroller.wrapper import loops
from comptroller.wrapper.dataflow import hear
from comptroller.wrapper.entry import Entry
from comptroller.wrapper.kept import NAMED as GOES_ON

KEEPING = ("openai_responses",)  # dialects of providers that keep replies to be gone on with
REDACTING: dict[str, Action] = {"secrets": "redact", "privacy": "redact"}


def keep_request(entry: Entry, dialect: Dialect, request: Request, path: str) -> None:
    """Keep the messages of a request; what guards find in them is replaced unless the setting says full."""
    capture = entry.standing.capture
    if capture == "none":
        return
    messages = request.messages
    shown = _found_in(entry, request.parts) if capture == "redacted" and not entry.clean_request else {}
    if shown:
        messages = dialect.read(dialect.rewrite(request, Change(texts=shown)), path).messages
    digests = _keep(entry, messages, capture)
    before = request.hints.get(GOES_ON, "")
    entry.request_after, entry.request = entry.run.thread.follow(entry.identity.agent, entry.id, digests, before)


def keep_reply(entry: Entry, reply: Reply, change: Change) -> None:
    """Keep a reply as the agent got it; whole and streamed replies in one form."""
    hear(entry, reply)
    loops.hear(entry, reply)
    capture = entry.standing.capture
    if capture == "none":
        return
    is_cleaned = capture == "redacted" and not entry.clean_reply
    content = []
    for part in reply.parts:
        if part.kind != "tool_call" and part.role != "field":
            text = _cleaned(entry, change.texts.get(part.path, part.text)) if is_cleaned else part.text
            content.append({"kind": part.kind, "text": text})
    body = {"role": "assistant", "content": content, "finish": reply.finish}
    if reply.calls:
        body["tool_calls"] = [_called(entry, call, change, capture) for call in reply.calls]
    entry.reply = _keep(entry, [msgspec.json.encode(body)], capture)
    if reply.id and entry.dialect in KEEPING:
        count = entry.request_after[1] if entry.request_after else 0
        assert isinstance(count, int)
        entry.run.thread.answered(reply.id, entry.id, count + len(entry.request) + len(entry.reply))


def _called(entry: Entry, call: ToolCall, change: Change, capture: Capture) -> dict[str, object]:
    args = call.text
    if capture == "redacted":
        args = _cleaned(entry, change.texts.get(call.path, args), as_json=True)
    return {"id": call.id, "name": call.name, "args": args, "refused": change.refused.get(call.path)}


def _keep(entry: Entry, messages: Sequence[bytes], capture: Capture) -> list[str]:
    desk, who = entry.desk, entry.identity
    if capture == "digest":
        return [desk.ledger.digest(message) for message in messages]
    try:
        return desk.ledger.keep(messages, who.tenant, who.customer or who.user or who.tenant)
    except StoreError as error:
        entry.store_failed(error)
        return []


def _found_in(entry: Entry, parts: Sequence[Part]) -> dict[Hashable, str]:
    """The texts in which guards find something, with that replaced; texts known to be clean cost a look-up."""
    texts: dict[Hashable, str] = {}
    for part in parts:
        if part.kind != "media":
            found = entry.desk.inspect(part.text, REDACTING, as_json=part.kind == "tool_call")
            if found is not None:
                texts[part.path] = found.text
    return texts


def _cleaned(entry: Entry, text: str, as_json: bool = False) -> str:
    found = entry.desk.inspect(text, REDACTING, as_json)
    return text if found is None else found.text
