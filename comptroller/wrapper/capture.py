"""What is kept of a call's texts: bodies into the vault as the workflow's capture setting says, digests on record."""

from collections.abc import Hashable, Sequence

import msgspec

from comptroller.core.call import Change, Part, Reply, Request
from comptroller.core.errors import StoreError
from comptroller.core.settings import Capture
from comptroller.core.verdict import Action
from comptroller.dialects.dialect import Dialect
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
    capture = entry.standing.capture
    if capture == "none":
        return
    texts = {part.path: part.text for part in reply.parts}
    args = {call.path: call.text for call in reply.calls}
    if capture == "redacted":
        if not entry.clean_reply:
            texts = {path: _cleaned(entry, change.texts.get(path, text)) for path, text in texts.items()}
        args = {path: _cleaned(entry, change.texts.get(path, text), as_json=True) for path, text in args.items()}
    body = {
        "role": "assistant",
        "content": [{"kind": p.kind, "text": texts[p.path]} for p in reply.parts if _is_said(p)],
        "finish": reply.finish,
    }
    if reply.calls:
        body["tool_calls"] = [
            {"id": call.id, "name": call.name, "args": args[call.path], "refused": change.refused.get(call.path)}
            for call in reply.calls
        ]
    entry.reply = _keep(entry, [msgspec.json.encode(body)], capture)
    if reply.id and entry.dialect in KEEPING:
        count = entry.request_after[1] if entry.request_after else 0
        assert isinstance(count, int)
        entry.run.thread.answered(reply.id, entry.id, count + len(entry.request) + len(entry.reply))


def _is_said(part: Part) -> bool:
    return part.kind != "tool_call" and part.role != "field"


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
