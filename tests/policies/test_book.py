"""The book: who is subject to what, and what is decided."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from comptroller.core.call import Identity
from comptroller.core.verdict import Case, Decision
from comptroller.policies import book as book_module
from comptroller.policies.book import Book, empty_book
from comptroller.policies.condition import Fused
from comptroller.policies.load import load_policies

REFUNDS = """
policy: refunds
tools:
  issue_refund: {effect: write, args: {order: string, amount: double, note: string?}}
  read_inbox: {effect: read, returns: untrusted}
rules:
  - id: over-100
    on: tool
    tool: issue_refund
    when: args.amount > 100
    then: ask
    ask: {of: [finance], quorum: 2, wait: 20s, within: 4h, otherwise: deny}
    because: Refunds above 100 USD need a person.
  - {id: noted, on: tool, tool: issue_refund, when: has(args.note) && args.note == "vip", then: note}
"""


def load(*texts: str) -> Book:
    return load_policies([(f"p{number}.yaml", text) for number, text in enumerate(texts)])


def tool(name: str, args: Mapping[str, object] | None = None, who: Identity | None = None, **more: object) -> Case:
    return Case("tool", who or Identity(), kind="tool", tool=name, args={} if args is None else args, **more)  # type: ignore[arg-type]


def model(who: Identity | None = None, **more: object) -> Case:
    return Case("model", who or Identity(), **more)  # type: ignore[arg-type]


def rules(*lines: str) -> str:
    return "policy: p\nunlisted: allow\nrules:\n" + "".join(f"  - {{{line}}}\n" for line in lines)


def said(decision: Decision) -> tuple[str, str]:
    return decision.action, decision.verdict.rule if decision.verdict else ""


def test_an_empty_book_allows_everything() -> None:
    assert said(empty_book().decide(model())) == ("allow", "")
    assert (empty_book().rules, empty_book().files, empty_book().caps(Identity())) == (0, (), ())


def test_a_verdict_names_rule_policy_reason_place_and_whom_to_ask() -> None:
    verdict = load(REFUNDS).decide(tool("issue_refund", {"order": "1", "amount": 250.0})).verdict
    assert verdict is not None
    assert verdict.ask is not None
    assert (verdict.rule, verdict.policy, verdict.place) == ("over-100", "refunds", "p0.yaml:7")
    assert verdict.because == "Refunds above 100 USD need a person."
    assert (verdict.ask.of, verdict.ask.quorum, verdict.ask.wait_s, verdict.ask.within_s) == (
        ("finance",),
        2,
        20.0,
        14_400.0,
    )


def test_a_rule_without_a_reason_gives_one() -> None:
    verdict = load(rules("id: r, on: model, when: 'model.stream', then: deny")).decide(model(stream=True)).verdict
    assert verdict is not None
    assert verdict.because == "Rule `r` of policy `p` on model says so when model.stream."


@pytest.mark.parametrize(
    ("args", "action"),
    [
        ({"order": "1", "amount": 100}, "allow"),
        ({"order": "1", "amount": 101}, "ask"),
        ({"order": "1", "amount": 100.5, "note": None}, "ask"),
        ({"order": "1", "amount": 1, "note": "vip"}, "note"),
        ({"order": "1"}, "deny"),
        ({"order": "1", "amount": None}, "deny"),
        ({"order": "1", "amount": "101"}, "deny"),
        ({"order": "1", "amount": float("nan")}, "deny"),
        ({"order": "1", "amount": 10**400}, "deny"),
        ({"order": "1", "amount": 1, "note": 7}, "deny"),
    ],
)
def test_arguments_decide(args: Mapping[str, object], action: str) -> None:
    assert load(REFUNDS).decide(tool("issue_refund", args)).action == action


def test_arguments_that_are_no_object_are_a_decision_error() -> None:
    case = tool("issue_refund")
    case.args = None
    decision = load(REFUNDS).decide(case)
    assert decision.verdict is not None
    assert (decision.action, decision.verdict.error) == ("deny", True)
    assert "not a JSON object" in decision.verdict.because


def test_a_decision_error_says_which_input_and_why() -> None:
    verdict = load(REFUNDS).decide(tool("issue_refund", {"amount": "101"})).verdict
    assert verdict is not None
    assert verdict.because == "over-100 could not be decided, so it says deny: `args.amount` is a string, not a number."


def test_on_error_decides_what_an_error_does() -> None:
    book = load(rules("id: r, on: tool, when: args.x > 1, then: deny, on_error: note"))
    decision = book.decide(tool("t", {"x": "?"}))
    assert decision.verdict is not None
    assert (decision.action, decision.verdict.error) == ("note", True)


def test_an_on_error_of_ask_says_whom() -> None:
    book = load(rules("id: r, on: tool, when: args.x > 1, then: deny, on_error: ask, ask: {of: [legal]}"))
    verdict = book.decide(tool("t", {"x": "?"})).verdict
    assert verdict is not None
    assert verdict.ask is not None
    assert verdict.ask.of == ("legal",)


@pytest.mark.parametrize(
    ("when", "missing"),
    [
        ('provenance.args.to == "untrusted"', "provenance.args.to"),
        ('"untrusted" in sources(args.to)', "sources(args.to)"),
        ("run.tainted", "run.tainted"),
        ('"pii" in run.labels', "run.labels"),
    ],
)
def test_a_rule_whose_input_nothing_fills_yet_refuses_and_says_which(when: str, missing: str) -> None:
    book = load(rules(f"id: r, on: tool, when: '{when}', then: note"))
    verdict = book.decide(tool("pay", {"to": "x"})).verdict
    assert verdict is not None
    assert verdict.action == "deny"
    assert f"`{missing}` is not known: nothing fills it yet" in verdict.because


def test_an_input_is_used_as_soon_as_something_fills_it() -> None:
    book = load(
        rules('id: r, on: tool, when: \'provenance.args.to == "untrusted" && "m" in sources(args.to)\', then: ask')
    )
    known = {"provenance.args.to": "untrusted", "sources.args.to": ["m"]}
    assert said(book.decide(tool("pay", {"to": "x"}, known=known))) == ("ask", "r")


def test_a_shadow_rule_never_changes_what_happens() -> None:
    book = load(
        rules(
            "id: r, on: model, then: deny, mode: shadow",
            "id: s, on: model, when: run.tainted, then: deny, mode: shadow",
        )
    )
    decision = book.decide(model())
    assert (decision.action, decision.verdict, decision.notes) == ("allow", None, ())
    assert [(v.rule, v.action, v.error) for v in decision.shadows] == [("r", "deny", False), ("s", "deny", True)]


def test_the_strictest_wins_and_the_rest_is_noted() -> None:
    actions = ["note", "allow", "deny", "redact", "ask"]
    decision = load(rules(*(f"id: r-{action}, on: tool, then: {action}" for action in actions))).decide(tool("t"))
    assert said(decision) == ("deny", "r-deny")
    assert {verdict.action for verdict in decision.notes} == {"note", "allow", "redact", "ask"}


def test_of_equals_the_first_wins() -> None:
    book = load(
        rules("id: a, on: model, when: model.stream, then: deny", "id: b, on: model, when: model.stream, then: deny")
    )
    assert said(book.decide(model(stream=True))) == ("deny", "a")


def test_a_policy_holds_for_its_workflows_and_agents_only() -> None:
    book = load(rules("id: r, on: model, then: deny") + 'applies: {workflows: ["support-*"], agents: [a, b]}\n')
    asked = [("support-eu", "a"), ("support-eu", "c"), ("sales", "a"), ("", "")]
    actions = [book.decide(model(Identity(workflow=w, agent=a))).action for w, a in asked]
    assert actions == ["deny", "allow", "allow", "allow"]


def test_a_glob_covers_several_tools() -> None:
    book = load(rules('id: r, on: tool, tool: "pay_*", then: deny'))
    assert [book.decide(tool(name)).action for name in ("pay_card", "pay", "refund")] == ["deny", "allow", "allow"]


def test_an_agent_has_the_tools_of_its_list_only() -> None:
    book = load("policy: p\nagents: {fraud: {tools: [pull_credit, 'read_*']}}\n")
    asked = [("fraud", "pull_credit"), ("fraud", "read_x"), ("fraud", "pay"), ("other", "pay")]
    decisions = [said(book.decide(tool(name, who=Identity(agent=agent)))) for agent, name in asked]
    assert decisions == [("allow", ""), ("allow", ""), ("deny", "agents.fraud.tools"), ("allow", "")]


def test_a_tool_with_a_scope_wants_it_of_identity_and_table_alike() -> None:
    book = load("policy: p\nagents: {fraud: {scopes: [a]}}\ntools: {t: {scope: b}, u: {scope: a}}\n")

    def action(name: str, agent: str, scopes: frozenset[str] | None) -> str:
        return book.decide(tool(name, who=Identity(agent=agent, scopes=scopes))).action

    assert [action("t", "x", None), action("t", "x", frozenset({"b"})), action("t", "x", frozenset())] == [
        "allow",
        "allow",
        "deny",
    ]
    assert [action("t", "fraud", None), action("t", "fraud", frozenset({"b"}))] == ["deny", "deny"]
    assert [action("u", "fraud", None), action("u", "fraud", frozenset({"a"}))] == ["allow", "allow"]


def test_scopes_only_shrink() -> None:
    book = load("policy: p\nagents: {fraud: {scopes: [a, b]}}\n", 'policy: q\nagents: {"*": {scopes: [b, c]}}\n')
    assert book.scopes(Identity(agent="fraud")) == {"b"}
    assert book.scopes(Identity(agent="x", scopes=frozenset({"a", "c"}))) == {"c"}
    assert empty_book().scopes(Identity()) is None


def test_a_rule_sees_the_scopes_that_are_left() -> None:
    book = load(rules("id: r, on: model, when: '\"b\" in scopes', then: note") + "agents: {fraud: {scopes: [a]}}\n")
    both = frozenset({"a", "b"})
    assert book.decide(model(Identity(agent="fraud", scopes=both))).action == "allow"
    assert book.decide(model(Identity(agent="x", scopes=both))).action == "note"


@pytest.mark.parametrize(
    ("text", "action"),
    [
        ("", "allow"),
        ("tools: {t: {}}\n", "ask"),
        ("tools: {t: {}}\nunlisted: deny\n", "deny"),
        ("tools: {t: {}}\nunlisted: allow\n", "allow"),
        ("unlisted: ask\n", "ask"),
    ],
)
def test_a_tool_no_table_lists(text: str, action: str) -> None:
    book = load("policy: p\n" + text)
    assert book.decide(tool("other")).action == action
    assert book.decide(model()).action == "allow"


def test_a_tool_listed_anywhere_that_applies_is_listed() -> None:
    book = load("policy: p\ntools: {t: {}}\n", "policy: q\ntools: {u: {}}\n")
    assert [said(book.decide(tool(name))) for name in ("t", "u", "v")] == [
        ("allow", ""),
        ("allow", ""),
        ("ask", "unlisted"),
    ]


def test_guards_are_the_strictest_of_all_that_apply() -> None:
    book = load(
        "policy: p\nguards: {secrets: {in: redact, out: deny}, privacy: {in: redact}}\n",
        "policy: q\nguards: {secrets: {in: deny}}\napplies: {agents: [a]}\n",
    )
    assert book.guards(Identity(agent="a"), "in") == {"secrets": "deny", "privacy": "redact"}
    assert book.guards(Identity(), "in") == {"secrets": "redact", "privacy": "redact"}
    assert book.guards(Identity(), "out") == {"secrets": "deny", "privacy": "allow"}


def test_the_tables_tell_of_a_tool_and_the_strictest_counts() -> None:
    book = load(REFUNDS, "policy: q\ntools: {read_inbox: {effect: external, scope: mail}}\n")
    found = book.tool(Identity(), "read_inbox")
    assert found is not None
    assert (found.effect, found.returns, found.scope, found.place) == ("external", "untrusted", "mail", "p0.yaml:5")
    assert book.tool(Identity(), "nope") is None


def test_the_first_policy_says_what_to_downgrade_to() -> None:
    book = load("policy: p\n", "policy: q\ndowngrade: {to: small}\n", "policy: r\ndowngrade: {to: tiny}\n")
    assert (book.downgrade_to(Identity()), empty_book().downgrade_to(Identity())) == ("small", None)


def test_a_stage_is_watched_where_a_rule_of_its_own_is() -> None:
    book = load(rules("id: r, on: reply, then: note") + "applies: {agents: [a]}\n")
    assert (book.watches("reply", Identity(agent="a")), book.watches("reply", Identity())) == (True, False)


def test_the_version_is_of_names_and_texts_and_not_of_folders() -> None:
    one, other = ("x/p.yaml", "policy: p\n"), ("y/p.yaml", "policy: p\n")
    assert load_policies([one]).version == load_policies([other]).version
    assert load_policies([one]).version != load_policies([("x/p.yaml", "policy: p\n\n")]).version
    assert len(load_policies([one]).version) == 16


def test_made_up_names_do_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(book_module, "CACHE", 8)
    book = load(REFUNDS)
    for number in range(100):
        book.decide(tool(f"t{number}", who=Identity(run=f"r{number}", agent=f"a{number}")))
        book.caps(Identity(run=f"r{number}"))
        book.tool(Identity(), f"t{number}")
    caches = (book._plans, book._groups, book._applying, book._guards, book._tools, book._caps)
    assert max(len(cache) for cache in caches) <= 8


def test_tools_that_meet_the_same_rules_share_one_program() -> None:
    book = load(rules("id: r, on: tool, when: args.x > 1, then: deny", "id: s, on: tool, when: args.x > 2, then: deny"))
    for number in range(50):
        book.decide(tool(f"made-up-{number}", {"x": 0}))
    assert len(book._groups) == 1


def test_rules_that_can_match_are_asked_all_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    book = load(rules(*(f"id: r{n}, on: tool, when: args.x > {n}, then: note" for n in range(50))))
    asked: list[int] = []
    answers = Fused.answers

    def counted(self: Fused, values: Mapping[str, object]) -> list[bool]:
        asked.append(self.size)
        return answers(self, values)

    monkeypatch.setattr(Fused, "answers", counted)
    monkeypatch.setattr("comptroller.policies.rule.Rule.judge_values", None)  # nobody is asked alone
    assert said(book.decide(tool("t", {"x": 10}))) == ("note", "r0")
    assert asked == [50]


def test_threads_share_a_book() -> None:
    book = load(REFUNDS)

    def decide(number: int) -> str:
        name = "issue_refund" if number % 2 else f"other{number % 7}"
        return book.decide(tool(name, {"amount": float(number)}, Identity(agent=f"a{number % 5}"))).action

    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(decide, range(400)))
    assert together == [decide(number) for number in range(400)]


def test_one_argument_of_two_types_is_judged_by_each_tables_own() -> None:
    rule = "rules: [{{id: {0}, on: tool, tool: pay, when: {1}, then: {2}}}]\n"
    one = "policy: p\ntools: {pay: {args: {x: int}}}\n" + rule.format("a", "args.x == 2", "note")
    other = "policy: q\ntools: {pay: {args: {x: string}}}\n" + rule.format("b", "args.x == '2'", "ask")
    book = load(one, other)
    assert said(book.decide(tool("pay", {"x": 2}))) == ("deny", "b")
    assert said(book.decide(tool("pay", {"x": "2"}))) == ("deny", "a")


CONDITIONS = [
    "args.x > 1",
    "args.x * 2 >= args.y",
    "has(args.y) && args.y < 3",
    "!has(args.x)",
    'agent == "a" || args.y == 2',
    "args.s.startsWith('a')",
    "args.s == 'b' && args.x > 0",
    "run.tainted",
    "run.depth > 2 && provenance.args.x == 'user'",
    "size(args.s) > args.x",
    "args.l.exists(v, v == args.s)",
    "1 / args.x > 0",
]
argument = (
    st.none()
    | st.integers(-3, 3)
    | st.sampled_from([0.5, float("nan"), "a", "b", True, 2**70])
    | st.lists(st.just("a"), max_size=2)
)


def written(numbered: tuple[int, tuple[str, str, bool]]) -> str:
    number, (when, then, shadow) = numbered
    quoted = "'" + when.replace("'", "''") + "'"
    mode = "shadow" if shadow else "enforce"
    return f"  - {{id: r{number}, on: tool, tool: t, when: {quoted}, then: {then}, mode: {mode}}}\n"


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(CONDITIONS), st.sampled_from(["deny", "ask", "note"]), st.booleans()),
        min_size=1,
        max_size=8,
    ),
    st.dictionaries(st.sampled_from(["x", "y", "s", "l"]), argument),
    st.sampled_from(["a", "b"]),
    st.booleans(),
)
def test_fused_rules_decide_as_each_alone(
    chosen: list[tuple[str, str, bool]], args: Mapping[str, object], agent: str, typed: bool
) -> None:
    table = "tools: {t: {args: {x: int, y: double?, s: string, l: list<string>}}}\n" if typed else ""
    book = load(f"policy: p\nunlisted: allow\n{table}rules:\n{''.join(map(written, enumerate(chosen)))}")
    case = tool("t", args, Identity(agent=agent, depth=3))
    alone = [(rule, rule.judge(case, None)) for rule in book.policies[0].rules]
    enforced = [verdict for rule, verdict in alone if verdict and not rule.shadow]
    decision = book.decide(case)
    assert decision.action == max(
        (v.action for v in enforced), key=["allow", "note", "ask", "deny"].index, default="allow"
    )
    assert set(decision.shadows) == {verdict for rule, verdict in alone if verdict and rule.shadow}
    assert {decision.verdict, *decision.notes} - {None} == set(enforced)


def test_a_rule_about_the_tool_the_agent_or_the_workflow_alone_is_decided_once_and_says_the_same() -> None:
    text = """
policy: p
rules:
  - {id: named, on: tool, when: 'tool.matches("^del")', then: deny}
  - {id: who, on: tool, when: agent == "a" && run.workflow == "w", then: ask}
  - {id: shy, on: tool, when: tool.startsWith("x"), then: deny, mode: shadow}
  - {id: odd, on: tool, when: 'int(tool) > 3', then: note, on_error: ask}
"""
    book = load_policies([("p.yaml", text)])
    for name, agent, workflow in product(("delete", "xray", "7", "1"), ("a", "b"), ("w", "v")):
        asked = tool(name, {}, Identity(agent=agent, workflow=workflow))
        assert book.decide(asked) == book.plan(asked).decide(asked)
    assert book.decide(tool("delete", {})).action == "deny"
    assert [said.rule for said in book.decide(tool("xray", {})).shadows] == ["shy"]
