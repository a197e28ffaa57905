"""Where calls go: the first provider that fits, at its own address whatever the client says."""

from pathlib import Path

import pytest

from comptroller.core.clock import FrozenClock
from comptroller.core.errors import SettingsError
from comptroller.core.settings import Gateway, Provider, load_settings
from comptroller.gateway.stop import Stop
from comptroller.gateway.upstream import Target, Upstreams
from comptroller.testing.script import Say
from tests.gateway.house import house


def target(url: str = "https://api.example/v1", format: str = "openai", **more: object) -> Target:
    provider = Provider.model_validate({"name": "p", "format": format, "url": url, **more})
    return Target(provider, Gateway(), FrozenClock())


def upstreams(*providers: dict[str, object]) -> Upstreams:
    made = [Provider.model_validate({"format": "openai", "url": "http://h/v1", **one}) for one in providers]
    return Upstreams(made, Gateway(), FrozenClock())


@pytest.mark.parametrize(
    ("format", "base", "path", "address"),
    [
        ("openai", "https://api.openai.com/v1", "/v1/chat/completions", "https://api.openai.com/v1/chat/completions"),
        ("openai", "http://127.0.0.1:8000", "/v1/chat/completions", "http://127.0.0.1:8000/v1/chat/completions"),
        ("openai", "https://a.groq.com/openai/v1/", "/v1/chat/completions", "https://a.groq.com/openai/v1/chat/completions"),
        ("openai", "https://x.azure.com/openai/v1", "/v1/embeddings", "https://x.azure.com/openai/v1/embeddings"),
        ("anthropic", "https://api.anthropic.com", "/v1/messages", "https://api.anthropic.com/v1/messages"),
        ("anthropic", "https://api.deepseek.com/anthropic", "/v1/messages", "https://api.deepseek.com/anthropic/v1/messages"),
        ("anthropic", "https://host/v1", "/v1/messages", "https://host/v1/messages"),
        ("gemini", "https://g.example/v1beta", "/v1beta/models/m:x", "https://g.example/v1beta/models/m:x"),
        ("gemini", "https://g.example", "/v1beta/models/m:x", "https://g.example/v1beta/models/m:x"),
    ],
)  # fmt: skip
def test_base_and_path_join_with_one_version_between_them(format: str, base: str, path: str, address: str) -> None:
    made = target(base, format)
    origin = made.origin
    assert f"http{'s' * origin.tls}://{(origin.header + made.path(path, '')).decode()}" == address


@pytest.mark.parametrize(
    "path", ["/v1/@evil.example/x", "//evil.example/x", "/v1/x?y=http://evil.example", "/v1/:@evil"]
)
def test_no_path_changes_the_host(path: str) -> None:
    made = target()
    assert (made.origin.host, made.path(path, "")[:1]) == ("api.example", b"/")


def test_a_query_goes_along_as_it_is() -> None:
    assert target().path("/v1/messages", "beta=true&x=%20") == b"/v1/messages?beta=true&x=%20"


def test_the_first_that_fits_is_taken_with_its_stand_ins() -> None:
    made = upstreams(
        {"name": "mini", "models": ["gpt-*-mini"]},
        {"name": "any", "fallback": ["mini"]},
        {"name": "claude", "format": "anthropic", "url": "http://h"},
    )
    assert [one.name for one in made.line("openai", "gpt-4o-mini")] == ["mini"]
    assert [one.name for one in made.line("openai", "llama")] == ["any", "mini"]
    assert [one.name for one in made.line("anthropic", "gpt-4o-mini")] == ["claude"]


def test_a_model_nobody_takes_is_404_and_says_what_to_do() -> None:
    with pytest.raises(Stop) as stopped:
        upstreams({"name": "mini", "models": ["gpt-*-mini"]}).line("openai", "llama")
    assert stopped.value.status == 404
    assert "comptroller.yaml" in stopped.value.message


def test_without_settings_the_usual_providers_are_there() -> None:
    made = Upstreams([], Gateway(), FrozenClock())
    assert {one.format for one in made.targets} == {"openai", "anthropic", "gemini"}


