"""Approvals as the people see them who answer: what waits, what may be changed, and what an answer does."""

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from shutil import copytree
from typing import Any

import pytest

pytest.importorskip("streamlit")
pytest.importorskip("duckdb")

from streamlit.testing.v1 import AppTest

import comptroller as ct
from comptroller.dashboards.views import approval_editor, approvals
from comptroller.dashboards.views.approval_editor import Field, Unfit
from comptroller.office.people import Person, Register, invite
from tests.dashboards.house import Here, again, connected, html, look, parts, somebody, texts

POLICY = """policy: refunds
tools:
  issue_refund: {effect: write, args: {order: string, amount: double, currency: string, items: "list<string>?"}}
  wire: {effect: external, args: {payee: string, amount: double}}
rules:
  - id: big
    on: tool
    tool: issue_refund
    when: args.amount > 100.0
    then: ask
    ask: {of: [finance]}
    because: Refunds above 100 USD <b>need</b> a person.
  - {id: huge, on: tool, tool: issue_refund, when: args.amount > 5000.0, then: deny, because: Too much.}
  - {id: wires, on: tool, tool: wire, then: ask, ask: {of: [finance, compliance], quorum: 2, within: 20m}}
  - {id: trial, on: tool, tool: issue_refund, when: args.amount > 20.0, then: ask, mode: shadow, because: On trial.}
"""
JANE, CORA, TOM = somebody("finance", "jane"), somebody("compliance", "cora"), somebody("engineer", "tom")


@ct.tool(effect="write")
def issue_refund(order: str, amount: float, currency: str = "USD", items: list[str] | None = None) -> str:
    return "refunded"


@ct.tool(effect="external")
def wire(payee: str, amount: float) -> str:
    return "sent"


ACTS: list[tuple[str, Callable[[], str]]] = [
    ("ann", lambda: issue_refund("A-1", 1240.0, "USD", ["kettle"])),
    ("ann", lambda: issue_refund("A-2", 310.0)),
    ("jane", lambda: issue_refund("A-3", 210.0)),
    ("ann", lambda: wire("Bolt", 99.0)),
]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A refund of 1,240 USD, one of 310, one that jane asked for herself, and a transfer that two must agree to."""
    place = tmp_path_factory.mktemp("approvals")
    (place / "refunds.yaml").write_text(POLICY, encoding="utf-8")
    with ct.open(place / "ledger", config={"policies": [str(place / "refunds.yaml")]}) as desk:
        for user, act in ACTS:
            with suppress(ct.NotApproved), ct.run("refund-desk", customer="acme", user=user):
                act()
        for person in (JANE, CORA, TOM):
            invite(desk.ledger, desk.clock, Register(), replace(person, id=""), 10**15, "local")
    with connected(place / "ledger", {"policies": [str(place / "refunds.yaml")]}) as here:
        here.refresh()  # the books are made once, not by each test
    return place


@pytest.fixture
def house(made: Path, tmp_path: Path) -> Iterator[Here]:
    copytree(made / "ledger", tmp_path / "ledger")
    with connected(tmp_path / "ledger", {"policies": [str(made / "refunds.yaml")]}) as here:
        yield here


def ids(here: Here) -> dict[str, str]:
    """Of each request, by what is at stake."""
    known = here.bureau.approvals.catch_up().all()
    return {str((here.bureau.approvals.shown(one) or {})["args"]["amount"]): one.id for one in known}


def items(page: AppTest) -> list[dict[str, Any]]:
    return list(parts(page, "picklist")[0]["items"])


def press(page: AppTest, key: str, reason: str = "", person: Person = JANE) -> AppTest:
    """Press what asks first, give the reason, and confirm. A test's run is of the whole page, so both are pressed."""
    page.button(key=key).click()
    again(page, person)
    if reason:
        page.text_input(key=f"{key}_why").set_value(reason)
    page.button(key=key).click()
    page.button(key=f"{key}_yes").click()
    return again(page, person)


def keys(page: AppTest) -> list[str]:
    return [str(one.key) for one in page.button]


def test_mine_come_first_and_the_largest_of_them(house: Here) -> None:
    rows = items(look("approvals", JANE))
    assert [row["c"] for row in rows] == ["$1,240.00", "310.00", "99.00", ""]
    assert [row["w"] for row in rows] == ["", "", "Soon over", "For others"]
    assert "3 for you to answer, 1 for others" in html(look("approvals", JANE))
    soonest = items(look("approvals", JANE, order="time"))
    assert soonest[0]["t"] == "wire"


