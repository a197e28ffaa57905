"""Spend as finance sees it: who spends what, how it moved, against which caps, and what of it is in doubt."""

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest

pytest.importorskip("streamlit")
pytest.importorskip("duckdb")

from streamlit.testing.v1 import AppTest

import comptroller as ct
from comptroller.core.clock import SYSTEM
from comptroller.core.facts import Fact
from comptroller.dashboards import export, session
from comptroller.dashboards.views import spend_caps, spend_files, spend_look, spend_table
from comptroller.office.people import Person
from tests.dashboards.house import Here, again, connected, html, look, parts, somebody

POLICY = """policy: caps
budgets:
  - {per: customer, every: month, cap: 5 USD}
  - {per: run, cap: 1 USD}
"""
DAY, NS = 86_400 * 10**9, 10**9
FIONA, EDDA = somebody("finance", "fiona"), somebody("engineer", "edda")


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Here]:
    """Two customers today and one of them five weeks ago; one call without a price, one estimated."""
    place = tmp_path_factory.mktemp("spend")
    (place / "caps.yaml").write_text(POLICY, encoding="utf-8")
    config = {"policies": [str(place / "caps.yaml")]}
    now = SYSTEM.now_ns()
    with ct.open(place / "ledger", config=config) as desk:
        calls: list[tuple[str, str, int, int, dict[str, object]]] = [
            ("acme", "gpt-4o", 4_000_000_000, now, {}),
            ("acme", "gpt-4o-mini", 500_000_000, now, {"estimated": True}),
            ("=bolt", "gpt-4o", 1_000_000_000, now, {}),
            ("acme", "gpt-4o", 3_000_000_000, now - 35 * DAY, {}),
            ("acme", "mystery", 0, now, {"unpriced": True}),
            ("acme", "gpt-4o", 0, now, {"status": "over_budget"}),
        ]
        for number, (customer, model, cost, at, more) in enumerate(calls):
            who: dict[str, object] = {
                "tenant": "default",
                "customer": customer,
                "workflow": "desk",
                "agent": "ada",
                "model": model,
            }
            used = {"kind": "model", "name": model, "cost": cost, "currency": "USD", "status": "ok", "input": 100}
            run = f"run-{customer}-{number}"
            desk.ledger.sync(Fact("run.opened", f"o{number}", at - NS, run, "", who))
            said = {**who, **used, "started": at - NS, "ended": at, **more}
            desk.ledger.sync(Fact("call.closed", f"c{number}", at, run, f"call-{number}", said))
    with connected(place / "ledger", config) as here:
        here.refresh()
        yield here


def table(page: AppTest, caption: str) -> list[list[dict[str, str]]]:
    return next(list(one["rows"]) for one in parts(page, "table") if one["caption"] == caption)


def cells(page: AppTest, caption: str) -> dict[str, list[str]]:
    return {row[0]["t"]: [cell["t"] for cell in row] for row in table(page, caption)}


def press(page: AppTest, key: str, reason: str, person: Person) -> AppTest:
    page.button(key=key).click()
    again(page, person)
    page.text_input(key=f"{key}_why").set_value(reason)
    page.button(key=key).click()
    page.button(key=f"{key}_yes").click()
    return again(page, person)


def test_the_table_says_who_spent_what_and_what_it_was_before(house: Here) -> None:
    page = look("spend", FIONA)
    assert not page.exception
    rows = cells(page, "Spend")
    assert rows["acme"][1:3] == ["$4.50", "$3.00"]
    assert rows["=bolt"][1:3] == ["$1.00", "–"]
    assert "$5.50" in html(page)


def test_rows_lead_to_the_runs_behind_them(house: Here) -> None:
    first = table(look("spend", FIONA, then="model"), "Spend")[0]
    assert [cell["t"] for cell in first[:3]] == ["acme", "gpt-4o", "$4.00"]
    assert first[2]["h"] == "/runs?period=30d&customer=acme&model=gpt-4o"


