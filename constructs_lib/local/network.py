"""The emulator's port: taking it, and asking whether somebody answers there."""

from __future__ import annotations

import errno
import http.client
import socket

from constructs_lib.local.errors import PortTakenError

__all__ = ["is_healthy", "listen"]

_HEALTH = "/_ministack/health"


def listen(port: int | None) -> socket.socket:
    """Open a socket on the loopback interface, to be handed over: no other process can take its port.

    Args:
        port: The port; `None` for one that is free.

    Raises:
        PortTakenError: It belongs to another process.
    """
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port or 0))
        listener.listen(128)
    except OSError as error:
        listener.close()
        if error.errno in (errno.EADDRINUSE, errno.EACCES) and port:
            raise PortTakenError(port) from error
        raise
    return listener


def is_healthy(port: int) -> bool:
    """Whether the emulator on a port answers within a second."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=1)
    try:
        connection.request("GET", _HEALTH)
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