def test_the_largest_is_shown_with_what_happens_if_nobody_answers(house: Here) -> None:
    page = look("approvals", JANE)
    said = html(page)
    assert not page.exception
    assert "refund-desk wants to call issue_refund" in said
    assert "If nobody answers by" in said
    assert "it is denied" in said
    assert "Refunds above 100 USD &lt;b&gt;need&lt;/b&gt; a person." in said
    assert "1240.0" in said
    assert "kettle" in said
    assert "0 approved, 0 denied, 0 unanswered in 30 days" in said


def test_who_asked_cannot_answer_and_reads_why_instead_of_buttons(house: Here) -> None:
    own = ids(house)["210.0"]
    page = look("approvals", JANE, id=own)
    assert "You cannot answer this one." in html(page)
    assert "Jane asked for this call, and whoever asks cannot answer." in html(page)
    assert not [key for key in keys(page) if key.startswith("ap_")]


def test_a_role_the_rule_does_not_mean_sees_the_request_and_no_button(house: Here) -> None:
    page = look("approvals", TOM, id=ids(house)["310.0"])
    assert "It is for finance to answer, and tom is engineer." in html(page)
    assert not [key for key in keys(page) if key.startswith("ap_")]


def test_arguments_are_for_who_may_answer_or_read_texts(house: Here) -> None:
    """Finance reads no texts of calls; what it is asked about it does."""
    assert "A-1" in html(look("approvals", JANE, id=ids(house)["1240.0"]))
    own = html(look("approvals", JANE, id=ids(house)["210.0"]))
    assert "A-3" not in own
    assert "What is asked about is shown to whoever may answer it." in own


def test_approving_is_confirmed_and_on_record_with_the_name_and_shows_the_next(house: Here) -> None:
    known = ids(house)
    page = look("approvals", JANE, id=known["1240.0"])
    next(one for one in page.text_input if one.key == f"ap_note_{known['1240.0']}").set_value("Seen the photos.")
    page.button(key=f"ap_yes_{known['1240.0']}").click()
    again(page, JANE)
    assert house.bureau.approvals.catch_up().register.approvals[known["1240.0"]].state == "pending"
    page = press(page, f"ap_yes_{known['1240.0']}")
    done = house.bureau.approvals.catch_up().register.approvals[known["1240.0"]]
    assert (done.state, [(vote.person, vote.because) for vote in done.votes]) == (
        "approved",
        [("jane", "Seen the photos.")],
    )
    assert page.query_params["id"] == [known["310.0"]] or page.query_params["id"] == known["310.0"]


def test_a_denial_wants_a_reason(house: Here) -> None:
    id = ids(house)["310.0"]
    page = press(look("approvals", JANE, id=id), f"ap_no_{id}")
    assert house.bureau.approvals.catch_up().register.approvals[id].state == "pending"
    press(page, f"ap_no_{id}", "Too late.")
    done = house.bureau.approvals.catch_up().register.approvals[id]
    assert (done.state, done.votes[0].person, done.votes[0].because) == ("denied", "jane", "Too late.")


def test_an_edit_shows_what_changes_and_goes_on_record_with_it(house: Here) -> None:
    id = ids(house)["1240.0"]
    page = look("approvals", JANE, id=id)
    page.toggle[0].set_value(True)
    page = again(page, JANE)
    field = next(one for one in page.text_input if one.key == f"ap_{id}_amount")
    field.set_value("much")
    page = again(page, JANE)
    assert "`amount` is a number, and “much” is none" in html(page)
    assert page.button(key=f"ap_yes_{id}").disabled
    next(one for one in page.text_input if one.key == f"ap_{id}_amount").set_value("180.50")
    page = again(page, JANE)
    assert '<s class="ct-before">1240.0</s> → <strong>180.5</strong>' in html(page)
    page = press(page, f"ap_yes_{id}")
    done = house.bureau.approvals.catch_up().register.approvals[id]
    assert house.bureau.approvals.edit_of(done.edit) == {"set": {"amount": 180.5}, "drop": []}
    assert "jane, with other arguments" in texts(look("approvals", CORA, view="all"))


def test_an_edit_that_the_policies_deny_is_answered_in_words(house: Here) -> None:
    id = ids(house)["1240.0"]
    page = look("approvals", JANE, id=id)
    page.toggle[0].set_value(True)
    page = again(page, JANE)
    next(one for one in page.text_input if one.key == f"ap_{id}_amount").set_value("9000")
    page = again(page, JANE)
    page = press(page, f"ap_yes_{id}")
    assert "Your answer is on record and changed nothing." in html(page)
    assert "With these arguments huge denies it: Too much." in html(page)
    assert house.bureau.approvals.catch_up().register.approvals[id].state == "pending"


