"""The environment of a program under `comptroller run`: every agent call leads to us, provider keys stay with us."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal


@dataclass(frozen=True, slots=True)
class Provider:
    """Where one wire format's clients look for their server and their key."""

    format: Literal["openai", "anthropic", "gemini"]
    home: str  # the provider's own address
    addresses: tuple[str, ...]  # variables, in the order clients obey them
    keys: tuple[str, ...]
    root: str  # what clients put between our address and the route
    also: tuple[str, ...] = ()  # keys that only some users have, and clients then look for in this place alone


PROVIDERS = (
    Provider(
        "openai",
        "https://api.openai.com/v1",
        ("OPENAI_BASE_URL", "OPENAI_API_BASE"),
        ("OPENAI_API_KEY",),
        "/v1",
    ),
    Provider(
        "anthropic",
        "https://api.anthropic.com",
        ("ANTHROPIC_BASE_URL", "ANTHROPIC_API_BASE"),
        ("ANTHROPIC_API_KEY",),
        "",
        ("ANTHROPIC_AUTH_TOKEN",),
    ),
    Provider(
        "gemini",
        "https://generativelanguage.googleapis.com",
        ("GOOGLE_GEMINI_BASE_URL",),
        ("GEMINI_API_KEY", "GOOGLE_API_KEY"),
        "",
    ),
)
# Copilot's own-provider mode, in the wire format every gateway speaks; a user who chose another keeps it.
COPILOT = {
    "COPILOT_PROVIDER_TYPE": "openai",
    "COPILOT_PROVIDER_WIRE_API": "completions",
    "COPILOT_PROVIDER_TRANSPORT": "http",
    "COPILOT_OFFLINE": "true",
}
# What calls home by itself and by no base URL can be led to us. Who set one of these meant it.
OFF = {
    "OPENAI_AGENTS_DISABLE_TRACING": "1",
    "CREWAI_DISABLE_TELEMETRY": "true",
    "CREWAI_DISABLE_TRACKING": "true",
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
}


def surroundings(url: str, secret: str, given: Mapping[str, str]) -> dict[str, str]:
    """The child's environment: `given`, with the gateway at `url` in place of every provider."""
    child = dict(given)
    for provider in providers(given):
        child.update(dict.fromkeys(provider.addresses, url + provider.root))
        child.update(dict.fromkeys(_key_variables(provider, given), secret))
    for name, value in {**COPILOT, **OFF}.items():
        child.setdefault(name, value)
    past = _past_proxies(given)
    child.update(NO_PROXY=past, no_proxy=past)
    return child


def providers(given: Mapping[str, str]) -> tuple[Provider, ...]:
    """All of them. What Copilot reads belongs to the one whose format the user chose for it."""
    chosen = "anthropic" if given.get("COPILOT_PROVIDER_TYPE") == "anthropic" else "openai"
    return tuple(_with_copilot(one, given) if one.format == chosen else one for one in PROVIDERS)


def address(provider: Provider, given: Mapping[str, str]) -> str:
    """Where the user's own variables send a provider's calls, else the provider's home."""
    return next((given[name] for name in provider.addresses if given.get(name)), provider.home)


def key_variable(provider: Provider, given: Mapping[str, str]) -> str:
    """The variable that holds the provider's key; empty where the user has none."""
    return next((name for name in (*provider.keys, *provider.also) if given.get(name)), "")


def _with_copilot(provider: Provider, given: Mapping[str, str]) -> Provider:
    """A token of the user's would be sent before the key, so it is replaced too; an empty one would be one too many."""
    keys = (*provider.keys, "COPILOT_PROVIDER_API_KEY")
    if given.get("COPILOT_PROVIDER_BEARER_TOKEN"):
        keys = (*keys, "COPILOT_PROVIDER_BEARER_TOKEN")
    return replace(provider, addresses=(*provider.addresses, "COPILOT_PROVIDER_BASE_URL"), keys=keys)


def _key_variables(provider: Provider, given: Mapping[str, str]) -> tuple[str, ...]:
    """Where our key goes: wherever the user's own lay, and to the usual places unless it lay elsewhere alone.

    Claude Code takes a token without a word and asks the user about a key it has not seen before.
    """
    also = tuple(name for name in provider.also if given.get(name))
    return also if also and not any(given.get(name) for name in provider.keys) else (*provider.keys, *also)


def _past_proxies(given: Mapping[str, str]) -> str:
    """NO_PROXY with loopback: a proxy would not find us there."""
    said = given.get("no_proxy") or given.get("NO_PROXY") or ""
    return ",".join(dict.fromkeys([*filter(None, said.split(",")), "127.0.0.1", "localhost"]))
