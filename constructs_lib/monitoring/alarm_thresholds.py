"""When the alarms ring."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from aws_cdk import Duration

from constructs_lib.props.checks import check_duration, check_range
from constructs_lib.props.strict_props import strict_dataclass

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["AlarmThresholds"]

_COUNTS: Final = (
    "records_set_aside",
    "executions_failed",
    "executions_timed_out",
    "commands_failed",
    "commands_healed",
    "handlers_parked",
    "dead_letters",
    "notifications_lost",
    "function_errors",
    "function_throttles",
    "table_throttles",
    "api_server_errors",
)
_MILLISECOND: Final = timedelta(milliseconds=1)
_DURATIONS: Final = {
    "stream_lag": (timedelta(seconds=1), timedelta(hours=24), "the stream forgets after 24 hours"),
    "event_stream_lag": (timedelta(seconds=1), timedelta(hours=24), "the stream forgets after 24 hours"),
    "event_lag": (_MILLISECOND, timedelta(hours=24), "1 minute is the default"),
    "command_lag": (_MILLISECOND, timedelta(hours=24), "1 minute is the default"),
    "oldest_notification": (timedelta(seconds=1), timedelta(days=14), "a queue keeps messages for 14 days"),
    "api_latency": (
        timedelta(milliseconds=1),
        timedelta(seconds=30),
        "API Gateway waits for 30 seconds at most",
    ),
}


def _default(duration: Duration) -> Callable[[], Duration]:
    return lambda: duration


@strict_dataclass
@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmThresholds:
    """The value at which each alarm rings; None leaves that alarm out.

    What may never happen rings at the first time. What is normal in small amounts (an
    error that is tried again, a throttled call) rings when it lasts.

    Example:
        >>> CqrsStack(app, "Shop", ..., monitoring=AlarmThresholds(api_latency=Duration.seconds(1)))

    Attributes:
        stream_lag: Age of the records of the command tables' streams when their batch is done or failed.
            Defaults to 5 minutes.
        event_stream_lag: The same of the events tables' streams. A read model that is out of reach holds
            them up. Defaults to 1 minute.
        records_set_aside: Stream records in 5 minutes that were given up and are in the
            bucket of failed records, or lost. Defaults to 1.
        executions_failed: Executions in 5 minutes that failed. Defaults to 1.
        executions_timed_out: Executions in 5 minutes that took too long. Defaults to 1.
        commands_failed: Commands of a module in 5 minutes that were not applied after all
            attempts. Defaults to 1.
        commands_healed: Commands of a module in 5 minutes that were left unfinished, and that the
            service itself then finished. Defaults to 1.
        heals_missed: Times in a row, from 2 to 10, that the service should have looked for unfinished
            commands by itself and did not come to the end of it. Where it does not look at all, CloudWatch
            takes some periods more. Defaults to 3.
        handlers_parked: Handlers of a module in 5 minutes that gave a command, or an event, up. Defaults
            to 1.
        command_lag: 99th percentile of the time from publish to applied, by module, in 2
            of 3 periods of 5 minutes. Defaults to 1 minute.
        event_lag: 99th percentile of the time from append to handled, by module, in 2 of 3 periods of 5
            minutes. Defaults to 1 minute.
        dead_letters: Messages in the dead-letter queue. Defaults to 1.
        oldest_notification: Age of the oldest notification that waits. Defaults to 15
            minutes, which is longer than one that keeps failing needs to be set aside.
        notifications_lost: Notifications in 5 minutes that no topic and no channel took.
            Defaults to 1.
        function_errors: Failed calls of a function in 5 minutes, for 15 minutes. Defaults
            to 5: a handler that waits for an earlier version is one, and is tried again.
        function_throttles: Throttled calls of a function in 5 minutes, in 2 of 3 such
            periods. Defaults to 1.
        function_duration_percent: Longest call in percent of the function's timeout, in 2
            of 3 periods of 5 minutes, from 1 to 100. Defaults to 90.
        table_throttles: Throttled reads or writes of a table in 5 minutes, in 2 of 3 such
            periods. Defaults to 10: a table that grows throttles a few, which are tried again.
        api_latency: 99th percentile of the time to answer, for 15 minutes. Defaults to 3 seconds.
        api_server_errors: Answers with a 5xx status in 5 minutes. Defaults to 5.

    Raises:
        InvalidPropsError: A value is outside what its alarm can watch.

    """

    stream_lag: Duration | None = field(default_factory=_default(Duration.minutes(5)))
    event_stream_lag: Duration | None = field(default_factory=_default(Duration.minutes(1)))
    records_set_aside: int | None = 1
    executions_failed: int | None = 1
    executions_timed_out: int | None = 1
    commands_failed: int | None = 1
    commands_healed: int | None = 1
    heals_missed: int | None = 3
    handlers_parked: int | None = 1
    command_lag: Duration | None = field(default_factory=_default(Duration.minutes(1)))
    event_lag: Duration | None = field(default_factory=_default(Duration.minutes(1)))
    dead_letters: int | None = 1
    oldest_notification: Duration | None = field(default_factory=_default(Duration.minutes(15)))
    notifications_lost: int | None = 1
    function_errors: int | None = 5
    function_throttles: int | None = 1
    function_duration_percent: int | None = 90
    table_throttles: int | None = 10
    api_latency: Duration | None = field(default_factory=_default(Duration.seconds(3)))
    api_server_errors: int | None = 5

    def __post_init__(self) -> None:
        """Refuse values that would ring always or never."""
        for name in _COUNTS:
            check_range(name, getattr(self, name), minimum=1, hint="None switches the alarm off")
        check_range(
            "function_duration_percent",
            self.function_duration_percent,
            minimum=1,
            maximum=100,
            hint="it is a percentage of the function's timeout",
        )
        check_range(
            "heals_missed",
            self.heals_missed,
            minimum=2,
            maximum=10,
            hint="one alone may just be late; None switches the alarm off",
        )
        for name, (minimum, maximum, hint) in _DURATIONS.items():
            check_duration(name, getattr(self, name), minimum=minimum, maximum=maximum, hint=hint)
