"""How an exchange with an upstream fails, told apart by whether anything was sent: what was sent may cost money."""

import os
import ssl

from comptroller.core.errors import UpstreamError


class ConnectError(UpstreamError):
    """No connection came about: nothing was sent."""


class ConnectTimeout(UpstreamError):
    """No connection came about in time: nothing was sent."""


class ReadTimeout(UpstreamError):
    """The upstream fell silent."""


class ReadError(UpstreamError):
    """The connection broke, or brought what is no reply, after the request may have been sent."""


class Unanswered(ReadError):
    """The connection was closed before a single byte of a reply: the request may or may not have been worked on."""


def unreadable(name: str, why: str) -> ReadError:
    """A reply that breaks the rules of HTTP, and with which its connection can no longer be trusted."""
    return ReadError(f"Upstream {name} sent a reply that cannot be trusted: {why}.")


def unreachable(name: str, error: BaseException) -> ConnectError:
    """No connection came about, with the system's own word for why where it has one."""
    error = getattr(error, "os_error", error)  # what aiohttp wraps
    if isinstance(error, ssl.SSLError):
        why = f" (TLS: {error.reason})" if error.reason else ""
    elif isinstance(error, OSError) and error.errno:
        # Names that are not found have numbers below zero; of others asyncio's text holds the address.
        why = f" ({os.strerror(error.errno) if error.errno > 0 else error.strerror})"
    else:
        why = ""
    return ConnectError(f"Upstream {name} cannot be reached{why}.")