def test_a_quorum_says_how_far_it_is(house: Here) -> None:
    id = ids(house)["99.0"]
    page = look("approvals", JANE, id=id)
    page = press(page, f"ap_yes_{id}")
    assert "1 of 2 approvals. jane approves." in html(look("approvals", CORA, id=id))


def test_all_are_listed_with_what_became_of_them_and_narrowed_by_the_address(house: Here) -> None:
    page = look("approvals", CORA, view="all")
    assert len(parts(page, "table")[0]["rows"]) == 4
    only = look("approvals", CORA, view="all", rule="wires")
    assert [cell for cell in texts(only) if cell in ("wire", "issue_refund")] == ["wire"]


def test_rules_are_counted_with_those_on_trial(house: Here) -> None:
    page = look("approvals", CORA, view="rules")
    rows = {row[0]["t"]: [cell["t"] for cell in row] for row in parts(page, "table")[0]["rows"]}
    assert (rows["big"][1], rows["trial"][2]) == ("3", "3")


@pytest.mark.parametrize("id", ["nobody", "rules", "a?mine=true", "é"])
def test_an_unknown_request_is_said_in_words_beside_the_list(house: Here, id: str) -> None:
    page = look("approvals", JANE, id=id)
    assert "There is no approval" in html(page)
    assert len(items(page)) == 4


def test_an_empty_inbox_says_what_would_come_into_it(tmp_path: Path) -> None:
    with ct.open(tmp_path / "ledger"):
        pass
    with connected(tmp_path / "ledger"):
        assert "Nothing waits for a person" in html(look("approvals", JANE))
        assert "No approval yet" in html(look("approvals", JANE, view="all"))
        assert "No rule has asked" in html(look("approvals", JANE, view="rules"))


def test_the_overview_counts_what_waits_for_those_who_may_see_it(house: Here) -> None:
    assert "Waiting for a person" in html(look("overview", JANE))
    assert "Waiting for a person" not in html(look("overview", somebody("viewer", "vic")))


@pytest.mark.parametrize(
    ("field", "typed", "value"),
    [
        (Field("a", "double", 1.0), "12.50", 12.5),
        (Field("a", "int", 1), "-7", -7),
        (Field("a", "string", "x"), "007", "007"),
        (Field("a", "list<string>?", ["x"]), '["y"]', ["y"]),
        (Field("a", "any", {"k": 1}), "null", None),
    ],
)
def test_what_is_typed_becomes_a_value_of_its_type(field: Field, typed: str, value: object) -> None:
    assert approval_editor.value_of(field, typed) == value


@pytest.mark.parametrize(
    ("type", "typed", "why"),
    [
        ("double", "12,50", "Write it with a point"),
        ("double", "NaN", "is none"),
        ("double", "", "nothing is none"),
        ("int", "1.5", "is a whole number"),
        ("object", "{x}", "is not JSON (line 1, column 2)"),
        ("any", "Infinity", "is not JSON"),
        ("any", "[" * 100_000, "is not JSON"),
    ],
)
def test_what_does_not_fit_its_type_is_said_in_words(type: str, typed: str, why: str) -> None:
    with pytest.raises(Unfit) as told:
        approval_editor.value_of(Field("a", type, 1), typed)
    assert why in str(told.value)


def test_what_nobody_touched_stays_to_the_last_digit() -> None:
    field = Field("a", "double", json.loads("0.1000000000000000055511151231257827"))
    assert approval_editor.value_of(field, approval_editor.text_of(field)) is field.value


def test_changes_name_what_is_new_other_and_gone() -> None:
    found = approval_editor.changes({"a": 1, "b": 2, "c": True}, {"a": 1, "b": 3, "d": "\u202ex"})
    assert [str(one) for one in found] == ["b: 2 → 3", "c taken out", 'd: nothing → "⟨U+202E⟩x"']


def test_the_time_left_is_told_by_the_minute() -> None:
    from datetime import UTC, datetime, timedelta

    from comptroller.dashboards.look.viewer import Viewer

    now = datetime(2026, 11, 21, tzinfo=UTC)
    left = [approvals.left(Viewer(), now + timedelta(minutes=m), now) for m in (0, 59, 125, 60 * 50)]
    assert left == ["under a minute left", "59 min left", "2 h 5 min left", "2 days left"]
