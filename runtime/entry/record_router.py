"""Which route a record takes, and what the source of its batch is told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runtime.entry.batches import batch_response, process_in_order, process_messages
from runtime.entry.trigger import TriggerSource, name_in_arn, source_arn
from runtime.errors import ConfigurationError, UnknownTriggerError

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Sequence

    from runtime.entry.queue import NotificationQueue
    from runtime.entry.stream import StreamProcessor
    from runtime.entry.trigger_routes import TriggerRoutes

    Record = dict[str, Any]

__all__ = ["RecordRouter"]


class RecordRouter:
    """Routes the records of queues, topics, buckets and streams.

    Args:
        routes: The routes of the app's own triggers.
        command_tables: Names the tables whose streams are the app's own.
        stream: Makes the processor of these streams.
        queue: Makes the handler of the notification queue.
    """

    def __init__(
        self,
        routes: TriggerRoutes,
        command_tables: Callable[[], Container[str]],
        stream: Callable[[], StreamProcessor],
        queue: Callable[[], NotificationQueue],
    ) -> None:
        self._routes = routes
        self._command_tables = command_tables
        self._stream = stream
        self._queue = queue

    def process(self, source: TriggerSource, records: Sequence[Record]) -> dict[str, Any] | None:
        """Handle the records of one delivery.

        Returns:
            The partial batch response; None for a topic or a bucket, which has none.

        Raises:
            UnknownTriggerError: Nobody handles the records of a topic or a bucket.
        """
        match source:
            case TriggerSource.SQS:
                return batch_response(process_messages(records, self._handle_message))
            case TriggerSource.KINESIS:
                return batch_response(process_in_order(records, lambda r: self._handle(source, r)))
            case TriggerSource.DYNAMODB_STREAM:
                return self._process_stream(records)
        # One delivery is tried again as a whole, so the first failure ends it.
        for record in records:
            self._handle(source, record)
        return None

    def _handle_message(self, record: Record) -> None:
        route = self._routes.route_of(TriggerSource.SQS, source_arn(record))
        if route is None:
            self._queue().handle(record)
        else:
            route(record)

    def _process_stream(self, records: Sequence[Record]) -> dict[str, Any]:
        """All records of a batch are of one stream: a command table's, or another one."""
        source = TriggerSource.DYNAMODB_STREAM
        table = source_arn(records[0])
        if self._routes.route_of(source, table) is None:
            return self._stream().process(records)
        if name_in_arn(table) in self._command_tables():
            msg = f"{name_in_arn(table)} is a command table, which the app handles itself; remove on_stream"
            raise ConfigurationError(msg)
        return batch_response(process_in_order(records, lambda record: self._handle(source, record)))

    def _handle(self, source: TriggerSource, record: Record) -> None:
        arn = source_arn(record)
        route = self._routes.route_of(source, arn)
        if route is None:
            msg = f"nobody handles {source.name} records of {name_in_arn(arn)!r}; register a handler for them"
            raise UnknownTriggerError(msg)
        route(record)
