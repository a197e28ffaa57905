"""What the tests of `/api` are given: patience with the process that answers it, on a machine that has other work."""

import pytest

from comptroller.gateway.api import passing


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The gateway waits as long for that process to start as a crowded machine takes."""
    monkeypatch.setattr(passing, "PATIENCE_S", 60.0)
