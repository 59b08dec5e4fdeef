"""Whether the calls that are set aside for a function are enough for what calls it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import jsii
from aws_cdk import Annotations, Aspects, IAspect
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from constructs_lib.errors import InvalidPropsError
from constructs_lib.functions.function_elsewhere import original_of
from constructs_lib.props.tokens import is_unresolved

if TYPE_CHECKING:
    from constructs import IConstruct

__all__ = ["concurrency_of_queue", "note_stream", "warn_if_few_for_handlers", "warn_if_switched_off"]

_USUAL_OF_QUEUE: Final = 10
_LEAST_OF_QUEUE: Final = 2
_STREAMS: Final = "CqrsStreams"


def warn_if_switched_off(function: lambda_.Function, reserved: int | None) -> None:
    """Warn of a function that nobody can call."""
    if reserved == 0 and not is_unresolved(reserved):
        Annotations.of(function).add_warning_v2(
            "cqrs:switchedOff",
            "reserved_concurrency is 0, so that every call of the function is refused: requests fail, "
            "commands of streams wait until they are too old, and messages go to the dead-letter queue; "
            "leave it out to switch the function on",
        )


def concurrency_of_queue(function: lambda_.IFunction, given: int | None) -> int:
    """Give how many calls at the same time a queue may make: as many as are set aside, at the most.

    A message that is refused because the function is busy counts as tried, and is soon a dead letter.

    Args:
        function: The consumer.
        given: What the user asked for. None: 10, or less where less is set aside.

    Raises:
        InvalidPropsError: The queue would call more often than the function may run.

    """
    reserved = _reserved(function)
    if reserved is None or reserved == 0:
        return _USUAL_OF_QUEUE if given is None else given
    path = original_of(function).node.path
    if reserved < _LEAST_OF_QUEUE:
        msg = (
            f"reserved_concurrency of {path} must be at least {_LEAST_OF_QUEUE}, got "
            f"{reserved}: a queue calls twice at the same time at the least, and what is refused is soon a "
            "dead letter; reserve more, or leave it out"
        )
        raise InvalidPropsError(msg)
    if given is not None and given > reserved:
        msg = (
            f"max_concurrency must be at most {reserved}, what {path} reserves, got {given}: "
            "messages beyond it are refused, and are soon dead letters; lower it, or reserve more"
        )
        raise InvalidPropsError(msg)
    return min(_USUAL_OF_QUEUE, reserved) if given is None else given


def note_stream(function: lambda_.IFunction, parallelization_factor: int) -> None:
    """Count a stream that calls ``function``; warn at synth where all of them need more than it may run."""
    made = original_of(function)
    if not isinstance(made, lambda_.Function):
        return
    known = made.node.try_find_child(_STREAMS)
    streams = known if isinstance(known, _Streams) else _Streams(made)
    streams.factors.append(parallelization_factor)


def warn_if_few_for_handlers(worker: lambda_.IFunction, max_concurrency: int) -> None:
    """Warn where the handlers of one command alone may need more calls than the worker may run."""
    reserved = _reserved(worker)
    if reserved is not None and 0 < reserved < max_concurrency:
        Annotations.of(original_of(worker)).add_warning_v2(
            "cqrs:fewReserved",
            f"reserved_concurrency of the worker is {reserved}, and up to {max_concurrency} handlers of one "
            "command run at the same time: they wait for each other, and a command of a burst fails once the "
            "workflow's outage_retry has passed; reserve more, leave it out, or give the workflow "
            f"max_concurrency={reserved}",
        )


class _Streams(Construct):
    """The streams that call a function. A child of it, so that each mapping finds what others noted."""

    def __init__(self, function: lambda_.Function) -> None:
        super().__init__(function, _STREAMS)
        self.function = function
        self.factors: list[int] = []
        Aspects.of(self).add(_EnoughForStreams(self))


@jsii.implements(IAspect)
class _EnoughForStreams:
    """Warns at synth, once all streams are known."""

    def __init__(self, streams: _Streams) -> None:
        self._streams = streams

    def visit(self, node: IConstruct) -> None:  # noqa: ARG002 - jsii asks for this name
        factors, function = self._streams.factors, self._streams.function
        needed, reserved = sum(factors), _reserved(function)
        if reserved is not None and 0 < reserved < needed:
            Annotations.of(function).add_warning_v2(
                "cqrs:starvedStreams",
                f"reserved_concurrency is {reserved}, and {len(factors)} streams make {needed} calls or more "
                "at the same time (parallelization_factor times shards, of which each table has some): "
                f"records wait for each other; reserve at least {needed}, or leave it out",
            )


def _reserved(function: lambda_.IFunction) -> int | None:
    """What is set aside; None where it is not known, or nothing is."""
    resource = original_of(function).node.default_child
    if not isinstance(resource, lambda_.CfnFunction):
        return None
    reserved = resource.reserved_concurrent_executions
    return None if reserved is None or is_unresolved(reserved) else int(reserved)
