"""What an auditor reads and an admin changes: policies, the record, evidence, access, health."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("streamlit")
pytest.importorskip("duckdb")

from streamlit.testing.v1 import AppTest

import comptroller as ct
from comptroller.office.people import Person
from tests.dashboards.house import Here, again, connected, html, look, parts, somebody, texts

POLICY = """policy: payments
guards: {secrets: {in: redact}}
rules:
  - id: no-pay
    on: tool
    tool: pay
    when: args.amount > 100.0
    then: deny
    because: "Nobody <b>pays</b> more than 100."
  - {id: watch, on: tool, tool: pay, then: ask, mode: shadow, because: Would a person mind?, ask: {of: [finance]}}
tools:
  pay: {effect: write, args: {amount: double}}
tests:
  - {call: {tool: pay, args: {amount: 200.0}}, expect: deny, by: no-pay}
  - {call: {tool: pay, args: {amount: 20.0}}, expect: deny, by: no-pay}
"""


@ct.tool(effect="write")
def pay(amount: float) -> str:
    return f"paid {amount}"


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Here]:
    home = tmp_path_factory.mktemp("compliance")
    file = home / "payments.yaml"
    config = {"policies": [str(file)]}
    file.write_text("policy: payments\nrules:\n  - {id: old, on: tool, tool: gone, then: note}\n", encoding="utf-8")
    with ct.open(home / "ledger", config=config), ct.run("desk"):
        pass
    file.write_text(POLICY, encoding="utf-8")
    with ct.open(home / "ledger", config=config), ct.run("desk", customer="acme"):
        pay(20.0)
        with pytest.raises(ct.Denied):
            pay(250.0)
    with connected(home / "ledger", config) as here:
        yield here


@pytest.fixture
def empty(tmp_path: Path, house: Here) -> Iterator[Here]:
    from comptroller.dashboards import source

    with ct.open(tmp_path / "ledger"):
        pass
    with connected(tmp_path / "ledger") as here:
        yield here
    source.connect(house)


def press(page: AppTest, key: str, reason: str = "", person: Person | None = None) -> AppTest:
    """Press what asks first, give the reason, and confirm. A test's run is of the whole page, so both are pressed."""
    page.button(key=key).click()
    again(page, person)
    if reason:
        page.text_input(key=f"{key}_why").set_value(reason)
    page.button(key=key).click()
    page.button(key=f"{key}_yes").click()
    return again(page, person)


def labels(page: AppTest) -> set[str]:
    return {button.label for button in page.button}


def wait_for(name: str) -> None:
    for thread in threading.enumerate():
        if thread.name == name:
            thread.join(60)


# -- the audit


def test_an_auditor_goes_from_a_denied_payment_to_its_rule_and_its_record_in_the_chain(house: Here) -> None:
    auditor = somebody("compliance")
    page = look("audit", auditor, action="deny")
    assert not page.exception
    cells = parts(page, "table")[0]["rows"][0]
    by_head = dict(zip([head["f"] for head in parts(page, "table")[0]["heads"]], cells, strict=True))
    assert by_head["action"]["t"] == "Denied"
    assert by_head["because"]["t"] == "Nobody <b>pays</b> more than 100."
    assert by_head["rule"]["h"].startswith("/policies?version=")
    assert "span=" in by_head["call"]["h"]
    version = by_head["rule"]["h"].partition("version=")[2].partition("&")[0]
    rule = look("policies", auditor, version=version, rule="no-pay")
    assert not rule.exception
    assert "args.amount &gt; 100.0" in html(rule)
    assert "Denied" in texts(rule)
    entry = look("audit", auditor, view="record", record=by_head["seq"]["t"])
    assert "In the chain, where it says." in html(entry)
    assert f"comptroller audit proof {by_head['seq']['t']}" in html(entry)
    assert f"rule=no-pay&amp;version={version}" in html(entry)


def test_the_check_of_the_chain_is_begun_and_told(house: Here) -> None:
    page = look("audit")
    page.button(key="check").click()
    again(page)
    wait_for("comptroller-audit")
    said = html(look("audit"))
    assert "Chain intact." in said
    assert "records checked" in said


