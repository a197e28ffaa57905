"""The chain does what the plan says, and a guard that breaks refuses."""

import threading
from collections.abc import Sequence

import pytest

from comptroller.core.clock import FrozenClock
from comptroller.core.verdict import Finding
from comptroller.guardrails.bench import GuardFailed
from comptroller.guardrails.chain import Chain
from comptroller.guardrails.scanner import Scanner

TEXT = "jane@acme.com has ghp_16C7e42F292c6912E7710c838347Ae178B4a"


class Odd:
    """A guard from elsewhere that answers what it was told to."""

    name = "odd"

    def __init__(self, answer: object) -> None:
        self._answer = answer

    def inspect(self, text: str) -> Sequence[Finding]:
        if isinstance(self._answer, BaseException):
            raise self._answer
        return self._answer  # type: ignore[return-value]


def test_each_guard_gets_the_action_of_the_plan_and_the_strictest_wins() -> None:
    seen = Chain().inspect(TEXT, {"secrets": "redact", "privacy": "note"})
    assert (seen.action, seen.text) == ("redact", "jane@acme.com has [secret:github-token]")
    assert [f.kind for f in seen.findings] == ["email", "github-token"]
    assert seen.because == "secrets found github-token"


def test_a_denial_leaves_the_text_and_says_why() -> None:
    seen = Chain().inspect(f"{TEXT} {TEXT}", {"secrets": "deny"})
    assert (seen.action, seen.because) == ("deny", "secrets found github-token (2)")


def test_guards_not_named_or_allowed_do_not_run() -> None:
    chain = Chain([Odd(RuntimeError("must not run"))])
    assert chain.inspect(TEXT, {"secrets": "allow", "odd": "allow"}).action == "allow"
    assert chain.inspect(TEXT, {}).text is TEXT


def test_a_guard_from_elsewhere_takes_part() -> None:
    seen = Chain([Odd([Finding("odd", "name", 0, 4)])]).inspect("Jane pays", {"odd": "redact"})
    assert (seen.action, seen.text) == ("redact", "[odd:name] pays")


@pytest.mark.parametrize(
    "answer",
    [
        ValueError("boom"),
        SystemExit(1),
        None,
        "rubbish",
        [1],
        [Finding("odd", "x", 5, 2)],
        [Finding("odd", "x", 0, 999)],
        [Finding("odd", "x", -1, 2)],
        [Finding("odd", "x", 0, None)],  # type: ignore[arg-type]
    ],
)
def test_a_guard_that_breaks_denies(answer: object) -> None:
    seen = Chain([Odd(answer)]).inspect("hello there", {"odd": "note", "secrets": "redact"})
    assert (seen.action, seen.failed) == ("deny", "odd")


def test_a_guard_that_never_answers_denies_and_the_next_text_is_not_kept_waiting() -> None:
    free = threading.Event()

    class Stuck:
        name = "stuck"

        def inspect(self, text: str) -> list[Finding]:
            if text == "hang":
                free.wait()
            return []

    chain = Chain([Stuck()], limit_ms=20)
    assert chain.inspect("hang", {"stuck": "note"}).failed == "stuck"
    chain = Chain([Stuck()], limit_ms=10_000)
    assert chain.inspect("fine", {"stuck": "note"}).failed == ""
    free.set()


def test_a_guard_nobody_knows_denies() -> None:
    seen = Chain().inspect("hello", {"injection": "deny"})
    assert (seen.action, seen.failed) == ("deny", "injection")
    assert "Install the package" in seen.because


def test_a_broken_scanner_denies() -> None:
    class Broken(Scanner):
        def hits(self, text: str) -> list[tuple[int, int]]:
            raise ImportError("no hyperscan here")

    seen = Chain(scanner=Broken()).inspect("hello", {"secrets": "redact"})
    assert (seen.action, seen.failed) == ("deny", "secrets")
    window = Chain(scanner=Broken()).window({"secrets": "redact"})
    assert (window.push("hello there. You"), window.failed) == ("", "secrets")


def test_a_text_that_takes_too_long_denies() -> None:
    seen = Chain(limit_ms=1500, clock=Working()).inspect("word " * 100_000, {"secrets": "redact"})
    assert (seen.action, seen.failed) == ("deny", "secrets")
    assert "limits.guard_ms" in seen.because


def test_importing_the_chain_loads_no_heavy_library() -> None:
    import subprocess
    import sys

    code = (
        "import comptroller.guardrails.chain, sys\n"
        "print([m for m in ('hyperscan', 'phonenumbers', 'stdnum') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert out.stdout.strip() == "[]"


def test_a_lone_surrogate_or_a_null_breaks_nothing() -> None:
    seen = Chain().inspect("\ud800 \x00 jane@acme.com \udfff", {"privacy": "redact"})
    assert seen.text == "\ud800 \x00 [email] \udfff"


class Working(FrozenClock):
    """A thread that works for a second between any two looks at the clock."""

    def monotonic_ns(self) -> int:
        self.tick(1)
        return super().monotonic_ns()


def test_time_is_looked_at_between_the_findings_of_one_block() -> None:
    keys = "AKIAQYLPMN5HFIQR7BBB " * 2000
    seen = Chain(limit_ms=5000, clock=Working()).inspect(keys, {"secrets": "redact"})
    assert (seen.action, seen.failed) == ("deny", "secrets")


def test_time_is_looked_at_in_a_stream_too() -> None:
    window = Chain(limit_ms=5000, clock=Working()).window({"secrets": "redact"})
    assert (window.push("AKIAQYLPMN5HFIQR7BBB, " * 2000), window.failed) == ("", "secrets")


def test_a_text_has_one_time_limit_however_many_actions_apply(monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[int] = []
    timer = Chain.timer
    monkeypatch.setattr(Chain, "timer", lambda self, size, guards: begun.append(size) or timer(self, size, guards))
    seen = Chain().inspect("jane@acme.com AKIAQYLPMN5HFIQR7BBB", {"secrets": "redact", "privacy": "note"})
    assert (len(seen.findings), begun) == (2, [34])


def test_a_machine_at_work_on_something_else_refuses_nothing() -> None:
    class Loaded(FrozenClock):
        def monotonic_ns(self) -> int:
            self.tick(3600)
            return super().monotonic_ns()

        def busy_ns(self) -> int:
            return 0

    assert Chain(clock=Loaded()).inspect("word " * 100_000, {"secrets": "redact"}).action == "allow"


def test_a_large_text_may_take_longer() -> None:
    clock = FrozenClock()
    tick = Chain(limit_ms=100, clock=clock).timer(20 << 20, frozenset({"secrets"}))
    clock.tick(0.3)
    tick()
    clock.tick(0.1)
    tick()  # so much has passed, and from now on it is counted how much of it is this thread's
    clock.tick(0.3)
    tick()
    clock.tick(0.1)
    with pytest.raises(GuardFailed, match=r"limits\.guard_ms"):
        tick()
