from comptroller.dashboards.components.folding import folds_of
from comptroller.dashboards.components.waterfall import Fold, Marks, columns
from comptroller.tracing.repeats import Loop, Repeat
from tests.dashboards.made_up import agent, call

ROWS = [agent("a", "", "root", 0, 99), *(call(f"c{n}", "a", n, kind="tool", name="ab"[n % 2]) for n in range(6))]


def repeat(*calls: str) -> Repeat:
    return Repeat("tool", "a", "a", calls, True, {})


def test_the_rounds_of_a_loop_become_one_row() -> None:
    folds = folds_of([Loop(("tool a", "tool b"), "a", 3, "c0", "c5", {})], [], ROWS)
    assert folds == [Fold(tuple(f"c{n}" for n in range(6)), "a → b", 3)]
    assert columns(ROWS, Marks(folds=folds))["times"] == {1: 3}


def test_repeats_next_to_each_other_are_folded_and_those_apart_stay_where_they_happened() -> None:
    assert folds_of([], [repeat("c1", "c2"), repeat("c0", "c2"), repeat("gone", "c1"), repeat()], ROWS) == [
        Fold(("c1", "c2"), "a")
    ]


def test_a_loop_that_is_not_whole_in_these_rows_is_left_as_it_is() -> None:
    assert folds_of([Loop(("tool a",), "a", 9, "c0", "c5", {})], [], ROWS) == []
