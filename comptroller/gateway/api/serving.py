"""The process itself: serves `/api` on loopback until its standard input ends, as it does however the parent does."""

import contextlib
import logging
import os
import secrets
import socket
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import uvicorn

from comptroller.core.errors import ComptrollerError, StoreError
from comptroller.core.settings import Settings
from comptroller.gateway.api.app import application
from comptroller.gateway.api.bureau import Bureau
from comptroller.office.errands import ReceiptClerk, courier_of
from comptroller.office.lifeline import Lifeline, Server, first_line, stand_back
from comptroller.office.logs import log_as_json
from comptroller.office.switchboard import LABEL, address_of
from comptroller.store import folder, wire
from comptroller.store.locks import Lock
from comptroller.store.wire import Address, Gone

LOOK_S, PAUSE_S = 1.0, 0.2
TURN = "api.lock"
log = logging.getLogger("comptroller.api")


def main() -> None:
    """Serve for the settings in the first line of standard input."""
    log_as_json()
    stand_back()
    line = first_line()
    if not line:
        return
    try:
        serve(Settings.model_validate_json(line))
    except ComptrollerError as error:
        log.error("/api cannot be served: %s", error)
        sys.exit(1)


def serve(settings: Settings) -> None:
    """Serve until the lifeline is cut."""
    ledger, token, lifeline = Path(settings.ledger), secrets.token_hex(32), Lifeline()
    with _turn(ledger, lifeline) as ours:
        if ours:
            _serve(settings, ledger, token, lifeline)


def _serve(settings: Settings, ledger: Path, token: str, lifeline: Lifeline) -> None:
    with contextlib.closing(Bureau(settings)) as bureau:
        listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        address = Address("tcp", "127.0.0.1", listener.getsockname()[1], token, os.getpid())
        server = lifeline.server = Server(
            uvicorn.Config(
                application(bureau, token),
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                timeout_graceful_shutdown=1,
            )
        )
        server.should_exit = lifeline.cut.is_set()
        threading.Thread(target=_show, args=(ledger, address, lifeline), name="comptroller-label", daemon=True).start()
        threading.Thread(target=_tend, args=(bureau, lifeline), name="comptroller-tree", daemon=True).start()
        if settings.outcomes:
            threading.Thread(target=_work, args=(bureau, lifeline), name="comptroller-office", daemon=True).start()
        if settings.webhooks:
            threading.Thread(target=_deliver, args=(bureau, lifeline), name="comptroller-post", daemon=True).start()
        try:
            server.run(sockets=[listener])
        finally:
            lifeline.cut.set()
            if address_of(ledger) == address:
                with contextlib.suppress(OSError):
                    (ledger / LABEL).unlink()


@contextlib.contextmanager
def _turn(ledger: Path, lifeline: Lifeline) -> Iterator[bool]:
    """One process for each ledger: where a gateway and a console both bring one, the second stands by until the first
    is gone, and they never both keep the books. False where the lifeline was cut meanwhile."""
    lock = Lock(ledger / TURN)
    try:
        while not lock.take():
            if lifeline.cut.wait(PAUSE_S):
                yield False
                return
        yield True
    finally:
        lock.drop()


def _show(ledger: Path, address: Address, lifeline: Lifeline) -> None:
    """Say where we listen; and again where another process for this ledger had said so and is gone."""
    _say(ledger, address)
    while not lifeline.cut.wait(LOOK_S):
        said = address_of(ledger)
        if said != address and (said is None or not _answers(said)):
            _say(ledger, address)


def _tend(bureau: Bureau, lifeline: Lifeline) -> None:
    """Keep up the tree over the journal, so that nobody waits for a proof; at most a fifth of a core goes into it."""
    rest = LOOK_S
    while not lifeline.cut.wait(rest):
        begun = time.monotonic()
        rest = LOOK_S if bureau.prover.grow() else 4 * (time.monotonic() - begun)


def _work(bureau: Bureau, lifeline: Lifeline) -> None:
    """Take in claims, hear verifiers, see deadlines pass; what goes wrong is told once and tried again."""
    before, clerk = "", None
    while not lifeline.cut.wait(LOOK_S):
        try:
            clerk = clerk or ReceiptClerk(bureau.desk, bureau.outcomes.registry)
            bureau.outcomes.work()
            clerk.work()
            before = ""
        except (ComptrollerError, OSError) as error:
            if str(error) != before:
                log.error("No work on outcomes is done: %s", error)
            before = str(error)


def _deliver(bureau: Bureau, lifeline: Lifeline) -> None:
    """Tell those whom the settings name of every transition; apart, as a receiver may take its time."""
    before, courier = "", None
    while not lifeline.cut.wait(LOOK_S):
        try:
            courier = courier or courier_of(bureau.desk)
            if courier is not None:
                courier.deliver()
            before = ""
        except (ComptrollerError, OSError) as error:
            if str(error) != before:
                log.error("No webhook is told of anything: %s", error)
            before = str(error)


def _answers(address: Address) -> bool:
    try:
        wire.connect(address, 1.0).close()
    except Gone:
        return False
    return True


def _say(ledger: Path, address: Address) -> None:
    try:
        folder.replace(ledger / LABEL, msgspec.json.encode(address))
    except StoreError as error:
        log.error("Nobody can find /api: %s", error)


if __name__ == "__main__":
    main()