def test_a_refused_call_leads_to_its_rule_and_says_how_to_ask_what_would_pass(house: Here) -> None:
    auditor = somebody("compliance")
    [refused] = house.bureau.reader.query("console_decisions", action="deny", shadow=False).to_pylist()
    said = html(look("run", auditor, id=refused["run"], span=refused["call"]))
    assert f"/policies?rule=no-pay&amp;version={refused['version']}" in said
    assert f"comptroller policy explain {refused['call']}" in said


def test_what_shadows_would_have_done_is_counted_apart(house: Here) -> None:
    page = look("audit", shadow="true")
    assert {"Would ask"} <= set(texts(page))
    assert "Denied" not in texts(page)
    assert "By rules in shadow" in html(page)


def test_entries_are_listed_by_kind_and_a_number_there_is_not_says_so(house: Here) -> None:
    page = look("audit", view="record", kind="policy.")
    assert set(texts(page)) >= {"policy.loaded"}
    assert "call.closed" not in texts(page)
    assert "There is no such entry" in html(look("audit", view="record", record="abc"))
    assert "Nothing on record fits" in html(look("audit", view="record", kind="evidence.x"))


def test_hostile_words_of_a_policy_stay_text(house: Here) -> None:
    page = look("policies", rule="no-pay")
    assert "<b>pays</b>" not in html(page)
    assert "&lt;b&gt;pays&lt;/b&gt;" in html(page)


# -- policies


def test_rules_tell_what_they_say_and_how_often_they_spoke_enforced_and_in_shadow(house: Here) -> None:
    rows = {row[0]["t"]: row for row in parts(look("policies", somebody("engineer")), "table")[0]["rows"]}
    heads = [head["f"] for head in parts(look("policies"), "table")[0]["heads"]]
    told = {name: dict(zip(heads, row, strict=True)) for name, row in rows.items()}
    assert (told["no-pay"]["spoke"]["t"], told["no-pay"]["would"]["t"]) == ("1", "0")
    assert told["watch"]["spoke"]["t"] == "0"
    assert int(told["watch"]["would"]["t"]) >= 1
    assert told["watch"]["mode"]["t"] == "In shadow"
    assert told["no-pay"]["place"]["t"] == "payments.yaml:4"


def test_two_versions_are_laid_beside_each_other_line_by_line(house: Here) -> None:
    page = look("policies", tab="changes")
    assert "In force" in texts(page)
    said = html(page)
    assert "ct-gone" in said
    assert "ct-new" in said
    assert "id: old" in said


def test_an_older_version_says_that_it_is_not_in_force_any_more(house: Here) -> None:
    versions = house.call(somebody().who, "GET", "/api/policies", {}, None)["versions"]
    page = look("policies", version=versions[-1]["version"])
    assert "it is not any more" in html(page)
    assert "old" in texts(page)


def test_a_failing_test_of_a_policy_is_an_alarm(house: Here) -> None:
    page = look("policies", tab="tests")
    assert "1 of its tests fail." in html(page)
    assert {"Failed", "Passed"} <= set(texts(page))


def test_files_are_shown_with_their_lines(house: Here) -> None:
    page = look("policies", tab="files")
    assert not page.exception
    assert "policy: payments" in html(page)


def test_guards_stand_on_a_tab_of_their_own(house: Here) -> None:
    assert texts(look("policies", tab="guards"))[0] == "secrets"


def test_no_policy_at_all_is_an_alarm_with_what_to_do(empty: Here) -> None:
    said = html(look("policies"))
    assert "No policy is loaded." in said
    assert "comptroller policy check PATH" in said


@pytest.mark.parametrize("key", ["policies", "audit", "evidence", "access", "health"])
def test_an_empty_ledger_teaches(empty: Here, key: str) -> None:
    page = look(key)
    assert not page.exception
    assert html(page)


# -- evidence


def test_evidence_is_built_noted_with_the_persons_name_and_listed(house: Here) -> None:
    auditor = somebody("compliance", "ada")
    page = look("evidence", auditor)
    page.text_input(key="ev_to").set_value("KPMG")
    again(page, auditor)
    press(page, "build", "Yearly audit", auditor)
    wait_for("comptroller-evidence")
    shown = look("evidence", auditor)
    assert {"KPMG", "ada", "Kept"} <= set(texts(shown))
    pack = parts(shown, "table")[0]["keys"][0]
    told = html(look("evidence", auditor, chosen=pack))
    assert f"comptroller audit verify {pack}.zip" in told


