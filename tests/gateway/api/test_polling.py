"""Reviewer agents at `/api`: each votes with its key, and where they disagree a person decides."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from comptroller.core.errors import NotApproved
from comptroller.core.settings import Settings
from comptroller.gateway.api.bureau import Bureau
from comptroller.office.people import RIGHTS_OF, Person, invite
from comptroller.office.who import Who
from comptroller.wrapper.desk import Desk, set_desk
from comptroller.wrapper.run import Run
from comptroller.wrapper.tools import tool
from tests.gateway.api.house import Api

POLICY = """
policy: refunds
rules:
  - id: refund
    on: tool
    tool: refund
    then: ask
    ask: {of: [reviewer-a, reviewer-b, reviewer-c], votes: unanimous, split: [finance]}
    because: Reviewers look at refunds.
"""
JANE = Who("ours", rights=tuple(sorted((*RIGHTS_OF["finance"], "api:approvals"))), person="Jane")


@tool(effect="write")
def refund(order: str) -> str:
    return f"refunded {order}"


def reviewer(letter: str) -> Who:
    rights = ("api:approvals", "api:read")
    return Who("ours", key=f"key_{letter}", name=f"reviewer-{letter}", scopes=rights, rights=rights)


def work(desk: Desk) -> str:
    with Run("support", user="ann", desk=desk):
        return str(refund("7"))


@pytest.fixture
def held(tmp_path: Path) -> Iterator[tuple[Api, str, Desk]]:
    (tmp_path / "refunds.yaml").write_text(POLICY)
    settings: dict[str, object] = {"policies": [str(tmp_path / "refunds.yaml")], "tenant": "ours"}
    with Desk.open(tmp_path / "ledger", settings) as desk:
        before = set_desk(desk)
        try:
            with pytest.raises(NotApproved) as caught:
                work(desk)
            bureau = Bureau(Settings.model_validate({**settings, "ledger": str(tmp_path / "ledger")}))
            invite(desk.ledger, desk.clock, bureau.roll.now(), Person("", "Jane", "finance", "ours"), 10**12, "local")
            try:
                yield Api(bureau, []), f"/api/approvals/{caught.value.details['approval']}", desk
            finally:
                bureau.close()
        finally:
            set_desk(before)


def test_reviewers_who_agree_let_it_pass_once(held: tuple[Api, str, Desk]) -> None:
    api, path, desk = held
    for letter in "ab":
        assert api.post(f"{path}/approve", {}, reviewer(letter))["state"] == "pending"
    assert api.post(f"{path}/approve", {}, reviewer("c"))["state"] == "approved"
    told = api.get(path, JANE)
    assert (told["state"], [vote["seat"] for vote in told["votes"]]) == (
        "approved",
        ["reviewer-a", "reviewer-b", "reviewer-c"],
    )
    assert work(desk) == "refunded 7"
    with pytest.raises(NotApproved):
        work(desk)


def test_where_reviewers_disagree_a_person_decides(held: tuple[Api, str, Desk]) -> None:
    api, path, desk = held
    api.post(f"{path}/approve", {}, reviewer("a"))
    api.post(f"{path}/deny", {"because": "Odd."}, reviewer("b"))
    told = api.get(path, JANE)
    assert (told["state"], told["undecided"]) == ("pending", True)
    assert api.post(f"{path}/approve", {}, reviewer("c"))["not_done"]
    ledger: Any = desk.ledger
    ledger._owner.sweep()  # as it does by itself all the time
    assert api.post(f"{path}/approve", {}, JANE)["state"] == "approved"
    told = api.get(path, JANE)
    assert (told["state"], told["people"], len(told["votes"])) == ("approved", ["Jane"], 3)
    assert work(desk) == "refunded 7"
