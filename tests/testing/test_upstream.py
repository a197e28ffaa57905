"""The scripted provider, as the official SDKs see it."""

import asyncio
import http.client
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anthropic
import httpx2
import openai
import pytest

from comptroller.core.errors import SettingsError
from comptroller.testing.upstream import Received, Say, Upstream, Use

ASK: Any = [{"role": "user", "content": "hi"}]
FULL = Say("Grüße 🌍, you.", thinking="Hm.", calls=[Use("f", {"a": 1}), Use("g", {"b": "x" * 40}, id="my_id")])


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def openai_of(up: Upstream, **options: Any) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{up.url}/v1", api_key="none", max_retries=0, **options)


def anthropic_of(up: Upstream, **options: Any) -> anthropic.Anthropic:
    return anthropic.Anthropic(base_url=up.url, api_key="none", max_retries=0, **options)


@pytest.fixture(scope="module")
def full() -> Iterator[Upstream]:
    with Upstream(FULL) as up:
        yield up


def test_openai_whole(full: Upstream) -> None:
    with openai_of(full) as client:
        reply = client.chat.completions.create(model="gpt-4o", messages=ASK)
    message = reply.choices[0].message
    assert (message.content, reply.choices[0].finish_reason, reply.model) == (FULL.text, "tool_calls", "gpt-4o")
    assert [call.id for call in message.tool_calls or []] == [f"call_{full.requests[-1].number:06d}_0", "my_id"]
    assert reply.usage is not None
    assert reply.usage.prompt_tokens == len(full.requests[-1].body) // 4


def test_openai_streamed_says_the_same_as_whole(full: Upstream) -> None:
    with openai_of(full) as client, client.chat.completions.stream(model="m", messages=ASK, n=2) as stream:
        reply = stream.get_final_completion()
    for choice in reply.choices:
        assert choice.message.content == FULL.text
        calls = choice.message.tool_calls or []
        assert [json.loads(call.function.arguments) for call in calls] == [use.args for use in FULL.calls]
    assert (len(reply.choices), reply.usage) == (2, None)


def test_openai_tells_usage_in_a_stream_when_asked(full: Upstream) -> None:
    with openai_of(full) as client:
        asked: Any = {"include_usage": True}
        chunks = list(client.chat.completions.create(model="m", messages=ASK, stream=True, stream_options=asked))
    assert [chunk.usage is not None for chunk in chunks].count(True) == 1
    assert chunks[-1].choices == []


def test_anthropic_whole(full: Upstream) -> None:
    with anthropic_of(full) as client:
        reply = client.messages.create(model="claude", max_tokens=9, messages=ASK)
    assert [block.type for block in reply.content] == ["thinking", "text", "tool_use", "tool_use"]
    assert (reply.stop_reason, reply.content[2].input) == ("tool_use", {"a": 1})  # type: ignore[union-attr]


def test_anthropic_streamed_says_the_same_as_whole(full: Upstream) -> None:
    with anthropic_of(full) as client:
        whole = client.messages.create(model="claude", max_tokens=9, messages=ASK, extra_body={"stream": False})
        with client.messages.stream(model="claude", max_tokens=9, messages=ASK) as stream:
            streamed = stream.get_final_message()
    assert [b.to_dict().get("text") for b in streamed.content] == [b.to_dict().get("text") for b in whole.content]
    assert [b.to_dict().get("input") for b in streamed.content] == [b.to_dict().get("input") for b in whole.content]
    assert streamed.usage.output_tokens == whole.usage.output_tokens


def test_async_clients_are_served_at_once(full: Upstream) -> None:
    async def ask_both() -> tuple[str | None, str]:
        async with (
            openai.AsyncOpenAI(base_url=f"{full.url}/v1", api_key="none") as one,
            anthropic.AsyncAnthropic(base_url=full.url, api_key="none") as two,
        ):
            first, second = await asyncio.gather(
                one.chat.completions.create(model="m", messages=ASK),
                two.messages.create(model="m", max_tokens=9, messages=ASK),
            )
            return first.choices[0].message.content, second.content[1].text  # type: ignore[union-attr]

    assert asyncio.run(ask_both()) == (FULL.text, FULL.text)


def test_what_arrived_is_on_record(full: Upstream) -> None:
    with openai_of(full) as client:
        client.chat.completions.create(model="m", messages=ASK, extra_headers={"X-Mark": "7"})
    last = full.requests[-1]
    assert (last.method, last.path, last.headers["x-mark"], last.last) == ("POST", "/v1/chat/completions", "7", "hi")


def test_only_the_newest_requests_are_kept() -> None:
    with Upstream("x", keep=2) as up, openai_of(up) as client:
        for _ in range(9):
            client.chat.completions.create(model="m", messages=ASK)
        assert [request.number for request in up.requests][-1] == 9
        assert len(up.requests) <= 4


@pytest.mark.parametrize(("status", "kind"), [(429, openai.RateLimitError), (500, openai.InternalServerError)])
def test_openai_errors_are_the_sdks_own(status: int, kind: type[openai.APIStatusError]) -> None:
    with Upstream(Say("Slow down.", status=status, retry_after="3")) as up, openai_of(up) as client:
        with pytest.raises(kind, match="Slow down") as caught:
            client.chat.completions.create(model="m", messages=ASK)
        assert caught.value.response.headers["retry-after"] == "3"


def test_anthropic_errors_are_the_sdks_own() -> None:
    with Upstream(Say(status=529)) as up, anthropic_of(up) as client:
        with pytest.raises(anthropic.APIStatusError) as caught:
            client.messages.create(model="m", max_tokens=9, messages=ASK)
        assert caught.value.status_code == 529


