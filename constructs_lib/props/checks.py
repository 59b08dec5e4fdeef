"""Checks of construct properties: each raises `InvalidPropsError` that says how to fix it.

Values that are only known when the stack is deployed (tokens) pass every check. What stands in for a
text that CDK has yet to look up passes as a pattern: refused, it would never be looked up.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from aws_cdk import RemovalPolicy, Stack

from constructs_lib.errors import InvalidPropsError
from constructs_lib.props.durations import human, milliseconds_of
from constructs_lib.props.environments import check_environment
from constructs_lib.props.lookups import is_known
from constructs_lib.props.tokens import is_unresolved

if TYPE_CHECKING:
    from datetime import timedelta
    from typing import Literal

    from aws_cdk import Duration
    from aws_cdk import aws_kms as kms
    from constructs import Construct

__all__ = [
    "check_auto_delete",
    "check_duration",
    "check_key",
    "check_length",
    "check_pattern",
    "check_range",
    "check_removal_policy",
    "check_table_key",
    "refuse_props_of_brought",
]


_POLICIES: Final = (
    RemovalPolicy.RETAIN,
    RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE,
    RemovalPolicy.DESTROY,
)


def check_range(
    name: str,
    value: float | None,
    *,
    minimum: float,
    maximum: float | None = None,
    hint: str,
) -> None:
    """Refuse a number outside ``minimum`` to ``maximum`` (both allowed); None passes.

    Args:
        name: Name of the property, as the user wrote it.
        value: What the user gave.
        minimum: Smallest value allowed.
        maximum: Largest value allowed. Defaults to no upper limit.
        hint: The end of the message: what to do instead.

    Raises:
        InvalidPropsError: ``value`` is outside the range.

    """
    if value is None or is_unresolved(value):
        return
    if value < minimum or (maximum is not None and value > maximum):
        allowed = f"at least {minimum:g}" if maximum is None else f"from {minimum:g} to {maximum:g}"
        msg = f"{name} must be {allowed}, got {value}; {hint}"
        raise InvalidPropsError(msg)


def check_duration(
    name: str,
    value: Duration | None,
    *,
    minimum: Duration | timedelta,
    maximum: Duration | timedelta,
    hint: str,
) -> None:
    """Refuse a duration outside ``minimum`` to ``maximum`` (both allowed); None passes.

    Args:
        name: Name of the property, as the user wrote it.
        value: What the user gave.
        minimum: Shortest duration allowed; where it is a constant a ``timedelta``, which asks nobody.
        maximum: Longest duration allowed, likewise.
        hint: The end of the message: what to do instead.

    Raises:
        InvalidPropsError: ``value`` is outside the range.

    """
    if value is None or (milliseconds := milliseconds_of(value)) is None:
        return
    least, most = milliseconds_of(minimum), milliseconds_of(maximum)
    if (least is not None and milliseconds < least) or (most is not None and milliseconds > most):
        allowed = f"from {human(minimum)} to {human(maximum)}"
        msg = f"{name} must be {allowed}, got {human(value)}; {hint}"
        raise InvalidPropsError(msg)


def check_length(
    name: str,
    value: str | None,
    longest: int,
    *,
    unit: Literal["characters", "bytes"] = "characters",
    hint: str,
) -> None:
    """Refuse a text that is longer than ``longest``; None passes.

    Args:
        name: Name of the property, as the user wrote it.
        value: What the user gave.
        longest: Greatest length allowed.
        unit: What is counted. Defaults to characters.
        hint: The end of the message: what to do instead.

    Raises:
        InvalidPropsError: ``value`` is longer.

    """
    if value is None or is_unresolved(value):
        return
    length = len(value.encode() if unit == "bytes" else value)
    if length > longest:
        msg = f"{name} must have at most {longest} {unit}, got {length}; {hint}"
        raise InvalidPropsError(msg)


def check_pattern(name: str, value: str | None, pattern: str, *, hint: str) -> None:
    """Refuse a text that does not match ``pattern`` from end to end; None passes.

    Args:
        name: Name of the property, as the user wrote it.
        value: What the user gave.
        pattern: Regular expression for the whole text.
        hint: The end of the message: what to do instead.

    Raises:
        InvalidPropsError: ``value`` does not match.

    """
    if value is None or not is_known(value):
        return
    if not re.fullmatch(pattern, value):
        msg = f"{name} must match {pattern}, got {value!r}; {hint}"
        raise InvalidPropsError(msg)


def check_removal_policy(name: str, value: RemovalPolicy, *allowed: RemovalPolicy) -> None:
    """Refuse a removal policy that the resource does not support.

    Args:
        name: Name of the property, as the user wrote it.
        value: What the user gave.
        allowed: The policies that work. Defaults to RETAIN, RETAIN_ON_UPDATE_OR_DELETE and DESTROY.

    Raises:
        InvalidPropsError: ``value`` is not one of ``allowed``.

    """
    allowed = allowed or _POLICIES
    if value not in allowed:
        *first, last = (policy.name for policy in allowed)
        names = f"{', '.join(first)} or {last}" if first else last
        msg = f"{name} must be {names}, got {value.name}; keep the resource or delete it with its stack"
        raise InvalidPropsError(msg)


def check_auto_delete(removal_policy: RemovalPolicy, *, auto_delete_objects: bool) -> None:
    """Refuse to empty a bucket that stays.

    Args:
        removal_policy: What happens to the bucket when it leaves the stack.
        auto_delete_objects: Whether its objects are deleted with it.

    Raises:
        InvalidPropsError: The objects are to go, and the bucket is not.

    """
    if auto_delete_objects and removal_policy is not RemovalPolicy.DESTROY:
        msg = (
            f"auto_delete_objects needs removal_policy=DESTROY, got {removal_policy.name}; "
            "leave auto_delete_objects out to keep the objects"
        )
        raise InvalidPropsError(msg)


def check_key(scope: Construct, encryption_key: kms.IKey | None) -> None:
    """Refuse a customer managed key of another Region or stage, and an alias in place of a key.

    IAM gives no right on a key by the ARN of an alias, and CDK gives none at all by an imported one
    unless a feature flag says so: functions could not use what they keep.

    Args:
        scope: The construct that is encrypted.
        encryption_key: What the user gave; None passes.

    Raises:
        InvalidPropsError: It cannot be used.

    """
    if encryption_key is None:
        return
    hint = "make a key, or a replica of this one, there"
    check_environment("encryption_key", encryption_key, scope, account_may_differ=True, hint=hint)
    if ":alias/" in encryption_key.key_arn:
        msg = (
            f"encryption_key must be a key, got the alias {encryption_key.key_id}; rights on a key are given "
            "by its own ARN: bring it with kms.Key.from_lookup(self, 'Key', alias_name=...) or "
            "kms.Key.from_key_arn"
        )
        raise InvalidPropsError(msg)


def check_table_key(scope: Construct, encryption_key: kms.IKey | None) -> None:
    """Refuse a customer managed key for a table in a stack of an unknown or another region.

    A global table names the key of each region, so CloudFormation has to be told the region.

    Args:
        scope: The construct that makes the table.
        encryption_key: What the user gave.

    Raises:
        InvalidPropsError: It is an alias, or the region is left to the deployment, or is another one.

    """
    check_key(scope, encryption_key)
    if encryption_key is not None and is_unresolved(Stack.of(scope).region):
        msg = (
            f"encryption_key needs a stack with a known region, got {_shown(encryption_key)} in a stack "
            "without one; give the stack env=Environment(region=...)"
        )
        raise InvalidPropsError(msg)


def refuse_props_of_brought(brought: str, /, **props: object) -> None:
    """Refuse properties that configure a resource when that resource was brought along.

    Args:
        brought: Name of the property that brings the resource, such as ``topic``.
        props: Each property that would configure it. None and False mean "not given";
            for a property with another default, give None where it has its default.

    Raises:
        InvalidPropsError: One of ``props`` is given.

    """
    for name, value in props.items():
        if value is not None and value is not False:
            msg = (
                f"{name} has no effect on a resource that {brought} brings, got {_shown(value)}; "
                f"leave {name} out and configure the resource where it is defined"
            )
            raise InvalidPropsError(msg)


def _shown(value: object) -> str:
    """Say a value so that a person recognizes it: constructs by their path."""
    if isinstance(value, RemovalPolicy):
        return value.name
    if isinstance(value, str | int | float | list | tuple):
        return repr(value)
    path = getattr(getattr(value, "node", None), "path", None)
    return str(path) if path else type(value).__name__
