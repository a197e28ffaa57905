"""What policies say of memory: the strictest of all they say holds."""

from comptroller.core.call import Identity
from comptroller.policies.book import Book
from comptroller.policies.listing import listed
from comptroller.policies.load import load_policies
from comptroller.policies.memories import Memories, memories_for

DAY = 86_400 * 1_000_000_000
LAX = """
policy: lax
memories:
  "*": {write: {when_tainted: allow}, read: {returns: trusted}, keep: 60d, secrets: redact}
"""
STRICT = """
policy: strict
applies: {agents: [writer, reader]}
memories:
  pc/notes: {write: {agents: [writer], when_tainted: ask}, share: customer, secrets: deny, keep: 30d}
  notes-*: {share: run}
  kept: {unstamped: read, share: tenant}
  files: {tools: {write: [save_*], read: [load_*], delete: [save_nothing]}}
"""


def book(tmp_path: object, *texts: str) -> Book:
    from pathlib import Path

    folder = Path(str(tmp_path))
    for number, text in enumerate(texts):
        folder.joinpath(f"{number}.yaml").write_text(text, encoding="utf-8")
    return load_policies([str(folder)])


def said(tmp_path: object, agent: str = "writer") -> Memories:
    found = memories_for(book(tmp_path, LAX, STRICT), Identity(agent=agent))
    assert found is not None
    return found


def test_the_strictest_of_several_files_holds(tmp_path: object) -> None:
    terms = said(tmp_path).of("writer", ("pc", "notes", "pc/notes"))
    assert terms is not None
    assert terms.tainted is not None
    assert (terms.tainted.action, terms.returns, terms.keep_ns) == ("ask", "as_written", 30 * DAY)
    assert (terms.share, terms.guards, terms.leaves_unstamped) == ("customer", {"secrets": "deny"}, True)


def test_who_is_not_named_may_not_write_and_is_told_where_that_stands(tmp_path: object) -> None:
    terms = said(tmp_path).of("reader", ("pc/notes",))
    assert terms is not None
    assert terms.may_read is None
    assert terms.may_write is not None
    assert terms.may_write.place.endswith("1.yaml:5")
    assert "Add it to `write: agents`" in terms.may_write.because


def test_a_file_for_other_agents_says_nothing(tmp_path: object) -> None:
    terms = said(tmp_path, "other").of("other", ("pc/notes",))
    assert terms is not None
    assert (terms.may_write, terms.tainted, terms.share) == (None, None, None)


def test_a_store_that_cannot_be_told_is_under_all_that_is_said(tmp_path: object) -> None:
    terms = said(tmp_path).of("reader", None)
    assert terms is not None
    assert terms.share == "run"
    assert terms.may_write is not None


def test_what_is_unstamped_is_read_only_where_all_say_so(tmp_path: object) -> None:
    found = said(tmp_path)
    kept = memories_for(
        book(tmp_path, "policy: p\nmemories: {a: {share: tenant, unstamped: read}}", "policy: q"), Identity()
    )
    assert kept is not None
    terms, strict = kept.of("", ("a",)), found.of("writer", ("kept",))
    assert terms is not None
    assert strict is not None
    assert not terms.leaves_unstamped
    assert strict.leaves_unstamped  # the other file keeps for so long, and says nothing of what has no stamp


def test_a_tool_is_a_way_to_what_it_changes_first(tmp_path: object) -> None:
    found = said(tmp_path)
    assert found.of_tool("writer", "save_note") is not None
    ways = [found.of_tool("writer", name) for name in ("save_note", "load_all", "save_nothing")]
    assert [way[0] for way in ways if way is not None] == ["write", "read", "write"]
    assert found.of_tool("writer", "save_nothing", "delete") is not None
    assert found.of_tool("writer", "search") is None


def test_no_policy_says_nothing_and_costs_nothing(tmp_path: object) -> None:
    plain = book(tmp_path, "policy: p")
    assert memories_for(plain, Identity()) is None
    assert not plain.traces


def test_where_memories_are_ruled_values_are_traced_and_calls_of_memory_are_listed_tools(tmp_path: object) -> None:
    from comptroller.core.verdict import Case

    ruled = book(tmp_path, LAX, "policy: q\ntools: {x: {effect: read}}")
    assert ruled.traces
    assert ruled.decide(Case("tool", Identity(), tool="memory.read")).action == "allow"
    assert ruled.decide(Case("tool", Identity(), tool="other")).action == "ask"


def test_each_is_listed_with_what_it_says(tmp_path: object) -> None:
    rows = {one.id: one.then for one in listed(book(tmp_path, LAX, STRICT)) if one.kind == "memory"}
    assert rows["pc/notes"] == "when tainted: ask, returns: as_written, keep: 30d, share: customer, secrets: deny"
