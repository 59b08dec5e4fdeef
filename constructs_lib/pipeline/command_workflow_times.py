"""Whether the timeouts and the retries of a workflow fit into each other."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from aws_cdk import Duration

from constructs_lib.errors import InvalidPropsError
from constructs_lib.functions.function_elsewhere import timeout_of
from constructs_lib.pipeline.retry_policy import RetryPolicy
from constructs_lib.props.checks import check_duration
from constructs_lib.props.durations import milliseconds_of

if TYPE_CHECKING:
    from aws_cdk import aws_lambda as lambda_

__all__ = ["LONGEST_EXPRESS", "check_times", "outage_retry_within", "task_timeout_of"]

LONGEST_EXPRESS: Final = Duration.minutes(5)

# The worker stops by itself first: a task that gave up on a call which still runs could
# start the same handler a second time beside it.
_TIMEOUT_MARGIN: Final = Duration.seconds(5)
_UNKNOWN_WORKER_TIMEOUT: Final = Duration.minutes(1)

_OUTAGE_ATTEMPTS: Final = 20
# At first as for any other error: most of what is out of reach is so for a moment.
_OUTAGE_INTERVAL: Final = Duration.seconds(2)
# A handler keeps its turn for its own retries, for 5 minutes after each.
_OUTAGE_DELAY: Final = Duration.minutes(2)


def task_timeout_of(worker: lambda_.IFunction) -> Duration:
    """Give how long a call of ``worker`` is waited for: a little longer than it can last."""
    known = timeout_of(worker)
    return (known or _UNKNOWN_WORKER_TIMEOUT).plus(_TIMEOUT_MARGIN)


def outage_retry_within(
    timeout: Duration, task_timeout: Duration, others: tuple[RetryPolicy, RetryPolicy]
) -> RetryPolicy:
    """Give the schedule for outages: half an hour, or what the other retries leave of ``timeout``.

    A failover takes minutes, and so does a deployment's mistake that is rolled back. It is never
    shorter than ``others[1]``, the schedule for errors.
    """
    if milliseconds_of(timeout) is None or milliseconds_of(task_timeout) is None:
        return _outage_retry(_OUTAGE_ATTEMPTS)
    waits = sum(retry.longest_wait.to_seconds() for retry in others)
    room = timeout.to_seconds() - task_timeout.to_seconds() - waits
    for attempts in range(_OUTAGE_ATTEMPTS, others[1].max_attempts, -1):
        retry = _outage_retry(attempts)
        if retry.longest_wait.to_seconds() <= room:
            return retry
    return others[1]


def _outage_retry(attempts: int) -> RetryPolicy:
    return RetryPolicy(max_attempts=attempts, interval=_OUTAGE_INTERVAL, max_delay=_OUTAGE_DELAY)


def check_times(
    timeout: Duration,
    task_timeout: Duration,
    worker: lambda_.IFunction,
    *,
    express: bool,
    retries: tuple[RetryPolicy, ...],
) -> None:
    """Refuse times that Step Functions refuses, or that would cut a handler's retries short.

    Raises:
        InvalidPropsError: A duration does not fit; the message names it.

    """
    if milliseconds_of(timeout) is None or milliseconds_of(task_timeout) is None:
        return
    if express:
        check_duration(
            "timeout",
            timeout,
            minimum=timedelta(seconds=1),
            maximum=LONGEST_EXPRESS,
            hint="an express execution ends after 5 minutes; use WorkflowType.STANDARD for longer ones",
        )
    if (longest_call := timeout_of(worker)) is not None:
        check_duration(
            "task_timeout",
            task_timeout,
            minimum=longest_call,
            maximum=timeout,
            hint="a call that is given up must not run on beside its retry",
        )
    waits = sum(retry.longest_wait.to_seconds() for retry in retries)
    if waits + task_timeout.to_seconds() > timeout.to_seconds():
        msg = (
            f"timeout must leave room for the retries of a handler, got {timeout.to_human_string()} for "
            f"{waits:g} seconds of waiting and a call of {task_timeout.to_human_string()}; "
            "shorten previous_version_retry, outage_retry or error_retry"
        )
        raise InvalidPropsError(msg)
