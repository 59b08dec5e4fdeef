"""Where a feature says which function takes its own triggers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from runtime.contract import FunctionKind

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    Route = Callable[[dict[str, Any]], Any]

__all__ = ["Triggers"]

RouteT = TypeVar("RouteT", bound="Route | str")

_TAKEN_BY = (FunctionKind.WORKER,)


class Triggers(Protocol):
    """What `Feature.add_triggers` registers handlers with: the app's own methods, see `CqrsApp`."""

    def on_queue(
        self, queue: str, handler: Route | str | None = None, *, functions: Collection[str] = _TAKEN_BY
    ) -> Callable[[RouteT], RouteT]:
        """Handle the messages of an SQS queue, one at a time."""

    def on_sns(
        self, topic: str, handler: Route | str | None = None, *, functions: Collection[str] = _TAKEN_BY
    ) -> Callable[[RouteT], RouteT]:
        """Handle the messages of an SNS topic that invokes the function."""

    def on_s3(
        self, bucket: str, handler: Route | str | None = None, *, functions: Collection[str] = _TAKEN_BY
    ) -> Callable[[RouteT], RouteT]:
        """Handle the events of an S3 bucket that invokes the function."""

    def on_kinesis(
        self, stream: str, handler: Route | str | None = None, *, functions: Collection[str] = _TAKEN_BY
    ) -> Callable[[RouteT], RouteT]:
        """Handle the records of a Kinesis data stream, in the order of their shard."""

    def on_stream(
        self, table: str, handler: Route | str | None = None, *, functions: Collection[str] = _TAKEN_BY
    ) -> Callable[[RouteT], RouteT]:
        """Handle the stream of a DynamoDB table that no module has."""

    def on_event(
        self,
        *,
        source: str,
        detail_type: str | None = None,
        handler: Route | str | None = None,
        functions: Collection[str] = _TAKEN_BY,
    ) -> Callable[[RouteT], RouteT]:
        """Handle events of an EventBridge bus."""

    def on_task(
        self, task: str, handler: Route | str | None = None, *, functions: Collection[str] = _TAKEN_BY
    ) -> Callable[[RouteT], RouteT]:
        """Handle a task of a state machine."""
