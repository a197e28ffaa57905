"""Which upstream is tried, how often, and how long to wait in between."""

import asyncio
import random
from collections.abc import Iterator, Mapping

from comptroller.core.errors import UpstreamError
from comptroller.core.settings import Gateway
from comptroller.gateway.stop import Stop
from comptroller.gateway.upstream import ConnectError, ConnectTimeout, Target

FIRST_WAIT_S = 0.2
LONGEST_WAIT_S = 20.0  # a provider that wants more says so to the client instead


class Attempts:
    """The targets to try, one after the other; told what came of each, it says whether there is another."""

    def __init__(self, settings: Gateway, line: list[Target]) -> None:
        self._retries, self._on = settings.retries, settings.retry_on
        self._line = [target for target in line if not target.breaker.open]
        self._tried = 0  # so often the target at hand
        self._wait_s = 0.0
        if not self._line:
            raise Stop(
                503,
                "upstream_unavailable",
                f"Upstream {line[0].name} failed too often lately and is left alone for {settings.breaker_s} s. "
                "Try again then, or give it a fallback under `upstreams` in comptroller.yaml.",
                headers=((b"retry-after", str(settings.breaker_s).encode()),),
            )

    def __iter__(self) -> Iterator[Target]:
        while True:
            yield self._line[0]

    def beside(self) -> Target:
        """Where a second try may go while the first is under way: to who stands in, else to the same."""
        return self._line[1] if len(self._line) > 1 else self._line[0]

    def broke(self, error: UpstreamError) -> bool:
        """The target failed; True when there is another attempt."""
        self._line[0].breaker.failed()
        kind = "connect" if isinstance(error, (ConnectError, ConnectTimeout)) else ""
        return self._again(kind, 0.0) or self._next()

    def answered(self, status: int, headers: Mapping[str, str], by: Target | None = None) -> bool:
        """The target (or who ran beside it) answered; True when its answer is worth another attempt."""
        breaker = (by or self._line[0]).breaker
        if status >= 500:
            breaker.failed()
        else:
            breaker.worked()
        if status < 500 and status != 429:
            return False
        kind = "429" if status == 429 else "5xx"
        return self._again(kind, retry_after_s(headers)) or self._next()

    async def wait(self) -> None:
        """What has to pass before the next attempt."""
        if self._wait_s:
            await asyncio.sleep(self._wait_s)

    def _again(self, kind: str, asked_s: float) -> bool:
        if kind not in self._on or self._tried >= self._retries or asked_s > LONGEST_WAIT_S:
            return False
        # Callers that failed together must not come back together.
        self._wait_s = max(FIRST_WAIT_S * 2**self._tried * (0.5 + random.random() / 2), asked_s)
        self._tried += 1
        return True

    def _next(self) -> bool:
        if len(self._line) < 2:
            return False
        self._line.pop(0)
        self._tried, self._wait_s = 0, 0.0
        return True


def retry_after_s(headers: Mapping[str, str]) -> float:
    """The seconds a provider asks for; 0 where it asks for none or in a way nobody uses."""
    for name, unit in (("retry-after-ms", 1000), ("retry-after", 1)):
        text = headers.get(name, "")
        if text.replace(".", "", 1).isdigit() and text.isascii():
            return float(text) / unit
    return 0.0
