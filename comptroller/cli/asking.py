"""`--ask-judges`: judges are really asked by a command that tries policies out, and what that cost is said."""

from collections.abc import Iterator
from contextlib import contextmanager

import typer

from comptroller.core.money import decimal_text
from comptroller.core.settings import load_settings
from comptroller.policies.book import Book


@contextmanager
def heard_by(book: Book, ask: bool) -> Iterator[Book]:
    """The book; where it is wanted, and has something judged, one that asks."""
    if not (ask and book.judged):
        yield book
        return
    from comptroller.office.tribunal import asking

    with asking(book, load_settings()) as (asks, spent):
        yield asks
    told = ", ".join(f"{decimal_text(nanos)} {currency}" for currency, nanos in sorted(spent.items()))
    typer.echo(f"judges asked: {told or 'nothing'}", err=True)
