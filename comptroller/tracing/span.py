"""Spans: every finished call, agent and run as an OpenTelemetry span. All attribute names live here.

Names follow OpenTelemetry's conventions for generative AI; ours begin with `comptroller.`. No span ever holds a
message, an argument, a result or the text of an error.
"""

import atexit
import logging
import os
import threading
import weakref
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from comptroller.core.facts import AGENT_CLOSED, AGENT_OPENED, CALL_CLOSED, RUN_CLOSED, RUN_OPENED, Fact
from comptroller.core.money import NANOS
from comptroller.tracing.context import host_provider, span_of, trace_of

if TYPE_CHECKING:
    from comptroller.tracing.export import Export

log = logging.getLogger("comptroller")

OPENED_KEPT = 10_000  # runs and agents whose start we remember; beyond it the oldest is read off its id
CLOSE_S = 5.0  # an exporter that cannot reach its collector may not hold up the end of a process for longer

PROVIDERS = {"openai": "openai", "anthropic": "anthropic", "gemini": "gcp.gemini"}
FAILED = {"error", "cut", "denied", "over_budget", "rate_limited", "pending", "expired"}

Value = str | bool | int | float | tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Outline:
    """A finished span, before OpenTelemetry sees it. Ids are hex; an empty parent makes a root."""

    name: str
    kind: Literal["client", "internal"]
    trace: str
    id: str
    parent: str
    start_ns: int
    end_ns: int
    attributes: Mapping[str, Value] = field(default_factory=dict)
    failed: bool = False
    because: str = ""


class Tracer:
    """Turns facts into spans, where somebody listens: a provider the host set, or an exporter named in `OTEL_*`."""

    def __init__(self) -> None:
        self._export: Export | None = None
        self._lock = threading.Lock()
        self._opened: dict[str, Fact] = {}
        self._broken = False
        self._closed = False
        self._named = _exporters_named()
        # Weakly, so that neither hook keeps a tracer alive that its desk has let go of.
        self._at_exit = _weakly(weakref.WeakMethod(self.close))
        atexit.register(self._at_exit)
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=_weakly(weakref.WeakMethod(self._after_fork)))

    @property
    def listening(self) -> bool:
        """False when a span would go nowhere: then none is made."""
        return not self._closed and (bool(self._named) or host_provider() is not None)

    def span(self, closed: Fact) -> None:
        """Make and end the span of a closed call, agent or run; other facts only tell when those began."""
        try:
            if closed.kind in (RUN_OPENED, AGENT_OPENED):
                self._remember(closed)
            elif self.listening and (outline := self._outline(closed)):
                self._pipe().emit(outline)
        except Exception as error:  # noqa: BLE001 - whatever a host's span processor raises, the governed call goes on
            self._complain(error)

    def close(self) -> None:
        """Hand on what is still in our own queues, waiting no longer than CLOSE_S; the host's are the host's."""
        with self._lock:
            self._closed, export, self._export = True, self._export, None
        atexit.unregister(self._at_exit)
        if export is not None:
            export.close(CLOSE_S)

    def _outline(self, fact: Fact) -> Outline | None:
        if fact.kind == CALL_CLOSED:
            run = self._opened.get(fact.run)
            return call_outline(fact, _trace(run, fact))
        if fact.kind == AGENT_CLOSED:
            opened = self._opened.pop(str(fact.data.get("span", "")), None)
            return agent_outline(fact, opened, _trace(self._opened.get(fact.run), fact))
        if fact.kind == RUN_CLOSED:
            opened = self._opened.pop(fact.run, None)
            return run_outline(fact, opened, _trace(opened, fact))
        return None

    def _remember(self, opened: Fact) -> None:
        if len(self._opened) >= OPENED_KEPT:
            self._opened.pop(next(iter(self._opened)), None)
        self._opened[opened.run if opened.kind == RUN_OPENED else opened.id] = opened

    def _pipe(self) -> "Export":
        export = self._export
        if export is None:
            from comptroller.tracing.export import Export

            with self._lock:
                export = self._export = self._export or Export(self._named)
        return export

    def _complain(self, error: Exception) -> None:
        if self._export is None:
            self._named = ()  # an exporter that cannot even be made is not tried again with every call
        if not self._broken:
            self._broken = True
            log.warning("Spans cannot be made: %s: %s. Calls go on and are on record.", type(error).__name__, error)

    def _after_fork(self) -> None:
        # Exporter threads and connections stay with the parent; the child makes its own when it has a span.
        self._lock = threading.Lock()
        self._export = None


