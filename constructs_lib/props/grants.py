"""How the constructs give permissions: chosen actions, and the use of the resource's key."""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aws_cdk import aws_dynamodb as dynamodb
    from aws_cdk import aws_iam as iam
    from aws_cdk import aws_kms as kms

__all__ = ["READ_WITH_KEY", "WRITE_WITH_KEY", "allow_key", "allow_reads", "allow_writes", "combined"]

READ_WITH_KEY = ("kms:Decrypt", "kms:DescribeKey")
WRITE_WITH_KEY = (
    *READ_WITH_KEY,
    "kms:Encrypt",
    "kms:GenerateDataKey",
    "kms:GenerateDataKeyWithoutPlaintext",
    "kms:ReEncryptFrom",
    "kms:ReEncryptTo",
)


def allow_reads(grantee: iam.IGrantable, table: dynamodb.ITableV2, *actions: str) -> iam.Grant:
    """Let ``grantee`` do ``actions`` on ``table`` and decrypt with the table's own key, if any."""
    grant = table.grant(grantee, *actions)
    return combined(grant, *allow_key(grantee, table.encryption_key, *READ_WITH_KEY))


def allow_writes(grantee: iam.IGrantable, table: dynamodb.ITableV2, *actions: str) -> iam.Grant:
    """Let ``grantee`` do ``actions`` on ``table`` and use the table's own key, if any."""
    grant = table.grant(grantee, *actions)
    return combined(grant, *allow_key(grantee, table.encryption_key, *WRITE_WITH_KEY))


def allow_key(grantee: iam.IGrantable, key: kms.IKey | None, *actions: str) -> list[iam.Grant]:
    """Let ``grantee`` use a customer managed key; nothing to do where there is none."""
    return [key.grant(grantee, *actions)] if key else []


def combined(*grants: iam.Grant) -> iam.Grant:
    """Give one grant that stands for all ``grants``."""
    return reduce(lambda left, right: left.combine(right), grants)
