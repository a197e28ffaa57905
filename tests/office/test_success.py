from decimal import Decimal
from fractions import Fraction

from comptroller.office.success import Success, successes
from tests.office.fraud.test_fraud import outcome

USD = 1_000_000_000


def row(run: str, model: str, cost: str, **more: str) -> dict[str, object]:
    told = {"tenant": "default", "run": run, "workflow": "support", "agent": "ada", "currency": "USD", **more}
    return {**told, "model": model, "calls": 1, "cost": Decimal(cost)}


def by_name(rows: list[dict[str, object]], *more: object, by: str = "model", verified: int = 2) -> dict[str, Success]:
    known = [outcome(n) for n in range(verified)]
    return {one.name: one for one in successes(rows, [*known, *more], by)}  # type: ignore[arg-type, list-item]


def test_the_model_that_is_cheap_per_token_may_be_dear_per_success() -> None:
    rows = [row("r0", "large", "0.30"), row("r1", "small", "0.10")]
    rows += [row(f"lost{n}", "small", "0.10") for n in range(5)]
    found = by_name(rows)
    assert found["large"].each == 3 * USD // 10
    assert found["small"].each == 6 * USD // 10
    assert list(found) == ["large", "small"]
    assert found["small"].wasted == 5 * USD // 10


def test_a_success_is_split_by_what_its_run_spent_with_whom() -> None:
    found = by_name([row("r0", "large", "0.30"), row("r0", "small", "0.10")])
    assert (found["large"].outcomes, found["small"].outcomes) == (Fraction(3, 4), Fraction(1, 4))
    assert found["large"].each == found["small"].each == 4 * USD // 10


def test_what_was_spent_and_what_came_of_it_add_up_whatever_it_is_told_by() -> None:
    rows = [row("r0", "large", "0.3", agent="bo"), row("r0", "small", "0.1"), row("lost", "small", "0.2")]
    for by in ("model", "agent", "workflow"):
        found = by_name(rows, by=by).values()
        assert sum(one.spent for one in found) == 6 * USD // 10
        assert sum(one.outcomes for one in found) == 1


def test_other_workflows_and_outcomes_taken_back_say_nothing_of_success() -> None:
    rows = [row("r0", "large", "0.3"), row("r7", "large", "0.3"), row("x", "large", "9", workflow="other")]
    found = by_name(rows, outcome(7, state="reversed"))
    assert (found["large"].spent, found["large"].outcomes) == (6 * USD // 10, 1)


def test_where_nothing_succeeded_no_cost_of_a_success_is_told() -> None:
    found = by_name([row("lost", "large", "0.3")])
    assert found["large"].each is None


def test_currencies_never_mix() -> None:
    found = successes([row("r0", "m", "0.3"), row("r1", "m", "0.2", currency="EUR")], [outcome(0), outcome(1)])
    assert [(one.currency, one.spent) for one in found] == [("EUR", 2 * USD // 10), ("USD", 3 * USD // 10)]
