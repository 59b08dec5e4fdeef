"""The order in which a mapping and the rights it needs are made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from constructs_lib.functions.brought_function import behind
from constructs_lib.props.environments import is_made_here

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aws_cdk import aws_iam as iam
    from aws_cdk import aws_lambda as lambda_

__all__ = ["give_before"]


def give_before(
    mapping: lambda_.EventSourceMapping, function: lambda_.IFunction, rights: Iterable[iam.Grant]
) -> None:
    """Have ``mapping`` wait for ``rights``: Lambda refuses one whose function may not read yet.

    A function of the template waits for its role's rights itself, and the mapping waits for it. One that
    was imported, or stands for one of another stack, is there before them.
    """
    if not is_made_here(behind(function)):
        for right in rights:
            right.apply_before(mapping)
