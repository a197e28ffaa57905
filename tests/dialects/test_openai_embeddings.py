"""Embeddings."""

import json
from typing import Any

import pytest

from comptroller.core.call import Change, Request, Usage
from comptroller.dialects.dialect import Unreadable
from comptroller.dialects.openai_embeddings import OpenAIEmbeddings

EMBEDDINGS = OpenAIEmbeddings()


def read(given: Any, path: str = "/v1/embeddings", **fields: Any) -> Request:
    return EMBEDDINGS.read(json.dumps({"model": "text-embedding-3-small", "input": given, **fields}).encode(), path)


@pytest.mark.parametrize(
    ("path", "ours"),
    [("/v1/embeddings", True), ("/openai/deployments/d/embeddings/", True), ("/my/embeddings", False)],
)
def test_the_end_of_the_path_tells(path: str, ours: bool) -> None:
    assert EMBEDDINGS.matches("POST", path) is ours
    assert not EMBEDDINGS.matches("GET", path)


@pytest.mark.parametrize(
    ("given", "texts"), [("one", ["one"]), (["one", "two"], ["one", "two"]), ([], []), (["", "x"], ["x"])]
)
def test_texts_are_parts(given: Any, texts: list[str]) -> None:
    request = read(given, user="u")
    assert [part.text for part in request.parts] == texts
    assert (request.max_tokens, request.stream, request.tokens, request.hints) == (0, False, None, {"user": "u"})


@pytest.mark.parametrize(("given", "count"), [([1, 22, 333], 3), ([[1, 2], [3]], 3), ([[]], None), ([1, "x"], None)])
def test_tokens_are_counted_exactly(given: Any, count: int | None) -> None:
    assert read(given).tokens == count


def test_each_text_is_kept_by_itself() -> None:
    assert read(["a", "b"]).messages == [b'"a"', b'"b"']
    assert read([1, 2]).messages == [b"[1, 2]"]


def test_texts_and_model_can_be_replaced() -> None:
    request = read(["a", "b"], dimensions=5)
    out = json.loads(EMBEDDINGS.rewrite(request, Change(texts={request.parts[1].path: "[x]"}, model="m")))
    assert out == {"model": "m", "input": ["a", "[x]"], "dimensions": 5}
    alone = EMBEDDINGS.rewrite(read("a"), Change(texts={("input",): "[x]"}))
    assert json.loads(alone)["input"] == "[x]"


def test_on_azure_the_deployment_is_the_model() -> None:
    for body in (b'{"input":"x"}', b'{"input":"x","model":"cheaper"}'):
        assert EMBEDDINGS.read(body, "/openai/deployments/ada/embeddings").model == "ada"


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"input":null}', b'{"input":{}}', b'{"input":"\xff"}'])
def test_what_is_no_request_is_unreadable(body: bytes) -> None:
    with pytest.raises(Unreadable):
        EMBEDDINGS.read(body)


def test_a_reply_is_its_usage_and_stays_as_it_is() -> None:
    body = b'{"object":"list","data":[{"embedding":[0.1]}],"model":"m","usage":{"prompt_tokens":7,"total_tokens":7}}'
    reply = EMBEDDINGS.read_reply(body)
    assert (reply.usage, reply.model, reply.emitted) == (Usage(input=7), "m", 0)
    assert EMBEDDINGS.rewrite_reply(reply, Change()) == body


@pytest.mark.parametrize(
    ("usage", "expected"),
    [({"total_tokens": 9}, Usage(9)), ({"prompt_tokens": "9"}, Usage(9)), ({}, None), (None, None), ([], None)],
)
def test_usage_is_read_with_care(usage: object, expected: Usage | None) -> None:
    assert EMBEDDINGS.read_reply(json.dumps({"data": [], "usage": usage}).encode()).usage == expected


@pytest.mark.parametrize("body", [b"", b"[]", b'{"error":{}}'])
def test_what_is_no_reply_is_unreadable(body: bytes) -> None:
    with pytest.raises(Unreadable):
        EMBEDDINGS.read_reply(body)


def test_embeddings_do_not_stream() -> None:
    with pytest.raises(Unreadable):
        EMBEDDINGS.stream(read("x"))
