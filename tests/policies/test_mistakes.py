"""How mistakes are told."""

from comptroller.core.errors import SettingsError
from comptroller.core.mistakes import Mistake, did_you_mean
from comptroller.policies.mistakes import PolicyErrors


def test_mistakes_are_told_once_each_in_the_order_of_the_files() -> None:
    error = PolicyErrors([Mistake("b", 1, "x."), Mistake("a", 10, "y."), Mistake("a", 9, "z."), Mistake("b", 1, "x.")])
    assert error.mistakes == ["a:9: z.", "a:10: y.", "b:1: x."]


def test_they_are_one_settings_error() -> None:
    assert isinstance(PolicyErrors([]), SettingsError)


def test_a_file_cannot_write_to_the_terminal() -> None:
    assert "\x1b" not in str(Mistake("f", 1, "There is no `\x1b[31m`."))


def test_the_nearest_name_is_offered_else_all() -> None:
    assert did_you_mean("amont", ["amount", "order"]) == "Did you mean `amount`?"
    assert did_you_mean("zzz", ["amount", "order"]) == "Use one of `amount`, `order`."
