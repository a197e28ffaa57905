"""A pytest plugin: the fixture `comptroller_desk` is an in-memory desk, open for one test."""

from collections.abc import Iterator

import pytest

from comptroller.testing.testdesk import TestDesk, desk


@pytest.fixture
def comptroller_desk() -> Iterator[TestDesk]:
    """An in-memory desk without policies; `comptroller.testing.desk(policy)` makes one with."""
    with desk() as made:
        yield made
