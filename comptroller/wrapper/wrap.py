"""`wrap`: put the desk in front of a client that exists, and give it back as what it was."""

import importlib
from collections.abc import Mapping
from types import ModuleType
from typing import Any, TypeVar

from comptroller.core.errors import BY_CODE, Refused
from comptroller.wrapper.desk import Desk
from comptroller.wrapper.transport import governed

C = TypeVar("C")
SDKS = ("openai", "anthropic")
HTTP = ("httpx", "httpx2")


def wrap(client: C, *, agent: str = "", customer: str = "", user: str = "", workflow: str = "") -> C:
    """Govern every call `client` makes: OpenAI, Anthropic (and their async and Azure kin), or any httpx client.

    The same object comes back; wrapping twice is harmless. `agent`, `customer`, `user` and `workflow` name who its
    calls are for wherever the run they are part of leaves that open.
    """
    said = {"agent": agent, "customer": customer, "user": user, "workflow": workflow}
    bound = {field: value for field, value in said.items() if value}
    http = _http_library(client)
    if http is not None:
        governed(client, http[0], http[1], bound, raises=True)
        return client
    inner = getattr(client, "_client", None)
    http = _http_library(inner)
    if http is None or not _is_sdk(client):
        raise TypeError(
            f"ct.wrap does not know {type(client).__module__}.{type(client).__name__}. "
            "Give an OpenAI or Anthropic client, or the httpx client that another SDK uses."
        )
    _govern_sdk(client, bound)
    return client


def govern(client: C, desk: Desk) -> C:
    """The same for an SDK's client of ours, at a desk that need not be the process's own."""
    _govern_sdk(client, {}, desk)
    return client


def _govern_sdk(client: Any, bound: Mapping[str, str], desk: Desk | None = None) -> None:
    http = _http_library(client._client)
    if http is not None:
        governed(client._client, http[0], http[1], bound, raises=False, desk=desk)
    _name_refusals(client, bound, desk)


def _is_sdk(client: object) -> bool:
    return any(kind.__module__.partition(".")[0] in SDKS for kind in type(client).__mro__)


def _http_library(client: object) -> tuple[ModuleType, bool] | None:
    """The library a client is of, and whether it is the async one; libraries that are not loaded are not loaded."""
    for kind in type(client).__mro__:
        library = kind.__module__.partition(".")[0]
        if library in HTTP and kind.__name__ in ("Client", "AsyncClient"):
            return importlib.import_module(library), kind.__name__ == "AsyncClient"
    return None


def _name_refusals(client: Any, bound: Mapping[str, str], desk: Desk | None) -> None:
    """A refusal reaches the caller as the SDK's own status error and as ours.

    An exception raised inside a transport would become a connection error and be retried; so the transport answers
    with a status, and the error is given its second name where the SDK makes it. Copies (`with_options`) too.
    """
    if "_make_status_error" in vars(client):
        return
    make, copy = client._make_status_error, client.copy

    def make_named(message: str, *, body: object, response: Any) -> Any:
        return named(make(message, body=body, response=response), response)

    def copy_named(*args: Any, **kwargs: Any) -> Any:
        copied = copy(*args, **kwargs)
        _govern_sdk(copied, bound, desk)  # it may have been given another HTTP client
        return copied

    client._make_status_error = make_named
    client.copy = client.with_options = copy_named


def named(error: Any, response: Any) -> Any:
    """The SDK's error as one that is also ours, where the reply is a refusal of ours."""
    if "comptroller-call" not in response.headers:
        return error
    details = _details(error.body)
    ours = BY_CODE.get(str(details.get("code", "")))
    if ours is None:
        return error
    both = _both(ours, type(error))
    made: Any = both.__new__(both)
    made.__dict__.update(error.__dict__)
    made.message = str(details.get("message", error.args[0] if error.args else ""))
    made.args = (made.message,)
    made.details = details
    return made


_kinds: dict[tuple[type, type], Any] = {}


def _both(ours: type[Refused], theirs: type) -> Any:
    kind = _kinds.get((ours, theirs))
    if kind is None:
        kind = _kinds[ours, theirs] = type(
            ours.__name__, (ours, theirs), {"__module__": ours.__module__, "code": ours.code}
        )
    return kind


def _details(body: object) -> dict[str, object]:
    """Our part of the error body, which openai hands over without its envelope and anthropic with it."""
    if isinstance(body, dict):
        inner = body.get("error")
        return dict(inner) if isinstance(inner, dict) else dict(body)
    return {}
