"""The keywords of CDK's ``Stack``, handed on as they were given."""

from __future__ import annotations

import inspect
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from aws_cdk import Stack

from constructs_lib.errors import InvalidPropsError
from constructs_lib.props.checks import check_pattern
from constructs_lib.props.imported_names import check_topic_arn
from constructs_lib.props.tokens import is_unresolved

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["stack_keywords"]

_STACK_NAME: Final = "[A-Za-z][A-Za-z0-9-]{0,127}"


def stack_keywords(
    *, stack_name: str | None, notification_arns: Sequence[str] | None, **others: object
) -> dict[str, Any]:
    """Give those keywords that are not None: an older CDK does not know each of them.

    Raises:
        InvalidPropsError: A value is none that CloudFormation takes, or the installed CDK does not
            know the keyword.

    """
    check_pattern("stack_name", stack_name, _STACK_NAME, hint="use letters, digits and '-'")
    for number, arn in enumerate(notification_arns or ()):
        name = f"notification_arns[{number}]"
        if is_unresolved(arn):
            msg = f"{name} must be known at synthesis, got a token; write the ARN as a literal"
            raise InvalidPropsError(msg)
        check_topic_arn(name, arn)
    given = {"stack_name": stack_name, "notification_arns": notification_arns, **others}
    given = {name: value for name, value in given.items() if value is not None}
    for name, value in given.items():
        if name not in _known():
            msg = (
                f"{name} must be a keyword of the installed aws-cdk-lib's Stack, got {type(value).__name__}; "
                "update aws-cdk-lib, or leave it out"
            )
            raise InvalidPropsError(msg)
    return given


@cache
def _known() -> frozenset[str]:
    return frozenset(inspect.signature(Stack.__init__).parameters)
