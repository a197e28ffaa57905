"""The commonest whole completion, one choice of text with its usage, read in one step; all else with more care."""

from typing import Annotated, Any

import msgspec

from comptroller.core.call import Part, Reply, Usage
from comptroller.dialects.openai_chat_usage import tier_of

_Count = Annotated[int, msgspec.Meta(ge=0, le=2**53)]


# Nothing unknown anywhere: what might mean something is for the careful way to say.
class _Plain(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    pass


class _Message(_Plain):
    content: str
    role: Any = None
    refusal: None = None
    annotations: tuple[()] | None = None
    audio: None = None
    tool_calls: None = None
    function_call: None = None


class _Choice(_Plain):
    message: _Message
    finish_reason: str
    index: Any = None
    logprobs: None = None


class _Sent(_Plain):
    cached_tokens: _Count = 0
    audio_tokens: _Count = 0


class _Got(_Plain):
    reasoning_tokens: _Count = 0
    audio_tokens: _Count = 0
    accepted_prediction_tokens: Any = None
    rejected_prediction_tokens: Any = None


class _Used(_Plain):
    prompt_tokens: _Count
    completion_tokens: _Count
    total_tokens: _Count = 0
    prompt_tokens_details: _Sent | None = None
    completion_tokens_details: _Got | None = None


class _Completion(_Plain):
    choices: tuple[_Choice]
    usage: _Used
    id: str
    model: str
    object: Any = None
    created: Any = None
    service_tier: str | None = None
    system_fingerprint: Annotated[str, msgspec.Meta(pattern="^[a-z]{1,4}_[0-9a-f]{1,16}$")] | None = None


_decode = msgspec.json.Decoder(_Completion).decode
_NONE_SENT, _NONE_GOT = _Sent(), _Got()
_PATH = ("choices", 0, "message", "content")


def read_plain(body: bytes) -> Reply | None:
    """The reply, or None where it is anything but plain: a third of what the careful way takes, half when cold."""
    try:
        found = _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    choice, used = found.choices[0], found.usage
    text = choice.message.content
    total_in = used.prompt_tokens
    total_out = max(used.completion_tokens, used.total_tokens - total_in)
    if not text or not (total_in or total_out):
        return None
    sent, got = used.prompt_tokens_details or _NONE_SENT, used.completion_tokens_details or _NONE_GOT
    usage = Usage(
        total_in,
        total_out,
        min(sent.cached_tokens, total_in),
        reasoning=min(got.reasoning_tokens, total_out),
        audio_input=min(sent.audio_tokens, total_in),
        audio_output=min(got.audio_tokens, total_out),
        tier=tier_of(found.service_tier),
    )
    parts = [Part("text", text, _PATH, "assistant")]
    return Reply(found.id, found.model, parts, [], usage, choice.finish_reason, body, len(text))
