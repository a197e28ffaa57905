"""Which dialect a request is in, told by its method and the end of its path."""

import re
from urllib.parse import unquote

from comptroller.dialects.anthropic import AnthropicMessages
from comptroller.dialects.dialect import Dialect
from comptroller.dialects.gemini import Gemini
from comptroller.dialects.openai_chat import OpenAIChat
from comptroller.dialects.openai_embeddings import OpenAIEmbeddings
from comptroller.dialects.openai_responses import OpenAIResponses

DIALECTS: tuple[Dialect, ...] = (OpenAIChat(), AnthropicMessages(), OpenAIResponses(), OpenAIEmbeddings(), Gemini())

# Paths that cost money at a provider, whether a dialect reads them or not. Common words count only where a
# provider's version or deployment stands before them: other services have `responses` and `messages` too.
_PAID = re.compile(
    r"(?:/chat/completions"
    r"|/(?:v\d\w*|openai|deployments/[^/]+)/(?:completions|responses(?:/compact)?|embeddings|messages(?:/batches)?"
    r"|complete|batches|moderations|rerank|images/(?:generations|edits|variations)|audio/(?:speech|transcriptions|translations))"
    r"|:(?:generateContent|streamGenerateContent|batchGenerateContent|embedContent|batchEmbedContents|predict"
    r"|rawPredict|streamRawPredict))/?$"
)


def dialect_for(method: str, path: str) -> Dialect | None:
    """The dialect that reads such a request, or None."""
    for dialect in DIALECTS:
        if dialect.matches(method, path):
            return dialect
    return None


def is_model_route(method: str, path: str) -> bool:
    """True where a request is model work that a provider bills, also where no dialect can read it."""
    return method.upper() == "POST" and _PAID.search(path) is not None


# What an SDK sends to its provider that costs nothing by itself.
_FREE = re.compile(
    r"/(?:files|uploads(?:/[^/]+/(?:parts|complete|cancel))?|count_tokens|input_tokens|cancel|models)/?$"
)


def is_provider_work(method: str, path: str) -> bool:
    """True for anything an SDK makes its provider do, unless it is known to be free: threads, videos, tuning, ..."""
    return method.upper() not in ("GET", "HEAD", "OPTIONS", "DELETE") and _FREE.search(path) is None


def plain_path(path: str) -> str:
    """A path as servers read it: `//`, escapes, parameters behind `;` and other letter cases are no way round."""
    if not _ODD.search(path):
        return path
    for _ in range(3):  # escaped twice or more is still read by somebody
        decoded = unquote(path)
        if decoded == path:
            break
        path = decoded
    plain = re.sub(r";[^/]*", "", re.sub(r"/{2,}", "/", path))
    known = plain.lower()
    return known if _PAID.search(known) else plain


_ODD = re.compile(r"//|;|%|[A-Z]")
