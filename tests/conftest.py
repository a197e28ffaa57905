"""What every test is given: loggers as they were before it, and as much time as a busy machine takes."""

import logging
from collections.abc import Iterator

import pytest
from hypothesis import settings

settings.register_profile("suite", deadline=None)  # how long an example takes says how busy the machine is
settings.load_profile("suite")


@pytest.fixture(autouse=True)
def own_logs() -> Iterator[None]:
    """Commands that serve set up a log of their own; its handler would write to the screen of a test that is over."""
    loggers = [logging.getLogger(name) for name in ("comptroller", "uvicorn.error")]
    before = [(logger, logger.handlers[:], logger.level, logger.propagate) for logger in loggers]
    yield
    for logger, handlers, level, propagate in before:
        logger.handlers[:], logger.propagate = handlers, propagate
        logger.setLevel(level)
