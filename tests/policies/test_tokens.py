"""What files say about tokens: gathered for an agent, and checked."""

import pytest

from comptroller.core.call import Identity
from comptroller.policies.compare import compare
from comptroller.policies.listing import listed
from comptroller.policies.load import load_policies
from comptroller.policies.mistakes import PolicyErrors
from comptroller.policies.tokens import Tokens, tokens_for

WHO = Identity()


def gathered(*files: str) -> Tokens | None:
    named = [(f"{number}.yaml", f"policy: p{number}\n{text}") for number, text in enumerate(files)]
    return tokens_for(load_policies(named), WHO)


def test_nothing_is_said_where_no_file_says_tokens() -> None:
    assert gathered("guards: {privacy: {in: redact}}") is None
    assert gathered("applies: {agents: [other]}\ntokens: {}") is None


def test_the_bare_word_means_all_that_privacy_finds_for_a_customer_and_nothing_put_back() -> None:
    found = gathered("tokens:")
    assert found is not None
    assert (found.kinds, found.per, found.back("send_mail")) == (None, "customer", frozenset())


def test_what_any_file_replaces_is_replaced_and_the_narrowest_scope_holds() -> None:
    found = gathered("tokens: {of: [email], per: tenant}", "tokens: {of: [iban], per: run}")
    assert found is not None
    assert (found.kinds, found.per) == ({"email", "iban"}, "run")
    wide = gathered("tokens: {of: [jwt]}", "tokens: {}")
    assert wide is not None
    assert (wide.kinds, wide.more) == (None, {"jwt"})


def test_values_go_back_only_where_every_file_that_names_the_tool_agrees() -> None:
    found = gathered(
        "tokens: {back: {send_mail: [to, cc], 'crm_*': ['*'], pay: [iban]}}",
        "tokens: {back: {send_mail: [to, bcc], pay: []}}",
    )
    assert found is not None
    assert found.back("send_mail") == {"to"}
    assert found.back("crm_update") == {"*"}
    assert found.back("pay") == frozenset()
    assert found.back("post_tweet") == frozenset()


@pytest.mark.parametrize(
    ("one", "other", "left"), [("['*']", "[to]", {"to"}), ("[to]", "['*']", {"to"}), ("['*']", "['*']", {"*"})]
)
def test_all_arguments_are_as_many_as_another_file_allows(one: str, other: str, left: set[str]) -> None:
    found = gathered(f"tokens: {{back: {{send_mail: {one}}}}}", f"tokens: {{back: {{send_mail: {other}}}}}")
    assert found is not None
    assert found.back("send_mail") == left


def test_a_kind_nobody_finds_is_refused_where_the_kinds_are_known() -> None:
    text = "policy: p\ntokens: {of: [email, emial]}\n"
    with pytest.raises(PolicyErrors, match=r"No guard finds the kind `emial`\. Did you mean `email`"):
        load_policies([("p.yaml", text)], kinds=frozenset({"email", "iban"}))


def test_what_tokens_say_is_listed_and_compared() -> None:
    text = "policy: p\ntokens: {of: [email], back: {send_mail: [to, cc], forget: [], crm: ['*']}}\n"
    before = load_policies([("p.yaml", text)])
    rows = [(said.id, said.about, said.when, said.then) for said in listed(before)]
    assert rows == [
        ("tokens", "", "email", "a token, the same per customer"),
        ("tokens.back", "send_mail", "", "put back in to, cc"),
        ("tokens.back", "forget", "", "put back in no argument"),
        ("tokens.back", "crm", "", "put back in all arguments"),
    ]
    after = load_policies([("p.yaml", text.replace("[to, cc]", "[to]"))])
    assert [(one.kind, one.id, one.what) for one in compare(before, after)] == [("setting", "tokens", "changed")]
