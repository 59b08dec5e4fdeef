"""A WebSocket client that is just enough to subscribe to AppSync Events."""

from __future__ import annotations

import base64
import json
import os
import socket
import struct
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ["Subscriber"]

_SECONDS = 10
_TEXT = 1
_FINAL = _MASKED = 0x80
_LENGTH_16, _LENGTH_64 = 126, 127


class Subscriber:
    """A client that is connected to the realtime endpoint ``host`` at ``port`` of this machine."""

    def __init__(self, host: str, port: int, authorization: dict[str, str]) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=_SECONDS)
        self._stream = self._socket.makefile("rb")
        header = base64.urlsafe_b64encode(json.dumps(authorization).encode()).decode().rstrip("=")
        request = (
            f"GET /event/realtime HTTP/1.1\r\nHost: {host}\r\n"
            "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}\r\n"
            f"Sec-WebSocket-Protocol: aws-appsync-event-ws, header-{header}\r\n\r\n"
        )
        self._socket.sendall(request.encode())
        status = self._stream.readline()
        assert b" 101 " in status, status
        while self._stream.readline().strip():
            pass
        self.send({"type": "connection_init"})
        assert self.take()["type"] == "connection_ack"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stream.close()
        self._socket.close()

    def subscribe(self, channel: str, subscription: str = "s1") -> dict[str, Any]:
        """Subscribe; the service's answer."""
        self.send({"type": "subscribe", "id": subscription, "channel": channel})
        return self.take()

    def send(self, frame: dict[str, Any]) -> None:
        payload = json.dumps(frame).encode()
        mask = os.urandom(4)
        masked = bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))
        size = len(payload)
        length = bytes([size]) if size < _LENGTH_16 else struct.pack("!BH", _LENGTH_16, size)
        head = bytes([_FINAL | _TEXT, _MASKED | length[0], *length[1:]])
        self._socket.sendall(head + mask + masked)

    def take(self) -> dict[str, Any]:
        """The next frame that is no keep-alive; a test that waits in vain fails."""
        while True:
            _, length = self._stream.read(2)
            if length == _LENGTH_16:
                (length,) = struct.unpack("!H", self._stream.read(2))
            elif length == _LENGTH_64:
                (length,) = struct.unpack("!Q", self._stream.read(8))
            frame: dict[str, Any] = json.loads(self._stream.read(length))
            if frame["type"] != "ka":
                return frame
