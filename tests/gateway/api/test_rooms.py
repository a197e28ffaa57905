"""Every room of `/api` tells its own tenant what it asks, and nobody else anything."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

pytest.importorskip("duckdb")
pytest.importorskip("starlette")

from comptroller.gateway.api.rooms import ROUTES
from comptroller.office.who import Who
from comptroller.store.journal import begin, walk
from tests.gateway.api.house import OURS, THEIRS, Api, api


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with api(tmp_path_factory.mktemp("api")) as made:
        yield made


def test_runs_are_listed_to_their_tenant_alone(house: Api) -> None:
    ours = [row["run"] for row in house.get("/api/runs?workflow=loans")["runs"]]
    assert ours == [house.runs[1], house.runs[0]]
    assert [row["run"] for row in house.get("/api/runs", THEIRS)["runs"]] == [house.runs[2]]
    assert house.get("/api/runs", Who("nobody", rights=OURS.rights))["runs"] == []


def test_a_key_for_a_customer_sees_that_customer_whatever_it_asks(house: Api) -> None:
    bolt = replace(OURS, customer="bolt")
    assert [row["customer"] for row in house.get("/api/runs", bolt)["runs"]] == ["bolt"]
    assert house.get("/api/runs?customer=acme", bolt)["runs"] == []
    assert house.get(f"/api/runs/{house.runs[0]}", bolt).status == 404
    assert house.post("/api/query", {"sql": "SELECT DISTINCT customer FROM calls"}, bolt, accept="application/json")[
        "rows"
    ] == [["bolt"]]


def test_pages_follow_one_another_without_gap_or_repeat(house: Api) -> None:
    for order in ("sort=cost", "sort=started&rising=true", "sort=calls"):
        first = house.get(f"/api/runs?workflow=loans&limit=1&{order}")
        second = house.get(f"/api/runs?workflow=loans&limit=1&{order}&cursor={first['next']}")
        assert {first["runs"][0]["run"], second["runs"][0]["run"]} == set(house.runs[:2])
        assert second["next"] is None


def test_a_cursor_that_is_none_of_ours_is_refused(house: Api) -> None:
    assert house.get("/api/runs?cursor=abc").error["code"] == "bad_cursor"


def test_a_run_is_told_with_its_calls_agents_and_claims(house: Api) -> None:
    told = house.get(f"/api/runs/{house.runs[0]}")
    assert [call["kind"] for call in told["calls_in_order"]] == ["model"]
    assert [agent["name"] for agent in told["agents"]] == ["clerk"]
    assert [(claim["type"], claim["degree"]) for claim in told["claims"]] == [("loan.decided", "1")]
    assert told["costs"] == {"USD": told["calls_in_order"][0]["cost"]}
    assert told["calls_in_order"][0]["bodies"] is None


def test_a_run_is_told_as_a_tree(house: Api) -> None:
    tree = house.get(f"/api/runs/{house.runs[0]}/tree")
    assert tree["kind"] == "run"
    assert [(child["kind"], child["name"]) for child in tree["children"]] == [("agent", "clerk")]


@pytest.mark.parametrize("path", ["/api/runs/{}", "/api/runs/{}/tree", "/api/budgets?run={}"])
def test_a_run_of_somebody_else_is_not_there(path: str, house: Api) -> None:
    assert house.get(path.format(house.runs[2])).status == 404


def test_calls_are_found_by_what_they_are(house: Api) -> None:
    found = house.get("/api/calls?model=gpt-4o-mini&customer=acme&agent=clerk&status=ok&sort=took")["calls"]
    assert [call["run"] for call in found] == [house.runs[0]]
    assert house.get("/api/calls?model=other")["calls"] == []


def test_a_call_is_told_whole_and_its_texts_only_with_the_right_to_them(house: Api) -> None:
    id = house.get("/api/calls?customer=acme")["calls"][0]["call"]
    told = house.get(f"/api/calls/{id}?bodies=true")
    assert told["bodies"]["request"][0]["content"] == "Hello from acme"
    assert told["tokens"]["input"] == 24
    reader = replace(OURS, rights=("api:read",))
    assert house.get(f"/api/calls/{id}", reader)["bodies"] is None
    for path in (f"/api/calls/{id}?bodies=true", f"/api/runs/{house.runs[0]}?bodies=true"):
        assert house.get(path, reader).error["code"] == "not_allowed"
    assert house.get(f"/api/calls/{id}", THEIRS).status == 404


def test_budgets_say_what_is_settled_and_left(house: Api) -> None:
    rows = house.get("/api/budgets")["budgets"]
    calls = next(row for row in rows if row["per"] == "tenant")
    assert (calls["unit"], calls["cap"], calls["settled"], calls["held"], calls["left"]) == (
        "calls", "100", "2", "0", "98"
    )  # fmt: skip
    assert {row["who"].rpartition("/")[2] for row in rows if row["per"] == "customer"} >= {"acme", "bolt"}
    assert all(row["resets"] for row in rows)
    assert all(row["place"].startswith(str(house.bureau.ledger.parent)) for row in rows)


def test_a_run_has_its_own_budgets(house: Api) -> None:
    rows = house.get(f"/api/budgets?run={house.runs[0]}")["budgets"]
    assert [row["cap"] for row in rows if row["per"] == "run"] == ["1.00"]


def test_policies_tell_version_files_and_digests(house: Api) -> None:
    told = house.get("/api/policies")
    assert told["version"] == house.bureau.book.version
    assert told["rules"] == 1
    assert [file["digest"] for file in told["files"]] == [file.digest for file in house.bureau.book.files]
    assert told["versions"][0]["version"] == told["version"]


def test_the_audit_is_begun_and_then_told(house: Api) -> None:
    begun = house.post("/api/audit/verify", {})
    assert begun.status == 202
    while (told := house.get("/api/audit"))["verifying"]:
        pass
    assert told["verified"]["ok"], told["verified"]
    assert len(told["head"]) == 64


def test_a_run_is_opened_claimed_on_and_closed(house: Api) -> None:
    opened = house.post("/api/runs", {"workflow": "tickets", "customer": "cog", "budget": "2.50 USD"})
    assert opened.status == 201
    assert opened["headers"] == {
        "comptroller-run": opened["run"],
        "comptroller-customer": "cog",
        "comptroller-workflow": "tickets",
        "comptroller-budget": "2.50 USD",
    }
    claim = house.post("/api/claims", {"run": opened["run"], "type": "closed", "subject": "t-1", "evidence": {"a": 1}})
    assert claim.status == 201
    closed = house.post(f"/api/runs/{opened['run']}/close", {"status": "error", "error": "Timeout"})
    assert closed.status == 200
    house.bureau.reader.refresh()
    told = house.get(f"/api/runs/{opened['run']}")
    assert (told["status"], told["error"], told["budget"]) == ("error", "Timeout", "2.50")
    assert [row["claim"] for row in told["claims"]] == [claim["claim"]]


def test_a_run_cannot_be_opened_twice_nor_for_somebody_else(house: Api) -> None:
    assert house.post("/api/runs", {"run": house.runs[2]}).status == 409
    bolt = replace(OURS, customer="bolt")
    assert house.post("/api/runs", {"customer": "acme"}, bolt).error["place"] == "body.customer"


def test_a_rule_on_outcomes_decides_on_claims_from_here_too(house: Api) -> None:
    refused = house.post("/api/claims", {"run": house.runs[0], "type": "bribe", "subject": "s"})
    assert (refused.status, refused.error["code"], refused.error["message"]) == (403, "denied", "We do not bribe.")


def test_nobody_claims_on_or_closes_a_run_of_somebody_else(house: Api) -> None:
    theirs = house.runs[2]
    assert house.post("/api/claims", {"run": theirs, "type": "t", "subject": "s"}).status == 404
    assert house.post(f"/api/runs/{theirs}/close", {}).status == 404


def test_a_key_is_given_out_renewed_and_ended_and_its_secret_told_once(house: Api) -> None:
    wanted = {
        "name": "console",
        "customer": "acme",
        "scopes": ["api:read"],
        "budgets": ["5 USD/month"],
        "expires": "9d",
    }
    made = house.post("/api/keys", wanted)
    assert made.status == 201
    assert made["secret"].startswith("ck_")
    row = next(row for row in house.get("/api/keys")["keys"] if row["key"] == made["key"])
    assert (row["name"], row["customer"], row["scopes"], row["budgets"], row["status"]) == (
        "console", "acme", ["api:read"], ["5.00 USD/month"], "live"
    )  # fmt: skip
    assert made["secret"].encode() not in house.get("/api/keys").body
    assert house.post(f"/api/keys/{made['key']}/rotate", {"overlap": "1h"})["secret"] != made["secret"]
    assert house.post(f"/api/keys/{made['key']}/revoke", {})["status"] == "revoked"
    assert house.post(f"/api/keys/{made['key']}/rotate", {}).status == 409


def test_no_secret_of_a_key_reaches_the_journal(house: Api) -> None:
    secret = house.post("/api/keys", {})["secret"]
    begun = begin(house.bureau.ledger)
    assert begun is not None
    stored = [line for _, line in walk(house.bureau.ledger, begun)]
    assert any(b"key.issued" in line for line in stored)
    assert not any(secret.encode() in line for line in stored)


def test_a_key_gives_no_right_away_that_it_has_not(house: Api) -> None:
    officer = replace(OURS, rights=("api:keys", "api:read"))
    assert house.post("/api/keys", {"scopes": ["api:bodies"]}, officer).error["code"] == "not_allowed"
    strong = house.post("/api/keys", {"scopes": ["api:bodies"]})["key"]
    assert house.post(f"/api/keys/{strong}/rotate", {}, officer).error["code"] == "not_allowed"
    assert house.post("/api/keys", {"scopes": ["api:read"]}, officer).status == 201


def test_a_key_gives_no_role_in_approvals_away_that_it_has_not(house: Api) -> None:
    officer = replace(OURS, key="key_1", scopes=("role:finance",))
    assert house.post("/api/keys", {"scopes": ["role:admin"]}, officer).error["code"] == "not_allowed"
    assert house.post("/api/keys", {"scopes": ["role:finance"]}, officer).status == 201
    assert house.post("/api/keys", {"scopes": ["role:legal"]}, replace(officer, scopes=("role:admin",))).status == 201


def test_keys_of_others_are_not_there(house: Api) -> None:
    theirs = house.post("/api/keys", {}, THEIRS)["key"]
    assert theirs not in [row["key"] for row in house.get("/api/keys")["keys"]]
    assert house.post(f"/api/keys/{theirs}/revoke", {}).status == 404
    acme = replace(OURS, customer="acme")
    bolts = house.post("/api/keys", {"customer": "bolt"})["key"]
    assert house.post(f"/api/keys/{bolts}/revoke", {}, acme).status == 404
    assert house.post("/api/keys", {}, acme).status == 201


def test_without_its_right_no_route_answers(house: Api) -> None:
    nothing = replace(OURS, rights=())
    for route in ROUTES:
        path = route.path.replace("{run:path}", house.runs[0]).replace("{call}", "c").replace("{key}", "k")
        assert route.right, route.path
        refused = house.ask(route.method, path, nothing, {} if route.body else None)
        assert (refused.status, refused.error["code"]) == (403, "not_allowed"), route.path


def test_rows_come_as_arrow_unless_json_is_asked_for(house: Api) -> None:
    import pyarrow

    asked = {"sql": "SELECT customer, sum(cost) AS cost FROM calls GROUP BY ALL ORDER BY ALL", "limit": 1}
    arrow = house.post("/api/query", asked)
    assert arrow.headers["content-type"] == "application/vnd.apache.arrow.stream"
    assert arrow.headers["comptroller-truncated"] == "true"
    table = pyarrow.ipc.open_stream(arrow.body).read_all()
    told = house.post("/api/query", asked, accept="application/json")
    assert told["truncated"] is True
    assert told["rows"] == [["acme", f"{table['cost'][0].as_py():f}"]]
    assert told["columns"][0] == {"name": "customer", "type": "string"}


def test_values_json_has_no_word_for_are_told_as_text(house: Api) -> None:
    sql = "SELECT 'nan'::DOUBLE, 1.50::DECIMAL(9,2), DATE '2026-01-02', '\\xAB'::BLOB, [1], {'a': 2::HUGEINT}"
    row = house.post("/api/query", {"sql": sql}, accept="application/json")["rows"][0]
    assert row[:5] == [None, "1.50", "2026-01-02", "ab", [1]]


def test_a_question_about_anything_else_is_refused_with_its_place(house: Api) -> None:
    refused = house.post("/api/query", {"sql": "SELECT * FROM books.calls"})
    assert (refused.status, refused.error["code"], refused.error["place"]) == (400, "bad_query", "body.sql")


def test_a_name_that_no_address_can_say_is_refused_in_words(house: Api) -> None:
    refused = house.get("/api/runs?customer=two%0Alines")
    assert refused.status == 400
    assert refused.error["message"] == "A name with control characters, such as a line break, cannot be asked for."
