"""Calls of an AWS service: made with one client, and whatever goes wrong is an error of ours."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from botocore.exceptions import BotoCoreError, ClientError, ConnectTimeoutError, EndpointConnectionError
from botocore.parsers import ResponseParserError

from runtime.aws_errors import translated

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

__all__ = ["Calls"]

ClientT = TypeVar("ClientT")

_SERVER_ERROR: Final = 500
_OF_THE_SDK: Final = (ClientError, BotoCoreError, ResponseParserError)


class Calls(Generic[ClientT]):
    """The client of a service, made on first use, and blocks that translate its errors.

    Args:
        service: Name of the service for people, such as "SQS".
        make: Makes the boto3 client.
    """

    def __init__(self, service: str, make: Callable[[], ClientT]) -> None:
        self._service = service
        self._make = make
        self._attempts = threading.local()

    @cached_property
    def client(self) -> ClientT:
        """The boto3 client."""
        client: Any = self._make()
        # An attempt without an answer may have been carried out, whatever the last one says.
        client.meta.events.register("response-received", self._note_attempt)
        made: ClientT = client
        return made

    @contextmanager
    def reading(self) -> Iterator[ClientT]:
        """The client, for a block that changes nothing.

        Raises:
            StoreUnavailableError: The service is busy or out of reach.
            StoreRefusedError: It refuses the call.
        """
        try:
            yield self.client
        except _OF_THE_SDK as error:
            raise translated(error, self._service) from error

    @contextmanager
    def writing(self) -> Iterator[ClientT]:
        """The client, for a block with one call that sends or changes something.

        Raises:
            StoreUnavailableError: The service is busy or out of reach; nothing was done.
            StoreRefusedError: It refuses the call; nothing was done.
            OutcomeUnknownError: No answer came: it may have been done.
        """
        self._attempts.is_in_doubt = False
        try:
            yield self.client
        except _OF_THE_SDK as error:
            # An answer that makes no sense is as good as none.
            in_doubt = self._attempts.is_in_doubt or isinstance(error, ResponseParserError)
            raise translated(error, self._service, in_doubt=in_doubt) from error

    def _note_attempt(
        self,
        response_dict: Mapping[str, Any] | None = None,
        exception: BaseException | None = None,
        **_: Any,  # noqa: ANN401 - botocore's events
    ) -> None:
        never_sent = isinstance(exception, EndpointConnectionError | ConnectTimeoutError)
        status = (response_dict or {}).get("status_code", 0)
        if status >= _SERVER_ERROR or (exception is not None and not never_sent):
            self._attempts.is_in_doubt = True
