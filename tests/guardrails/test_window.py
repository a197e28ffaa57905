"""A stream releases exactly what redacting the whole text would, and never half of a finding."""

import re
from collections.abc import Mapping, Sequence
from itertools import accumulate, cycle

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from comptroller.core.verdict import Action, Finding
from comptroller.guardrails import chain
from comptroller.guardrails.chain import Chain, Inspection
from comptroller.guardrails.pattern import CLOSE
from comptroller.guardrails.window import FORCE, Window

REDACT: Mapping[str, Action] = {"secrets": "redact", "privacy": "redact"}
CHAIN = Chain()
PEM = "-----BEGIN EC PRIVATE KEY-----\n{b}\n-----END EC PRIVATE KEY-----"
KEY = "ghp_16C7e42F292c6912E7710c838347Ae178B4a"
RELAXED = settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def stream(text: str, sizes: Sequence[int], plan: Mapping[str, Action] = REDACT) -> tuple[str, Window]:
    """Push a text in deltas of these sizes, over and over, and finish."""
    window, out, at = CHAIN.window(plan), [], 0
    for size in cycle(sizes):
        if at >= len(text):
            break
        out.append(window.push(text[at : at + size]))
        at += size
    return "".join([*out, window.finish()]), window


def at_face_value(text: str) -> Inspection:
    """What the whole text says as it stands: behind escapes and encodings whole texts are looked, streams are not."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(chain, "could_hide", lambda _: False)
        return CHAIN.inspect(text, REDACT)


@RELAXED
@given(st.lists(st.integers(0, 10_000), max_size=16), st.lists(st.integers(1, 8), min_size=1, max_size=9))
def test_any_split_gives_the_text_and_findings_of_the_whole(
    pieces: list[str], picked: list[int], sizes: list[int]
) -> None:
    text = "".join(pieces[i % len(pieces)] for i in picked)
    whole = at_face_value(text)
    released, window = stream(text, sizes)
    assert released == whole.text
    assert sorted(window.findings, key=lambda f: f.start) == list(whole.findings)


def test_two_keys_that_an_escape_joins_are_found_apart_in_a_stream_and_none_is_released() -> None:
    text = "xoxp-" + "w4rYY%sSlO%b1r1ABkpcéSG." + "QLhxM31QZzCMZtuOrYJ9ND.9SYXOaWUkMHR7JMpy72t3avBFZX06uvzYVMBpKzYrhj"
    assert CHAIN.inspect(text, REDACT).text == "[secret:sendgrid-key]"
    assert stream(text, [1])[0] == "[secret:slack-token]é[secret:sendgrid-key]" == at_face_value(text).text


@RELAXED
@given(st.text(alphabet="0123456789 -+.@:/=aAbBeE\n\"'[],é", max_size=200), st.integers(1, 8))
def test_noise_streams_as_it_reads(text: str, size: int) -> None:
    assert stream(text, [size])[0] == at_face_value(text).text


def test_every_planted_secret_is_caught_in_deltas_of_any_size(samples: list[tuple[str, str]]) -> None:
    leaked = []
    for kind, sample in samples:
        text = f"Certainly, here is what you asked for: {sample} and I hope it helps."
        for size in range(1, 9):
            released, window = stream(text, [size])
            if kind not in {f.kind for f in window.findings} or released != CHAIN.inspect(text, REDACT).text:
                leaked.append((kind, size, released))
    assert leaked == []


def test_every_vendor_key_is_caught_in_small_deltas(grown: dict[int, list[str]]) -> None:
    texts = [f"Use this: {text} now." for texts in grown.values() for text in texts]
    wrong = [text for text in texts if stream(text, [3, 5, 8])[0] != CHAIN.inspect(text, REDACT).text]
    assert wrong == []


def test_no_released_prefix_holds_a_part_of_a_finding(samples: list[tuple[str, str]]) -> None:
    for _, sample in samples:
        text = f"The value is {sample} as agreed."
        found = CHAIN.inspect(text, REDACT).findings
        window = CHAIN.window(REDACT)
        out = ""
        for char in text:
            out += window.push(char)
            assert not any(text[: f.start + 6] in out for f in found)


def test_prose_flows_word_by_word() -> None:
    window = CHAIN.window(REDACT)
    text = "The board met on Tuesday and agreed, after some debate, to postpone the decision until spring. "
    held = [window.held for char in text if window.push(char) or True]
    assert max(held) <= 12


def test_prose_with_years_is_held_for_little_more_than_a_few_words() -> None:
    window = CHAIN.window(REDACT)
    for word in re.findall(r"\S+\s", "In 2024 revenue grew by 12 percent and in 2025 by 7 percent as planned. " * 20):
        window.push(word)
        assert window.held <= 80


def test_text_without_spaces_is_held_within_the_stated_bound() -> None:
    for text in ("aB3d" * 5000, "1 2 3 " * 4000, "日本語テキスト" * 1000):
        window = CHAIN.window(REDACT)
        for at in range(0, len(text), 7):
            window.push(text[at : at + 7])
            assert window.held <= FORCE


def test_a_long_unspaced_text_streams_as_it_reads() -> None:
    text = ("aB3d/xY7" * 400 + "+" + KEY + "/" + "q9W+" * 300) * 3 + "eyJ" + "a1" * 2000
    assert stream(text, [5, 8, 3])[0] == CHAIN.inspect(text, REDACT).text


def test_an_open_private_key_is_withheld_until_it_closes() -> None:
    window = CHAIN.window(REDACT)
    body = "\n".join("MIIEpAIBAAKCAQEA7x7K8K7mQm1n2b3v4c5x6z7l8k9j0hgfdsapoiuytrewqAA1" for _ in range(60))
    assert window.push("Here: -----BEGIN RSA PRIVATE KEY-----\n") in ("", "Here: ")
    assert all(not set(window.push(body[at : at + 8])) - set("Here: ") for at in range(0, len(body), 8))
    assert window.push("\n-----END RSA PRIVATE KEY-----\nDone.\n").endswith("[secret:private-key]\nDone.\n")


@pytest.mark.parametrize("size", [7, 64, 1000, 30_000])
def test_a_private_key_beyond_16_kb_is_redacted_up_to_its_close(size: int) -> None:
    body = "\n".join("MIIEpAIBAAKCAQEA7x7K8K7mQm1n2b3v4c5x6z7l8k9j0hgfdsapoiuytrewqAA1" for _ in range(700))
    text = f"Here: -----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\nDone."
    released, window = stream(text, [size])
    assert released == CHAIN.inspect(text, REDACT).text == "Here: [secret:private-key]\nDone."
    assert list(CHAIN.inspect(text, REDACT).findings) == window.findings


def test_no_more_than_16_kb_and_a_step_of_a_private_key_is_held() -> None:
    window = CHAIN.window(REDACT)
    window.push("-----BEGIN PRIVATE KEY-----\n")
    for _ in range(2000):
        window.push("MIIEpAIBAAKCAQEA7x7K8\n")
        assert window.held <= CLOSE + FORCE


def test_a_private_key_that_never_closes_hides_the_rest() -> None:
    text = "Here: -----BEGIN PRIVATE KEY-----\n" + "MIIEpAIBAAKCAQEA7x7K8\n" * 1000 + "and more"
    assert stream(text, [11])[0] == CHAIN.inspect(text, REDACT).text == "Here: [secret:private-key]"


def test_a_mention_of_a_private_key_is_no_private_key() -> None:
    text = 'if "-----BEGIN RSA PRIVATE KEY-----" in text: raise ValueError("keep keys out of prompts, please")'
    assert stream(text, [4])[0] == text


@pytest.mark.parametrize("length", [3000, 20_000, 60_000])
def test_a_token_without_end_is_one_finding(length: int) -> None:
    for head in ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.", "sk-proj-", "xoxb-"):
        text = f"Use {head}{'Ab3dE9' * (length // 6)} today."
        released, window = stream(text, [6, 3])
        assert released == CHAIN.inspect(text, REDACT).text
        assert re.fullmatch(r"Use \[secret:[a-z-]+\] today\.", released)
        assert window.findings == list(CHAIN.inspect(text, REDACT).findings)


@pytest.mark.parametrize("tail", [PEM, "PASSWORD = 'hunter2-H3'"])
@pytest.mark.parametrize("gap", ["", "-", "\u2011", "+49 30 901820", ".", " "])
def test_what_is_glued_to_a_token_without_end_is_found_as_in_the_whole(tail: str, gap: str) -> None:
    body = "MIIEpAIBAAKCAQEA7x7K8K7mQm1n2b3v4c5x6z7l8k9j0hgfdsapoiuytrewq"
    text = "use sk-proj-" + "aB3dE5" * 600 + gap + tail.format(b=body) + " now, please"
    released, window = stream(text, [7, 2])
    assert released == CHAIN.inspect(text, REDACT).text
    assert sorted(window.findings, key=lambda f: f.start) == list(CHAIN.inspect(text, REDACT).findings)


def test_after_a_denied_finding_nothing_leaves() -> None:
    released, window = stream(f"The key is {KEY} and so on, and so on.", [4], {"secrets": "deny"})
    assert "ghp" not in released
    assert "so on" not in released
    assert (window.denied and window.denied.kind, window.action) == ("github-token", "deny")
    assert window.because == "secrets found github-token"


def test_a_finding_that_is_only_noted_passes_and_is_on_record() -> None:
    text = f"Mail jane@acme.com or use {KEY} today, and {'sk-proj-' + 'aB3dE5' * 2000} too."
    released, window = stream(text, [5], {"secrets": "note", "privacy": "note"})
    assert released == text
    assert window.findings == list(CHAIN.inspect(text, {"secrets": "note", "privacy": "note"}).findings)


def test_a_noted_finding_does_not_hide_one_to_redact() -> None:
    text = "see https://bot:t0ps3cret@git.acme.io or bob:x@git.acme.io there"
    plan: Mapping[str, Action] = {"privacy": "note", "secrets": "redact"}
    assert stream(text, [3], plan)[0] == CHAIN.inspect(text, plan).text


def test_a_guard_from_elsewhere_holds_all_until_the_end() -> None:
    class Names:
        name = "names"

        def inspect(self, text: str) -> list[Finding]:
            return [Finding("names", "person", m.start(), m.end()) for m in re.finditer("Alice", text)]

    window = Chain([Names()]).window({"names": "redact", "secrets": "redact"})
    assert [window.push("Hello Al"), window.push("ice, hi. ")] == ["", ""]
    assert window.finish() == "Hello [names:person], hi. "


def test_a_broken_guard_stops_the_stream() -> None:
    window = Chain().window({"nobody": "redact"})
    assert (window.push("Hello there. "), window.finish()) == ("", "")
    assert (window.failed, window.action) == ("nobody", "deny")


def test_an_empty_plan_passes_everything_at_once() -> None:
    window = CHAIN.window({"secrets": "allow"})
    assert [window.push(d) for d in ("4012 8888", KEY)] == ["4012 8888", KEY]


def test_work_grows_with_the_text_not_with_its_square(monkeypatch: pytest.MonkeyPatch) -> None:
    scanned: list[int] = []
    window = CHAIN.window(REDACT)
    hits = window._scanner.hits
    monkeypatch.setattr(window._scanner, "hits", lambda text: scanned.append(len(text)) or hits(text))
    text = (
        "password " * 200
        + "1 2 3 4 " * 400
        + "-----BEGIN PRIVATE KEY-----\n"
        + "MIIEpAIBAAKCAQEA\n" * 900
        + "eyJ" * 4000
    )
    for at in range(0, len(text), 4):
        window.push(text[at : at + 4])
    assert list(accumulate(scanned))[-1] <= 16 * len(text)  # at most one scan for each 2 KB of the 16 KB held
