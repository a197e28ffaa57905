"""What was spent: sums that foot, in any cut, and what they leave out."""

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

pytest.importorskip("duckdb")

Cli = Callable[..., Any]
DAY = 86_400


@pytest.fixture
def spent(world: Any) -> Any:
    for customer, model, cost in (("acme", "gpt-4o", 1_000_000_000), ("globex", "gpt-4o", 1), ("acme", "other", 2)):
        world.call(
            world.run("refunds", customer), name=model, cost=cost, customer=customer, workflow="refunds", agent="desk"
        )
    world.clock.tick(DAY)
    world.call(world.run(), cost=5_000_000_000, currency="EUR", customer="acme", workflow="loans", agent="desk")
    return world


def sums(cli: Cli, world: Any, *arguments: object) -> Any:
    return json.loads(cli("spend", "--json", *arguments, "--ledger", world.path).out)


@pytest.mark.parametrize(
    "by", ["", "customer", "workflow,agent", "day,customer,workflow,agent,model", "tenant,user,key"]
)
def test_every_cut_sums_to_the_same_total_to_the_nano(cli: Cli, spent: Any, by: str) -> None:
    told = sums(cli, spent, "--by", by)
    for currency, total in (("USD", "1.000000003"), ("EUR", "5.00")):
        assert sum(Decimal(row["cost"]) for row in told["rows"] if row["currency"] == currency) == Decimal(total)
        assert [row["cost"] for row in told["totals"] if row["currency"] == currency] == [total]


def test_sums_by_customer_are_a_table_with_a_total_for_each_currency(cli: Cli, spent: Any) -> None:
    lines = cli("spend", "--by", "customer", "--ledger", spent.path).out.splitlines()
    assert [line.split() for line in lines] == [
        ["CUSTOMER", "CALLS", "REFUSED", "FAILED", "TOKENS", "IN", "TOKENS", "OUT", "COST"],
        ["acme", "1", "0", "0", "1,200", "30", "5.00", "EUR"],
        ["acme", "2", "0", "0", "2,400", "60", "1.000000002", "USD"],
        ["globex", "1", "0", "0", "1,200", "30", "0.000000001", "USD"],
        ["total", "1", "0", "0", "1,200", "30", "5.00", "EUR"],
        ["total", "3", "0", "0", "3,600", "90", "1.000000003", "USD"],
    ]


def test_days_are_included_at_both_ends(cli: Cli, spent: Any) -> None:
    first, second = ("--since", "2026-01-01"), ("--until", "2026-01-01")
    assert {row["currency"] for row in sums(cli, spent, *first)["rows"]} == {"USD", "EUR"}
    assert {row["currency"] for row in sums(cli, spent, *second)["rows"]} == {"USD"}
    assert {row["currency"] for row in sums(cli, spent, "--since", "2026-01-02")["rows"]} == {"EUR"}
    assert cli("spend", "--since", "2026-01-03", "--ledger", spent.path).out == "Nothing was spent here in this time.\n"


def test_calls_of_unknown_cost_are_said_not_to_be_in_the_sums(cli: Cli, spent: Any) -> None:
    spent.call(spent.run(), cost=0, unpriced=True)
    spent.call(spent.run(), cost=0, opaque=True)
    out = cli("spend", "--ledger", spent.path).out
    assert "Not in these sums: 1 call of unknown cost, as no price is known" in out
    assert "Not in these sums: 1 call of unknown cost, as they were not understood" in out
    assert sums(cli, spent, "--until", "2026-01-01")["unpriced"] == 0


def test_what_the_cache_saved_is_told_beside_what_was_spent(cli: Cli, spent: Any) -> None:
    spent.call(spent.run(), cost=0, cached="c1", saved=250_000_000, customer="acme", agent="desk")
    lines = [line.split() for line in cli("spend", "--by", "customer", "--ledger", spent.path).out.splitlines()]
    assert lines[0][-3:] == ["COST", "CACHED", "SAVED"]
    assert lines[-1][-4:] == ["USD", "1", "0.25", "USD"]
    (total,) = [row for row in sums(cli, spent)["totals"] if row["currency"] == "USD"]
    assert (total["cached"], total["saved"], total["cost"]) == (1, "0.25", "1.000000003")


def test_sums_by_key_user_and_tenant_tell_whose_calls_they_were(cli: Cli, spent: Any) -> None:
    for key, user in (("key_1", "ann"), ("key_1", "bob"), ("key_2", "ann")):
        spent.call(spent.run(), cost=1_000_000_000, key=key, user=user, tenant="theirs")

    def by(name: str) -> dict[str, str]:
        rows = sums(cli, spent, "--by", name)["rows"]
        return {row[name]: row["cost"] for row in rows if row["currency"] == "USD" and row[name]}

    assert by("key") == {"key_1": "2.00", "key_2": "1.00"}
    assert by("user") == {"ann": "2.00", "bob": "1.00"}
    assert by("tenant")["theirs"] == "3.00"
    lines = cli("spend", "--by", "user,key", "--ledger", spent.path).out.splitlines()
    assert lines[0].split()[:3] == ["USER", "KEY", "CALLS"]


@pytest.mark.parametrize("status", ["denied", "over_budget", "rate_limited", "pending"])
def test_refused_calls_are_told_apart_from_those_that_failed(cli: Cli, spent: Any, status: str) -> None:
    spent.call(spent.run(), cost=0, status=status, customer="acme")
    spent.call(spent.run(), cost=0, status="cut", customer="acme")
    (row,) = [
        row
        for row in sums(cli, spent, "--by", "customer")["rows"]
        if row["customer"] == "acme" and row["currency"] == "USD"
    ]
    assert (row["calls"], row["refused"], row["failed"]) == (4, 1, 1)


@pytest.mark.parametrize("option", [("--by", "moon"), ("--since", "yesterday"), ("--until", "1")])
def test_what_is_no_name_and_no_day_is_wrong_use(cli: Cli, world: Any, option: tuple[str, str]) -> None:
    said = cli("spend", *option, "--ledger", world.path)
    assert (said.code, said.out) == (2, "")