def test_the_chart_holds_the_same_sums_day_by_day(house: Here) -> None:
    data = parts(look("spend", FIONA, by="model", period="7d"), "stack")[0]
    sums = {part["name"]: sum(map(Decimal, part["values"])) for part in data["parts"]}
    assert sums == {"gpt-4o": Decimal(5), "gpt-4o-mini": Decimal("0.5")}
    assert len(data["labels"]) == 7


def test_movers_are_told_with_the_change(house: Here) -> None:
    rows = cells(look("spend", FIONA), "What moved most")
    assert rows["acme"] == ["acme", "$4.50", "+$1.50"]
    assert rows["=bolt"][2] == "+$1.00"


def test_the_month_s_end_is_told_with_how_it_is_reckoned(house: Here) -> None:
    assert "Forecast for this month" in html(look("spend", FIONA))
    assert "mean of the last 7 whole days" in html(look("spend", FIONA))


def test_what_has_no_price_or_is_estimated_is_called_out_with_a_remedy(house: Here) -> None:
    page = look("spend", FIONA, doubts="1")
    rows = cells(page, "Calls whose cost is in doubt")
    assert (rows["mystery"][1], rows["gpt-4o-mini"][2], rows["gpt-4o-mini"][3]) == ("1", "1", "$0.50")
    assert "prices.overrides" in html(page)


def test_caps_are_told_with_what_is_left(house: Here) -> None:
    rows = cells(look("spend", FIONA), "Caps")
    assert rows["acme"][2] == "$5.00"
    assert rows["acme"][6] != "never"


def test_a_cap_is_raised_by_who_may_and_on_record_with_the_name(house: Here) -> None:
    assert not [one for one in look("spend", FIONA).button if one.key == "cap_set"]
    page = look("spend", EDDA)
    page.text_input(key="cap_run").set_value("run-acme-0")
    page.text_input(key="cap_new").set_value("7 USD")
    page = press(again(page, EDDA), "cap_set", "The case is large.", EDDA)
    (row,) = table(page, "Caps set by hand")
    assert [cell["t"] for cell in (row[1], row[2], row[4])] == ["7.00 USD", "edda", "The case is large."]


def test_an_export_holds_exact_amounts_and_no_formula(house: Here) -> None:
    with session.as_person(FIONA):
        rows = spend_table.joined(spend_look.looked("customer", "30d"), ["customer"])
    fields = ["customer", "currency", "cost", "before"]
    assert "'=bolt,USD,1.000000000,0" in export.as_csv(fields, rows).decode("utf-8-sig")
    assert {"customer": "acme", "currency": "USD", "cost": "4.500000000", "before": "3.000000000"} in json.loads(
        export.as_json(fields, rows)
    )


def test_focus_is_for_who_works_with_invoices(house: Here) -> None:
    assert "as FOCUS" in str(look("spend", FIONA).expander)
    assert "as FOCUS" not in str(look("spend", EDDA).expander)
    assert spend_files.months(date(2026, 1, 31))[:2] == ["2026-01", "2025-12"]


def test_an_empty_ledger_says_what_would_be_summed(tmp_path: Path) -> None:
    with ct.open(tmp_path / "ledger"):
        pass
    with connected(tmp_path / "ledger"):
        page = look("spend", FIONA)
    assert not page.exception
    assert "Nothing was spent in this time" in html(page)
    assert "No cap has anybody under it" in html(page)


@pytest.mark.parametrize(
    ("period", "found"),
    [
        ("7d", ("2026-03-25", "2026-04-01", "2026-03-18", "2026-03-25")),
        ("month", ("2026-03-01", "2026-04-01", "2026-02-01", "2026-03-01")),
    ],
)
def test_a_period_is_compared_with_as_many_days_before(period: str, found: tuple[str, ...]) -> None:
    assert tuple(day.isoformat() for day in spend_look.bounds(period, date(2026, 3, 31))) == found


def test_the_window_of_a_cap_began_where_the_calendar_says() -> None:
    began = spend_caps.start_of("month", datetime(2026, 3, 1, tzinfo=UTC))
    assert began == datetime(2026, 2, 1, tzinfo=UTC)
    assert spend_caps.start_of("day", datetime(2026, 3, 1, tzinfo=UTC)) == datetime(2026, 2, 28, tzinfo=UTC)
    assert spend_caps.start_of("", None) is None
