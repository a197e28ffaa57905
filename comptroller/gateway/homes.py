"""Where a path belongs: some clients bring the API's version along, some want it in the base address, some do both."""

from collections.abc import MutableMapping
from typing import Any

SERVED = ("/messages", "/messages/count_tokens", "/chat/completions", "/responses", "/embeddings", "/models")
# Vercel's Anthropic client adds no version to ANTHROPIC_BASE_URL, where Anthropic's own SDKs add one.
HOMES = {**{path: f"/v1{path}" for path in SERVED}, **{f"/v1/v1{path}": f"/v1{path}" for path in SERVED}}


def at_home(scope: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """The same request at the path its route is served under."""
    home = HOMES.get(scope["path"])
    return scope if home is None else {**scope, "path": home, "raw_path": home.encode()}
