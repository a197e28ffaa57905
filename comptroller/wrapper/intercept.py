"""What a request to somewhere is: a model call, a model call we cannot read, or any other HTTP; and for whom."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from comptroller.core.call import Identity
from comptroller.core.errors import Denied
from comptroller.dialects.routes import dialect_for, is_model_route
from comptroller.tracing.context import format_traceparent, span_of
from comptroller.wrapper.context import RunState, current
from comptroller.wrapper.desk import Desk
from comptroller.wrapper.external import ExternalJob, external_call, unread_model_call
from comptroller.wrapper.flow import Flow, model_call
from comptroller.wrapper.run import ambient
from comptroller.wrapper.shared import Job

FIELDS = ("agent", "customer", "user", "workflow")


@dataclass(slots=True)
class Intercepted:
    """A request on its way: the flow that governs it, and what its hands need to know."""

    flow: Flow
    run: RunState
    body: bytes | None  # None: too large to hold, or streamed; passed on as it comes
    sdk: bool  # a provider's SDK sent it: it wants refusals as HTTP replies
    trace_headers: Mapping[str, str]

    def reply_headers(self) -> dict[str, str]:
        return {"comptroller-run": self.run.id}


def in_memory(request: Any, desk: Desk) -> bool:
    """True where the body may be read: model routes always, other HTTP when it states a length we accept."""
    if is_model_route(request.method, request.url.path):
        return True
    length = request.headers.get("content-length", "")
    return length.isdigit() and int(length) <= desk.settings.limits.body_mb << 20


def intercept(desk: Desk, request: Any, bound: Mapping[str, str]) -> Intercepted:
    """The flow for one request."""
    scope = current() or ambient(desk)
    method, url = request.method, request.url
    body: bytes | None = request.content if in_memory(request, desk) else None
    identity, conflict = _identity(scope.identity, bound, request.headers)
    sdk = "x-stainless-lang" in request.headers
    if conflict is None and body is not None and len(body) > desk.settings.limits.body_mb << 20:
        conflict = Denied(
            f"The request is {len(body) >> 20} MB, above limits.body_mb in comptroller.yaml.", {"rule": "size"}
        )
    dialect = dialect_for(method, url.path)
    if dialect is not None and conflict is None:
        attempt = _attempt(request.headers)
        flow = model_call(Job(desk, identity, scope.run, dialect, body or b"", attempt, url.path))
    else:
        job = ExternalJob(desk, identity, scope.run, method, url.host, url.path, body, conflict)
        job.kind_of_body = request.headers.get("content-type", "")
        flow = unread_model_call(job) if is_model_route(method, url.path) else external_call(job)
    trace = {"traceparent": format_traceparent(scope.run.trace, span_of(identity.parent or scope.run.id))}
    return Intercepted(flow, scope.run, body, sdk, trace)


def _identity(
    identity: Identity, bound: Mapping[str, str], headers: Mapping[str, str]
) -> tuple[Identity, Denied | None]:
    """Who the call is for: the client's binding and its headers fill what is open, and never replace what is said."""
    said: dict[str, Any] = {}
    for field in FIELDS:
        for value in (bound.get(field, ""), headers.get(f"comptroller-{field}", "")):
            before = said.get(field) or getattr(identity, field)
            if value and before and value != before:
                message = f"The call says {field} {value!r}, the run it is part of says {before!r}. Leave it out."
                return identity, Denied(message, {"rule": "identity"})
            if value and not before:
                said[field] = value
    return (replace(identity, **said) if said else identity), None


def _attempt(headers: Mapping[str, str]) -> int:
    count = headers.get("x-stainless-retry-count", "")
    return int(count) if count.isdigit() else 0
