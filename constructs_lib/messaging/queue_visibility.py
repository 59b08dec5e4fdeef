"""How long a queue hides a message while its consumer works on it."""

from __future__ import annotations

from typing import Final

from aws_cdk import Duration
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sqs as sqs

from constructs_lib.errors import InvalidPropsError

__all__ = ["DEFAULT_VISIBILITY", "fit_visibility"]

DEFAULT_VISIBILITY: Final = Duration.minutes(3)

# AWS asks for this many timeouts of the consumer, so that Lambda's own retries of a
# throttled batch do not make the message visible to a second call.
_TIMEOUTS_HIDDEN: Final = 6


def fit_visibility(queue: sqs.IQueue, function: lambda_.IFunction, *, given: Duration | None) -> None:
    """Make ``queue`` hide messages for long enough, or refuse a time that is too short.

    Args:
        queue: A queue of this app.
        function: Its consumer; one whose timeout is not known fits.
        given: What the user asked for. None to choose.

    Raises:
        InvalidPropsError: ``given`` is less than six times the timeout of ``function``.

    """
    resource = queue.node.default_child
    known = function.timeout if isinstance(function, lambda_.Function) else None
    if known is None or not isinstance(resource, sqs.CfnQueue):
        return
    needed = _TIMEOUTS_HIDDEN * known.to_seconds()
    if given is None:
        resource.visibility_timeout = max(needed, DEFAULT_VISIBILITY.to_seconds())
    elif given.to_seconds() < needed:
        msg = (
            f"visibility_timeout must be at least {needed:g} seconds, six times the timeout of "
            f"{function.node.path}, got {given.to_human_string()}; leave it out to fit the function"
        )
        raise InvalidPropsError(msg)
