"""The address that several workers share.

On Linux each worker has a socket of its own and the kernel spreads connections over them. Where all listen on one,
whoever is woken first takes all that wait: 16 connections that came together went to one of two workers every time.
"""

import socket
import sys

from comptroller.gateway.server import BACKLOG, bind

SPREADS = sys.platform == "linux"  # elsewhere the last to come would get every connection


def reserve(host: str, port: int) -> socket.socket:
    """The address for as long as the gateway lives; nobody is answered on this socket itself where workers join it."""
    if not SPREADS:
        return bind(host, port)
    # First as if for one process: a port that somebody has is refused, also to a second gateway of the same user.
    with bind(host, port) as alone:
        address, family = alone.getsockname(), alone.family
    return _bound(address, family)


def join(held: socket.socket) -> socket.socket:
    """The socket a worker listens on."""
    if not SPREADS:
        return held
    with held:
        made = _bound(held.getsockname(), held.family)
    made.listen(BACKLOG)
    return made


def _bound(address: object, family: int) -> socket.socket:
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        made.bind(address)  # type: ignore[arg-type]
    except OSError:
        made.close()
        raise
    return made
