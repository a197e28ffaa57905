from comptroller.core.facts import CONTRACTS_LOADED, Fact
from comptroller.office.fraud import findings
from comptroller.office.fraud.record import history_of
from tests.office.agreed import FLAT, House


class Days:
    """Books that know of one day's runs."""

    def rows(self, name: str, **params: object) -> list[dict[str, object]]:
        assert name == "run_days"
        return [{"tenant": "default", "customer": "acme", "workflow": "support", "day": 20_454, "runs": 3}]


def load(house: House, text: str) -> Fact:
    files = [{"path": "acme.yaml", "digest": "d", "text": text}]
    return Fact(CONTRACTS_LOADED, f"c{house.clock.now_ns()}", house.clock.now_ns(), data={"files": files})


def test_the_history_of_a_ledger_has_outcomes_events_runs_and_contracts() -> None:
    house = House()
    key = house.verified()
    history = history_of(house.registry, Days(), [load(house, FLAT)])
    assert [one.key for one in history.outcomes] == [key]
    assert [entry.event.type for entry in history.entries[key]] == ["claim", "verify_pass", "confirm"]
    assert (history.runs[0].workflow, history.runs[0].count) == ("support", 3)
    assert [one.contract for one in history.contracts] == ["acme-1"]
    assert findings(history) == []


def test_who_attests_own_work_is_found_out_of_a_ledger() -> None:
    house = House()
    key = house.claim()
    house.tell(key, "verify_pass")
    house.tell(key, "confirm", attestor="ada")
    (one,) = findings(history_of(house.registry, None, []))
    assert (one.signal, one.outcomes, one.who) == ("self_dealing", (key,), "ada")


def test_a_contract_loaded_again_and_one_nobody_can_read_any_more_are_no_new_versions() -> None:
    house = House()
    facts = [load(house, FLAT), load(house, FLAT), load(house, "contract: [")]
    assert len(history_of(house.registry, None, facts).contracts) == 1


def test_a_price_moved_back_in_time_is_found_out_of_a_ledger() -> None:
    house = House()
    first = load(house, FLAT)
    house.on(1, 10)
    key = house.verified()
    house.on(1, 20)
    second = load(house, FLAT.replace("1.50", "9.00"))
    (one,) = findings(history_of(house.registry, None, [first, second]))
    assert (one.signal, one.outcomes) == ("back_dating", (key,))
