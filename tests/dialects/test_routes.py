"""Which request is in which dialect, and which costs money."""

import pytest

from comptroller.dialects import dialect_for, is_model_route


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/v1/chat/completions", "openai_chat"),
        ("/openai/deployments/d/chat/completions", "openai_chat"),
        ("/v1/messages", "anthropic"),
        ("/v1/messages/count_tokens", None),
        ("/v1/responses", "openai_responses"),
        ("/openai/responses", "openai_responses"),
        ("/v1/responses/resp_1/cancel", None),
        ("/forms/x/responses", None),
        ("/v1/embeddings", "openai_embeddings"),
        ("/openai/deployments/d/embeddings", "openai_embeddings"),
        ("/", None),
    ],
)
def test_a_path_has_its_dialect(path: str, name: str | None) -> None:
    dialect = dialect_for("POST", path)
    assert (dialect.name if dialect else None) == name
    assert dialect_for("GET", path) is None


@pytest.mark.parametrize(
    "path",
    [
        "/v1/chat/completions",
        "/api/paas/v4/chat/completions",
        "/v1/responses",
        "/openai/responses",
        "/openai/deployments/d/embeddings",
        "/v1/messages/batches",
        "/v1/images/generations",
        "/v1beta/models/gemini-2.5-pro:streamGenerateContent",
        "/v1/audio/speech/",
    ],
)
def test_model_work_is_known_even_where_nothing_reads_it(path: str) -> None:
    assert is_model_route("POST", path)
    assert not is_model_route("GET", path)


@pytest.mark.parametrize(
    "path",
    ["/forms/x/responses", "/v1/messages/count_tokens", "/channels/7/messages", "/v1/models", "/crm/completions"],
)
def test_other_services_are_no_model_work(path: str) -> None:
    assert not is_model_route("POST", path)