def test_a_pack_for_nobody_is_not_built(house: Here) -> None:
    page = press(look("evidence"), "build", "Just so")
    assert "Say whom it is for" in html(page)


# -- access


def test_compliance_reads_who_has_access_and_has_no_button(house: Here) -> None:
    for tab in ("people", "keys", "roles"):
        page = look("access", somebody("compliance"), tab=tab)
        assert not page.exception
        assert not labels(page) & {"Invite", "Issue", "Rotate", "Revoke", "Remove", "Change"}


def test_a_key_is_issued_its_secret_told_once_and_ended(house: Here) -> None:
    page = look("access", tab="keys")
    page.text_input(key="key_name").set_value("ci")
    again(page)
    press(page, "issue")
    assert "The key&#x27;s secret, for this once." in html(page)
    secret = html(page).partition("<code>ck_")[2].partition("<")[0]
    assert secret
    assert secret not in html(again(page))
    assert secret not in repr(page.session_state)
    row = next(key for key in keys(house) if key["name"] == "ci")
    assert row["by"] == "maria"
    chosen = look("access", tab="keys", k_chosen=row["key"])
    press(chosen, "revoke")
    assert next(key for key in keys(house) if key["name"] == "ci")["status"] == "revoked"


def keys(house: Here) -> list[dict[str, str]]:
    found: list[dict[str, str]] = house.call(somebody().who, "GET", "/api/access", {}, None)["keys"]
    return found


def test_somebody_is_invited_by_a_link_told_once_changed_and_removed(house: Here) -> None:
    page = look("access")
    page.text_input(key="invite_name").set_value("Ada")
    again(page)
    press(page, "invite")
    assert "/enter/" in html(page)
    assert "/enter/" not in html(again(page))
    person = people(house)["Ada"]
    assert (person["role"], person["by"]) == ("viewer", "maria")
    chosen = look("access", p_chosen=person["person"])
    chosen.selectbox(key=f"role_{person['person']}").select("finance")
    again(chosen)
    press(chosen, "change")
    assert people(house)["Ada"]["role"] == "finance"
    press(look("access", p_chosen=person["person"]), "remove")
    assert people(house)["Ada"]["status"] == "removed"


def people(house: Here) -> dict[str, dict[str, str]]:
    told = house.call(somebody().who, "GET", "/api/people", {}, None)
    return {row["name"]: row for row in told["people"]}


def test_roles_say_what_each_sees_and_may(house: Here) -> None:
    said = texts(look("access", tab="roles"))
    assert {"admin", "compliance", "finance", "engineer", "viewer"} <= set(said)


# -- health


def test_health_tells_what_is_odd_with_its_remedy(house: Here) -> None:
    page = look("health", somebody("engineer"))
    assert not page.exception
    assert {"Writer of the record", "Books", "Disk", "Policies"} <= set(texts(page))


def test_health_without_policies_is_broken_and_says_what_to_do(empty: Here) -> None:
    page = look("health")
    assert "Broken" in texts(page)
    assert "comptroller.yaml" in json.dumps(texts(page))


# -- roles


@pytest.mark.parametrize(
    ("key", "role"),
    [
        ("audit", "engineer"),
        ("audit", "finance"),
        ("evidence", "engineer"),
        ("access", "finance"),
        ("policies", "viewer"),
        ("health", "viewer"),
    ],
)
def test_a_page_that_is_not_for_a_role_is_not_shown(house: Here, key: str, role: str) -> None:
    page = look(key, somebody(role))
    assert "not for your role" in html(page)
    assert not parts(page, "table")


def test_links_lead_only_where_the_person_may_go(house: Here) -> None:
    engineer = look("policies", somebody("engineer"), rule="no-pay")
    links = [cell.get("h", "") for table in parts(engineer, "table") for row in table["rows"] for cell in row]
    assert not [link for link in links if link.startswith("/audit")]
    assert [link for link in links if link.startswith("/run?")]
