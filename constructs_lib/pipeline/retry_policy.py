"""How often, and how far apart, a failed step is tried again."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

from aws_cdk import Duration

from constructs_lib.props.checks import check_duration, check_range
from constructs_lib.props.strict_props import strict_dataclass

__all__ = ["RetryPolicy"]

_MAX_ATTEMPTS = 99_999_999


@strict_dataclass
@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """A retry schedule: waits that grow, each shortened at random so that retries spread out.

    Example:
        >>> RetryPolicy(max_attempts=5, interval=Duration.seconds(1))

    Attributes:
        max_attempts: How often the step is tried again after its first failure; 0 for never.
            Defaults to 3.
        interval: Longest wait before the first retry, in whole seconds. Defaults to 2 seconds.
        backoff_rate: What the wait is multiplied by after each retry, at least 1. Defaults to
            2.
        max_delay: Longest wait there is, in whole seconds. Defaults to 1 minute.

    Raises:
        InvalidPropsError: A value is outside what Step Functions allows.

    """

    max_attempts: int = 3
    interval: Duration = field(default_factory=lambda: Duration.seconds(2))
    backoff_rate: float = 2
    max_delay: Duration = field(default_factory=lambda: Duration.seconds(60))

    def __post_init__(self) -> None:
        """Refuse what Step Functions would refuse at deployment."""
        hint = "Step Functions counts in whole seconds"
        check_range(
            "max_attempts", self.max_attempts, minimum=0, maximum=_MAX_ATTEMPTS, hint="0 never retries"
        )
        check_range("backoff_rate", self.backoff_rate, minimum=1, hint="2 doubles the wait each time")
        longest = timedelta(days=365)
        check_duration("interval", self.interval, minimum=timedelta(seconds=1), maximum=longest, hint=hint)
        check_duration("max_delay", self.max_delay, minimum=self.interval, maximum=longest, hint=hint)

    @property
    def longest_wait(self) -> Duration:
        """All waits together when chance shortens none of them."""
        cap = self.max_delay.to_seconds()
        total, wait = 0.0, float(self.interval.to_seconds())
        for attempt in range(self.max_attempts):
            if wait >= cap:
                total += cap * (self.max_attempts - attempt)
                break
            total += wait
            wait *= self.backoff_rate
        return Duration.seconds(round(total))
