"""Which route a record takes, and what the source of its batch is told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from runtime.entry.batches import batch_response, process_in_order, process_messages
from runtime.entry.trigger import TriggerSource, name_in_arn, source_arn
from runtime.errors import UnknownTriggerError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from runtime.entry.queue import NotificationQueue
    from runtime.entry.trigger_routes import TriggerRoutes

    Record = dict[str, Any]

__all__ = ["Processor", "RecordRouter"]


class Processor(Protocol):
    """What handles the stream of one of the app's own tables."""

    def process(self, records: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Handle a batch; the partial batch response."""


class ProcessorOf(Protocol):
    """Finds what handles the stream of a table."""

    def __call__(self, table: str, *, is_routed: bool) -> Processor | None:
        """None where the records go to the route that the app has for the table."""


class RecordRouter:
    """Routes the records of queues, topics, buckets and streams.

    Args:
        routes: The routes of the app's own triggers.
        processor_of: Finds what handles the stream of one of the app's own tables.
        queue: Makes the handler of the notification queue.
    """

    def __init__(
        self,
        routes: TriggerRoutes,
        processor_of: ProcessorOf,
        queue: Callable[[], NotificationQueue],
    ) -> None:
        self._routes = routes
        self._processor_of = processor_of
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
        if route is not None:
            route(record)
            return
        from runtime.entry.queue import notification_in  # noqa: PLC0415 - most functions have no such message

        # Before it is asked whether this function is for notifications: the queue may be one that an app, or
        # a feature, has forgotten to register, and whoever looks for it must not be sent the wrong way.
        notification_in(record)
        self._queue().handle(record)

    def _process_stream(self, records: Sequence[Record]) -> dict[str, Any]:
        """All records of a batch are of one stream: of one of the app's own tables, or another one."""
        source = TriggerSource.DYNAMODB_STREAM
        arn = source_arn(records[0])
        is_routed = self._routes.route_of(source, arn) is not None
        processor = self._processor_of(name_in_arn(arn), is_routed=is_routed)
        if processor is not None:
            return processor.process(records)
        return batch_response(process_in_order(records, lambda record: self._handle(source, record)))

    def _handle(self, source: TriggerSource, record: Record) -> None:
        arn = source_arn(record)
        route = self._routes.route_of(source, arn)
        if route is None:
            msg = f"nobody handles {source.name} records of {name_in_arn(arn)!r}; register a handler for them"
            raise UnknownTriggerError(msg)
        route(record)
