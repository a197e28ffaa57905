"""The gate: everything the gateway's requests share, built once."""

import logging
from dataclasses import dataclass, field
from typing import Protocol

from comptroller.core.errors import StoreError
from comptroller.gateway.access import Access
from comptroller.gateway.caller import NoKeys
from comptroller.gateway.kept import KeptReplies
from comptroller.gateway.keys import Ring
from comptroller.gateway.meters import Meters
from comptroller.gateway.repeats import Repeats
from comptroller.gateway.runs import Runs
from comptroller.gateway.shelves import Shelves
from comptroller.gateway.stitch import Stitches
from comptroller.gateway.upstream import Upstreams
from comptroller.gateway.websocket import Socket
from comptroller.gateway.wire.clients import Clients
from comptroller.gateway.wire.port import Client
from comptroller.wrapper.desk import Desk


class Crew(Protocol):
    """The other workers of this gateway, as far as one of them has to ask for all."""

    async def counted(self) -> tuple[Meters, int, int]: ...  # all counts, runs open, workers at work
    async def wrong(self) -> list[tuple[str, str]]: ...


log = logging.getLogger("comptroller.gateway")


@dataclass(slots=True)
class Gate:
    """The desk and its keys, the upstreams, and what is remembered between requests."""

    desk: Desk
    keys: Ring
    upstreams: Upstreams
    runs: Runs
    stitches: Stitches
    repeats: Repeats
    meters: Meters
    stopping: bool = False
    kept: KeptReplies = field(init=False)
    shelves: Shelves = field(init=False)
    looked_back: bool = False
    sockets: set[Socket] = field(default_factory=set)  # WebSockets that are open
    held: Client | None = None
    crew: "Crew | None" = None  # the other workers, where there are several
    access: Access | None = None  # the access log, where one is wanted

    def __post_init__(self) -> None:
        self.kept = KeptReplies(self.desk)
        settings = self.desk.settings
        self.shelves = Shelves(settings.memories, settings.gateway, self.desk.clock)

    async def look_back(self) -> None:
        """Know the replies again that providers kept for this gateway before it was started."""
        try:
            await self.kept.look_back((self.stitches.learn, self.kept.watch, self.desk.kept.watch))
        except StoreError as error:
            log.error("Conversations from before the start are not known: %s", error)
        self.looked_back = True

    @classmethod
    def of(
        cls, desk: Desk, keys: Ring | None = None, upstreams: Upstreams | None = None, runs: Runs | None = None
    ) -> "Gate":
        """A gate for a desk, as its settings say where nothing else is given."""
        settings, clock = desk.settings.gateway, desk.clock
        made = cls(
            desk,
            keys or NoKeys(),
            upstreams or Upstreams(desk.settings.upstreams, settings, clock),
            runs if runs is not None else Runs(desk, settings.runs, settings.run_idle_s),
            Stitches(),
            Repeats(settings.repeats, clock),
            Meters(),
        )
        desk.watchers += [made.meters.watch, made.stitches.watch, made.kept.watch]
        if settings.access_log:
            made.access = Access(clock)
            desk.watchers.append(made.access.watch)
        return made

    @property
    def client(self) -> Client:
        """The HTTP client of this gate's event loop."""
        if self.held is None:
            self.held = Clients(self.desk.settings.gateway)
        return self.held

    async def close(self) -> None:
        """Close what is open; the desk stays whoever's it is."""
        self.runs.close()
        if self.held is not None:
            await self.held.close()
            self.held = None
