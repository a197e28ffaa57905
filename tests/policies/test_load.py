"""Loading: files, folders, packs and pairs; everything or nothing."""

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from comptroller.policies.load import load_policies, packs
from comptroller.policies.mistakes import PolicyErrors


def mistakes(*sources: str | Path | tuple[str, str]) -> list[str]:
    with pytest.raises(PolicyErrors) as caught:
        load_policies(sources)
    return caught.value.mistakes


def test_a_file_and_a_folder_are_read(tmp_path: Path) -> None:
    (tmp_path / "b.yaml").write_text("policy: b\n", encoding="utf-8")
    (tmp_path / "a.yaml").write_text("policy: a\n", encoding="utf-8")
    (tmp_path / "notes.txt").write_text("not a policy", encoding="utf-8")
    assert [file.path for file in load_policies([tmp_path]).files] == [
        str(tmp_path / "a.yaml"),
        str(tmp_path / "b.yaml"),
    ]
    assert load_policies([str(tmp_path / "b.yaml")]).files[0].text == "policy: b\n"


def test_a_pack_is_found_by_its_name_wherever_settings_put_it(tmp_path: Path) -> None:
    assert load_policies(["pack:leaks"]).files[0].path == "pack:leaks"
    assert load_policies([str(tmp_path / "pack:leaks")]).version == load_policies(["pack:leaks"]).version


def test_an_unknown_pack_is_a_mistake() -> None:
    assert mistakes("pack:leeks") == ["pack:leeks:1: There is no pack `leeks`. Did you mean `leaks`?"]


def test_a_pack_cannot_be_used_to_read_elsewhere() -> None:
    assert "There is no pack" in mistakes("pack:..")[0]


def test_a_missing_file_is_a_mistake(tmp_path: Path) -> None:
    path = tmp_path / "none.yaml"
    assert mistakes(path) == [f"{path}:1: There is no such file. Check the path, or take it off the list."]


def test_the_mistakes_of_all_files_are_told_at_once() -> None:
    told = mistakes(("a.yaml", "policy: a\nrulez: []\n"), ("b.yaml", "]"), ("c.yaml", "policy: c\n"))
    assert [mistake.split(":")[0] for mistake in told] == ["a.yaml", "b.yaml"]


def test_two_policies_of_one_name_are_a_mistake() -> None:
    assert mistakes(("a.yaml", "policy: p\n"), ("b.yaml", "policy: p\n")) == [
        "b.yaml:1: There is a policy `p` already, at a.yaml:1. Give this one another name."
    ]


def test_a_rule_may_use_the_tool_table_of_another_file() -> None:
    table = ("a.yaml", "policy: a\ntools: {t: {args: {amount: double}}}\n")
    rule = "policy: b\nrules: [{id: r, on: tool, tool: t, when: args.amont > 1, then: deny}]\n"
    assert mistakes(table, ("b.yaml", rule)) == [
        "b.yaml:2: Rule `r`: `t` has no argument `amont`. Did you mean `amount`?"
    ]


def test_an_empty_section_is_no_mistake() -> None:
    assert load_policies([("a.yaml", "policy: a\nrules:\nbudgets:\ntools:\n")]).rules == 0


def test_currencies_and_guards_are_checked_only_where_they_are_known() -> None:
    text = "policy: a\nguards: {mine: {in: deny}}\nbudgets: [{per: tenant, cap: 1 XTS}]\n"
    assert load_policies([("a.yaml", text)]).rules == 0


def test_a_file_read_from_bytes_and_from_text_is_the_same(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_bytes(b"\xef\xbb\xbfpolicy: a\r\n")
    assert load_policies([tmp_path / "a.yaml"]).files[0].text == "policy: a\r\n"


def test_two_files_without_a_name_are_told_so_and_no_more() -> None:
    told = mistakes(("a.yaml", "rules: []\n"), ("b.yaml", "rules: []\n"))
    assert told == [
        "a.yaml:1: The field `policy` is missing. Add it.",
        "b.yaml:1: The field `policy` is missing. Add it.",
    ]


WHOLE = (Path(__file__).parents[2] / "comptroller" / "policies" / "packs" / "spend.yaml").read_text(encoding="utf-8")
SCRAPS = st.sampled_from(
    ["", "-", ": ", "[", "}", "'", '"', "?", "&a", "*a", "!!x", "null", "1e9", "\t", "\n", "  ", "\0", "é", "rules"]
)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.integers(0, len(WHOLE)), st.integers(0, 12), SCRAPS), min_size=1, max_size=4))
def test_whatever_a_file_holds_it_loads_or_is_refused_with_places(edits: list[tuple[int, int, str]]) -> None:
    text = WHOLE
    for at, length, scrap in edits:
        text = text[:at] + scrap + text[at + length :]
    try:
        load_policies([("p.yaml", text)])
    except PolicyErrors as error:
        told = error.mistakes
    else:
        return
    assert told
    assert all(re.match(r"p\.yaml:\d+: .*[.?]$", mistake) for mistake in told)


