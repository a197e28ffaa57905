import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import trace as api
from opentelemetry.sdk.trace import TracerProvider

from comptroller.core.clock import FrozenClock
from comptroller.tracing.context import (
    ambient_trace,
    format_traceparent,
    host_provider,
    parse_traceparent,
    span_of,
    trace_of,
)

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SPAN = "00f067aa0ba902b7"


def test_a_traceparent_names_trace_and_parent() -> None:
    assert parse_traceparent(f"00-{TRACE}-{SPAN}-01") == (TRACE, SPAN)
    assert parse_traceparent(f" 00-{TRACE}-{SPAN}-00\t") == (TRACE, SPAN)


def test_a_later_version_may_say_more() -> None:
    assert parse_traceparent(f"cc-{TRACE}-{SPAN}-01-what-ever") == (TRACE, SPAN)
    assert parse_traceparent(f"cc-{TRACE}-{SPAN}-01") == (TRACE, SPAN)


@pytest.mark.parametrize(
    "text",
    [
        "",
        f"00-{TRACE}-{SPAN}",
        f"00-{TRACE}-{SPAN}-01-more",
        f"00-{TRACE}-{SPAN}-01-",
        f"ff-{TRACE}-{SPAN}-01",
        f"0-{TRACE}-{SPAN}-01",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE[:-1]}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-0g",
        f"00-{TRACE}-{SPAN}-01\n",
        f"00-{'٣' * 32}-{SPAN}-01",
        f"cc-{TRACE}-{SPAN}-01.more",
        f"cc-{TRACE}-{SPAN}-01-{'x' * 1000}",
    ],
)
def test_anything_else_is_ignored(text: str) -> None:
    assert parse_traceparent(text) is None


@given(st.text(max_size=80))
def test_no_header_makes_it_fail(text: str) -> None:
    found = parse_traceparent(text)
    assert found is None or parse_traceparent(f"00-{found[0]}-{found[1]}-01") == found


@given(st.text(), st.text())
def test_whatever_ids_there_are_the_header_is_a_good_one(run: str, call: str) -> None:
    assert parse_traceparent(format_traceparent(run, call)) == (trace_of(run), span_of(call))


def test_our_ids_are_those_of_the_trace() -> None:
    run = FrozenClock().new_id()
    assert trace_of(run) == run
    assert span_of(run) == run[16:]
    assert span_of(SPAN) == SPAN


@pytest.mark.parametrize("odd", ["", "order-17", "0" * 32, "é", "\ud800", TRACE.upper()])
def test_an_id_that_is_no_trace_id_becomes_one_and_always_the_same(odd: str) -> None:
    assert len(trace_of(odd)) == 32
    assert len(span_of(odd)) == 16
    assert (trace_of(odd), span_of(odd)) == (trace_of(odd), span_of(odd))
    assert trace_of(odd) != trace_of(odd + "x")


def test_the_hosts_own_span_is_what_we_stand_in() -> None:
    assert ambient_trace() is None
    with TracerProvider(shutdown_on_exit=False).get_tracer("host").start_as_current_span("request") as span:
        there = span.get_span_context()
        assert ambient_trace() == (f"{there.trace_id:032x}", f"{there.span_id:016x}")


def test_a_host_that_set_no_provider_or_an_empty_one_does_not_listen(monkeypatch: pytest.MonkeyPatch) -> None:
    assert host_provider() is None
    monkeypatch.setattr(api, "get_tracer_provider", api.NoOpTracerProvider)
    assert host_provider() is None
    provider = TracerProvider(shutdown_on_exit=False)
    monkeypatch.setattr(api, "get_tracer_provider", lambda: provider)
    assert host_provider() is provider
