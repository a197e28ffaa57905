"""Providers: those there are where no settings name any, and the key each is asked with."""

import os
from collections.abc import Sequence
from pathlib import Path

from comptroller.core.errors import SettingsError
from comptroller.core.settings import Provider, Settings

USUAL = (
    Provider(name="openai", format="openai", url="https://api.openai.com/v1", key_env="OPENAI_API_KEY"),
    Provider(name="anthropic", format="anthropic", url="https://api.anthropic.com", key_env="ANTHROPIC_API_KEY"),
    Provider(
        name="gemini",
        format="gemini",
        url="https://generativelanguage.googleapis.com",
        key_env="GEMINI_API_KEY",
    ),
)


def providers_of(settings: Settings) -> Sequence[Provider]:
    """Those the settings name, else the usual ones."""
    return settings.upstreams or USUAL


def secret_of(provider: Provider) -> str:
    """Its key, as it is now: it may have been rotated. Empty where it has none."""
    if provider.key_file:
        try:
            return Path(provider.key_file).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise SettingsError(
                f"upstreams: {provider.name}: key_file: {provider.key_file} cannot be read ({error.strerror}). "
                "Check the path and its permissions."
            ) from None
    return os.environ.get(provider.key_env, "").strip() if provider.key_env else ""
