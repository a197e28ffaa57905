"""Which ledger a command is about, and its books opened."""

import sys
from pathlib import Path

from comptroller.cli import screen
from comptroller.cli.main import Misuse
from comptroller.core.settings import load_settings
from comptroller.store import folder
from comptroller.store.reader import Reader


def ledger_of(named: str) -> Path:
    """The ledger named on the command line, else that of the settings; it has to be there."""
    path = Path(load_settings(ledger=named or None).ledger)
    if not path.is_dir() or folder.label(path) is None:
        raise Misuse(
            f"{path}: there is no ledger here. Name one with --ledger or COMPTROLLER_LEDGER; "
            "a governed program makes it with its first call."
        )
    return path


def reading(ledger: Path) -> Reader:
    """The ledger's books, up to date; where nothing can be written they are made elsewhere, which is said."""
    reader = Reader.open(ledger)
    if reader.aside:
        sys.stderr.write(f"{screen.clean(ledger)}: read-only, so its books were made in a temporary directory.\n")
    return reader
