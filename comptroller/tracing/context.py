"""Trace context: W3C `traceparent` in and out, and how our ids double as those of traces and spans."""

import hashlib
import re
import sys
from typing import Any

_TRACEPARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?", re.ASCII | re.DOTALL)
_HEX = re.compile(r"[0-9a-f]+", re.ASCII)
_LONGEST = 512  # later versions may append fields; nobody's are this long


def parse_traceparent(text: str) -> tuple[str, str] | None:
    """Trace id and parent span id of a `traceparent` header; None for anything that is not exactly one."""
    match = _TRACEPARENT.fullmatch(text.strip(" \t")) if len(text) <= _LONGEST else None
    if match is None:
        return None
    version, trace, span, _, more = match.groups()
    if version == "ff" or (version == "00" and more) or not int(trace, 16) or not int(span, 16):
        return None
    return trace, span


def format_traceparent(trace: str, span: str) -> str:
    """The header that makes what follows a child of `span` (run and call ids will do as well)."""
    return f"00-{trace_of(trace)}-{span_of(span)}-01"


def trace_of(run_id: str) -> str:
    """The trace id of a run: our run ids are trace ids already, any other text is hashed into one."""
    return _hex_of(run_id, 32)


def span_of(call_id: str) -> str:
    """The span id of a call, agent or run: the random half of its id; what is a span id stays as it is."""
    if len(call_id) == 32 and _is_id(call_id[16:]) and _is_id(call_id):
        return call_id[16:]
    return _hex_of(call_id, 16)


def ambient_trace() -> tuple[str, str] | None:
    """Trace and span of the host's own OpenTelemetry span that this code runs in, where it runs in one."""
    api = sys.modules.get("opentelemetry.trace")
    if api is None:  # nobody can be in a span of something that was never imported
        return None
    found = api.get_current_span().get_span_context()
    return (f"{found.trace_id:032x}", f"{found.span_id:016x}") if found.is_valid else None


def host_provider() -> Any:
    """The OpenTelemetry provider that the host application set, None where it set none."""
    api = sys.modules.get("opentelemetry.trace")
    if api is None:
        return None
    found = api.get_tracer_provider()
    return None if isinstance(found, (api.ProxyTracerProvider, api.NoOpTracerProvider)) else found


def _hex_of(text: str, digits: int) -> str:
    if len(text) == digits and _is_id(text):
        return text
    return hashlib.blake2b(text.encode(errors="surrogatepass"), digest_size=digits >> 1).hexdigest()


def _is_id(text: str) -> bool:
    return _HEX.fullmatch(text) is not None and text.strip("0") != ""
