"""Counting calls: what was really sent on the wire, and how much of it had to wait its turn.

A `Wire` also listens to a store: each call of the store's own methods is a step, on any store.
"""

from __future__ import annotations

import json
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import wraps
from io import BytesIO
from typing import TYPE_CHECKING, Any

from botocore.awsrequest import AWSResponse
from botocore.exceptions import ReadTimeoutError
from botocore.httpsession import URLLib3Session

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from runtime.store.port import Store, Write

__all__ = ["STORE", "Call", "Wire"]

#: The service of a step that is a call of a store; the operation is the method's name.
STORE = "store"


@dataclass
class Call:
    service: str
    operation: str
    started: float
    ended: float = 0.0
    parameters: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return f"{self.service}:{self.operation}"

    @property
    def writes(self) -> tuple[Write, ...]:
        """What a step of a store writes, all or nothing."""
        is_write = self.service == STORE and self.operation in {"write", "update"}
        return self.parameters["arguments"] if is_write else ()


class _Body(BytesIO):
    def stream(self) -> Iterator[bytes]:
        yield self.read()


class Wire:
    """Listens to boto3 clients. Every HTTP request counts, a repeated one too.

    ``before`` and ``after`` are called with each call, to interfere with it.
    """

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.before: Callable[[Call], None] = lambda _call: None
        self.after: Callable[[Call], None] = lambda _call: None
        self._lost: Callable[[Call], bool] = lambda _call: False
        self._timed_out: Callable[[Call], bool] = lambda _call: False
        self._reply: Callable[[Call], tuple[int, Any] | None] = lambda _call: None
        self._local = threading.local()

    def listen(self, client: Any) -> Any:
        events = client.meta.events
        events.register("before-parameter-build.*.*", self._on_parameters)
        events.register("before-send.*.*", self._on_send)
        events.register("response-received.*.*", self._on_response)
        return client

    def clear(self) -> None:
        self.calls.clear()

    def names(self, service: str = "") -> list[str]:
        return [call.name for call in self.calls if call.service.startswith(service)]

    def depth(self, service: str = "") -> int:
        """The longest chain of calls of which each began after the one before had ended."""
        ended, chain = 0.0, 0
        for call in sorted(self._of(service), key=lambda call: call.ended):
            if call.started >= ended:
                ended, chain = call.ended, chain + 1
        return chain

    def listen_to(self, store: Store) -> Store:
        """The store, with each call of it as a step."""
        heard: Any = _HeardStore(store, self)
        return heard  # type: ignore[no-any-return]

    @contextmanager
    def step(self, service: str, operation: str, **parameters: Any) -> Iterator[None]:
        """A step that is no call of AWS, as a database's commit: it can be interfered with like one."""
        call = Call(service, operation, time.monotonic(), parameters=parameters)
        self.calls.append(call)
        self.before(call)
        yield
        call.ended = time.monotonic()
        self.after(call)

    def _of(self, service: str) -> Iterator[Call]:
        return (call for call in self.calls if call.service.startswith(service))

    def _on_parameters(self, params: dict[str, Any], **_: Any) -> None:
        self._local.parameters = dict(params)

    def lose_answers(self, lost: Callable[[Call], bool]) -> None:
        """Let calls reach the service, but answer the caller with a server error."""
        self._lost = lost

    def answer(self, reply: Callable[[Call], tuple[int, Any] | None]) -> None:
        """Answer calls in the service's place, with a status and a body: text, or what JSON is made of.

        None lets one through.
        """
        self._reply = reply

    def time_out(self, lost: Callable[[Call], bool]) -> None:
        """Let calls reach the service, and the caller wait in vain for the answer."""
        self._timed_out = lost

    def _on_send(self, event_name: str, request: Any, **_: Any) -> AWSResponse | None:
        _, service, operation = event_name.split(".")
        call = Call(service, operation, time.monotonic(), parameters=getattr(self._local, "parameters", {}))
        self.calls.append(call)
        self._local.call = call
        self.before(call)
        if reply := self._reply(call):
            status, body = reply
            text = body if isinstance(body, str) else json.dumps(body)
            return AWSResponse(request.url, status, {}, _Body(text.encode()))
        if self._timed_out(call):
            URLLib3Session().send(request)
            raise ReadTimeoutError(endpoint_url=request.url)
        if not self._lost(call):
            return None
        URLLib3Session().send(request)
        return AWSResponse(request.url, 500, {}, _Body(b"{}"))

    def _on_response(self, **_: Any) -> None:
        call = self._local.call
        call.ended = time.monotonic()
        self.after(call)


class _HeardStore:
    def __init__(self, store: Store, wire: Wire) -> None:
        self._store = store
        self._wire = wire

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._store, name)

        @wraps(method)
        def heard(*arguments: Any, **options: Any) -> Any:
            if name == "batch_get":
                arguments = tuple(map(list, arguments))
            if name in {"batch_get", "write"} and not any(arguments):
                return method(*arguments, **options)  # of nothing: no call comes of it
            with self._wire.step(STORE, name, arguments=arguments, **options):
                return method(*arguments, **options)

        return heard
