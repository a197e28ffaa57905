"""Policy versions as a ledger has them: what was in force is loaded again from its own text."""

from functools import lru_cache

from comptroller.policies.book import Book
from comptroller.policies.load import load_policies
from comptroller.policies.mistakes import PolicyErrors
from comptroller.store.reader import Reader


def book_of(reader: Reader, version: str) -> Book | None:
    """The book of a version; None where the ledger has no text of it, or it no longer loads here."""
    try:
        return loaded(reader, version)
    except PolicyErrors:
        return None


def loaded(reader: Reader, version: str) -> Book | None:
    """The same, with the mistakes where it no longer loads."""
    files = {str(row["path"]): str(row["text"]) for row in reader.rows("policy_files", version=version)}
    return _loaded(tuple(files.items())) if files else None


@lru_cache(maxsize=32)  # a book never changes, and an account of a year asks for each of its versions again
def _loaded(files: tuple[tuple[str, str], ...]) -> Book:
    return load_policies(files)
