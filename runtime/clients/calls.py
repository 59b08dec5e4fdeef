"""Calls of an AWS service: made with one client, and whatever goes wrong is an error of ours."""

from __future__ import annotations

from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from runtime.aws_errors import Attempts, translated

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["Calls"]

ClientT = TypeVar("ClientT")

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

    @cached_property
    def client(self) -> ClientT:
        """The boto3 client."""
        return self._make()

    @cached_property
    def _attempts(self) -> Attempts:
        return Attempts(self.client, self._service)

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
        self._attempts.begin()
        try:
            yield self.client
        except _OF_THE_SDK as error:
            self._attempts.fail(error)
