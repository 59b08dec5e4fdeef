"""How functions may read a secret, also one of another stack."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import Stack
from aws_cdk import aws_iam as iam

from constructs_lib.props.environments import check_environment, is_made_here

if TYPE_CHECKING:
    from aws_cdk import aws_lambda as lambda_
    from aws_cdk import aws_secretsmanager as secretsmanager

__all__ = ["allow_secret"]


def allow_secret(function: lambda_.IFunction, secret: secretsmanager.ISecret) -> iam.Grant:
    """Let ``function`` read ``secret``.

    CDK names whoever reads in the policy of the secret's key. A key of another stack would then wait for
    this one, and this one for the secret; and the policy of one that was imported stays as it is. So the
    function's role is told, which is enough where the key's policy leaves it to IAM, as that of every key
    made by CDK.

    Raises:
        InvalidPropsError: The secret is in another account or Region.

    """
    check_environment("secret", secret, function, account_may_differ=True)
    key = secret.encryption_key
    if key is None or (is_made_here(key) and Stack.of(key) is Stack.of(function)):
        return secret.grant_read(function)
    service = f"secretsmanager.{Stack.of(function).region}.amazonaws.com"
    return iam.Grant.add_to_principal(
        grantee=function,
        actions=["secretsmanager:GetSecretValue", "secretsmanager:DescribeSecret"],
        # AWS adds six characters to a name that is known by itself.
        resource_arns=[secret.secret_full_arn or f"{secret.secret_arn}-??????"],
    ).combine(
        iam.Grant.add_to_principal(
            grantee=function,
            actions=["kms:Decrypt"],
            resource_arns=[key.key_arn],
            conditions={"StringEquals": {"kms:ViaService": service}},
        )
    )