@pytest.mark.parametrize(
    ("format", "auth"),
    [
        ("openai", (b"authorization", b"Bearer sk-1")),
        ("anthropic", (b"x-api-key", b"sk-1")),
        ("gemini", (b"x-goog-api-key", b"sk-1")),
    ],
)
def test_each_format_has_its_own_header_for_the_key(format: str, auth: object, tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("sk-1\n")
    assert target(format=format, key_file=str(file)).auth == auth


def test_a_rotated_key_is_taken_over(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("sk-1")
    made = target(key_file=str(file))
    file.write_text("sk-2")
    made.reload()
    assert made.auth == (b"authorization", b"Bearer sk-2")


@pytest.mark.parametrize("text", ["sk-1\r\nx-evil: 1", "schlüssel"])
def test_a_key_no_header_can_have_is_refused_without_showing_it(text: str, tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError) as refused:
        target(key_file=str(file))
    assert text not in str(refused.value)


def test_a_missing_key_file_says_whose(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="upstreams: p: key_file"):
        target(key_file=str(tmp_path / "none"))


def test_a_request_that_names_no_model_is_told_so_and_not_that_its_model_is_unknown() -> None:
    with pytest.raises(Stop, match="No model can be read") as stop:
        upstreams({"name": "a", "models": ["gpt-*"]}).line("openai", "")
    assert stop.value.status == 400
    assert upstreams({"name": "a"}).line("openai", "")[0].name == "a"


@pytest.mark.parametrize("fallback", ["nobody", "claude"])
def test_a_stand_in_must_exist_and_speak_the_same(fallback: str) -> None:
    with pytest.raises(SettingsError, match=fallback):
        upstreams({"name": "a", "fallback": [fallback]}, {"name": "claude", "format": "anthropic", "url": "http://h"})


def test_two_of_one_name_are_refused() -> None:
    with pytest.raises(SettingsError, match="same name"):
        upstreams({"name": "a"}, {"name": "a"})


@pytest.mark.parametrize(
    "url", ["api.openai.com", "ftp://x", "https://user:pw@x/v1", "https://x/v1?key=1", "file:///etc"]
)
def test_an_address_that_is_none_is_refused_when_settings_load(url: str) -> None:
    with pytest.raises(SettingsError, match="upstreams"):
        load_settings({"upstreams": [{"name": "a", "format": "openai", "url": url}]})


def test_the_proxy_of_the_environment_is_used_but_not_for_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://proxy:3128")
    monkeypatch.setenv("http_proxy", "http://proxy:3128")
    monkeypatch.setenv("no_proxy", "inner.example")
    assert target("https://api.example/v1").proxy == "http://proxy:3128"
    assert target("https://inner.example/v1").proxy is None
    assert target("http://127.0.0.1:8000").proxy is None


def test_that_our_key_is_turned_down_is_said_once_a_minute_and_without_the_key(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("MINE", "sk-secret")
    clock = FrozenClock()
    provider = Provider.model_validate({"name": "p", "format": "openai", "url": "http://h/v1", "key_env": "MINE"})
    made = Target(provider, Gateway(), clock)
    for seconds, status in ((0, 429), (0, 401), (59, 403), (1, 403)):
        clock.tick(seconds)
        made.refused(status)
    assert [record.getMessage() for record in caplog.records] == [
        "Upstream p turned its key down (401). Look at the key in MINE.",
        "Upstream p turned its key down (403). Look at the key in MINE.",
    ]


def test_a_key_of_the_clients_own_that_is_turned_down_is_not_ours_to_mend(caplog: pytest.LogCaptureFixture) -> None:
    target().refused(401)
    assert not caplog.records


def test_a_call_whose_key_is_turned_down_says_so_in_the_log(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("MINE", "sk-secret")
    ours = {"name": "ours", "format": "openai", "url": "{up}/v1", "key_env": "MINE"}
    with house(Say("No.", status=401), upstreams=[ours]) as at:
        assert [at.post().status_code for _ in range(2)] == [401, 401]
    said = [text for text in caplog.messages if "turned its key down" in text]
    assert said == ["Upstream ours turned its key down (401). Look at the key in MINE."]
