"""Which ledger a command is about, the settings and policies that go with it, and its books opened."""

import os
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from comptroller.cli import screen
from comptroller.cli.main import Misuse
from comptroller.core.clock import SYSTEM
from comptroller.core.settings import FILE, Settings, is_about, load_settings
from comptroller.store import folder
from comptroller.store.reader import Reader

if TYPE_CHECKING:  # most commands only read
    from comptroller.policies.book import Book
    from comptroller.store.ledger import Ledger
    from comptroller.wrapper.desk import Desk


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


def settings_of(named: str) -> Settings:
    """The settings that go with the ledger a command names: of this folder, or those that lie beside it."""
    return load_settings(_config_of(named), named or None)


def settings_here(named: str, what: str) -> Settings:
    """The settings of a ledger that has to lie on this machine for something to be done at it."""
    settings = settings_of(named)
    if "://" in settings.ledger:
        raise Misuse(f"{settings.ledger}: {what} where the ledger is. Name its directory with --ledger.")
    return settings


@contextmanager
def journal_of(settings: Settings) -> "Iterator[Ledger]":
    """The ledger of settings, for writing: through the process that owns it where there is one."""
    from comptroller.store.ledger import Ledger

    with closing(Ledger.open(settings.ledger, settings)) as journal:
        yield journal


def desk_of(named: str) -> "Desk":
    """A desk on a ledger that has to be there, under the policies that are in force at it.

    Where no settings name the ledger, those are what its record has: the ones of whatever folder somebody sits in
    would decide on calls they were never meant for, and be put on record as the ones in force.
    """
    from comptroller.store.ledger import Ledger
    from comptroller.wrapper.desk import Desk
    from comptroller.wrapper.shelf import load_book

    place, settings = ledger_of(named), settings_of(named)
    book = None if _is_known(named) else _on_record(place)
    book = load_book(settings) if book is None else book
    return Desk(settings, Ledger.open(place, settings), SYSTEM, book)


def _config_of(named: str) -> Path | None:
    """The file that names a ledger, where it is not the one a command would read anyhow."""
    ledger = _said(named)
    if not ledger or os.environ.get("COMPTROLLER_CONFIG") or _is_about_here(ledger):
        return None
    return next((file for file in _beside(Path(ledger)) if is_about(file, ledger)), None)


def _is_known(named: str) -> bool:
    """True where settings were found that are about the ledger."""
    ledger = _said(named)
    return not ledger or bool(os.environ.get("COMPTROLLER_CONFIG")) or _is_about_here(ledger) or bool(_config_of(named))


def _said(named: str) -> str:
    return named or os.environ.get("COMPTROLLER_LEDGER", "")


def _is_about_here(ledger: str) -> bool:
    """True where the file of this folder is about the ledger; one that names none is about any."""
    return Path(FILE).is_file() and is_about(Path(FILE), ledger, otherwise=True)


def _beside(ledger: Path) -> Iterator[Path]:
    """Where settings lie that made a ledger: in the folder around it, or in one of its own, as those of the demo."""
    for file in (ledger.absolute().parent / FILE, *sorted(ledger.glob(f"*/{FILE}"))):
        if file.is_file():
            yield file


def _on_record(place: Path) -> "Book | None":
    """The policies that were loaded last at a ledger, out of its record; None where there are none to be had."""
    from comptroller.office.versions import loaded
    from comptroller.policies.mistakes import PolicyErrors

    with reading(place) as reader:
        loads = reader.rows("policy_loads")
        version = str(loads[-1]["version"]) if loads else ""
        try:
            book = loaded(reader, version) if version else None
        except PolicyErrors as error:
            first = screen.clean(error.mistakes[0])
            _say(place, f"its policies on record, version {version}, no longer load here ({first}); those of the "
                 "settings here are asked. Name its own with COMPTROLLER_CONFIG.")  # fmt: skip
            return None
    if book is not None:
        _say(place, f"no {FILE} names it, so the policies on its record are asked, version {version}.")
    return book


def _say(place: Path, text: str) -> None:
    sys.stderr.write(f"{screen.clean(place)}: {text}\n")