def test_the_packs_that_come_with_us_load_together_and_pass_their_tests_each_by_itself() -> None:
    from comptroller.policies.trial import run_tests

    outcomes = run_tests(load_policies([f"pack:{name}" for name in packs()]))
    assert len(packs()) >= 4
    assert len(outcomes) >= 10
    assert [outcome for outcome in outcomes if not outcome.passed] == []


@pytest.mark.parametrize("name", packs())
def test_a_pack_loads_by_itself(name: str) -> None:
    assert load_policies([f"pack:{name}"]).files[0].digest


def test_a_folder_is_read_with_its_folders_and_both_endings(tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    (tmp_path / "a.yml").write_text("policy: a\n", encoding="utf-8")
    (tmp_path / "more" / "b.yaml").write_text("policy: b\n", encoding="utf-8")
    assert [policy.name for policy in load_policies([tmp_path]).policies] == ["a", "b"]


def test_a_folder_without_policies_is_a_mistake_and_not_a_book_that_allows_everything(tmp_path: Path) -> None:
    with pytest.raises(PolicyErrors, match="holds no policy"):
        load_policies([tmp_path])


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("budgets: [{per: tool, cap: 2 USD}]", "`per: tool` counts calls"),
        ("budgets: [{per: tool, cap: 200 tokens}]", "`per: tool` counts calls"),
        ("guards: {secrets: {}}", "The guard `secrets` looks in no direction. Write `in:` or `out:`"),
        ("agents: {a: {tools: [reed_inbox]}}", "No tool table lists `reed_inbox`. Did you mean `read_inbox`?"),
        (
            "tests: [{call: {tool: pay, args: {amont: 1.0}}, expect: allow}]",
            "no argument `amont`. Did you mean `amount`?",
        ),
        ("tests: [{call: {tool: pay}, expect: allow, by: deer}]", "There is no rule `deer`. Did you mean `dear`?"),
        ('applies: {workflows: ["a\\u200b"]}', "holds an invisible character, U+200B. Type the name anew."),
        ('guards: {"secrets\\u00ad": {in: redact}}', "U+00AD"),
        ('agents: {a: {scopes: ["x\\u202e"]}}', "U+202E"),
        ('agents: {"a\\ufeff": {scopes: []}}', "U+FEFF"),
        ('agents: {a: {tools: ["pay\\u2060"]}}', "U+2060"),
    ],
)
def test_what_would_load_and_never_act_is_a_mistake(text: str, told: str) -> None:
    base = (
        "policy: p\ntools: {read_inbox: {}, pay: {args: {amount: double}}}\n"
        "rules: [{id: dear, on: tool, tool: pay, then: ask}]\n"
    )
    [mistake] = mistakes(("p.yaml", f"{base}{text}\n"))
    assert told in mistake
    assert mistake.startswith("p.yaml:4: ")


@pytest.mark.parametrize(
    "text",
    [
        "policy: p\nbudgets: [{per: tool, cap: 200 calls}]\n",
        "policy: p\nguards: {secrets: {in: allow}}\n",
        "policy: p\nagents: {a: {tools: [reed_inbox]}}\n",  # no table to be near to
        "policy: p\ntools: {pay: {}}\nagents: {a: {tools: [send_mail, 'pa?']}}\n",
        "policy: p\ntools: {pay: {}}\ntests: [{call: {tool: pay, args: {a: 1}}, expect: allow}]\n",  # takes anything
        "policy: p\ntests: [{call: {tool: pay}, expect: ask, by: unlisted}]\n",
        "policy: prüfung-付款\n",
    ],
)
def test_what_may_act_is_none(text: str) -> None:
    assert load_policies([("p.yaml", text)]).policies


@pytest.mark.parametrize("field", ["id", "tool"])
def test_a_rule_that_names_what_nobody_can_see_is_a_mistake(field: str) -> None:
    rule = {"id": "a", "tool": "pay"} | {field: r'"pay\u200b"'}
    [mistake] = mistakes(
        (
            "p.yaml",
            f"policy: p\nrules:\n  - {{{', '.join(f'{k}: {v}' for k, v in rule.items())}, on: tool, then: deny}}\n",
        )
    )
    assert "U+200B" in mistake
