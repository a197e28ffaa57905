"""Which client sends what: our own pool, or aiohttp where a proxy stands in between or the settings want it."""

from comptroller.core.settings import Gateway
from comptroller.gateway.wire.pool import Pool
from comptroller.gateway.wire.port import Client, Letter, Reply


class Clients:
    """The HTTP clients of one event loop, each made when it is needed."""

    def __init__(self, settings: Gateway) -> None:
        self._settings = settings
        self._own: Client | None = None if settings.client == "aiohttp" else Pool(settings)
        self._borrowed: Client | None = None

    async def send(self, letter: Letter) -> Reply:
        """Send a letter; returns once the head of the reply is here."""
        if letter.proxy is None and self._own is not None:
            return await self._own.send(letter)
        return await self._other().send(letter)

    async def close(self) -> None:
        """Hang up everywhere."""
        for client in (self._own, self._borrowed):
            if client is not None:
                await client.close()

    def _other(self) -> Client:
        if self._borrowed is None:
            # Importing it takes a fifth of a second, and most gateways never need it.
            from comptroller.gateway.wire.borrowed import Borrowed

            self._borrowed = Borrowed(self._settings)
        return self._borrowed
