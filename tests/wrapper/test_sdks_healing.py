"""The official SDKs in-process, with replies that are refused and asked for again."""

import asyncio
import json
from typing import Any

import anthropic
import openai
import pytest

import comptroller as ct
from comptroller.testing import Upstream, desk
from comptroller.testing.script import Say, Use
from tests.wrapper.healing_model import NO_PROMISES

HI: list[Any] = [{"role": "user", "content": "Hi"}]
PROMISED = ["I promise it.", "We try."]
FORM = {
    "type": "object",
    "properties": {"amount": {"type": "integer"}},
    "required": ["amount"],
    "additionalProperties": False,
}


@pytest.mark.parametrize("stream", [False, True])
def test_openai_gets_the_try_that_passed(stream: bool) -> None:
    with desk(NO_PROMISES) as made, Upstream(PROMISED) as up, ct.run("w"):
        client = ct.wrap(openai.OpenAI(api_key="k", base_url=up.url + "/v1"), agent="clerk")
        got: Any = client.chat.completions.create(model="gpt-4o-mini", messages=HI, max_tokens=50, stream=stream)
        chunks = [chunk.choices[0].delta.content or "" for chunk in got if chunk.choices] if stream else []
        client.close()
        assert ("".join(chunks) if stream else got.choices[0].message.content) == "We try."
        assert [call["status"] for call in made.facts("call.closed")] == ["denied", "ok"]
        assert all("comptroller" not in name for asked in up.requests for name in asked.headers)


@pytest.mark.parametrize("stream", [False, True])
def test_async_openai_gets_the_try_that_passed(stream: bool) -> None:
    async def main(url: str) -> str:
        async with ct.run("w"), ct.wrap(openai.AsyncOpenAI(api_key="k", base_url=url)) as client:
            got: Any = await client.chat.completions.create(
                model="gpt-4o-mini", messages=HI, max_tokens=50, stream=stream
            )
            if not stream:
                return str(got.choices[0].message.content)
            return "".join([chunk.choices[0].delta.content or "" async for chunk in got if chunk.choices])

    with desk(NO_PROMISES) as made, Upstream(PROMISED) as up:
        assert asyncio.run(main(up.url + "/v1")) == "We try."
        assert [call["status"] for call in made.facts("call.closed")] == ["denied", "ok"]


@pytest.mark.parametrize("stream", [False, True])
def test_anthropic_gets_the_try_that_passed(stream: bool) -> None:
    with desk(NO_PROMISES), Upstream(PROMISED) as up, ct.run("w"):
        client = ct.wrap(anthropic.Anthropic(api_key="k", base_url=up.url))
        if stream:
            with client.messages.stream(model="claude-sonnet-4-6", max_tokens=50, messages=HI) as events:
                text = events.get_final_text()
        else:
            block: Any = client.messages.create(model="claude-sonnet-4-6", max_tokens=50, messages=HI).content[0]
            text = block.text
        client.close()
        assert text == "We try."


@pytest.mark.parametrize("stream", [False, True])
def test_the_responses_sdk_gets_what_was_mended(stream: bool) -> None:
    form: Any = {"format": {"type": "json_schema", "name": "order", "schema": FORM}}
    with desk("policy: p\nstructured: {}"), Upstream('Here:\n```json\n{"amount": 5,}\n```') as up, ct.run("w"):
        client = ct.wrap(openai.OpenAI(api_key="k", base_url=up.url + "/v1"))
        asked: dict[str, Any] = dict(model="gpt-4o-mini", input="Hi", max_output_tokens=50, text=form)
        if stream:
            with client.responses.stream(**asked) as events:
                text = events.get_final_response().output_text
        else:
            text = client.responses.create(**asked).output_text
        client.close()
        assert json.loads(text) == {"amount": 5}


@pytest.mark.parametrize("stream", [False, True])
def test_arguments_with_a_comma_too_many_are_mended(stream: bool) -> None:
    tool: Any = {"type": "function", "function": {"name": "order", "parameters": FORM, "strict": True}}
    script = Say(calls=[Use("order", '{"amount": 5,}')])
    with desk("policy: p\nstructured: {}"), Upstream(script) as up, ct.run("w"):
        client = ct.wrap(openai.OpenAI(api_key="k", base_url=up.url + "/v1"))
        asked: dict[str, Any] = dict(model="gpt-4o-mini", messages=HI, max_tokens=50, tools=[tool])
        if stream:
            with client.chat.completions.stream(**asked) as events:
                message: Any = events.get_final_completion().choices[0].message
        else:
            message = client.chat.completions.create(**asked).choices[0].message
        client.close()
        assert message.tool_calls[0].function.arguments == '{"amount": 5}'


def test_after_the_last_try_an_sdk_raises_what_it_always_did() -> None:
    with desk(NO_PROMISES), Upstream("I promise it.") as up, ct.run("w"):
        client = ct.wrap(openai.OpenAI(api_key="k", base_url=up.url + "/v1", max_retries=3))
        with pytest.raises(openai.PermissionDeniedError, match="We promise nothing"):
            client.chat.completions.create(model="gpt-4o-mini", messages=HI, max_tokens=50)
        client.close()
        assert len(up.requests) == 3
