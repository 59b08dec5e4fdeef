"""How long a queue hides a message while its consumer works on it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aws_cdk import Annotations, Duration
from aws_cdk import aws_sqs as sqs

from constructs_lib.errors import InvalidPropsError
from constructs_lib.functions.function_elsewhere import original_of, timeout_of
from constructs_lib.props.tokens import is_unresolved

if TYPE_CHECKING:
    from aws_cdk import aws_lambda as lambda_

__all__ = ["DEFAULT_VISIBILITY", "check_visibility", "fit_visibility"]

DEFAULT_VISIBILITY: Final = Duration.minutes(3)

# AWS asks for this many timeouts of the consumer, so that Lambda's own retries of a
# throttled batch do not make the message visible to a second call.
_TIMEOUTS_HIDDEN: Final = 6


_SQS_DEFAULT: Final = 30


def check_visibility(queue: sqs.IQueue, function: lambda_.IFunction) -> None:
    """Refuse a queue that was brought and hides messages for less than a call may take: Lambda does.

    Raises:
        InvalidPropsError: Its visibility timeout is known, and below the timeout of ``function``.

    """
    resource, known = queue.node.default_child, timeout_of(function)
    if known is None or known.is_unresolved() or not isinstance(resource, sqs.CfnQueue):
        return
    hidden = _SQS_DEFAULT if resource.visibility_timeout is None else resource.visibility_timeout
    if not is_unresolved(hidden) and hidden < known.to_seconds():
        needed = _TIMEOUTS_HIDDEN * known.to_seconds()
        msg = (
            f"queue must hide a message for as long as {function.node.path} may take, {known.to_seconds():g} "
            f"seconds, got {hidden:g} seconds of {queue.node.path}; give that queue "
            f"visibility_timeout=Duration.seconds({needed:g}), six times as much"
        )
        raise InvalidPropsError(msg)


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
    known = timeout_of(function)
    if known is None or not isinstance(resource, sqs.CfnQueue):
        return
    if known.is_unresolved() or (given is not None and given.is_unresolved()):
        if given is None:
            # CloudFormation does not multiply.
            Annotations.of(original_of(function)).add_warning_v2(
                "cqrs:unknownTimeout",
                "the timeout of this function is not known at synthesis, and its queue hides a message for "
                f"{DEFAULT_VISIBILITY.to_human_string()}; give Notifications(visibility_timeout=...) six "
                "times the longest timeout, or a timeout that is known",
            )
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
