"""Guards from other packages are found by their entry point, by name, without loading anything of theirs."""

from importlib.metadata import EntryPoint

import pytest

from comptroller.core.errors import SettingsError
from comptroller.guardrails import guard as subject
from comptroller.guardrails.guard import Installed
from comptroller.guardrails.scanner import BUILT_IN


def offered(monkeypatch: pytest.MonkeyPatch, **values: str) -> None:
    found = [EntryPoint(name, value, subject.GROUP) for name, value in values.items()]
    monkeypatch.setattr(subject, "entry_points", lambda group: found if group == subject.GROUP else [])


def test_they_are_listed_in_order_of_their_names_and_not_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    offered(monkeypatch, names="there_is_no_such_package:Names", clauses="nor_this_one:CLAUSES")
    assert subject.installed_guards() == [
        Installed("clauses", "nor_this_one:CLAUSES"),
        Installed("names", "there_is_no_such_package:Names"),
    ]


@pytest.mark.parametrize("name", BUILT_IN)
def test_one_that_bears_the_name_of_ours_is_refused(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    offered(monkeypatch, **{name: "theirs:Guard"})
    with pytest.raises(SettingsError, match=rf"theirs:Guard offers a guard named '{name}'.*as does Comptroller itself"):
        subject.installed_guards()


def test_two_of_one_name_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [EntryPoint("names", value, subject.GROUP) for value in ("one:Guard", "two:Guard")]
    monkeypatch.setattr(subject, "entry_points", lambda group: found)
    with pytest.raises(SettingsError, match=r"two:Guard offers a guard named 'names'.*as does one:Guard"):
        subject.installed_guards()
