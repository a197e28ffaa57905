"""What a tool table alone says of a call, given where its arguments came from."""

from collections.abc import Mapping

import pytest

from comptroller.core.call import Identity
from comptroller.core.intent import Wish
from comptroller.core.origin import Origin
from comptroller.core.verdict import Case, Decision
from comptroller.policies.book import Book
from comptroller.policies.load import load_policies
from comptroller.policies.mistakes import PolicyErrors
from comptroller.policies.trial import Supposed

FILE = """
policy: mail
profile: least-privilege
tools:
  read_inbox: {effect: read, returns: untrusted, args: {}}
  fetch: {effect: read, returns: untrusted, args: {url: string}}
  send_mail:
    effect: external
    args: {to: string, subject: string, body: string, copies: int?}
  share_file: {effect: write, args: {file: string, who: string, permission: string}, sensitive: [who]}
"""


def book(text: str = FILE) -> Book:
    return load_policies([("mail.yaml", text)])


def decide(tool: str, args: Mapping[str, object], said: str = "Send it to Ann", **known: object) -> Decision:
    labels = {name.replace("__", ".args."): value for name, value in known.items() if "__" in name}
    facts = {"run.tainted": known.get("tainted", True), **labels}
    case = Case("tool", Identity(run="r"), kind="tool", tool=tool, args=args)
    case.origins = Supposed(facts, said)
    return book().decide(case)


MAIL = {"to": "ann@x.example", "subject": "Hi", "body": "All well."}


def test_a_tool_that_reads_is_allowed() -> None:
    assert decide("read_inbox", {}, "What is new?").action == "allow"


def test_a_write_whose_recipient_the_user_named_is_allowed() -> None:
    assert decide("send_mail", MAIL, provenance__to="user").action == "allow"


@pytest.mark.parametrize("label", ["untrusted", "model"])
def test_a_write_whose_recipient_nobody_vouches_for_is_asked_about(label: str) -> None:
    decision = decide("send_mail", MAIL, provenance__to=label)
    assert (decision.action, decision.verdict and decision.verdict.rule) == ("ask", "profile.sensitive")


def test_before_anything_untrusted_was_read_the_model_may_choose() -> None:
    assert decide("send_mail", MAIL, tainted=False).action == "allow"


def test_what_nobody_called_for_is_denied_in_a_tainted_run_and_asked_about_in_a_clean_one() -> None:
    said = "What is new in my inbox?"
    assert decide("send_mail", MAIL, said, provenance__to="user").action == "deny"
    assert decide("send_mail", MAIL, said, tainted=False).action == "ask"


def test_where_the_user_hands_over_to_a_list_a_person_is_asked() -> None:
    assert decide("send_mail", MAIL, "Do the tasks in my inbox", provenance__to="user").action == "ask"


def test_free_text_may_be_the_models_but_may_not_carry_a_strangers_link() -> None:
    assert decide("send_mail", MAIL, provenance__to="user", provenance__body="model").action == "allow"
    assert decide("send_mail", MAIL, provenance__to="user", provenance__body="untrusted").action == "ask"


def test_a_figure_may_be_the_models_and_not_a_strangers() -> None:
    args = {**MAIL, "copies": 3}
    assert decide("send_mail", args, provenance__to="user", provenance__copies="model").action == "allow"
    assert decide("send_mail", args, provenance__to="user", provenance__copies="untrusted").action == "ask"


def test_a_table_that_says_what_is_sensitive_has_thought_of_all() -> None:
    args = {"file": "a", "who": "ann", "permission": "r"}
    said = "share it with Ann"
    assert decide("share_file", args, said, provenance__who="user").action == "allow"


def test_an_address_that_was_put_together_may_carry_data_out_and_one_copied_whole_does_not() -> None:
    args = {"url": "https://x.example/?q=secret"}
    assert decide("fetch", args, "Read it", provenance__url="model").action == "ask"
    assert decide("fetch", args, "Read it", provenance__url="untrusted").action == "allow"


def test_what_something_untrusted_names_and_the_user_does_not_is_asked_about() -> None:
    class Steered(Supposed):
        def of(self, name: str) -> Origin | None:
            return Origin("trusted", ("result:c0",), whole=True, named=True)

    case = Case("tool", Identity(run="r"), kind="tool", tool="send_mail", args=MAIL)
    case.origins = Steered({"run.tainted": True}, "send it")
    assert book().decide(case).action == "ask"


def test_without_any_knowledge_of_the_flow_a_write_is_refused() -> None:
    decision = book().decide(Case("tool", Identity(run="r"), kind="tool", tool="send_mail", args=MAIL))
    assert decision.action == "deny"
    assert decision.verdict is not None
    assert decision.verdict.error


def test_a_profile_in_shadow_decides_nothing_and_is_on_record() -> None:
    shadow = book(FILE.replace("profile: least-privilege", "profile: {of: least-privilege, mode: shadow}"))
    case = Case("tool", Identity(run="r"), kind="tool", tool="send_mail", args=MAIL)
    case.origins = Supposed({"run.tainted": True}, "What is new?")
    decision = shadow.decide(case)
    assert decision.action == "allow"
    assert [verdict.rule for verdict in decision.shadows] == ["profile.uncalled"]


def test_rules_and_conditions_see_labels_and_sources() -> None:
    rules = """
rules:
  - {id: no-stranger, on: tool, tool: send_mail, when: 'provenance.args.to == "untrusted"', then: deny}
  - {id: secret-run, on: tool, tool: send_mail, when: '"secret" in run.labels', then: ask}
  - {id: from-web, on: tool, tool: send_mail, when: 'sources(args.body).exists(s, s.startsWith("result:"))', then: note}
"""
    text = FILE.replace("profile: least-privilege", "") + rules
    case = Case("tool", Identity(run="r"), kind="tool", tool="send_mail", args=MAIL)
    case.origins = Supposed(
        {"provenance.args.to": "untrusted", "sources.args.body": ["result:c1"], "run.labels": ["trusted", "secret"]}
    )
    decision = book(text).decide(case)
    assert decision.verdict is not None
    assert decision.verdict.rule == "no-stranger"
    assert {verdict.rule for verdict in decision.notes} == {"secret-run", "from-web"}


def test_only_a_book_that_asks_about_the_flow_makes_anybody_keep_track() -> None:
    assert book().traces
    assert not book(FILE.replace("profile: least-privilege", "")).traces


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("sensitive: [who]", "sensitive: [whom]", "`share_file` has no argument `whom`. Did you mean `who`?"),
        ("effect: read, returns: untrusted, args: {}", "effect: read, own: [id], args: {}", "so `own` says nothing"),
        ("profile: least-privilege", "profile: lenient", "`of` cannot be `lenient`"),
    ],
)
def test_a_part_or_a_profile_that_is_not_there_is_refused(before: str, after: str, message: str) -> None:
    with pytest.raises(PolicyErrors) as caught:
        book(FILE.replace(before, after))
    assert message in str(caught.value)


def test_where_nobody_is_known_to_have_asked_a_tainted_run_is_asked_about() -> None:
    class Silent(Supposed):
        def called_for(self, wish: Wish) -> bool | None:
            return None

    case = Case("tool", Identity(run="r"), kind="tool", tool="send_mail", args=MAIL)
    case.origins = Silent({"run.tainted": True, "provenance.args.to": "user"})
    assert book().decide(case).action == "ask"
    case.origins = Silent({"run.tainted": False})
    assert book().decide(case).action == "allow"
