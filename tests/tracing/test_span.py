import logging
import os
import subprocess
import sys

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.semconv._incubating.attributes import gen_ai_attributes
from opentelemetry.trace import SpanKind, StatusCode

from comptroller.core.clock import FrozenClock
from comptroller.core.facts import AGENT_CLOSED, AGENT_OPENED, CALL_CLOSED, CALL_OPENED, RUN_CLOSED, RUN_OPENED, Fact
from comptroller.tracing import span as module
from comptroller.tracing.span import Tracer, agent_outline, call_outline, run_outline

CLOCK = FrozenClock()
RUN, AGENT, CALL, INNER = (CLOCK.new_id() for _ in range(4))
NOW = CLOCK.now_ns()
SECOND = 1_000_000_000
SECRET = "AKIA-my-body-my-secret"

MODEL = {
    "tenant": "default",
    "customer": "acme",
    "workflow": "loan",
    "agent": "fraud",
    "parent": AGENT,
    "kind": "model",
    "name": "gpt-4o",
    "model": "gpt-4o-2024-08-06",
    "dialect": "openai_chat",
    "stream": True,
    "policy": "5f2a",
    "started": NOW,
    "first": NOW + SECOND // 4,
    "ended": NOW + SECOND,
    "status": "ok",
    "action": "redact",
    "rule": "guards.privacy",
    "because": f"an e-mail address {SECRET}",
    "usage": {"input": 30, "output": 20, "cache_read": 10, "cache_write_5m": 2, "cache_write_1h": 3, "reasoning": 7},
    "cost": 1_500_000_000,
    "currency": "USD",
    "price": "genai-prices-1",
    "estimated": True,
    "finish": "stop",
    "upstream": {"status": 200, "id": "chatcmpl-1"},
    "preview": SECRET,
    "request": [SECRET],
    "reply": [SECRET],
    "decisions": [{"because": SECRET}],
    "hold": {"id": CALL, "lines": [[SECRET, "USD", 1]]},
}


def call(**more: object) -> Fact:
    return Fact(CALL_CLOSED, "f1", NOW + SECOND, RUN, CALL, {**MODEL, **more})


def spans_of(exporter: InMemorySpanExporter, *facts: Fact) -> list[ReadableSpan]:
    tracer = Tracer()
    for fact in facts:
        tracer.span(fact)
    tracer.close()
    return list(exporter.get_finished_spans())


def test_a_model_call_is_told_in_the_words_of_the_conventions() -> None:
    outline = call_outline(call(), RUN)
    assert (outline.name, outline.kind) == ("chat gpt-4o", "client")
    assert (outline.start_ns, outline.end_ns) == (NOW, NOW + SECOND)
    assert outline.attributes == {
        "gen_ai.operation.name": "chat",
        "gen_ai.conversation.id": RUN,
        "gen_ai.agent.name": "fraud",
        "gen_ai.workflow.name": "loan",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o",
        "gen_ai.request.stream": True,
        "gen_ai.response.time_to_first_chunk": 0.25,
        "gen_ai.response.model": "gpt-4o-2024-08-06",
        "gen_ai.response.id": "chatcmpl-1",
        "gen_ai.response.finish_reasons": ("stop",),
        "gen_ai.usage.input_tokens": 30,
        "gen_ai.usage.output_tokens": 20,
        "gen_ai.usage.cache_read.input_tokens": 10,
        "gen_ai.usage.cache_creation.input_tokens": 5,
        "gen_ai.usage.reasoning.output_tokens": 7,
        "comptroller.run": RUN,
        "comptroller.call": CALL,
        "comptroller.workflow": "loan",
        "comptroller.customer": "acme",
        "comptroller.tenant": "default",
        "comptroller.cost": 1.5,
        "comptroller.cost.nanos": 1_500_000_000,
        "comptroller.currency": "USD",
        "comptroller.decision": "redact",
        "comptroller.rule": "guards.privacy",
        "comptroller.policy.version": "5f2a",
        "comptroller.price.version": "genai-prices-1",
        "comptroller.estimated": True,
    }


def test_every_name_of_theirs_is_one_of_theirs() -> None:
    known = {value for name, value in vars(gen_ai_attributes).items() if name.startswith("GEN_AI_")}
    said: set[str] = set()
    for fact in (call(), call(kind="tool", tool={"call_id": "c1"})):
        said |= set(call_outline(fact, RUN).attributes)
    assert {name for name in said if name.startswith("gen_ai.")} <= known


