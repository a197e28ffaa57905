import gzip
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from comptroller.core.clock import FrozenClock
from comptroller.core.facts import CALL_CLOSED, Fact
from comptroller.tracing import export
from comptroller.tracing import span as module
from comptroller.tracing.export import Export
from comptroller.tracing.span import Outline, Tracer

CLOCK = FrozenClock()
RUN, CALL = CLOCK.new_id(), CLOCK.new_id()
NOW = CLOCK.now_ns()
CLOSED = Fact(
    CALL_CLOSED, "f", NOW + 9, RUN, CALL, {"kind": "model", "name": "gpt-4o", "started": NOW, "ended": NOW + 9}
)


class Collector:
    """An OTLP endpoint on loopback that keeps what it is sent."""

    def __init__(self) -> None:
        self.requests: list[ExportTraceServiceRequest] = []
        self.paths: list[str] = []
        self.headers: list[dict[str, str]] = []
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                if self.headers.get("content-encoding") == "gzip":
                    body = gzip.decompress(body)
                collector.requests.append(ExportTraceServiceRequest.FromString(body))
                collector.paths.append(self.path)
                collector.headers.append({name.lower(): value for name, value in self.headers.items()})
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *args: object) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def spans(self) -> list[tuple[str, str]]:
        """Name and id of each span."""
        found = [scope.spans for request in self.requests for rs in request.resource_spans for scope in rs.scope_spans]
        return [(span.name, span.span_id.hex()) for spans in found for span in spans]

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def collector() -> Iterator[Collector]:
    found = Collector()
    yield found
    found.close()


def test_a_span_arrives_at_the_endpoint_that_the_variables_name(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-team=finance")
    monkeypatch.setenv("OTEL_SERVICE_NAME", "loans")
    tracer = Tracer()
    tracer.span(CLOSED)
    tracer.close()
    assert collector.paths == ["/v1/traces"]
    assert collector.headers[0]["x-team"] == "finance"
    (resource,) = collector.requests[0].resource_spans
    assert {a.key: a.value.string_value for a in resource.resource.attributes}["service.name"] == "loans"
    (span,) = resource.scope_spans[0].spans
    assert (span.trace_id.hex(), span.span_id.hex(), span.parent_span_id.hex()) == (RUN, CALL[16:], RUN[16:])
    assert (span.name, span.start_time_unix_nano, span.end_time_unix_nano) == ("chat gpt-4o", NOW, NOW + 9)


FORKED = """
import os, sys
from comptroller.core.clock import SYSTEM
from comptroller.core.facts import CALL_CLOSED, Fact
from comptroller.tracing.span import Tracer

tracer, run = Tracer(), SYSTEM.new_id()
def say(name):
    fact = Fact(CALL_CLOSED, "f", SYSTEM.now_ns(), run, SYSTEM.new_id(), {"kind": "tool", "name": name})
    tracer.span(fact)
say("before")
child = os.fork()
if child == 0 and tracer._export is not None:
    os._exit(3)  # the parent's connection to the collector would be spoken on by two
say("child" if child == 0 else "parent")
tracer.close()
if child == 0:
    os._exit(0)
sys.exit(os.waitpid(child, 0)[1])
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_after_a_fork_both_processes_export_their_own_spans_once(collector: Collector) -> None:
    env = {**os.environ, "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "PYTHONWARNINGS": "ignore"}
    subprocess.run([sys.executable, "-c", FORKED], check=True, env=env, timeout=60)
    assert sorted(name for name, _ in collector.spans()) == [
        "execute_tool before",
        "execute_tool child",
        "execute_tool parent",
    ]


class Deaf(SpanExporter):
    """An exporter whose collector takes the connection and never answers."""

    def __init__(self) -> None:
        self.answered = threading.Event()
        self.called = threading.Event()
        self.left_alone = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.called.set()
        self.left_alone = not self.answered.wait(20)
        return SpanExportResult.SUCCESS


def test_a_collector_that_never_answers_does_not_hold_up_the_close(monkeypatch: pytest.MonkeyPatch) -> None:
    deaf = Deaf()
    monkeypatch.setattr(export, "_otlp", lambda module: deaf)
    monkeypatch.setattr(module, "CLOSE_S", 0.05)
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "otlp")
    tracer = Tracer()
    tracer.span(CLOSED)
    tracer.close()
    assert deaf.called.wait(20)
    assert not deaf.left_alone
    deaf.answered.set()
    for thread in [t for t in threading.enumerate() if t.name.startswith(("comptroller-spans", "OtelBatch"))]:
        thread.join()


def sampled(ratio: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """How many of three spans of each of 300 traces are kept."""
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "parentbased_traceidratio")
    monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", ratio)
    kept, pipe = InMemorySpanExporter(), Export(())
    assert pipe._own is not None
    pipe._own.add_span_processor(SimpleSpanProcessor(kept))
    counts: dict[str, int] = {}
    for _ in range(300):
        trace = CLOCK.new_id()
        for parent in ("", trace[16:], trace[16:]):
            pipe.emit(Outline("x", "internal", trace, CLOCK.new_id()[16:], parent, NOW, NOW))
    for span in kept.get_finished_spans():
        key = f"{span.context.trace_id:032x}"
        counts[key] = counts.get(key, 0) + 1
    pipe.close(1)
    return counts


def test_a_sampled_trace_is_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    assert set(sampled("0.3", monkeypatch).values()) == {3}


@pytest.mark.parametrize(("ratio", "least", "most"), [("0", 0, 0), ("0.2", 30, 90), ("0.8", 210, 270), ("1", 300, 300)])
def test_a_ratio_of_traces_is_kept(ratio: str, least: int, most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    assert least <= len(sampled(ratio, monkeypatch)) <= most


def test_our_provider_is_never_the_global_one(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    from opentelemetry import trace as api

    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "console")
    tracer = Tracer()
    tracer.span(CLOSED)
    tracer.close()
    assert isinstance(api.get_tracer_provider(), api.ProxyTracerProvider)


def test_a_span_that_ends_before_it_starts_ends_when_it_starts(host_spans: InMemorySpanExporter) -> None:
    Export(()).emit(Outline("x", "internal", RUN, CALL[16:], "", NOW, NOW - 5))
    (span,) = host_spans.get_finished_spans()
    assert (span.start_time, span.end_time) == (NOW, NOW)


def test_the_span_the_host_has_open_is_no_parent_of_ours(host_spans: InMemorySpanExporter) -> None:
    from opentelemetry import trace as api

    with api.get_tracer_provider().get_tracer("host").start_as_current_span("request"):
        Export(()).emit(Outline("x", "internal", RUN, CALL[16:], "", NOW, NOW))
    ours = host_spans.get_finished_spans()[0]
    assert ours.parent is None
    assert f"{ours.context.trace_id:032x}" == RUN
