"""Findings are put in one order, and redacted text stays redacted."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from comptroller.guardrails.chain import Chain
from comptroller.guardrails.redact import Spot, merge, placeholder, redact
from comptroller.guardrails.scanner import PATTERNS

CHAIN = Chain()
PLAN = {"secrets": "redact", "privacy": "redact"}
SPANS = st.lists(st.tuples(st.integers(0, 40), st.integers(1, 15), st.integers(0, 3)), max_size=8)


def spots(spans: list[tuple[int, int, int]]) -> list[Spot]:
    return [Spot(start, start + size, rank, "g", f"k{rank}") for start, size, rank in spans]


@given(SPANS)
def test_merged_spots_cover_the_same_characters_once(spans: list[tuple[int, int, int]]) -> None:
    covered = [i for s in merge(spots(spans)) for i in range(s.start, s.end)]
    assert sorted(covered) == sorted({i for s in spots(spans) for i in range(s.start, s.end)})


@given(SPANS, st.randoms())
def test_the_order_of_finding_does_not_matter(spans: list[tuple[int, int, int]], rnd: object) -> None:
    mixed = spots(spans)
    rnd.shuffle(mixed)  # type: ignore[attr-defined]
    assert merge(mixed) == merge(spots(spans))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(0, 10_000), max_size=14))
def test_redacting_redacted_text_finds_nothing(pieces: list[str], picked: list[int]) -> None:
    text = "".join(pieces[i % len(pieces)] for i in picked)
    once = CHAIN.inspect(text, PLAN).text
    assert CHAIN.inspect(once, PLAN).findings == ()


def test_no_placeholder_is_a_finding_whatever_stands_around_it() -> None:
    kinds = {(p.guard, p.kind) for p in PATTERNS}
    for guard, kind in kinds:
        mark = placeholder(guard, kind)
        for text in (
            mark,
            f"password: {mark}",
            f'"token": "{mark}"',
            f"{mark} 123456789",
            f"{mark}{mark}",
            f"={mark}=a1",
        ):
            assert CHAIN.inspect(text, PLAN).findings == ()


def test_keys_glued_to_one_another_are_all_found() -> None:
    text = "mail jane@acme.com+49 30 901820 or 219-09-9998(212) 555-2368"
    assert CHAIN.inspect(text, PLAN).text == "mail [email][phone] or [ssn][phone]"


def test_placeholders_name_guard_and_kind() -> None:
    assert placeholder("privacy", "email") == "[email]"
    assert placeholder("secrets", "jwt") == "[secret:jwt]"
    assert placeholder("acme names", "Full Name!") == "[acme-names:full-name-]"


def test_text_without_findings_is_the_same_object() -> None:
    text = "nothing to see here"
    assert redact(text, []) is text