@pytest.mark.parametrize(
    ("more", "name", "kind"),
    [
        ({"dialect": "anthropic", "name": "claude"}, "chat claude", "client"),
        ({"dialect": "gemini", "name": "gemini-2"}, "generate_content gemini-2", "client"),
        ({"dialect": "openai_embeddings", "name": "ada"}, "embeddings ada", "client"),
        ({"kind": "tool", "name": "refund"}, "execute_tool refund", "internal"),
        ({"kind": "agent", "name": "fraud"}, "invoke_agent fraud", "internal"),
        ({"kind": "external", "name": "api.example/x"}, "external api.example/x", "client"),
    ],
)
def test_a_span_is_named_by_what_was_done(more: dict[str, object], name: str, kind: str) -> None:
    outline = call_outline(call(**more), RUN)
    assert (outline.name, outline.kind) == (name, kind)


def test_a_tool_call_names_its_tool_and_the_models_id_of_it() -> None:
    said = call_outline(call(kind="tool", name="refund", tool={"call_id": "c1", "args": SECRET}), RUN).attributes
    assert (said["gen_ai.tool.name"], said["gen_ai.tool.call.id"]) == ("refund", "c1")
    assert "gen_ai.request.model" not in said


@pytest.mark.parametrize(
    ("more", "failed", "error"),
    [
        ({"status": "ok"}, False, None),
        ({"status": "denied"}, True, "denied"),
        ({"status": "over_budget"}, True, "over_budget"),
        ({"status": "cancelled"}, False, "cancelled"),
        ({"status": "error", "error": {"type": "ReadTimeout", "message": SECRET}}, True, "ReadTimeout"),
    ],
)
def test_a_call_that_went_wrong_says_how(more: dict[str, object], failed: bool, error: str | None) -> None:
    outline = call_outline(call(**more), RUN)
    assert (outline.failed, outline.attributes.get("error.type")) == (failed, error)


@pytest.mark.parametrize("status", ["ok", "error", "cut"])
def test_no_text_of_a_call_is_in_its_span(host_spans: InMemorySpanExporter, status: str) -> None:
    harmless = call(status=status, because="rule 1", error={"type": "E", "message": SECRET}, tool={"args": SECRET})
    (span,) = spans_of(host_spans, harmless)
    assert SECRET not in span.to_json()


def test_a_refusal_gives_its_reason() -> None:
    assert call_outline(call(status="denied", because="Refunds above 100 USD need a person."), RUN).because == (
        "Refunds above 100 USD need a person."
    )


def test_a_further_try_names_the_call_it_follows() -> None:
    outline = call_outline(call(retry_of={"call": "0" * 32, "rule": "r"}), RUN)
    assert outline.attributes["comptroller.retry_of"] == "0" * 32


def test_run_agent_call_and_tool_hang_together_under_our_own_ids(host_spans: InMemorySpanExporter) -> None:
    tool = Fact(CALL_CLOSED, "f2", NOW, RUN, INNER, {"kind": "tool", "name": "refund", "parent": CALL, "started": NOW})
    spans = spans_of(
        host_spans,
        Fact(RUN_OPENED, "f3", NOW, RUN, data={"workflow": "loan"}),
        Fact(AGENT_OPENED, AGENT, NOW + 1, RUN, data={"agent": "fraud"}),
        Fact(CALL_OPENED, "f4", NOW + 2, RUN, CALL, {}),
        tool,
        call(),
        Fact(AGENT_CLOSED, "f5", NOW + 5, RUN, data={"agent": "fraud", "span": AGENT, "parent": AGENT, "status": "ok"}),
        Fact(RUN_CLOSED, "f6", NOW + 6, RUN, data={"workflow": "loan", "status": "error"}),
    )
    assert [span.name for span in spans] == [
        "execute_tool refund",
        "chat gpt-4o",
        "invoke_agent fraud",
        "invoke_workflow loan",
    ]
    assert [f"{span.context.span_id:016x}" for span in spans] == [id[16:] for id in (INNER, CALL, AGENT, RUN)]
    assert {f"{span.context.trace_id:032x}" for span in spans} == {RUN}
    parents = [f"{span.parent.span_id:016x}" if span.parent else "" for span in spans]
    assert parents == [CALL[16:], AGENT[16:], RUN[16:], ""]
    assert [(span.start_time, span.end_time) for span in spans[2:]] == [(NOW + 1, NOW + 5), (NOW, NOW + 6)]
    assert [span.kind for span in spans] == [SpanKind.INTERNAL, SpanKind.CLIENT, SpanKind.INTERNAL, SpanKind.INTERNAL]
    assert [span.status.status_code for span in spans[2:]] == [StatusCode.UNSET, StatusCode.ERROR]


def test_a_run_inside_a_trace_from_outside_belongs_to_it(host_spans: InMemorySpanExporter) -> None:
    trace, parent = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
    agent, run = spans_of(
        host_spans,
        Fact(RUN_OPENED, "f1", NOW, RUN, data={"trace": trace, "parent": parent}),
        Fact(AGENT_CLOSED, "f2", NOW + 5, RUN, data={"agent": "fraud", "span": AGENT}),
        Fact(RUN_CLOSED, "f3", NOW + 6, RUN, data={"status": "ok"}),
    )
    assert {f"{span.context.trace_id:032x}" for span in (agent, run)} == {trace}
    assert f"{run.parent.span_id:016x}" == parent  # type: ignore[union-attr]


