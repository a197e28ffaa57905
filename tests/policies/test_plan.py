"""Plans: rules fused in groups, verdicts summed up."""

from comptroller.core.call import Identity
from comptroller.core.verdict import Case, Verdict
from comptroller.policies import plan
from comptroller.policies.load import load_policies
from comptroller.policies.rule import Rule, spoken
from comptroller.policies.syntax import spell


def rules_of(*conditions: str) -> tuple[Rule, ...]:
    written = "".join(f"  - {{id: r{n}, on: tool, when: {text!r}, then: note}}\n" for n, text in enumerate(conditions))
    return load_policies([("p.yaml", f"policy: p\nrules:\n{written}")]).policies[0].rules


def test_a_group_holds_no_more_than_its_size() -> None:
    groups = plan.group_rules(rules_of(*(f"args.x > {n}" for n in range(plan.GROUP + 1))))
    assert [len(group.rules) for group in groups] == [plan.GROUP, 1]


def test_a_condition_too_deep_to_be_fused_is_still_judged() -> None:
    deep = "args.x > " + " + ".join(["1"] * 30)
    [group] = plan.group_rules(rules_of(deep, "args.x > 1"))
    case = Case("tool", Identity(), tool="t", args={"x": 31})
    assert [rule.id for rule, _ in group.judge(case, None)] == ["r0", "r1"]


def test_nothing_said_is_an_allowance() -> None:
    assert plan.sum_up([]).action == "allow"


def test_the_tables_own_verdicts_count_as_enforced() -> None:
    verdict = Verdict("ask", "unlisted", "p", "because")
    assert plan.sum_up([(None, verdict)]).verdict == verdict


def test_inputs_are_told_as_they_were_written() -> None:
    names = ["args.x", "has.args.x", "sources.args.x", "provenance.args.x", spell("args", "user-id")]
    told = ["args.x", "has(args.x)", "sources(args.x)", "provenance.args.x", 'args["user-id"]']
    assert [spoken(name) for name in names] == told
