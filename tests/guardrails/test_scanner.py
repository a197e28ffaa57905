"""The scanner finds what a plain loop over all patterns finds, wherever it stands."""

import threading

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from comptroller.guardrails import scanner as subject
from comptroller.guardrails.pattern import NO, Pattern
from comptroller.guardrails.redact import Spot, merge
from comptroller.guardrails.scanner import PATTERNS, SCANNER, Scanner, plain

BOTH = frozenset({"secrets", "privacy"})
TEXT = st.lists(st.integers(0, 10_000), max_size=14)
RELAXED = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def loop(text: str) -> list[Spot]:
    """Every pattern over the whole text, one after the other, with nothing but `re`."""
    text, spots = plain(text), []
    for number, pattern in enumerate(PATTERNS):
        at = 0
        while match := pattern.compiled.search(text, at):
            start, end = match.span("v") if "v" in match.re.groupindex else match.span()
            stop = pattern.check(text, start, end)
            if stop != NO:
                spots.append(Spot(start, stop, number, pattern.guard, pattern.kind))
            at = max(match.end(), stop) if pattern.run else match.start() + 1
    return spots


@RELAXED
@given(TEXT)
def test_findings_are_those_of_a_plain_loop_over_the_same_patterns(pieces: list[str], picked: list[int]) -> None:
    text = "".join(pieces[i % len(pieces)] for i in picked)
    assert set(SCANNER.find(text, BOTH)) == set(loop(text))


@RELAXED
@given(st.text(alphabet="0123456789 -+.@:/=aAbBeE\n\"'[]_é", max_size=120))
@example("4012 8888 8888 1881 2025")
@example("DE89 3704 0044 0532 0130 00")
def test_findings_in_noise_are_those_of_a_plain_loop(text: str) -> None:
    assert set(SCANNER.find(text, BOTH)) == set(loop(text))


def test_every_pattern_is_found_by_its_trigger_wherever_its_expression_matches(grown: dict[int, list[str]]) -> None:
    missed = []
    for number, texts in grown.items():
        for text in texts:
            found = {spot.rank for spot in SCANNER.find(f"see {text} there", BOTH)}
            if number not in found and number in {spot.rank for spot in loop(f"see {text} there")}:
                missed.append((PATTERNS[number].kind, text))
    assert missed == []


def test_every_secret_pattern_has_living_examples(grown: dict[int, list[str]]) -> None:
    barren = [PATTERNS[i].kind for i, texts in grown.items() if not texts and PATTERNS[i].guard == "secrets"]
    assert set(barren) <= {"private-key", "basic-auth", "connection-string"}  # sampled by hand


def test_no_bounded_match_is_longer_than_its_pattern_says(widths: dict[int, tuple[int, int]]) -> None:
    too_long = [PATTERNS[i].kind for i, (_, most) in widths.items() if not PATTERNS[i].run and most > PATTERNS[i].reach]
    assert too_long == []


def test_no_trigger_is_longer_than_the_overlap_of_blocks(trigger_widths: dict[int, tuple[int, int]]) -> None:
    assert max(most for _, most in trigger_widths.values()) <= subject.OVERLAP


def test_an_exact_trigger_has_one_length(trigger_widths: dict[int, tuple[int, int]]) -> None:
    wrong = [
        PATTERNS[i].kind
        for i, width in trigger_widths.items()
        if PATTERNS[i].exact and width != (PATTERNS[i].back, PATTERNS[i].back)
    ]
    assert wrong == []


def test_a_finding_on_the_border_of_two_blocks_is_found_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subject, "BLOCK", 512)
    for shift in range(480, 530, 7):
        text = "x " * (shift // 2) + "ghp_16C7e42F292c6912E7710c838347Ae178B4a " + "y " * 800 + "jane@acme.com"
        assert [s.kind for s in merge(SCANNER.find(text, BOTH))] == ["github-token", "email"]


def test_a_key_that_spans_blocks_is_one_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subject, "BLOCK", 512)
    text = "a sk-proj-" + "aB3dE5" * 400 + " b"
    assert [(s.start, s.end) for s in merge(SCANNER.find(text, BOTH))] == [(2, len(text) - 2)]


def test_offsets_are_characters_whatever_stands_before() -> None:
    for before in ("é", "日本語 ", "😀 ", "\ud800 ", "\x00 "):
        (spot,) = SCANNER.find(f"{before} jane@acme.com", BOTH)
        assert (spot.start, spot.end) == (len(before) + 1, len(before) + 14)


def test_typeset_spaces_and_dashes_do_not_hide_a_number() -> None:
    assert [s.kind for s in SCANNER.find("4012\u00a08888\u202f8888\u00a01881", BOTH)] == ["card"]
    assert [s.kind for s in SCANNER.find("219\u201109\u20119998", BOTH)] == ["ssn"]


def test_threads_share_the_database_but_not_their_scratch() -> None:
    wrong: list[object] = []

    def work() -> None:
        for _ in range(200):
            if [
                s.kind for s in SCANNER.find("to jane@acme.com and ghp_16C7e42F292c6912E7710c838347Ae178B4a", BOTH)
            ] == []:
                wrong.append(1)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_warming_loads_in_the_background() -> None:
    scanner = Scanner(PATTERNS[:3])
    scanner.warm().join()
    assert scanner.size() > 0


def test_a_guard_that_is_not_asked_for_finds_nothing() -> None:
    assert SCANNER.find("jane@acme.com", frozenset({"secrets"})) == []


def test_more_than_sixty_vendors_are_known() -> None:
    kinds = {p.kind.split("-")[0] for p in PATTERNS if p.guard == "secrets"}
    assert len(kinds) >= 90


def test_looking_costs_nothing_quadratic() -> None:
    counted = 0

    def check(text: str, start: int, end: int) -> int:
        nonlocal counted
        counted += end - start
        return NO

    pattern = Pattern("secrets", "x", "sk-[a-z-]{4,}", "sk-[a-z-]{4}", 7, check, exact=True, run="[a-z-]*")
    scanner = Scanner([pattern])
    text = "sk-aaaa-" * 2000
    scanner.find(text, BOTH)
    assert counted <= len(text)


def test_a_pattern_looks_no_further_than_where_it_may_begin() -> None:
    for pattern in PATTERNS:
        if not pattern.exact:
            match = pattern.begun.match("\n" * 2000)
            assert match is None or match.end() <= pattern.back
    [assigned] = [p for p in PATTERNS if p.kind == "password"]
    assert assigned.begun.match(" " * 49 + "password=aB3xY7pq9") is None
    assert assigned.begun.match(" " * 48 + "password=aB3xY7pq9")
