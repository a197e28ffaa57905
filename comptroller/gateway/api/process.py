"""The process that serves `/api`: started beside the gateway, started again when it dies, gone when its parent is."""

from contextlib import AbstractContextManager

from comptroller.core.settings import Settings
from comptroller.office.child import Child, kept, without_keys

MODULE = "comptroller.gateway.api.serving"


def started(settings: Settings) -> AbstractContextManager[Child]:
    """Keep a process for the ledger of these settings, for as long as the block lasts."""
    line = settings.model_dump_json().encode()
    return kept(Child(MODULE, line, "The process for /api", without_keys(settings), "comptroller.api"))
