"""Bounds and estimates in tokens, for when the provider has not (yet) said what a call used."""

import re

from comptroller.core.call import Reply, Request, Usage

FRAME_TOKENS = 16  # role markers and separators that a chat template adds around a message
MEDIA_TOKENS = 40_000  # the dearest picture billed by a known model is under 37,000 tokens
UNSTATED_OUTPUT = 16_384  # output assumed when a request states no max_tokens; going beyond is an overrun on record
TOOL_PROMPT = 1_000  # what a provider adds to the prompt, unseen, when there are tools
BYTES_PER_MEDIA_TOKEN = 10  # a document of many pages costs by the page; a picture is bounded by MEDIA_TOKENS
BEYOND_ALL_MODELS = 1 << 32
MEDIA_MODELS = ("audio", "image", "tts")
_DISGUISED = re.compile(rb"\\u00[4-7][0-9a-fA-F]")  # letters that nobody has to escape, and somebody did
CHARS_PER_TOKEN = 3  # ordinary text has about 4; the difference is the safety of an estimate


def input_bound(request: Request) -> int:
    """Never less than the provider will count: a byte-level tokenizer makes at most one token of a byte."""
    if request.tokens is not None:
        return request.tokens
    media = _media_in(request)
    text = max(len(request.raw) - request.media_bytes, 0)
    frame = FRAME_TOKENS * (len(request.messages) + 1) + (TOOL_PROMPT if request.tools else 0)
    own = text + frame + MEDIA_TOKENS * media + request.media_bytes // BYTES_PER_MEDIA_TOKEN
    return own + (request.earlier or 0)


def may_be_media(request: Request, model: str) -> bool:
    """Whether sound or pictures may go in or come out: they have rates of their own, far above those of text, which a
    plain text call must not hold. Some models answer with them unasked."""
    raw = request.raw
    told = b"audio" in raw or b"image" in raw or any(kind in model for kind in MEDIA_MODELS)
    return told or (b"\\u00" in raw and _DISGUISED.search(raw) is not None)


def output_bound(request: Request, context: int | None) -> int:
    """What the request itself allows; without a word from it, a stated assumption."""
    stated = request.max_tokens
    each = min(UNSTATED_OUTPUT, context or UNSTATED_OUTPUT) if stated is None else min(stated, BEYOND_ALL_MODELS)
    return each * min(max(request.choices, 1), 1_000)


def is_absurd(usage: Usage) -> bool:
    """Usage no call can have: a provider that says so is not believed."""
    return max(usage.input, usage.output, usage.searches) > BEYOND_ALL_MODELS


def tokens_in(characters: int) -> int:
    """A careful estimate of the tokens in so many characters of output."""
    return -(-characters // CHARS_PER_TOKEN)


def estimated_usage(request: Request, reply: Reply | None) -> Usage:
    """What a call is charged for when its usage never came: all of its input, and the output seen."""
    media = _media_in(request)
    text = sum(len(message) for message in request.messages) - request.media_bytes
    sent = tokens_in(max(text, 0)) + FRAME_TOKENS * len(request.messages) + MEDIA_TOKENS * media
    sent += request.earlier or 0
    sent = sent if request.tokens is None else request.tokens
    return Usage(input=sent, output=tokens_in(reply.emitted) if reply else 0, tier=request.tier)


def _media_in(request: Request) -> int:
    count = 0
    for part in request.parts:  # most requests have one or two, and a generator would cost more than looking at them
        if part.kind == "media":
            count += 1
    return count