def test_what_was_opened_unseen_began_when_its_id_was_made() -> None:
    late = NOW + 90 * SECOND
    assert run_outline(Fact(RUN_CLOSED, "f", late, RUN, data={}), None, RUN).start_ns == NOW
    assert agent_outline(Fact(AGENT_CLOSED, "f", late, RUN, data={"span": AGENT}), None, RUN).start_ns == NOW
    assert run_outline(Fact(RUN_CLOSED, "f", late, "order-17", data={}), None, RUN).start_ns == late


def test_runs_that_are_never_closed_do_not_fill_the_memory(
    host_spans: InMemorySpanExporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "OPENED_KEPT", 10)
    tracer = Tracer()
    for i in range(100):
        tracer.span(Fact(RUN_OPENED, "f", NOW, f"r{i}", data={}))
    assert len(tracer._opened) == 10


def test_the_host_s_resource_and_exporter_are_used(host_spans: InMemorySpanExporter) -> None:
    (span,) = spans_of(host_spans, call())
    assert span.resource.attributes["service.name"] == "the-host"


def test_a_span_processor_that_fails_does_not_fail_the_call(
    host_spans: InMemorySpanExporter, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(self: object, outline: object) -> None:
        raise RuntimeError("no disk")

    monkeypatch.setattr("comptroller.tracing.export.Export.emit", broken)
    tracer = Tracer()
    with caplog.at_level(logging.WARNING, "comptroller"):
        tracer.span(call())
        tracer.span(call())
    assert caplog.messages == ["Spans cannot be made: RuntimeError: no disk. Calls go on and are on record."]


def test_an_exporter_that_cannot_be_made_is_not_tried_with_every_call(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "console")
    monkeypatch.setattr("comptroller.tracing.export._processor", lambda name: 1 // 0)
    tracer = Tracer()
    tracer.span(call())
    assert not tracer.listening
    assert len(caplog.messages) == 1


def test_a_process_that_never_closes_its_tracer_still_exports_at_its_end() -> None:
    code = (
        "from comptroller.core.facts import *; from comptroller.tracing.span import Tracer; from comptroller.tracing "
        "import export; from opentelemetry.sdk.trace.export import ConsoleSpanExporter;"
        "export._otlp = lambda module: ConsoleSpanExporter(); t = Tracer();"
        "t.span(Fact(CALL_CLOSED, 'f', 5, 'r', 'c', {'kind': 'tool', 'name': 'refund'}))"
    )
    env = {**os.environ, "OTEL_TRACES_EXPORTER": "otlp"}
    found = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, env=env)
    assert '"name": "execute_tool refund"' in found.stdout


def test_nobody_listens_where_nobody_asked() -> None:
    assert not Tracer().listening


@pytest.mark.parametrize(
    ("names", "listens"),
    [
        ({"OTEL_TRACES_EXPORTER": "none"}, False),
        ({"OTEL_TRACES_EXPORTER": "console"}, True),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:1"}, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_TRACES_EXPORTER": "none"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_SDK_DISABLED": "TRUE"}, False),
    ],
)
def test_the_standard_variables_say_whether_to_listen(
    names: dict[str, str], listens: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in names.items():
        monkeypatch.setenv(name, value)
    assert Tracer().listening is listens


def test_a_closed_tracer_listens_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "console")
    tracer = Tracer()
    tracer.close()
    assert not tracer.listening


@pytest.mark.parametrize(
    ("protocol", "remedy"), [("http/protobuf", "comptroller[otel]"), ("grpc", "opentelemetry-exporter-otlp-proto-grpc")]
)
def test_a_missing_exporter_is_one_warning_in_words(
    protocol: str, remedy: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "otlp")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with caplog.at_level(logging.WARNING, "comptroller"):
        assert not Tracer().listening
    assert caplog.messages == [
        f"Spans should be exported by OTLP, but its exporter is missing: pip install '{remedy}'."
    ]


def test_an_exporter_we_do_not_know_is_named(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "zipkin, console")
    assert Tracer().listening
    assert caplog.messages == ["OTEL_TRACES_EXPORTER names 'zipkin', which we do not know: use otlp, console or none."]


def test_a_process_without_a_listener_does_not_load_the_sdk() -> None:
    code = (
        "import sys; from comptroller.tracing.span import Tracer; t = Tracer(); assert not t.listening; t.close();"
        "print([m for m in sys.modules if m.startswith('opentelemetry')])"
    )
    found = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert found.stdout.strip() == "[]"
