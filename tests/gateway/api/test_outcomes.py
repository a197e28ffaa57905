"""Outcomes over HTTP: seen by whom they concern, attested by who may, answered by link and by callback."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

pytest.importorskip("duckdb")
pytest.importorskip("starlette")

from comptroller.core.clock import FrozenClock
from comptroller.core.outcome import Outcome
from comptroller.core.settings import Settings
from comptroller.gateway.api import outcomes as api_outcomes
from comptroller.gateway.api.bureau import Bureau
from comptroller.gateway.api.passing import OPEN
from comptroller.office.post import Letter, signed
from comptroller.office.who import Who
from comptroller.wrapper.desk import Desk
from comptroller.wrapper.run import Run
from tests.gateway.api.house import OURS, THEIRS, Api

TYPES = {
    "loan.yaml": """
outcome: loan.decided
means: A <b>loan</b> was decided.
attest: [{by: customer}, {by: human}]
""",
    "done.yaml": """
outcome: work.done
means: Work was done.
checks: [{id: record, by: callback, url: 'http://127.0.0.1:1/x', secret_env: M2_API_SECRET}]
minimum: customer
""",
}
NOBODY = Who("")


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    monkeypatch.setenv("M2_API_SECRET", "shared")
    for name, text in TYPES.items():
        (tmp_path / name).write_text(text)
    paths = [str(tmp_path / name) for name in TYPES]
    settings = Settings(ledger=str(tmp_path / "ledger"), outcomes=paths, tenant="ours")
    claims = []
    with Desk.open(settings.ledger, {"tenant": "ours"}) as desk:
        for type, customer in (("loan.decided", "acme"), ("loan.decided", "bolt"), ("work.done", "acme")):
            with Run("loans", customer=customer, desk=desk) as run, run.agent("clerk"):
                claims.append(run.claim(type, subject="app-1"))
    bureau = Bureau(settings)
    # Nobody is asked anything here; what systems of record answer comes in by their own door.
    monkeypatch.setattr(bureau.outcomes.examiner, "ask_others", lambda: None)
    try:
        yield Api(bureau, claims)
    finally:
        bureau.close()


def test_outcomes_are_listed_to_whom_they_concern(house: Api) -> None:
    assert {row["outcome"] for row in house.get("/api/outcomes")["outcomes"]} == set(house.runs)
    acme = replace(OURS, customer="acme")
    assert {row["customer"] for row in house.get("/api/outcomes", acme)["outcomes"]} == {"acme"}
    assert house.get("/api/outcomes", THEIRS)["outcomes"] == []
    assert house.get(f"/api/outcomes/{house.runs[1]}", acme).status == 404


def test_a_list_is_told_while_others_write(house: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    registry, sees = house.bureau.outcomes.registry, api_outcomes._sees

    def sees_and_another_comes(who: Who, outcome: Outcome) -> bool:
        registry.outcomes[f"{outcome.key}-late"] = replace(outcome, key=f"{outcome.key}-late")
        return sees(who, outcome)

    monkeypatch.setattr(api_outcomes, "_sees", sees_and_another_comes)
    assert {row["outcome"] for row in house.get("/api/outcomes")["outcomes"]} == set(house.runs)


def test_pages_of_outcomes_follow_one_another(house: Api) -> None:
    first = house.get("/api/outcomes?limit=2")
    second = house.get(f"/api/outcomes?limit=2&after={first['next']}")
    assert len(first["outcomes"]) + len(second["outcomes"]) == 3
    assert second["next"] is None
    assert house.get("/api/outcomes?after=x").error["code"] == "bad_cursor"


def test_an_outcome_is_attested_disputed_and_decided(house: Api) -> None:
    one = f"/api/outcomes/{house.runs[0]}"
    said = house.post(f"{one}/confirm", {"by": "customer", "name": "Ada"})
    assert (said.status, said["state"], said["not_done"]) == (200, "verified", None)
    assert house.post(f"{one}/dispute", {"because": "Wrong.", "evidence": {"a": 1}})["state"] == "disputed_unbilled"
    assert house.post(f"{one}/evidence", {"evidence": {"b": 1}})["state"] == "disputed_unbilled"
    assert house.post(f"{one}/resolve", {"upheld": False})["state"] == "verified"
    assert house.post(f"{one}/reopen", {})["state"] == "reversed"
    told = house.get(one)
    assert [event["type"] for event in told["events"]] == [
        "claim", "verify_pass", "confirm", "dispute", "evidence", "denied", "reopen"
    ]  # fmt: skip
    assert told["attestor"].startswith("Ada (")


def test_an_outcome_is_no_other_customers_one_again(house: Api) -> None:
    acme, mine = replace(OURS, customer="acme"), f"/api/outcomes/{house.runs[0]}/reopen"
    assert house.post(f"/api/outcomes/{house.runs[0]}/confirm", {})["state"] == "verified"
    for other in (house.runs[1], "nothing"):
        assert house.post(mine, {"what": "duplicate", "of": other}, acme).status == 404
    assert house.get(f"/api/outcomes/{house.runs[0]}")["state"] == "verified"
    assert house.post(mine, {"what": "duplicate", "of": house.runs[2]}, acme)["state"] == "reversed"


def test_only_a_customers_own_key_speaks_for_a_customer(house: Api) -> None:
    one = f"/api/outcomes/{house.runs[0]}/confirm"
    ours = replace(OURS, key="key_1")
    assert house.post(one, {"by": "customer"}, ours).error["place"] == "body.by"
    assert house.post(one, {}, replace(ours, customer="bolt")).status == 404
    assert house.post(one, {}, replace(ours, customer="acme"))["state"] == "verified"
    assert house.get(f"/api/outcomes/{house.runs[0]}")["method"] == "customer"


def test_what_may_not_happen_is_told_and_on_record(house: Api) -> None:
    said = house.post(f"/api/outcomes/{house.runs[0]}/resolve", {"upheld": True})
    assert (said.status, said["not_done"]) == (200, "it is pending")
    assert house.get(f"/api/outcomes/{house.runs[0]}")["ignored"] == 1


def test_the_same_saying_under_an_id_of_ones_own_counts_once(house: Api) -> None:
    one = f"/api/outcomes/{house.runs[0]}"
    said = [house.post(f"{one}/confirm", {"id": "mine"})["event"] for _ in range(2)]
    assert said[0] == said[1]
    assert len(house.get(one)["events"]) == 3


def test_an_agents_key_claims_and_attests_nothing(house: Api) -> None:
    agent = Who("ours", rights=("api:write",))
    said = house.post(f"/api/outcomes/{house.runs[0]}/confirm", {}, agent)
    assert said.error["code"] == "not_allowed"


def test_the_key_that_claimed_does_not_attest_whatever_its_rights(house: Api) -> None:
    mine = replace(OURS, key="key_1")
    run = house.post("/api/runs", {"customer": "acme"}, mine)["run"]
    claim = house.post("/api/claims", {"run": run, "type": "loan.decided", "subject": "x"}, mine)["claim"]
    said = house.post(f"/api/outcomes/{claim}/confirm", {}, mine)
    assert said["not_done"] == "the key that claimed it cannot attest it"


def link(house: Api, claim: str) -> str:
    path: str = house.post(f"/api/outcomes/{claim}/link", {})["path"]
    assert OPEN.fullmatch(path)
    return path


def press(house: Api, path: str, answer: str) -> int:
    kind = {"content-type": "application/x-www-form-urlencoded"}
    return house.ask("POST", path, NOBODY, f"answer={answer}".encode(), **kind).status


def test_a_customer_confirms_by_a_link_once_and_looking_changes_nothing(house: Api) -> None:
    path = link(house, house.runs[0])
    for _ in range(2):
        page = house.get(path, NOBODY)
        assert page.status == 200
        assert b"A &lt;b&gt;loan&lt;/b&gt; was decided." in page.body
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert [press(house, path, word) for word in ("maybe", "confirm", "reject")] == [400, 200, 409]
    told = house.get(f"/api/outcomes/{house.runs[0]}")
    assert (told["state"], told["method"], told["attestor"]) == ("verified", "customer", "customer acme")


def test_a_customer_rejects_by_a_link(house: Api) -> None:
    path = link(house, house.runs[0])
    assert press(house, path, "reject") == 200
    assert house.get(f"/api/outcomes/{house.runs[0]}")["state"] == "rejected"


def test_a_link_that_was_changed_or_has_ended_opens_nothing(house: Api) -> None:
    path = link(house, house.runs[0])
    for odd in (path[:-1] + ("0" if path[-1] != "0" else "1"), path.replace("confirm/", "confirm/W"), path + ".x"):
        assert house.get(odd, NOBODY).status == 404
        assert press(house, odd, "confirm") == 409
    late = FrozenClock(house.bureau.clock.now_ns() + 15 * 86_400 * 10**9)
    house.bureau.outcomes.registry.desk.clock = late
    assert b"This link has ended" in house.get(path, NOBODY).body


def callback(house: Api, claim: str, secret: bytes = b"shared", **said: object) -> object:
    body = msgspec.json.encode({"outcome": claim, "verdict": "pass", **said})
    headers = signed(Letter(f"{claim}.record.1", "", body, secret), house.bureau.clock.now_ns())
    path = f"/api/callback/{claim}/record"
    assert OPEN.fullmatch(path)
    return house.ask("POST", path, NOBODY, body, **headers)


def test_a_signed_answer_of_a_system_of_record_verifies(house: Api) -> None:
    house.get("/api/outcomes")
    said = callback(house, house.runs[2])
    assert (said.status, said["state"]) == (200, "verified")  # type: ignore[attr-defined, index]
    assert callback(house, house.runs[2])["state"] == "verified"  # type: ignore[index]
    assert len(house.get(f"/api/outcomes/{house.runs[2]}")["events"]) == 2


def test_a_lying_answer_is_refused_and_on_record_but_fills_no_journal(house: Api) -> None:
    house.get("/api/outcomes")
    for _ in range(3):
        assert callback(house, house.runs[2], b"guess").status == 403  # type: ignore[attr-defined]
    told = house.get(f"/api/outcomes/{house.runs[2]}")
    assert told["state"] == "claimed"
    assert [bool(event["ignored"]) for event in told["events"]] == [False, True]


def test_an_answer_nobody_asked_for_finds_nothing(house: Api) -> None:
    house.get("/api/outcomes")
    for claim in (house.runs[0], "nothing"):
        assert callback(house, claim).status == 404  # type: ignore[attr-defined]
    assert callback(house, house.runs[2], verdict="later").status == 400  # type: ignore[attr-defined]


def test_the_doors_without_a_key_are_no_others() -> None:
    for path in ("/api/outcomes/x/confirm", "/api/confirm", "/api/confirm/a/b", "/api/callback/a", "/api/confirm/"):
        assert not OPEN.fullmatch(path)
