"""Paths of clients that think otherwise about where the API's version goes."""

from collections.abc import Iterator

import anthropic
import pytest

from tests.gateway.house import HI, House, house


@pytest.fixture(scope="module")
def at() -> Iterator[House]:
    with house("Hello.") as made:
        yield made


@pytest.mark.parametrize("path", ["/messages", "/v1/v1/messages"])
def test_a_message_reaches_its_route_however_the_version_is_written(at: House, path: str) -> None:
    reply = at.post(path, {"model": "claude-haiku-4-5", "messages": HI, "max_tokens": 50})
    assert reply.json()["content"][0]["text"] == "Hello."
    assert at.up.requests[-1].path == "/v1/messages"
    assert at.last["dialect"] == "anthropic"


def test_an_sdk_whose_base_address_has_the_version_already_is_served(at: House) -> None:
    client = anthropic.Anthropic(base_url=at.url + "/v1", api_key="sk-own")
    reply = client.messages.create(model="claude-haiku-4-5", max_tokens=50, messages=HI)
    assert reply.content[0].text == "Hello."  # type: ignore[union-attr]


@pytest.mark.parametrize("path", ["/chat/completions", "/v1/v1/chat/completions"])
def test_a_completion_is_on_record_under_its_own_route(at: House, path: str) -> None:
    assert at.post(path).status_code == 200
    assert at.last["dialect"] == "openai_chat"


def test_an_error_at_such_a_path_has_its_providers_shape(at: House) -> None:
    reply = at.post("/messages", b"{}", headers={"content-encoding": "none-such"})
    assert (reply.status_code, reply.json()["type"]) == (415, "error")


@pytest.mark.parametrize("path", ["/v1/v1", "/messages/batches", "/v1/v1/files", "/v2/messages"])
def test_nothing_else_is_led_anywhere(at: House, path: str) -> None:
    assert at.post(path, {}).status_code == 404
