"""Books that stand still while others are written: what they show, and that nothing moves them."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from comptroller.metering.contract_reader import read_contracts
from comptroller.office.bookkeeper import Bookkeeper
from comptroller.office.close import close, draft
from comptroller.office.still import Still
from comptroller.office.whatif import reprice
from tests.office.agreed import FLAT, House
from tests.office.test_books_always import ACTIONS, History

USD = 1_000_000_000
TRIED = FLAT.replace("1.50", "4").replace("acme-1", "trial")


def shown(keeper: Bookkeeper) -> list[Any]:
    """All that somebody who looks at books may see of them, in values of its own."""
    registry, accounts, invoices = keeper.registry, keeper.accounts, keeper.invoices
    outcomes = dict(registry.outcomes)
    billed = [(one.number, one.state, one.totals, one.payments, one.credits) for one in invoices.invoices.values()]
    customer = dict(accounts.of_customer("acme"))
    events = {key: registry.events(key) for key in outcomes}
    counted = [registry.verified(one, one.verified_at) for one in outcomes.values()]
    before = [[other.key for other in registry.verified_before(one)] for one in outcomes.values()]
    return [outcomes, events, counted, before, list(accounts.txns), accounts.trial_balance(), customer, billed,
            dict(invoices.shares), dict(invoices.credits), list(invoices.of("acme")), invoices.next_number("INV-2026-"),
            accounts.balance("unbilled", "EUR")]  # fmt: skip


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(ACTIONS)
def test_books_that_stand_still_show_what_was_whatever_happens_next(actions: list[tuple[str, int]]) -> None:
    history, stood = History(), []
    for what, which in actions:
        keeper = history.house.keeper
        stood.append((Still(keeper), shown(keeper)))
        history.do(what, which)
        history.check()
    for still, told in stood:
        still.catch_up()
        still.look()
        assert shown(still) == told


def test_what_is_looked_at_in_the_midst_of_a_close_is_whole_and_writes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    house = House()
    house.verified()
    house.on(2)
    still, real = Still(house.keeper), house.keeper.follow
    wanted = draft(still, "acme", "2026-01")
    tried = read_contracts([("body.text", TRIED)], "default")
    seen: list[Any] = []

    def held(invoices: list[Any]) -> None:
        if invoices:
            facts = len(house.desk.ledger.facts)
            seen.append((shown(still)[7], still.accounts.balance("unbilled", "USD")))
            seen.append(draft(still, "acme", "2026-01"))
            seen.append(reprice(still, tried, "2026-01")[0].change)
            assert len(house.desk.ledger.facts) == facts
        real(invoices)

    monkeypatch.setattr(house.keeper, "follow", held)
    house.close()
    assert seen == [([], 1.5 * USD), wanted, 2.5 * USD]
    assert house.balance("unbilled") == 0


def test_nothing_is_written_through_books_that_stand_still() -> None:
    house = House()
    house.verified()
    still = Still(house.on(2).keeper)
    facts = len(house.desk.ledger.facts)
    with pytest.raises(AssertionError, match="go on"):
        close(still)
    assert len(house.desk.ledger.facts) == facts


def test_what_is_verified_in_the_midst_of_a_close_is_on_the_next_invoice_once(monkeypatch: pytest.MonkeyPatch) -> None:
    house = House()
    first, late = house.verified(), ""
    real = house.keeper.follow

    def held(invoices: list[Any]) -> None:
        nonlocal late
        if invoices and not late:
            late = house.verified()
        real(invoices)

    monkeypatch.setattr(house.keeper, "follow", held)
    (invoice,) = house.on(2).close()
    (later,) = house.on(3).close()
    assert [[item.outcome for line in one.lines for item in line.items] for one in (invoice, later)] == [
        [first],
        [late],
    ]
    assert house.on(4).close() == []


def test_a_close_that_was_killed_anywhere_is_taken_up_again_and_bills_the_same_once() -> None:
    two = f"contracts:\n{_item(FLAT)}{_item(FLAT.replace('acme', 'bolt'))}"
    house = House(two)
    for customer in ("acme", "acme", "bolt"):
        house.verified(customer)
    begun = len(house.desk.ledger.facts)
    house.on(3).close()
    whole, facts = shown(house.keeper), house.desk.ledger.facts
    assert len(whole[7]) == 2
    for cut in range(begun, len(facts)):
        after = House(two)
        after.on(3)
        after.desk.ledger.facts[:] = facts[:cut]
        after.open().close()
        assert after.keeper.accounts.trial_balance() == whole[5]
        assert shown(after.keeper)[7] == whole[7]


def _item(terms: str) -> str:
    first, *rest = terms.strip().splitlines()
    return "\n".join([f"  - {first}", *(f"    {line}" for line in rest)]) + "\n"
