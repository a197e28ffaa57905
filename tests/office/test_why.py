"""Why a run failed and how it differs from the last good one, out of real books."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("duckdb")

from comptroller.core.clock import FrozenClock
from comptroller.core.errors import StoreError
from comptroller.core.facts import Fact
from comptroller.core.settings import Settings
from comptroller.office import compare, why
from comptroller.office.tree import as_json, tree_of
from comptroller.store.ledger import Ledger
from comptroller.store.reader import Reader

SECOND = 1_000_000_000


class House:
    """Writes runs, and answers for them once `books` are asked for."""

    def __init__(self, path: Path) -> None:
        self.path, self.clock = path, FrozenClock()
        self.ledger = Ledger.open(path, Settings(), self.clock)
        self._books: Reader | None = None

    def fact(self, what: str, run: str, call: str = "", /, **data: object) -> str:
        id = self.clock.new_id()
        self.ledger.record(Fact(what, id, self.clock.now_ns(), run, call, data))
        self.clock.tick(1)
        return id

    def run(
        self, status: str, workflow: str = "refunds", customer: str = "acme", opening: str = "Me", agent: str = "desk"
    ) -> str:
        """A desk that asks a model, which calls a tool; where the run fails, it does so in that."""
        run = self.clock.new_id()
        self.fact("run.opened", run, workflow=workflow, customer=customer)
        desk = self.fact("agent.opened", run, agent=agent)
        asked = self.keep(f'{{"role":"user","content":"{opening}"}}')
        id = f"call_{run[-12:]}"  # providers give each tool call an id of its own
        said = self.keep(f'{{"role":"assistant","content":[],"tool_calls":[{{"id":"{id}","name":"pay","args":"7"}}]}}')
        model = self.call(run, "model", "gpt-4o", 1_000_000, parent=desk, request=asked, reply=said)
        told = {"status": "error", "error": ERROR} if status == "error" else {}
        self.call(run, "tool", "pay", 0, parent=model, tool={"call_id": id, "args": "d7"}, **told)
        end = {"error": {"type": "ValueError", "place": "app.py:3"}} if status == "error" else {}
        self.fact("agent.closed", run, span=desk, status=status)
        self.fact("run.closed", run, status=status, **end)
        return run

    def call(self, run: str, kind: str, name: str, cost: int, **more: Any) -> str:
        id, start = self.clock.new_id(), self.clock.now_ns()
        data = {"started": start, "ended": start + SECOND // 2, "status": "ok", "action": "allow", "currency": "USD"}
        self.fact("call.closed", run, id, **{**data, "kind": kind, "name": name, "cost": cost, **more})
        return id

    def keep(self, message: str) -> list[str]:
        return self.ledger.keep([message.encode()], "default", "acme")

    @property
    def books(self) -> Reader:
        if self._books is None:
            self._books = Reader.open(self.path)
        return self._books

    def close(self) -> None:
        if self._books is not None:
            self._books.close()
        self.ledger.close()


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path / "ledger")
    yield made
    made.close()


ERROR = {"type": "ValueError", "message": "no such order", "place": "tool pay"}


def good(house: House, **who: str) -> str:
    return house.run("ok", **who)


def bad(house: House, **who: str) -> str:
    return house.run("error", **who)


def test_the_cause_is_found_in_the_books_with_its_place_and_cost(house: House) -> None:
    run = bad(house)
    found = why.why(house.books.rows, run)
    assert (found.reason, found.place) == ("ValueError in tool pay: no such order", "agent desk > tool pay")
    told = why.as_json(found)
    assert (told["run"], told["number"], told["call_status"]) == (run, 2, "error")
    assert told["lost"] == {"total": {"USD": "0.001"}, "failed": {}, "after": {}}


def test_a_run_still_under_way_has_no_cause(house: House) -> None:
    run = house.clock.new_id()
    house.fact("run.opened", run, workflow="refunds")
    house.fact("call.opened", run, house.clock.new_id(), kind="model", name="gpt-4o")
    found = why.why(house.books.rows, run)
    assert (found.run.status, found.cause, found.reason) == ("open", None, "")


def test_an_agent_that_was_not_let_in_is_the_cause_of_its_run(house: House) -> None:
    run = house.clock.new_id()
    house.fact("run.opened", run, workflow="refunds")
    span = house.fact("agent.opened", run, agent="fraud", action="deny", rule="scope", because="Nobody let it in.")
    house.fact("agent.closed", run, span=span, status="error")
    house.fact("run.closed", run, status="error", error={"type": "Denied"})
    found = why.why(house.books.rows, run)
    assert (found.place, found.reason) == ("agent fraud", "Nobody let it in.")


def test_an_inner_run_that_failed_is_told_as_the_cause_of_the_outer_one(house: House) -> None:
    outer = house.clock.new_id()
    house.fact("run.opened", outer, workflow="nightly")
    inner = house.clock.new_id()
    house.fact("run.opened", inner, workflow="refunds", outer=outer)
    house.call(inner, "model", "gpt-4o", 5, status="error", error={"type": "Boom"})
    house.fact("run.closed", inner, status="error", error={"type": "Boom"})
    house.fact("run.closed", outer, status="error", error={"type": "Boom"})
    assert why.why(house.books.rows, outer).place == "run refunds"


def handing(house: House) -> tuple[str, str, str]:
    """A run of a junior that gives up at work, and a clerk whose call is refused for a senior."""
    run = house.clock.new_id()
    house.fact("run.opened", run, workflow="refunds")
    block = house.fact("agent.opened", run, agent="junior")
    house.fact("agent.handed_over", run, agent="junior", to="senior", because="junior failed (ValueError).")
    house.fact("agent.closed", run, span=block, status="error")
    said = {"agent": "clerk", "because": "2 tries of clerk failed. Hand over to senior."}
    call = house.call(run, "model", "gpt-4o", 0, status="denied", action="deny", rule="fallback.agent", **said)
    house.fact("agent.handed_over", run, call, to="senior", failed=2, **said)
    house.fact("run.closed", run, status="error", error={"type": "Denied"})
    return run, block, call


def test_who_took_over_is_found_with_where_it_happened(house: House) -> None:
    run, block, call = handing(house)
    found = why.why(house.books.rows, run)
    assert [(one.agent, one.to, one.at) for one in found.handovers] == [
        ("junior", "senior", block),
        ("clerk", "senior", call),
    ]
    assert why.as_json(found)["handovers"][0]["because"] == "junior failed (ValueError)."
    assert found.remedy.startswith("Let the agent it names go on")


def test_who_gave_up_is_not_the_cause_where_somebody_took_over(house: House) -> None:
    run = house.clock.new_id()
    house.fact("run.opened", run, workflow="refunds")
    for agent in ("junior", "senior"):
        began = (
            {"action": "note", "rule": "attempt", "because": "Took over: junior failed."} if agent == "senior" else {}
        )
        block = house.fact("agent.opened", run, agent=agent, **began)
        if agent == "junior":
            house.fact("agent.handed_over", run, agent=agent, to="senior", because="junior failed (ValueError).")
        house.fact("agent.closed", run, span=block, status="error")
    house.fact("run.closed", run, status="error", error={"type": "ValueError"})
    found = why.why(house.books.rows, run)
    assert (found.place, found.reason) == ("agent senior", "ValueError")


def test_a_tree_says_who_took_over_where_it_happened(house: House) -> None:
    run, block, call = handing(house)
    root = tree_of(house.books, run)
    told = {child["id"]: [one["to"] for one in child["handovers"]] for child in as_json(root)["children"]}
    assert told == {block: ["senior"], call: ["senior"]}


def test_a_handover_of_an_agent_without_a_block_hangs_from_the_run(house: House) -> None:
    run = house.run("ok")
    house.fact("agent.handed_over", run, agent="nobody", to="senior", because="It failed.")
    assert [one.agent for one in tree_of(house.books, run).handovers] == ["nobody"]


def test_a_run_the_books_do_not_have_is_an_error_with_a_remedy(house: House) -> None:
    with pytest.raises(StoreError, match="the books have no such run"):
        why.why(house.books.rows, "nothing")


def test_the_last_good_run_is_the_latest_of_the_same_customer_before(house: House) -> None:
    wanted = good(house)
    good(house, customer="globex")
    good(house, workflow="loans")
    bad(house)
    run = bad(house)
    good(house)
    assert compare.last_good(house.books.rows, run) == wanted


def test_another_customers_good_run_is_better_than_none(house: House) -> None:
    wanted = good(house, customer="globex")
    run = bad(house)
    assert compare.last_good(house.books.rows, run) == wanted
    assert compare.last_good(house.books.rows, run, customer="acme") is None


def test_of_good_runs_the_one_that_began_alike_is_taken(house: House) -> None:
    wanted = good(house)
    good(house, opening="What is the weather?")
    good(house, agent="another")
    run = bad(house)
    assert compare.last_good(house.books.rows, run) == wanted


def test_a_first_run_has_nothing_to_be_held_against(house: House) -> None:
    assert compare.last_good(house.books.rows, bad(house)) is None


def test_another_tenants_rows_are_not_compared_with(house: House) -> None:
    good(house)
    run = bad(house)
    assert compare.last_good(house.books.rows, run, tenant="other") is None


def test_replies_that_differ_in_the_ids_of_tool_calls_only_are_one_with_the_vault(house: House) -> None:
    one, two = good(house), bad(house)
    without = compare.compared(house.books.rows, two, one)
    assert without.first is not None
    assert [change.what for change in without.first.changes] == ["reply"]
    found = compare.compared(house.books.rows, two, one, vault=house.ledger)
    assert found.first is not None
    assert found.first.bad is not None
    assert (found.first.bad.name, found.kind, found.count("equal")) == ("pay", "output", 1)


def test_the_comparison_for_machines_tells_every_call_of_both(house: House) -> None:
    one, two = good(house), bad(house)
    told = compare.as_json(compare.compared(house.books.rows, two, one, vault=house.ledger))
    assert (told["bad"], told["good"], told["kind"]) == (two, one, "output")
    assert told["counts"] == {"equal": 1, "changed": 1, "only_bad": 0, "only_good": 0, "not_reached": 0}
    assert [row["what"] for row in told["rows"]] == ["equal", "changed"]
    assert told["verdict"].startswith("At agent desk > tool pay the same was asked, and it ended differently: ")


def test_texts_are_alike_only_where_nothing_but_the_ids_of_calls_differs() -> None:
    texts = {
        "a": b'{"tool_call_id":"x1","content":"7"}',
        "b": b'{"tool_call_id":"x2","content":"7"}',
        "c": b'{"tool_call_id":"x3","content":"8"}',
        "d": b'{"id":"1","input":{"id":"7"}}',
        "e": b'{"id":"2","input":{"id":"8"}}',
        "f": b"\xff no JSON",
    }

    class Vault:
        def fetch(self, digest: str) -> bytes | None:
            return texts.get(digest)

    alike = compare.alike_of({*"abcdef", "gone"}, Vault())
    assert alike["a"] == alike["b"]
    assert len({alike[name] for name in "acdef"}) == 5
    assert "gone" not in alike


def test_more_texts_than_can_be_opened_in_a_moment_each_stand_for_themselves(house: House) -> None:
    many = {str(number) for number in range(compare.MOST_OPENED + 1)}
    assert compare.alike_of(many, house.ledger) == {}
