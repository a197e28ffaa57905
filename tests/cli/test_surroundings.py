"""What a program under `comptroller run` finds in its environment."""

import pytest

from comptroller.cli.surroundings import PROVIDERS, address, key_variable, providers, surroundings

URL, SECRET = "http://127.0.0.1:9", "ck_secret"
OPENAI, ANTHROPIC, GEMINI = PROVIDERS


def test_every_provider_is_found_at_our_address() -> None:
    child = surroundings(URL, SECRET, {})
    assert child["OPENAI_BASE_URL"] == child["OPENAI_API_BASE"] == child["COPILOT_PROVIDER_BASE_URL"] == URL + "/v1"
    assert child["ANTHROPIC_BASE_URL"] == child["GOOGLE_GEMINI_BASE_URL"] == URL


def test_no_key_of_a_provider_reaches_the_child() -> None:
    names = [name for provider in providers({}) for name in (*provider.keys, *provider.also)]
    given = {name: f"sk-{name}" for name in names}
    child = surroundings(URL, SECRET, given)
    assert not [value for value in child.values() if value.startswith("sk-")]
    assert {child[name] for name in names} == {SECRET}


def test_our_key_takes_the_place_of_a_token_where_the_user_has_no_key() -> None:
    child = surroundings(URL, SECRET, {"ANTHROPIC_AUTH_TOKEN": "t"})
    assert child["ANTHROPIC_AUTH_TOKEN"] == SECRET
    assert "ANTHROPIC_API_KEY" not in child
    assert key_variable(ANTHROPIC, {"ANTHROPIC_AUTH_TOKEN": "t"}) == "ANTHROPIC_AUTH_TOKEN"
    assert "ANTHROPIC_AUTH_TOKEN" not in surroundings(URL, SECRET, {})


def test_copilots_variables_are_those_of_the_provider_it_speaks_to() -> None:
    given = {"COPILOT_PROVIDER_TYPE": "anthropic", "COPILOT_PROVIDER_BASE_URL": "http://a", "ANTHROPIC_API_KEY": ""}
    assert surroundings(URL, SECRET, given)["COPILOT_PROVIDER_BASE_URL"] == URL
    openai, anthropic, _ = providers({**given, "COPILOT_PROVIDER_API_KEY": "k"})
    assert address(openai, given) == "https://api.openai.com/v1"
    assert address(anthropic, given) == "http://a"
    assert key_variable(anthropic, {"COPILOT_PROVIDER_API_KEY": "k"}) == "COPILOT_PROVIDER_API_KEY"


def test_a_token_copilot_would_send_before_our_key_gives_way() -> None:
    given = {"COPILOT_PROVIDER_BEARER_TOKEN": "t"}
    assert surroundings(URL, SECRET, given)["COPILOT_PROVIDER_BEARER_TOKEN"] == SECRET
    assert key_variable(providers(given)[0], given) == "COPILOT_PROVIDER_BEARER_TOKEN"
    assert "COPILOT_PROVIDER_BEARER_TOKEN" not in surroundings(URL, SECRET, {})


def test_everything_else_stays_as_it_was() -> None:
    given = {"PATH": "/bin", "OPENAI_CUSTOM_HEADERS": "a: b", "ANTHROPIC_CUSTOM_HEADERS": "c: d", "OPENAI_ORG_ID": "o"}
    child = surroundings(URL, SECRET, given)
    assert {name: child[name] for name in given} == given
    assert given == {name: given[name] for name in given}


def test_what_calls_home_is_switched_off_unless_the_user_said_otherwise() -> None:
    child = surroundings(URL, SECRET, {"CREWAI_DISABLE_TELEMETRY": "false", "COPILOT_PROVIDER_TYPE": "anthropic"})
    assert child["CREWAI_DISABLE_TELEMETRY"] == "false"
    assert child["COPILOT_PROVIDER_TYPE"] == "anthropic"
    assert child["OPENAI_AGENTS_DISABLE_TRACING"] == "1"
    assert child["COPILOT_OFFLINE"] == "true"


@pytest.mark.parametrize(
    ("given", "past"),
    [
        ({}, "127.0.0.1,localhost"),
        ({"NO_PROXY": "a.example"}, "a.example,127.0.0.1,localhost"),
        ({"no_proxy": "localhost,b"}, "localhost,b,127.0.0.1"),
    ],
)
def test_proxies_are_passed_by_on_the_way_to_us(given: dict[str, str], past: str) -> None:
    child = surroundings(URL, SECRET, given)
    assert child["NO_PROXY"] == child["no_proxy"] == past


def test_a_provider_is_where_the_user_says_else_at_home() -> None:
    assert address(OPENAI, {}) == "https://api.openai.com/v1"
    assert address(OPENAI, {"OPENAI_API_BASE": "http://old"}) == "http://old"
    assert address(OPENAI, {"OPENAI_API_BASE": "http://old", "OPENAI_BASE_URL": "http://new"}) == "http://new"
    assert address(ANTHROPIC, {"ANTHROPIC_BASE_URL": ""}) == "https://api.anthropic.com"


def test_the_variable_that_holds_the_key_is_named() -> None:
    assert key_variable(GEMINI, {"GOOGLE_API_KEY": "g"}) == "GOOGLE_API_KEY"
    assert key_variable(GEMINI, {"GOOGLE_API_KEY": "g", "GEMINI_API_KEY": "h"}) == "GEMINI_API_KEY"
    assert key_variable(GEMINI, {"GEMINI_API_KEY": ""}) == ""
