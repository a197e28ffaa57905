"""Which dialect a request is in, told by its method and the end of its path."""

from comptroller.dialects.anthropic import AnthropicMessages
from comptroller.dialects.dialect import Dialect
from comptroller.dialects.openai_chat import OpenAIChat

DIALECTS: tuple[Dialect, ...] = (OpenAIChat(), AnthropicMessages())

# Ends of paths that cost money at a provider, whether a dialect reads them or not.
PAID_ENDS = (
    "/chat/completions",
    "/completions",
    "/responses",
    "/embeddings",
    "/v1/messages",
    "/messages/batches",
    "/v1/complete",
    "/v1/batches",
    "/images/generations",
    "/images/edits",
    "/images/variations",
    "/audio/speech",
    "/audio/transcriptions",
    "/audio/translations",
    ":generateContent",
    ":streamGenerateContent",
    ":batchGenerateContent",
    ":embedContent",
    ":batchEmbedContents",
    ":predict",
    ":rawPredict",
    ":streamRawPredict",
)


def dialect_for(method: str, path: str) -> Dialect | None:
    """The dialect that reads such a request, or None."""
    for dialect in DIALECTS:
        if dialect.matches(method, path):
            return dialect
    return None


def is_model_route(method: str, path: str) -> bool:
    """True where a request is model work that a provider bills, also where no dialect can read it."""
    return method.upper() == "POST" and path.rstrip("/").endswith(PAID_ENDS)