def _weakly(method: "weakref.WeakMethod[Callable[[], None]]") -> Callable[[], None]:
    """Calls a method for as long as its object lives."""

    def call() -> None:
        if found := method():
            found()

    return call


def call_outline(fact: Fact, trace: str) -> Outline:
    """The span of a call."""
    data: Mapping[str, Any] = fact.data
    operation = _operation(data)
    status = str(data.get("status", "ok"))
    return Outline(
        name=f"{operation} {data.get('name', '')}".strip(),
        kind="internal" if data.get("kind") in ("tool", "agent") else "client",
        trace=trace,
        id=span_of(fact.call),
        parent=span_of(str(data.get("parent") or fact.run)) if data.get("parent") or fact.run else "",
        start_ns=data.get("started") or fact.at,
        end_ns=data.get("ended") or fact.at,
        attributes=dict(_call_attributes(fact, operation)),
        failed=status in FAILED,
        because=str(data.get("because", "")) if status in FAILED and status != "error" else "",
    )


def agent_outline(closed: Fact, opened: Fact | None, trace: str) -> Outline:
    """The span of an agent's work."""
    span = str(closed.data.get("span", ""))
    name = str(closed.data.get("agent", ""))
    outer = str((opened or closed).data.get("parent", ""))
    attributes = _common(closed, "invoke_agent")
    return Outline(
        name=f"invoke_agent {name}".strip(),
        kind="internal",
        trace=trace,
        id=span_of(span),
        parent=span_of(outer if outer not in ("", span) else closed.run),
        start_ns=opened.at if opened else _made_ns(span, closed.at),
        end_ns=closed.at,
        attributes=dict(attributes),
        failed=closed.data.get("status") == "error",
    )


def run_outline(closed: Fact, opened: Fact | None, trace: str) -> Outline:
    """The span of a run, under which everything else in it hangs."""
    outer = str((opened or closed).data.get("parent", ""))
    workflow = str(closed.data.get("workflow", ""))
    return Outline(
        name=f"invoke_workflow {workflow}".strip(),
        kind="internal",
        trace=trace,
        id=span_of(closed.run),
        parent=span_of(outer) if outer else "",
        start_ns=opened.at if opened else _made_ns(closed.run, closed.at),
        end_ns=closed.at,
        attributes=dict(_common(closed, "invoke_workflow")),
        failed=closed.data.get("status") == "error",
    )


def _call_attributes(fact: Fact, operation: str) -> Iterator[tuple[str, Value]]:
    data: Mapping[str, Any] = fact.data
    yield from _common(fact, operation)
    yield "comptroller.call", fact.call
    if data.get("kind") == "model":
        yield from _model_attributes(data)
    elif data.get("kind") == "tool":
        yield "gen_ai.tool.name", str(data.get("name", ""))
        yield "gen_ai.tool.type", "function"
        if call_id := (data.get("tool") or {}).get("call_id"):
            yield "gen_ai.tool.call.id", str(call_id)
    if "cost" in data:
        # For charts; the exact amount is the one in nanos.
        yield "comptroller.cost", data["cost"] / NANOS
        yield "comptroller.cost.nanos", data["cost"]
        yield "comptroller.currency", str(data.get("currency", ""))
    yield "comptroller.decision", str(data.get("action", "allow"))
    for name, key in (("rule", "rule"), ("policy.version", "policy"), ("price.version", "price")):
        if data.get(key):
            yield f"comptroller.{name}", str(data[key])
    if before := data.get("retry_of"):
        yield "comptroller.retry_of", str(before["call"])
    for flag in ("estimated", "unpriced", "opaque"):
        if data.get(flag):
            yield f"comptroller.{flag}", True


