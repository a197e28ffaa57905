"""`comptroller people`, as it is typed."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from comptroller.core.settings import Settings
from comptroller.store.ledger import Ledger


@pytest.fixture
def people(cli: Callable[..., Any], tmp_path: Path) -> Callable[..., Any]:
    """The group on a ledger of its own."""
    place = tmp_path / "ledger"
    Ledger.open(place, Settings(ledger=str(place))).close()
    return lambda *arguments: cli("people", *arguments, "--ledger", place)


def test_an_invitation_prints_a_link_that_no_list_shows_again(people: Callable[..., Any]) -> None:
    told = json.loads(people("invite", "Ada", "--role", "finance", "--json").out)
    assert told["link"].startswith("http://127.0.0.1:4142/enter/")
    assert told["role"] == "finance"
    listed = people("ls", "--json").out
    assert told["link"].rsplit("/", 1)[1] not in listed
    assert [(row["name"], row["status"]) for row in json.loads(listed)] == [("Ada", "invited")]
    assert "Ada" in people("ls").out


def test_somebody_new_needs_a_role_that_there_is(people: Callable[..., Any]) -> None:
    assert people("invite", "Ada").code == 2
    refused = people("invite", "Ada", "--role", "boss")
    assert (refused.code, "There are: admin, compliance" in refused.err) == (2, True)
    assert "Nobody yet" in people("ls").out


def test_a_role_is_changed_and_a_person_removed_by_name(people: Callable[..., Any]) -> None:
    people("invite", "Ada", "--role", "finance")
    assert json.loads(people("change", "Ada", "--role", "viewer", "--json").out)["role"] == "viewer"
    assert "is removed" in people("remove", "Ada").out
    assert "was removed before" in people("remove", "Ada").out
    assert json.loads(people("remove", "Ada", "--json").out)["status"] == "removed"
    assert people("change", "Ada", "--role", "admin").code == 2


def test_a_name_that_two_tenants_have_is_asked_about(people: Callable[..., Any]) -> None:
    people("invite", "Ada", "--role", "finance")
    people("invite", "Ada", "--role", "viewer", "--tenant", "acme")
    refused = people("remove", "Ada")
    assert (refused.code, "--tenant" in refused.err) == (2, True)
    assert people("remove", "Ada", "--tenant", "acme").code == 0
    assert people("remove", "Nobody").code == 2