def test_a_retry_gets_the_next_reply() -> None:
    with Upstream([Say(status=500), "Back."]) as up:
        with openai.OpenAI(base_url=f"{up.url}/v1", api_key="none", max_retries=1) as client:
            reply = client.chat.completions.create(model="m", messages=ASK)
        assert reply.choices[0].message.content == "Back."
        assert len(up.requests) == 2


def test_a_hanging_provider_lets_the_client_time_out() -> None:
    with Upstream(Say(fault="hang")) as up, openai_of(up, timeout=0.2) as client:  # noqa: SIM117 - one raises
        with pytest.raises(openai.APITimeoutError):
            client.chat.completions.create(model="m", messages=ASK)


def test_garbage_is_no_reply() -> None:
    with Upstream(Say(fault="garbage")) as up, openai_of(up) as client:  # noqa: SIM117 - one raises
        with pytest.raises((openai.APIResponseValidationError, json.JSONDecodeError, UnicodeDecodeError)):
            client.chat.completions.create(model="m", messages=ASK)


@pytest.mark.parametrize("fault", ["cut", "cut_character", "hang_midway"])
def test_a_broken_stream_breaks_in_the_client(fault: Any) -> None:
    with Upstream(Say("Grüße " * 20, fault=fault)) as up, openai_of(up, timeout=0.3) as client:
        stream = client.chat.completions.create(model="m", messages=ASK, stream=True)
        with pytest.raises((openai.APIConnectionError, httpx2.TransportError)):
            list(stream)


def test_a_whole_reply_can_break_off() -> None:
    with Upstream(Say("Hello.", fault="cut")) as up, anthropic_of(up) as client:  # noqa: SIM117 - one raises
        with pytest.raises((anthropic.APIConnectionError, httpx2.TransportError)):
            client.messages.create(model="m", max_tokens=9, messages=ASK)


@pytest.mark.parametrize("times", [0, 1, 2])
def test_usage_is_told_as_often_as_the_script_says(times: int) -> None:
    with Upstream(Say("x", usage_times=times, usage={"prompt_tokens": 7})) as up, openai_of(up) as client:
        asked: Any = {"include_usage": True}
        stream = client.chat.completions.create(model="m", messages=ASK, stream=True, stream_options=asked)
        told = [chunk.usage.prompt_tokens for chunk in stream if chunk.usage]
        whole = client.chat.completions.create(model="m", messages=ASK)
    assert told == [7] * times
    assert (whole.usage is None) == (times == 0)


def test_a_slow_stream_comes_event_by_event() -> None:
    with Upstream(Say("abcd", chunk=1, wait_s=0.001, pause_s=0.001)) as up, openai_of(up) as client:
        chunks = list(client.chat.completions.create(model="m", messages=ASK, stream=True))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "abcd"


def test_refusals_come_in_the_providers_own_field() -> None:
    with Upstream(Say(refusal="I will not.")) as up, openai_of(up) as one, anthropic_of(up) as two:
        first = one.chat.completions.create(model="m", messages=ASK)
        second = two.messages.create(model="m", max_tokens=9, messages=ASK)
    assert (first.choices[0].message.refusal, first.choices[0].message.content) == ("I will not.", None)
    assert second.stop_reason == "refusal"


def test_token_counts_models_and_other_services_are_there() -> None:
    with Upstream() as up, openai_of(up) as one, anthropic_of(up) as two:
        assert two.messages.count_tokens(model="m", messages=ASK).input_tokens > 0
        assert [model.id for model in one.models.list()] == ["scripted"]
        with httpx2.Client() as plain:
            heard = plain.post(f"{up.url}/crm/customers?id=3", content=iter([b"ab", b"c"])).json()
    assert heard == {"method": "POST", "path": "/crm/customers", "bytes": 3}


def test_requests_may_follow_one_another_on_a_connection_without_waiting() -> None:
    with Upstream() as up:
        connection = http.client.HTTPConnection("127.0.0.1", up.port)
        connection.connect()
        ask = b"GET /v1/models HTTP/1.1\r\nhost: x\r\n\r\n"
        connection.sock.sendall(ask + ask + ask.replace(b"host", b"connection: close\r\nhost"))
        data = b""
        while piece := connection.sock.recv(65536):
            data += piece
        connection.close()
    assert data.count(b"HTTP/1.1 200 OK") == 3


def test_a_mistake_in_a_script_of_ones_own_is_shown_to_the_client() -> None:
    def script(_: Received) -> str:
        raise KeyError("nobody")

    with Upstream(script) as up, openai_of(up) as client:  # noqa: SIM117 - one raises
        with pytest.raises(openai.InternalServerError, match="KeyError: 'nobody'"):
            client.chat.completions.create(model="m", messages=ASK)


def test_a_taken_port_is_named() -> None:
    with Upstream() as up, pytest.raises(SettingsError, match=f"Port {up.port} cannot be had"):
        Upstream(port=up.port).start()


def test_it_runs_as_a_process_of_its_own(tmp_path: Path) -> None:
    script = tmp_path / "replies.yaml"
    script.write_text("- From a file.\n", encoding="utf-8")
    args = [sys.executable, "-m", "comptroller.testing.upstream", "--script", str(script)]
    with subprocess.Popen(args, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        try:
            with openai.OpenAI(base_url=f"{url}/v1", api_key="none") as client:
                reply = client.chat.completions.create(model="m", messages=ASK)
        finally:
            process.terminate()
    assert reply.choices[0].message.content == "From a file."


def test_a_script_with_a_mistake_ends_the_process_with_a_line(tmp_path: Path) -> None:
    args = [sys.executable, "-m", "comptroller.testing.upstream", "--script", str(tmp_path / "none.yaml")]
    done = subprocess.run(args, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
