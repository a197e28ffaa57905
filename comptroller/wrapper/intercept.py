"""What a request to somewhere is: a model call, a model call we cannot read, or any other HTTP; and for whom."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from comptroller.core.call import Identity
from comptroller.core.errors import Denied
from comptroller.dialects.routes import dialect_for, is_model_route, is_provider_work, plain_path
from comptroller.tracing.context import format_traceparent, span_of
from comptroller.wrapper.context import RunState, current
from comptroller.wrapper.desk import Desk
from comptroller.wrapper.external import ExternalJob, external_call, unread_model_call
from comptroller.wrapper.flow import Flow, model_call
from comptroller.wrapper.memory import memory_call, place_of
from comptroller.wrapper.run import ambient
from comptroller.wrapper.shared import ACCOUNT, Envelope, Job

FIELDS = ("agent", "customer", "user", "workflow")
MATTERING = frozenset({b"content-type", b"traceparent", b"x-stainless-lang", b"x-stainless-retry-count"})
HEADER = {field: f"comptroller-{field}" for field in FIELDS}


@dataclass(slots=True)
class Intercepted:
    """A request on its way: the flow that governs it, and what its hands need to know."""

    flow: Flow
    run: RunState
    sdk: bool  # a provider's SDK sent it: it wants refusals as HTTP replies
    traceparent: str  # to be sent on, unless the request brings its own
    ours: tuple[str, ...]  # headers meant for us, which do not go upstream


def in_memory(request: Any, desk: Desk) -> bool:
    """True where the body may be read: model routes always, other HTTP when it states a length we accept."""
    if is_model_route(request.method, plain_path(request.url.path)):
        return True
    length = request.headers.get("content-length", "")
    return length.isdigit() and int(length) <= desk.settings.limits.body_mb << 20


def intercept(desk: Desk, request: Any, bound: Mapping[str, str], body: bytes | None) -> Intercepted:
    """The flow for one request; `body` of None is one too large to hold, passed on as it comes."""
    desk.refresh()
    scope = current() or ambient(desk)
    headers = _headers(request.headers.raw)
    identity, conflict = _identity(scope.identity, bound, headers)
    conflict = conflict or _too_large(desk, body)
    flow = _flow(desk, request, Where(identity, scope.run), headers, body, conflict)
    trace = format_traceparent(scope.run.trace, span_of(identity.parent or scope.run.id))
    ours = tuple(name for name in headers if name.startswith("comptroller-"))
    return Intercepted(flow, scope.run, "x-stainless-lang" in headers, "" if "traceparent" in headers else trace, ours)


def _headers(raw: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """The few headers that matter here, in one pass: each look-up in an httpx header map costs as much."""
    found = {}
    for name, value in raw:
        name = name.lower()
        if name in MATTERING or name.startswith(b"comptroller-"):
            found[name.decode("latin-1")] = value.decode("latin-1")
    return found


@dataclass(frozen=True, slots=True)
class Where:
    """Whose request it is, in which run."""

    identity: Identity
    run: RunState


def _flow(
    desk: Desk, request: Any, where: Where, headers: Mapping[str, str], body: bytes | None, conflict: Denied | None
) -> Flow:
    method, url = request.method, request.url
    path = plain_path(url.path)
    sdk = "x-stainless-lang" in headers
    # An SDK's base URL may lack the version; what an SDK asks of its provider is model work unless we know better.
    dialect = dialect_for(method, path) or (dialect_for(method, f"/v1{path}") if sdk else None)
    if dialect is not None and conflict is None:
        said = headers.get("x-stainless-retry-count", "")
        attempt = where.run.retries.attempt(body or b"", int(said) if said.isdigit() else 0)
        job = Job(
            desk, where.identity, where.run, dialect, body or b"", attempt, path, envelope=partial(_envelope, request)
        )
        return model_call(job)
    other = ExternalJob(desk, where.identity, where.run, method, url.host, path, body, conflict)
    other.kind_of_body = headers.get("content-type", "")
    other.to_model = sdk or path.endswith(("/count_tokens", "/input_tokens"))
    base = f"{url.scheme}://{url.netloc.decode('latin-1')}"
    memory = place_of(desk, other, base, url.raw_path.decode("latin-1"))
    if memory is not None:  # first: a header that SDKs of models send is no way round
        return memory_call(other, memory)
    if is_model_route(method, path) or (sdk and is_provider_work(method, path)):
        return unread_model_call(other)
    return external_call(other)


def _envelope(request: Any) -> Envelope:
    """Where a request goes, on whose account, and what it says about caches."""
    headers, url = request.headers, request.url
    account = "\n".join(headers.get(name, "") for name in ACCOUNT)
    return Envelope(f"{url.scheme}://{url.netloc}{url.raw_path}", account, headers.get("cache-control", "").lower())


def _too_large(desk: Desk, body: bytes | None) -> Denied | None:
    limit = desk.settings.limits.body_mb
    if body is None or len(body) <= limit << 20:
        return None
    message = f"The request is {len(body) >> 20} MB and limits.body_mb is {limit}. Raise it in comptroller.yaml."
    return Denied(message, {"rule": "size"})


def _identity(
    identity: Identity, bound: Mapping[str, str], headers: Mapping[str, str]
) -> tuple[Identity, Denied | None]:
    """Who the call is for: the client's binding and its headers fill what is open, and never replace what is said."""
    said: dict[str, Any] = {}
    for field in FIELDS:
        for value in (bound.get(field), headers.get(HEADER[field])):
            if not value:
                continue
            before = said.get(field) or getattr(identity, field)
            if before and value != before:
                message = f"The call says {field} {value!r}, the run it is part of says {before!r}. Leave it out."
                return identity, Denied(message, {"rule": "identity"})
            said[field] = value
    return (replace(identity, **said) if said else identity), None