def _model_attributes(data: Mapping[str, Any]) -> Iterator[tuple[str, Value]]:
    provider = str(data.get("dialect", "")).partition("_")[0]
    if provider:
        yield "gen_ai.provider.name", PROVIDERS.get(provider, provider)
    yield "gen_ai.request.model", str(data.get("name", ""))
    if data.get("stream"):
        yield "gen_ai.request.stream", True
        if data.get("first") and data.get("started"):
            yield "gen_ai.response.time_to_first_chunk", (data["first"] - data["started"]) / 1_000_000_000
    usage = data.get("usage")
    if usage:
        yield "gen_ai.response.model", str(data.get("model") or data.get("name", ""))
        yield from _usage_attributes(usage)
    if answer := (data.get("upstream") or {}).get("id"):
        yield "gen_ai.response.id", str(answer)
    if finish := data.get("finish"):
        yield "gen_ai.response.finish_reasons", (finish,) if isinstance(finish, str) else tuple(map(str, finish))


def _usage_attributes(usage: Mapping[str, Any]) -> Iterator[tuple[str, Value]]:
    yield "gen_ai.usage.input_tokens", usage.get("input", 0)
    yield "gen_ai.usage.output_tokens", usage.get("output", 0)
    written = usage.get("cache_write_5m", 0) + usage.get("cache_write_1h", 0)
    for name, count in (
        ("cache_read.input_tokens", usage.get("cache_read", 0)),
        ("cache_creation.input_tokens", written),
        ("reasoning.output_tokens", usage.get("reasoning", 0)),
    ):
        if count:
            yield f"gen_ai.usage.{name}", count


def _common(fact: Fact, operation: str) -> Iterator[tuple[str, Value]]:
    data: Mapping[str, Any] = fact.data
    yield "gen_ai.operation.name", operation
    yield "gen_ai.conversation.id", fact.run
    yield "comptroller.run", fact.run
    for name, key in (
        ("gen_ai.agent.name", "agent"),
        ("gen_ai.workflow.name", "workflow"),
        ("comptroller.workflow", "workflow"),
        ("comptroller.customer", "customer"),
        ("comptroller.tenant", "tenant"),
    ):
        if data.get(key):
            yield name, str(data[key])
    if kind := _error_type(data):
        yield "error.type", kind


def _error_type(data: Mapping[str, Any]) -> str:
    status = str(data.get("status", "ok"))
    if status == "ok":
        return ""
    error = data.get("error")
    return str(error.get("type") or status) if isinstance(error, Mapping) else status


def _operation(data: Mapping[str, Any]) -> str:
    kind, dialect = data.get("kind", "model"), str(data.get("dialect", ""))
    if kind == "tool":
        return "execute_tool"
    if kind == "agent":
        return "invoke_agent"
    if kind == "external":
        return "external"
    if "embeddings" in dialect:
        return "embeddings"
    return "generate_content" if dialect.startswith("gemini") else "chat"


def _trace(run: Fact | None, fact: Fact) -> str:
    named = fact.data.get("trace") or (run.data.get("trace") if run else None)
    return trace_of(str(named or fact.run or fact.call))


def _made_ns(id: str, at_most_ns: int) -> int:
    """When an id of ours was made: its first 48 bits are milliseconds."""
    try:
        made_ns = int(id[:12], 16) * 1_000_000 if len(id) == 32 else at_most_ns
    except ValueError:
        made_ns = at_most_ns
    return min(made_ns, at_most_ns)


def _exporters_named() -> tuple[str, ...]:
    """The exporters that the standard variables ask for, and that are installed."""
    if os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return ()
    named = os.environ.get("OTEL_TRACES_EXPORTER", "")
    if not named:
        # The standard's own default is a collector on this machine: it would have every process that never heard of
        # OpenTelemetry knock at a closed door. Naming an endpoint is asking.
        asked = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
        named = "otlp" if any(os.environ.get(name, "").strip() for name in asked) else "none"
    wanted = (name.strip().lower() for name in named.split(","))
    return tuple(name for name in wanted if name and name != "none" and _is_there(name))


def _is_there(name: str) -> bool:
    if name == "console":
        return True
    if name != "otlp":
        log.warning("OTEL_TRACES_EXPORTER names %r, which we do not know: use otlp, console or none.", name)
        return False
    from comptroller.tracing.export import otlp_module

    module, extra = otlp_module()
    if module is None:
        log.warning("Spans should be exported by OTLP, but its exporter is missing: pip install '%s'.", extra)
    return module is not None
