"""The way out for spans: a provider of our own, or the host's, through opentelemetry-sdk. Imported when needed."""

import hashlib
import importlib
import importlib.util
import os
import threading
from collections.abc import Sequence
from types import ModuleType
from typing import Any

from opentelemetry import trace as api
from opentelemetry.context import Context
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter, SimpleSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import Sampler, SamplingResult
from opentelemetry.trace import NonRecordingSpan, SpanContext, SpanKind, Status, StatusCode, TraceFlags

from comptroller.tracing.context import host_provider
from comptroller.tracing.span import Outline

SCOPE = "comptroller"
_KINDS = {"client": SpanKind.CLIENT, "internal": SpanKind.INTERNAL}
_SAMPLED = TraceFlags(TraceFlags.SAMPLED)


class Export:
    """Emits finished spans under our own ids."""

    def __init__(self, named: Sequence[str]) -> None:
        self._ids = _OurIds()
        self._own: TracerProvider | None = None
        self._tracer = self._make_tracer(named)

    def emit(self, outline: Outline) -> None:
        """Start and end a span at the times that the outline says."""
        self._ids.next(outline.trace, outline.id)
        span = self._tracer.start_span(
            outline.name,
            context=_under(outline),
            kind=_KINDS[outline.kind],
            attributes=dict(outline.attributes),
            start_time=outline.start_ns,
        )
        if outline.failed:
            span.set_status(Status(StatusCode.ERROR, outline.because or None))
        span.end(max(outline.end_ns, outline.start_ns))

    def close(self, within_s: float) -> None:
        """Flush and stop our own provider; a collector that does not answer is left behind after a while."""
        if self._own is None:
            return
        # The SDK's own limit does not bound an export that is under way, so the wait is ours.
        closing = threading.Thread(target=self._own.shutdown, name="comptroller-spans-close", daemon=True)
        try:
            closing.start()
        except RuntimeError:
            # Python 3.12 starts no thread while it shuts down; the exporter's own time-out is the bound then.
            self._own.shutdown()
        else:
            closing.join(within_s)

    def _make_tracer(self, named: Sequence[str]) -> api.Tracer:
        host = host_provider()
        if host is None:
            # Never set as the global one: that would switch on the spans that other libraries make of the same calls.
            self._own = TracerProvider(shutdown_on_exit=False, id_generator=self._ids)
            self._own.sampler = _OncePerTrace(self._own.sampler)
            for name in named:
                self._own.add_span_processor(_processor(name))
            return self._own.get_tracer(SCOPE)
        processor = getattr(host, "_active_span_processor", None)
        if not isinstance(host, TracerProvider) or processor is None:
            found: api.Tracer = host.get_tracer(SCOPE)  # of another make: spans go out, under ids of its own
            return found
        shared = TracerProvider(
            sampler=_OncePerTrace(host.sampler),
            resource=host.resource,
            shutdown_on_exit=False,
            active_span_processor=processor,
            id_generator=self._ids,
        )
        return shared.get_tracer(SCOPE)


def otlp_module() -> tuple[str | None, str]:
    """The installed module that exports by OTLP over the protocol asked for, and what to install without it."""
    asked = os.environ.get("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL") or os.environ.get("OTEL_EXPORTER_OTLP_PROTOCOL")
    grpc = (asked or "").strip().lower() == "grpc"
    module = f"opentelemetry.exporter.otlp.proto.{'grpc' if grpc else 'http'}.trace_exporter"
    try:
        there = importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        there = False
    return module if there else None, "opentelemetry-exporter-otlp-proto-grpc" if grpc else "comptroller[otel]"


def _processor(name: str) -> BatchSpanProcessor | SimpleSpanProcessor:
    if name == "console":
        return SimpleSpanProcessor(ConsoleSpanExporter())
    module, _ = otlp_module()
    assert module is not None, "checked when the tracer was made"
    return BatchSpanProcessor(_otlp(importlib.import_module(module)))


def _otlp(module: ModuleType) -> SpanExporter:
    exporter: SpanExporter = module.OTLPSpanExporter()  # reads endpoint, headers, certificates and time-out itself
    return exporter


def _under(outline: Outline) -> Context:
    # An explicit context even for a root: else the span would hang under whatever the host has open.
    if not outline.parent:
        return Context()
    parent = SpanContext(int(outline.trace, 16), int(outline.parent, 16), is_remote=True, trace_flags=_SAMPLED)
    return api.set_span_in_context(NonRecordingSpan(parent), Context())


class _OurIds(IdGenerator):
    """Gives out the ids that are ours already, so that a span is found by its call and the other way round."""

    def __init__(self) -> None:
        self._local = threading.local()

    def next(self, trace: str, span: str) -> None:
        self._local.trace, self._local.span = int(trace, 16), int(span, 16)

    def generate_trace_id(self) -> int:
        return int(self._local.trace)

    def generate_span_id(self) -> int:
        return int(self._local.span)


class _OncePerTrace(Sampler):
    """Asks the configured sampler about the trace, not the span, so that traces are whole or absent.

    Ratio samplers look at the lower bits of a trace id and expect them random. Those of a UUIDv7 begin with the
    same two bits always, which would make a ratio of a tenth export nothing and one of nine tenths everything:
    so they are shown a hash of it.
    """

    def __init__(self, configured: Sampler) -> None:
        self._configured = configured

    def should_sample(self, parent_context: Any, trace_id: int, *rest: Any, **named: Any) -> SamplingResult:
        mixed = hashlib.blake2b(trace_id.to_bytes(16, "big"), digest_size=16).digest()
        return self._configured.should_sample(None, int.from_bytes(mixed, "big"), *rest, **named)

    def get_description(self) -> str:
        return f"OncePerTrace({self._configured.get_description()})"
