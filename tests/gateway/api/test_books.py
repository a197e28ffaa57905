"""The books over HTTP: balance, what a success costs, what waits, and what looks like gaming."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("duckdb")
pytest.importorskip("starlette")

from comptroller.core.clock import SYSTEM
from comptroller.core.facts import Fact
from comptroller.metering.periods import day_of
from comptroller.office.intake import take_in
from comptroller.office.saying import More, Speaker, say
from tests.gateway.api.books import books
from tests.gateway.api.house import OURS, THEIRS, Api

ACME, BOLT = (replace(OURS, customer=name) for name in ("acme", "bolt"))
NARROW = (replace(OURS, workflow="refunds"), replace(OURS, user="ada"))


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    place = tmp_path_factory.mktemp("books")
    with books(place) as made:
        spend(made)
        bring(made, place)
        say(made.bureau.outcomes.registry, "confirm", made.runs[0], Speaker("ada", "customer"), More())
        made.bureau.reader.refresh()
        yield made


def spend(house: Api) -> None:
    """A call of each run that ended well, 2 USD each, and one of ours that came to nothing."""
    ledger, now = house.bureau.desk.ledger, SYSTEM.now_ns()
    runs = [
        house.get(f"/api/outcomes/{key}", who)["run"] for key, who in zip(house.runs, (OURS, OURS, THEIRS), strict=True)
    ]
    whose = [("ours", "acme"), ("ours", "bolt"), ("theirs", "acme"), ("ours", "acme")]
    for number, ((tenant, customer), run) in enumerate(zip(whose, [*runs, "lost"], strict=True)):
        said = {"tenant": tenant, "customer": customer, "workflow": "refunds", "agent": "ada", "model": "m"}
        used = {"cost": 2 * 10**9, "currency": "USD", "status": "ok", "started": now, "ended": now}
        ledger.sync(Fact("call.closed", f"e{number}", now, run, f"c{number}", {**said, **used}))


def bring(house: Api, place: Path) -> None:
    """Usage of a meter that nobody priced, of ours and of theirs."""
    at = f"{day_of('UTC', SYSTEM.now_ns()).isoformat()}T00:00:00Z"
    file = place / "usage.csv"
    file.write_text(
        "tenant,source,event_id,customer,meter,quantity,event_ts\n"
        f"ours,ocr,1,acme,words,2,{at}\nours,ocr,2,bolt,words,3,{at}\ntheirs,ocr,3,acme,words,4,{at}\n"
    )
    take_in(house.bureau.ledger, house.bureau.desk.ledger, SYSTEM, file, "ours", "")


def test_the_balance_is_of_ones_own_tenant_and_customer(house: Api) -> None:
    def unbilled(who: object, query: str = "") -> dict[str, str]:
        told = house.get(f"/api/balance{query}", who)  # type: ignore[arg-type]
        assert told["off"] == {}
        return {row["account"]: row["balance"] for row in told["accounts"] if row["account"] == "unbilled"}

    assert unbilled(OURS) == {"unbilled": "3.00"}
    assert unbilled(OURS, "?customer=bolt") == unbilled(BOLT) == unbilled(THEIRS) == {"unbilled": "1.50"}
    assert house.get("/api/balance?customer=bolt", ACME)["accounts"] == []


def test_what_a_success_costs_counts_what_was_spent_in_vain(house: Api) -> None:
    (row,) = house.get("/api/books/cost?by=agent")["rows"]
    assert (row["name"], row["runs"], row["successes"]) == ("ada", 3, "2")
    assert (row["spent"], row["in_vain"], row["each"]) == ("6.00", "2.00", "3.00")
    assert [one["spent"] for one in house.get("/api/books/cost", BOLT)["rows"]] == ["2.00"]
    assert [one["spent"] for one in house.get("/api/books/cost", THEIRS)["rows"]] == ["2.00"]
    assert house.get("/api/books/cost?customer=bolt", ACME)["rows"] == []
    assert house.get("/api/books/cost?period=2020-01")["rows"] == []
    assert house.get("/api/books/cost?period=2020-13").error["place"] == "query.period"


def test_usage_that_waits_is_told_with_its_reason(house: Api) -> None:
    told = house.get("/api/books/waiting")
    assert {(row["customer"], row["reason"], row["meter"]) for row in told["waiting"]} == {
        ("acme", "no_price", "words"), ("bolt", "no_price", "words")
    }  # fmt: skip
    assert (len(house.get("/api/books/waiting?limit=1")["waiting"]), told["more"]) == (1, 0)
    assert house.get("/api/books/waiting?limit=1")["more"] == 1
    assert [row["quantity"] for row in house.get("/api/books/waiting", THEIRS)["waiting"]] == ["4"]
    assert [row["customer"] for row in house.get("/api/books/waiting", BOLT)["waiting"]] == ["bolt"]


def test_who_attests_own_work_is_a_finding_for_those_it_concerns(house: Api) -> None:
    (found,) = house.get("/api/findings?signal=self_dealing")["findings"]
    assert (found["signal"], found["customer"], found["outcomes"]) == ("self_dealing", "acme", [house.runs[0]])
    assert len(house.get("/api/findings?signal=self_dealing", ACME)["findings"]) == 1
    for who in (BOLT, THEIRS):
        assert house.get("/api/findings?signal=self_dealing", who)["findings"] == []


def test_who_is_for_one_workflow_or_user_sees_nothing_of_the_books(house: Api) -> None:
    for path in ("/api/balance", "/api/books/cost", "/api/books/waiting", "/api/findings"):
        for who in NARROW:
            assert house.get(path, who).error["code"] == "not_allowed", path
