"""Small functions for tests of what is built around functions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_

if TYPE_CHECKING:
    from constructs import Construct

CODE = lambda_.Code.from_inline("def handler(event, context): ...")


def new_function(scope: Construct, construct_id: str = "Function", **options: Any) -> lambda_.Function:
    return lambda_.Function(
        scope,
        construct_id,
        code=CODE,
        handler="index.handler",
        runtime=lambda_.Runtime.PYTHON_3_13,
        **options,
    )


def imported_function(scope: Construct, construct_id: str) -> lambda_.IFunction:
    arn = f"arn:aws:lambda:eu-west-1:111111111111:function:{construct_id}"
    role = iam.Role.from_role_name(scope, f"{construct_id}-role", f"{construct_id}-role")
    return lambda_.Function.from_function_attributes(
        scope, construct_id, function_arn=arn, role=role, same_environment=True
    )
