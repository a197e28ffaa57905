"""Why a run failed: the call it follows from, not the loudest and not the outermost."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comptroller.tracing.findings import Findings, causes, find
from comptroller.tracing.step import Run, Step
from tests.tracing.play import START, Play

HOSTILE = "\x1b[31m![x](https://evil.example/p.png) <script>" + "\u202e" * 3
RATE = {"status": "error", "error": "429 rate_limit_exceeded: slow down", "upstream_status": 429}


def look(play: Play, status: str = "error", error: str = "", workflow: str = "refunds") -> Findings:
    return find(Run("r1", status, error, workflow), play.steps)


def test_a_run_that_went_well_has_no_cause_and_lost_nothing() -> None:
    play = Play()
    play.tool("read", parent=play.model(parent=play.agent("desk")))
    found = look(play, "ok")
    assert (found.cause, found.reason, found.place, found.remedy) == (None, "", "", "")
    assert (found.lost.total, found.lost.failed, found.lost.after) == ({}, {}, {})


def test_the_innermost_failure_is_the_cause_and_its_path_is_told() -> None:
    play = Play()
    desk = play.agent("desk", "error")
    play.model(parent=desk)
    research = play.tool("research", "error", desk, error="RateLimitError in tool research: 429", takes=50)
    reader = play.agent("reader", "error", research)
    play.model(parent=reader)
    bad = play.model(parent=reader, **RATE)
    found = look(play, error="RateLimitError in app.py:12")
    assert found.cause is not None
    assert found.cause.id == bad
    assert found.place == "agent desk > tool research > agent reader > model gpt-4o"
    assert (found.reason, found.number) == ("429 rate_limit_exceeded: slow down", 4)
    assert "rate or quota" in found.remedy


def test_an_identical_retry_that_went_well_takes_the_blame_off_a_failure() -> None:
    play = Play()
    desk = play.agent("desk", "error")
    first = play.model(parent=desk, asked=7, **RATE)
    second = play.model(parent=desk, asked=7, **RATE)
    good = play.model(parent=desk, asked=7, attempt=3)
    bad = play.tool("pay", "error", desk, asked=1, error="ValueError in tool pay: no such order")
    found = look(play, error="ValueError in app.py:3")
    assert found.cause is not None
    assert found.cause.id == bad
    assert [(one.failed.id, one.by.id) for one in found.recovered] == [(first, good), (second, good)]
    assert found.others == 0


def test_another_question_that_went_well_makes_nothing_good() -> None:
    play = Play()
    bad = play.model(asked=7, **RATE)
    play.model(asked=8)
    found = look(play)
    assert found.cause is not None
    assert (found.cause.id, found.recovered) == (bad, ())


def test_without_digests_only_the_word_for_a_retry_counts() -> None:
    play = Play()
    bad = play.model(**RATE)
    play.model()
    assert not look(play).recovered
    play.model(attempt=2)
    assert [one.failed.id for one in look(play).recovered] == [bad]


def test_the_first_of_a_row_of_failed_attempts_is_the_first_bad_call() -> None:
    play = Play()
    attempts = [play.model(asked=7, attempt=n, **RATE) for n in (1, 2, 3)]
    found = look(play, error="RateLimitError in app.py:1")
    assert found.cause is not None
    assert found.cause.id == attempts[0]
    assert found.others == 2


def test_what_was_raised_decides_between_failures() -> None:
    play = Play()
    play.tool("read", "error", error="KeyError in tool read: 'x'")
    bad = play.model(**RATE)
    play.model()
    found = look(play, error="RateLimitError in app.py:1")
    assert found.cause is not None
    assert found.cause.id == bad


def test_without_a_word_of_what_was_raised_the_earliest_failure_is_it() -> None:
    play = Play()
    bad = play.tool("read", "error", error="KeyError in tool read: 'x'")
    play.model(**RATE)
    found = look(play, error="")
    assert found.cause is not None
    assert found.cause.id == bad


def test_a_failure_an_agent_got_over_is_not_the_cause() -> None:
    play = Play()
    first = play.agent("desk", "ok")
    play.tool("read", "error", first, error="KeyError in tool read: 'x'")
    second = play.agent("payer", "error")
    bad = play.tool("pay", "error", second, error="TimeoutError in tool pay: late")
    found = look(play)
    assert found.cause is not None
    assert (found.cause.id, found.others) == (bad, 1)


def test_whoever_is_cancelled_is_so_because_another_failed() -> None:
    play = Play()
    play.model("cancelled", error="CancelledError")
    bad = play.tool("read", "error", error="KeyError in tool read: 'x'", takes=60)
    found = look(play)
    assert found.cause is not None
    assert found.cause.id == bad


def test_a_refusal_that_the_agent_read_and_went_on_from_is_not_the_cause() -> None:
    play = Play()
    desk = play.agent("desk", "error")
    asks = play.model(parent=desk)
    play.tool("refund", "denied", asks, rule="cap", because="Too much.")
    bad = play.model(parent=desk, **RATE)
    found = look(play, error="")
    assert found.cause is not None
    assert found.cause.id == bad


@pytest.mark.parametrize(
    ("status", "raised", "helps"),
    [
        ("denied", "Denied", "change the rule in policies/a.yaml:12"),
        ("over_budget", "OverBudget", "Raise the cap in policies/a.yaml:12"),
        ("rate_limited", "RateLimited", "raise the limit"),
        ("pending", "NotApproved", "Have it approved"),
    ],
)
def test_a_refusal_that_ended_the_run_is_its_cause(status: str, raised: str, helps: str) -> None:
    play = Play()
    desk = play.agent("desk", "error")
    play.tool("read", "error", desk, error="KeyError in tool read: 'x'")
    bad = play.model(status, desk, rule="r", because="Acme may not.", place="policies/a.yaml:12")
    found = look(play, error=f"{raised} in app.py:9")
    assert found.cause is not None
    assert (found.cause.id, found.reason) == (bad, "Acme may not.")
    assert helps in found.remedy


def test_a_run_through_the_gateway_that_stops_at_a_failure_has_a_cause_though_nobody_said_it_failed() -> None:
    play = Play()
    play.model("error", error="500 boom", asked=1)
    play.model(asked=2)
    bad = play.model(asked=3, **RATE)
    play.model(asked=3, **RATE)
    found = look(play, "ok")
    assert found.cause is not None
    assert found.cause.id == bad


def test_a_live_run_is_not_said_to_have_failed() -> None:
    play = Play()
    play.model(**RATE)
    play.model("open")
    found = look(play, "open")
    assert (found.cause, found.reason, found.others) == (None, "", 1)
    assert found.lost.total == {"USD": 1_000}


def test_an_abandoned_run_was_waiting_for_the_call_that_never_ended() -> None:
    play = Play()
    desk = play.agent("desk", "open")
    play.model(parent=desk)
    waiting = play.model("open", desk)
    found = look(play, "abandoned")
    assert found.cause is not None
    assert found.cause.id == waiting
    assert "under way" in found.reason
    assert "its log, its memory" in found.remedy


def test_what_failed_in_an_agent_nobody_closed_counts() -> None:
    play = Play()
    bad = play.model("cut", play.agent("reader", "open", play.agent("desk", "open")), error="The stream broke.")
    found = look(play, "abandoned")
    assert found.cause is not None
    assert found.cause.id == bad
    assert "Ask again" in found.remedy


def test_a_program_that_failed_by_itself_is_told_as_such() -> None:
    play = Play()
    play.model()
    found = look(play, error="KeyError in app.py:12")
    assert (found.cause, found.reason) == (None, "KeyError in app.py:12")
    assert "Look at the program" in found.remedy


def test_an_agent_that_failed_by_itself_is_named_with_what_the_run_raised() -> None:
    play = Play()
    play.model(parent=play.agent("desk", "error"))
    found = look(play, error="KeyError in app.py:12")
    assert (found.place, found.reason, found.number) == ("agent desk", "KeyError in app.py:12", 0)


def test_a_bare_status_code_is_told_in_the_words_of_what_read_the_answer() -> None:
    play = Play()
    decide = play.tool("decide", "error", error="ToolFailed in tool decide: 409 from claims: no policy", takes=9)
    play.step("external", "POST claims.example", "error", decide, error="409", upstream_status=409)
    found = look(play, error="ToolFailed")
    assert (found.reason, found.others) == ("ToolFailed in tool decide: 409 from claims: no policy", 0)
    assert found.place == "tool decide > external POST claims.example"
    assert found.remedy.startswith("See what the service called has to say")


def test_an_inner_run_that_failed_is_a_cause_and_costs_nothing_here() -> None:
    play = Play()
    play.model()
    bad = play.step("run", "nightly", "abandoned")
    found = look(play)
    assert found.cause is not None
    assert (found.cause.id, found.place) == (bad, "run nightly")
    assert found.lost.total == {"USD": 1_000}


def test_all_a_failed_run_spent_is_lost_and_each_part_of_it_is_told() -> None:
    play = Play()
    play.model()
    play.model(**RATE)
    play.model(asked=9)
    play.model(asked=10)
    lost = look(play).lost
    assert (lost.total, lost.failed, lost.after) == ({"USD": 4_000}, {"USD": 1_000}, {"USD": 2_000})


def test_currencies_are_not_added_to_one_another() -> None:
    play = Play()
    play.model()
    play.step("model", "mistral", nanos=5, currency="EUR")
    assert look(play).lost.total == {"USD": 1_000, "EUR": 5}


def test_texts_of_agents_are_handed_on_as_they_are_and_named_in_no_remedy() -> None:
    play = Play()
    play.tool(HOSTILE, "error", error=HOSTILE)
    found = look(play)
    assert found.reason == HOSTILE
    assert "script" not in found.remedy


@given(
    st.lists(st.tuples(st.integers(-1, 12), st.sampled_from(("agent", "tool", "model")), st.booleans()), max_size=12)
)
def test_any_tree_is_looked_into_even_one_that_hangs_from_itself(shape: list[tuple[int, str, bool]]) -> None:
    steps = [
        Step(str(n), str(above), kind, "x", "error" if bad else "ok", START, START + timedelta(seconds=n))
        for n, (above, kind, bad) in enumerate(shape)
    ]
    found = find(Run("r", "error"), steps)
    assert found.cause is None or found.cause.status == "error"
    assert found.cause is None or found.path[-1] is found.cause


def test_one_cause_of_many_runs_is_one_row_with_what_it_cost() -> None:
    def failed(run: str, after_ms: int, workflow: str = "refunds") -> Findings:
        play = Play()
        play.model("error", play.agent("desk", "error"), error=f"Timeout after {after_ms} ms (req_{run}x{after_ms})")
        return find(Run(run, "error", "", workflow), play.steps)

    told = causes([failed("1", 900), failed("2", 12_000), failed("3", 5, "loans"), look(Play(), "ok")])
    assert [(cause.words, cause.workflow, cause.runs, cause.lost) for cause in told] == [
        ("Timeout after # ms (req_#)", "refunds", ("1", "2"), {"USD": 2_000}),
        ("Timeout after # ms (req_#)", "loans", ("3",), {"USD": 1_000}),
    ]
