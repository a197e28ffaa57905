"""Reviewer agents at `/api`: each votes with its key, and where they disagree a person decides."""

from collections.abc import Iterator
from pathlib import Path

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


def reviewer(letter: str, agent: str = "", user: str = "") -> Who:
    return keyed(f"reviewer-{letter}", agent=agent, user=user)


def keyed(name: str, *roles: str, agent: str = "", user: str = "") -> Who:
    rights = ("api:approvals", "api:read")
    return Who("ours", key=f"key_{name}", name=name, scopes=(*rights, *roles), rights=rights, agent=agent, user=user)


def work(desk: Desk) -> str:
    with Run("support", user="ann", desk=desk) as run, run.agent("payer"):
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
    assert api.post(f"{path}/approve", {}, JANE)["state"] == "approved"
    told = api.get(path, JANE)
    assert (told["state"], told["people"], len(told["votes"])) == ("approved", ["Jane"], 3)
    assert work(desk) == "refunded 7"


@pytest.mark.parametrize(
    ("who", "why"),
    [
        (reviewer("a", agent="payer"), "acts for who asked"),
        (reviewer("a", user="ann"), "acts for who asked"),
        (keyed("admin"), "for reviewer-a or reviewer-b"),
        (keyed("finance"), "for reviewer-a or reviewer-b"),
    ],
)
def test_a_key_neither_approves_for_who_asks_nor_has_a_role_by_its_name(
    held: tuple[Api, str, Desk], who: Who, why: str
) -> None:
    api, path, _ = held
    assert why in api.post(f"{path}/approve", {}, who).body.decode()
    assert api.get(path, JANE)["state"] == "pending"


def test_an_agent_cannot_vote_on_what_it_asks_for_by_a_key_of_its_name(held: tuple[Api, str, Desk]) -> None:
    api, path, _ = held
    who = keyed("payer", "role:admin")
    assert "whoever asks cannot answer" in api.post(f"{path}/approve", {}, who)["not_done"]


def test_who_votes_does_not_choose_who_decides_in_their_place(held: tuple[Api, str, Desk]) -> None:
    api, path, desk = held
    told = api.post(f"{path}/escalate", {"to": ["mallory"]}, reviewer("a"))
    assert told["not_done"] == "keys vote on it, and it is for a person to escalate it"
    assert api.post(f"{path}/delegate", {"to": "Mallory"}, reviewer("a"))["not_done"]
    api.post(f"{path}/approve", {}, reviewer("a"))
    api.post(f"{path}/deny", {}, reviewer("b"))
    people = api.bureau.roll.now()
    invite(desk.ledger, desk.clock, people, Person("", "Mallory", "compliance", "ours"), 10**12, "local")
    mallory = Who("ours", rights=RIGHTS_OF["compliance"], person="Mallory")
    assert "it is for finance to answer" in api.post(f"{path}/approve", {}, mallory)["not_done"]
    assert api.get(path, JANE)["state"] == "pending"
