"""Guards from other packages are found by their entry point, and only guards are taken."""

from importlib.metadata import EntryPoint

import pytest

from comptroller.core.errors import SettingsError
from comptroller.core.verdict import Finding
from comptroller.guardrails import guard as subject


class Quiet:
    """A guard that finds nothing."""

    name = "quiet"

    def inspect(self, text: str) -> list[Finding]:
        return []


READY = Quiet()
NOT_A_GUARD = 42


def offered(monkeypatch: pytest.MonkeyPatch, *values: str) -> None:
    class Offer(EntryPoint):
        def load(self) -> object:
            return globals()[self.value]

    found = [Offer(name=value.lower(), value=value, group=subject.GROUP) for value in values]
    monkeypatch.setattr(subject, "entry_points", lambda group: found if group == subject.GROUP else [])


def test_a_class_is_made_and_an_object_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    offered(monkeypatch, "Quiet", "READY")
    assert [type(guard) for guard in subject.installed_guards()] == [Quiet, Quiet]


def test_something_else_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    offered(monkeypatch, "NOT_A_GUARD")
    with pytest.raises(SettingsError, match="is not a guard"):
        subject.installed_guards()
