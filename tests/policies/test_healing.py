"""What files say of calls that fail, gathered for an agent."""

from comptroller.core.call import Identity
from comptroller.core.healing import SHAPE, Healing
from comptroller.policies.book import Book
from comptroller.policies.compare import compare
from comptroller.policies.healing import healing_for
from comptroller.policies.listing import listed
from comptroller.policies.load import load_policies


def book(*files: str) -> Book:
    return load_policies([(f"{number}.yaml", text) for number, text in enumerate(files)])


def gathered(*files: str, agent: str = "clerk") -> Healing:
    found = healing_for(book(*files), Identity(agent=agent))
    assert found is not None
    return found


ONE = "policy: one\nguards: {secrets: {out: deny, retry: {times: 3, hint: No keys.}}}\n"


def test_where_no_file_says_anything_nothing_is_gathered() -> None:
    assert healing_for(book("policy: p"), Identity()) is None


def test_a_retry_is_known_by_the_rule_as_it_stands_on_record() -> None:
    rule = "rules: [{id: r, on: tool, tool: x, then: deny, retry: {times: 2}}]\nunlisted: allow\n"
    assert set(gathered(ONE + rule + "structured: {retry: {}}").retries) == {"guards.secrets", "r", SHAPE}


def test_of_several_files_the_fewest_tries_hold_and_all_hints_are_given() -> None:
    two = "policy: two\nguards: {secrets: {out: deny, retry: {times: 1, hint: Nor passwords.}}}"
    retry = gathered(ONE, two).retries["guards.secrets"]
    assert (retry.times, retry.hint) == (1, "No keys. Nor passwords.")


def test_a_file_that_refuses_for_good_has_the_last_word() -> None:
    assert healing_for(book(ONE, "policy: two\nguards: {secrets: {out: deny}}"), Identity()) is None


def test_a_file_that_only_notes_has_no_word_in_it() -> None:
    assert gathered(ONE, "policy: two\nguards: {secrets: {out: note}}").retries["guards.secrets"].times == 3


def test_of_forms_the_strictest_holds() -> None:
    found = gathered(
        "policy: one\nstructured: {retry: {times: 2}}", "policy: two\nstructured: {mend: false, otherwise: deny}"
    )
    assert found.structured is not None
    assert (found.structured.mend, found.structured.retry, found.structured.otherwise) == (False, None, "deny")
    assert found.structured.place == "1.yaml:2"


def test_what_stands_at_an_agent_comes_before_what_its_file_says() -> None:
    text = (
        'policy: p\nagents: {"jun*": {fallback: {agent: senior, after: 3}}}\nfallback: {to: gpt-4o, after: 2, until: 5}'
    )
    first, second = gathered(text).fallbacks
    assert (first.agent, first.after, first.holds_for("junior"), first.holds_for("clerk")) == ("senior", 3, True, False)
    assert (second.to, second.until, second.holds_for("clerk")) == ("gpt-4o", 5, True)


def test_another_workflows_file_has_no_say() -> None:
    assert healing_for(book("policy: p\napplies: {workflows: [w]}\nstructured: {}"), Identity()) is None


def test_the_list_of_policies_names_what_heals() -> None:
    text = ONE + "structured: {retry: {times: 2}}\nfallback: {to: gpt-4o, after: 2}\n"
    said = {one.id: one.then for one in listed(book(text))}
    assert said["secrets"] == "out: deny, asked again 3 times"
    assert said["structured"] == "mend, asked again 2 times, pass"
    assert said["fallback"] == "gpt-4o takes over"


def test_a_change_of_it_shows_between_two_versions() -> None:
    before, after = book("policy: p\nfallback: {to: a, after: 2}"), book("policy: p\nfallback: {to: b, after: 2}")
    assert [(one.kind, one.id, one.what) for one in compare(before, after)] == [("setting", "fallback", "changed")]
