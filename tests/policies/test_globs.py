"""Globs of names."""

import pytest

from comptroller.policies.globs import any_of, check_glob, is_glob


@pytest.mark.parametrize(
    ("glob", "name", "matches"),
    [
        ("*", "", True),
        ("support-*", "support-eu", True),
        ("support-*", "Support-eu", False),
        ("a?", "ab", True),
        ("[ab]c", "bc", True),
        ("a.c", "abc", False),
        ("a", "a\n", False),
        ("a*", "a\nb", True),
    ],
)
def test_a_glob_matches_whole_names_and_minds_case(glob: str, name: str, matches: bool) -> None:
    assert any_of([glob])(name) is matches


def test_one_of_several_is_enough() -> None:
    assert [any_of(["a", "b-*"])(name) for name in ("a", "b-1", "c")] == [True, True, False]


def test_none_matches_nothing() -> None:
    assert not any_of([])("a")


@pytest.mark.parametrize("glob", ["", " a", "[a", "a\n"])
def test_a_glob_that_cannot_be_meant_is_refused(glob: str) -> None:
    with pytest.raises(ValueError, match=r"not a name|never closed|invisible"):
        check_glob(glob)


def test_a_name_is_no_glob() -> None:
    assert (is_glob("tool"), is_glob("tool-*")) == (False, True)
