"""Approvals over HTTP: the queue, one with its arguments, and the answers."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
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
from tests.gateway.api.house import ALL, Api

POLICY = """
policy: refunds
tools:
  issue_refund: {effect: write, args: {order: string, amount: double}}
rules:
  - id: big-refund
    on: tool
    tool: issue_refund
    when: args.amount > 100.0
    then: ask
    ask: {of: [finance]}
    because: Refunds above 100 USD need a person.
  - {id: huge-refund, on: tool, tool: issue_refund, when: args.amount > 1000.0, then: deny, because: Too much.}
"""
LOCAL = Who("ours", rights=ALL)


@tool(effect="write")
def issue_refund(order: str, amount: float) -> str:
    return f"{amount} for {order}"


@pytest.fixture
def held(tmp_path: Path) -> Iterator[Api]:
    """A refund of ours that waits, and one of theirs; in `runs` their approvals."""
    (tmp_path / "refunds.yaml").write_text(POLICY)
    settings: dict[str, object] = {"policies": [str(tmp_path / "refunds.yaml")], "tenant": "ours"}
    asked = []
    with Desk.open(tmp_path / "ledger", settings) as desk:
        before = set_desk(desk)
        for tenant in ("ours", "theirs"):
            with Run("support", customer="acme", user="ann", tenant=tenant, desk=desk), suppress(NotApproved):
                try:
                    issue_refund("7", 250.0)
                except NotApproved as error:
                    asked.append(str(error.details["approval"]))
        set_desk(before)
        bureau = Bureau(Settings.model_validate({**settings, "ledger": str(tmp_path / "ledger")}))
        for name, role in (("Jane", "finance"), ("Vic", "viewer"), ("ann", "finance")):
            wanted = Person("", name, role, "ours")
            invite(desk.ledger, desk.clock, bureau.roll.now(), wanted, 10**12, "local")
        try:
            yield Api(bureau, asked)
        finally:
            bureau.close()


def person(name: str, role: str) -> Who:
    return Who("ours", rights=tuple(sorted((*RIGHTS_OF[role], "api:approvals"))), person=name)


JANE, VIC = person("Jane", "finance"), person("Vic", "viewer")


def test_the_queue_tells_what_waits_and_who_may_answer(held: Api) -> None:
    [row] = held.get("/api/approvals?state=pending", JANE)["approvals"]
    assert (row["approval"], row["rule"], row["name"], row["of"]) == (
        held.runs[0],
        "big-refund",
        "issue_refund",
        ["finance"],
    )
    assert row["may_answer"] is True
    [seen] = held.get("/api/approvals", VIC)["approvals"]
    assert (seen["may_answer"], seen["why_not"]) == (False, "it is for finance to answer, and Vic is viewer")
    assert held.get("/api/approvals?mine=true", VIC)["approvals"] == []


def test_arguments_are_shown_to_who_may_answer_and_to_nobody_else(held: Api) -> None:
    path = f"/api/approvals/{held.runs[0]}"
    assert held.get(path, JANE)["request"] == {"tool": "issue_refund", "args": {"amount": 250.0, "order": "7"}}
    assert held.get(path, VIC)["request"] is None
    assert held.get(path, VIC)["kept"] is True
    assert held.get(path, Who("theirs", rights=ALL)).status == 404


def test_what_is_at_stake_and_the_types_of_arguments_are_told_with_the_call(held: Api) -> None:
    [row] = held.get("/api/approvals", JANE)["approvals"]
    assert (row["amount"], row["currency"]) == ("250.0", "")
    [hidden] = held.get("/api/approvals", VIC)["approvals"]
    assert hidden["amount"] is None
    told = held.get(f"/api/approvals/{held.runs[0]}", JANE)
    assert told["types"] == {"order": "string", "amount": "double"}
    assert told["alike"] == {"days": 30, "approved": 0, "denied": 0, "expired": 0}


def test_what_became_of_like_calls_is_counted(held: Api) -> None:
    first = held.bureau.approvals.catch_up().register.approvals[held.runs[0]]
    held.post(f"/api/approvals/{first.id}/deny", {"because": "No."}, JANE)
    known = held.bureau.approvals.register.approvals
    known["again"] = replace(first, id="again", call="another")
    known["old"] = replace(known[first.id], id="old", asked=first.asked - 31 * 86_400 * 10**9)
    assert held.get("/api/approvals/again", JANE)["alike"] == {"days": 30, "approved": 0, "denied": 1, "expired": 0}


def test_an_edit_is_checked_and_then_approved_with_who_did_it(held: Api) -> None:
    path = f"/api/approvals/{held.runs[0]}"
    wrong = held.post(f"{path}/approve", {"edit": {"order": "7", "amount": "much"}}, JANE)
    assert wrong["not_done"] == "issue_refund cannot be called so: `amount` is a string, not a number"
    huge = held.post(f"{path}/approve", {"edit": {"order": "7", "amount": 5000}}, JANE)
    assert huge["not_done"] == "with these arguments huge-refund denies it: Too much"
    done = held.post(f"{path}/approve", {"edit": {"order": "7", "amount": 180.0}, "because": "Shipping."}, JANE)
    assert (done.status, done["state"], done["not_done"]) == (200, "approved", None)
    told = held.get(path, JANE)
    assert told["edits"] == [
        {"person": "Jane", "args": {"order": "7", "amount": 180.0}, "changed": ["amount"], "dropped": []}
    ]
    assert [event["ignored"] is None for event in told["history"]] == [True, False, False, True]


def test_whoever_asked_and_whoever_lacks_the_role_cannot_approve(held: Api) -> None:
    path = f"/api/approvals/{held.runs[0]}/approve"
    said = held.post(path, {}, person("ann", "finance"))
    assert said["not_done"] == "ann asked for this call, and whoever asks cannot answer"
    assert held.post(path, {}, VIC)["state"] == "pending"
    assert held.post(path, {}, Who("ours", rights=RIGHTS_OF["viewer"], person="Vic")).status == 403


def test_an_answer_to_another_call_than_the_one_looked_at_does_not_count(held: Api) -> None:
    path = f"/api/approvals/{held.runs[0]}"
    said = held.post(f"{path}/approve", {"digest": "0" * 32}, JANE)
    assert (said["state"], said["not_done"]) == ("pending", "it was given for another call")
    assert held.post(f"{path}/approve", {"digest": held.get(path, JANE)["digest"]}, JANE)["state"] == "approved"


def test_escalated_and_delegated_it_is_for_others_to_answer(held: Api) -> None:
    path = f"/api/approvals/{held.runs[0]}"
    assert held.post(f"{path}/delegate", {"to": "ann"}, JANE)["not_done"] is not None
    assert held.post(f"{path}/delegate", {"to": "Vic"}, JANE)["not_done"] is None
    assert held.post(f"{path}/deny", {}, JANE)["not_done"] == "Jane has handed the answer over to Vic"
    assert held.post(f"{path}/deny", {"because": "No."}, VIC)["state"] == "denied"


def test_the_state_is_told_to_whoever_made_the_call(held: Api) -> None:
    path = f"/api/approvals/{held.runs[0]}"
    agent = Who("ours", key="key_other", rights=("api:write",))
    assert held.get(f"{path}/state", agent).status == 404
    assert held.get(f"{path}/state", LOCAL)["passes"] is False
    assert held.post(f"{path}/approve", {}, LOCAL)["not_done"] == "it is for finance to answer, and local is neither"
    held.post(f"{path}/approve", {}, JANE)
    told: Any = held.get(f"{path}/state", LOCAL)
    assert (told["state"], told["passes"]) == ("approved", True)


def test_how_often_a_rule_asks_is_counted(held: Api) -> None:
    held.post(f"/api/approvals/{held.runs[0]}/deny", {}, JANE)
    [rule] = held.get("/api/approvals/rules", LOCAL)["rules"]
    assert (rule["rule"], rule["asked"], rule["denied"], rule["would_ask"]) == ("big-refund", 1, 1, 0)
