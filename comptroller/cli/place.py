"""Which ledger a command is about."""

from pathlib import Path

from comptroller.cli.main import Misuse
from comptroller.core.settings import load_settings
from comptroller.store import folder


def ledger_of(named: str) -> Path:
    """The ledger named on the command line, else that of the settings; it has to be there."""
    path = Path(load_settings(ledger=named or None).ledger)
    if not path.is_dir() or folder.label(path) is None:
        raise Misuse(
            f"{path}: there is no ledger here. Name one with --ledger or COMPTROLLER_LEDGER; "
            "a governed program makes it with its first call."
        )
    return path
