"""The tree of a condition."""

import pytest

from comptroller.policies.tree import Comparison, Method, comparison_in, conjuncts, method_in, name_in, read_tree


def test_brackets_and_the_strength_of_signs_make_the_tree() -> None:
    node = read_tree("a || b && !(c || d)")
    assert (node.kind, [part.kind for part in node.parts]) == ("or", ["leaf", "and"])
    assert [part.kind for part in node.parts[1].parts] == ["leaf", "not"]


def test_what_stands_inside_a_call_or_behind_a_question_mark_is_one_leaf() -> None:
    assert read_tree('xs.exists(x, x == "a" || x == "b")').kind == "leaf"
    assert read_tree("a ? b || c : d").kind == "leaf"


def test_a_not_before_a_comparison_belongs_to_its_left_side() -> None:
    assert read_tree("!a == b").kind == "leaf"


def test_only_a_plain_conjunction_comes_apart() -> None:
    assert [part.text for part in conjuncts(read_tree("(a && b)"))] == ["a", "b"]
    assert len(conjuncts(read_tree("a && b || c"))) == 1


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("args.amount > 100.5", Comparison("args.amount", ">", 100.5)),
        ("100 >= args.amount", Comparison("args.amount", "<=", 100)),
        ("args.x == -3", Comparison("args.x", "==", -3)),
        ('tool in ["a", "b"]', Comparison("tool", "in", ["a", "b"])),
        ('"x" in scopes', Comparison("scopes", "in", "x", within=True)),
        ("size(args.to) > 3", Comparison("args.to", ">", 3, sized=True)),
        ("args.to.size() > 3", Comparison("args.to", ">", 3, sized=True)),
        ("model.stream == false", Comparison("model.stream", "==", False)),
    ],
)
def test_a_comparison_with_a_literal_is_read_from_either_side(text: str, found: Comparison) -> None:
    assert comparison_in(read_tree(text)) == found


@pytest.mark.parametrize("text", ["args.a > args.b", "args.a + 1 > 2", r'args.a == "a\n"', "true", "f(x)"])
def test_what_compares_with_no_literal_is_not_read_as_if(text: str) -> None:
    assert comparison_in(read_tree(text)) is None


def test_methods_and_bare_names_are_known() -> None:
    assert method_in(read_tree(r'text.matches(r"\d+")')) == Method("text", "matches", r"\d+")
    assert name_in(read_tree("(run.tainted)")) == "run.tainted"
    assert name_in(read_tree("true")) == ""


def test_one_spelling_says_the_same_to_a_reader_and_to_the_engine() -> None:
    told = read_tree('args . to in [ "a" ,"b" ]&&! ( run.tainted )').text
    assert told == 'args.to in ["a", "b"] && !(run.tainted)'
    assert read_tree("x in []").parts == ()
    assert comparison_in(read_tree("x in []")) == Comparison("x", "in", [])
