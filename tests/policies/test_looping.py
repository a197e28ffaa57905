"""How far runs may repeat themselves, as files say it and as it is gathered."""

from pathlib import Path

import pytest

from comptroller.core.call import Identity
from comptroller.core.loops import Bound
from comptroller.policies.amounts import read_share
from comptroller.policies.compare import compare
from comptroller.policies.listing import listed
from comptroller.policies.load import load_policies
from comptroller.policies.looping import WAYS, bounds_for

POLICIES = Path(__file__).parents[2] / "docs" / "policies.md"
WHO = Identity(workflow="w", agent="a")


def bounds(*texts: str) -> dict[str, list[Bound]]:
    book = load_policies([(f"{number}.yaml", f"policy: p{number}\n{text}") for number, text in enumerate(texts)])
    found = bounds_for(book, WHO)
    assert found is not None
    return {way: [one for one in (*found.models, *found.tools, *found.agents) if one.way == way] for way in WAYS}


def test_the_example_in_the_documents_loads_and_says_something_of_every_way() -> None:
    shown = POLICIES.read_text(encoding="utf-8").split("```yaml\npolicy: patience")[1].split("```")[0]
    book = load_policies([("shown.yaml", "policy: patience" + shown)])
    assert {one.id for one in listed(book) if one.kind == "loop"} == {f"loops.{way}" for way in WAYS}
    loops = bounds_for(book, WHO)
    assert loops is not None
    assert (loops.ignored("get_status"), loops.ignored("search")) == (True, False)


def test_each_files_bound_counts_with_its_own_place() -> None:
    said = bounds("loops: {repeat: {times: 3, then: stop}}", "loops:\n  repeat: {times: 9, then: note}")["repeat"]
    assert [(one.most, one.then, one.policy, one.place) for one in said] == [
        (3, "stop", "p0", "0.yaml:2"),
        (9, "note", "p1", "1.yaml:3"),
    ]


def test_a_tool_is_ignored_where_all_files_with_loops_ignore_it() -> None:
    texts = [("a", "ignore: [x, y], "), ("b", "ignore: [x], "), ("c", "")]
    files = [(f"{n}.yaml", f"policy: {n}\nloops: {{{more}repeat: {{times: 2, then: note}}}}") for n, more in texts]
    two, three = bounds_for(load_policies(files[:2]), WHO), bounds_for(load_policies(files), WHO)
    assert two is not None
    assert three is not None
    assert (two.ignored("x"), two.ignored("y"), three.ignored("x")) == (True, False, False)


def test_who_a_file_is_not_for_is_not_watched() -> None:
    text = "policy: p\napplies: {agents: [b]}\nloops: {repeat: {times: 2, then: note}}"
    assert bounds_for(load_policies([("p.yaml", text)]), WHO) is None


def test_a_share_and_an_amount_are_told_apart() -> None:
    share = bounds("loops: {waste: {share: 12.5%, after: 0 USD, then: note}}")["waste"][0]
    amount = bounds("loops: {waste: {most: 2 USD, then: note}}")["waste"][0]
    assert (share.most, share.unit, share.after) == (125, "USD", 1)
    assert (amount.most, amount.unit, amount.after) == (2_000_000_000, "USD", 0)


@pytest.mark.parametrize("text", ["0%", "100.1%", "50", "-5%", 50, "1e2%", "٥%x", ""])
def test_what_is_no_share_is_told(text: object) -> None:
    with pytest.raises(ValueError, match="is not a share"):
        read_share(text)


def test_a_changed_loop_is_a_difference() -> None:
    before, after = (
        load_policies([("p.yaml", f"policy: p\nloops: {{repeat: {{times: {times}, then: stop}}}}")]) for times in (3, 4)
    )
    assert [(one.kind, one.id, one.what) for one in compare(before, after)] == [("loop", "loops.repeat", "changed")]
