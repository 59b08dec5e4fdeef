"""How the constructs give permissions: chosen actions, and the use of the resource's key."""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING, Final

from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from aws_cdk import aws_kms as kms
    from constructs import Construct

__all__ = [
    "READ_WITH_KEY",
    "WRITE_WITH_KEY",
    "allow_key",
    "allow_on_table",
    "allow_reads",
    "allow_writes",
    "combined",
    "merge_statements",
]

READ_WITH_KEY = ("kms:Decrypt", "kms:DescribeKey")
WRITE_WITH_KEY = (
    *READ_WITH_KEY,
    "kms:Encrypt",
    "kms:GenerateDataKey",
    "kms:GenerateDataKeyWithoutPlaintext",
    "kms:ReEncryptFrom",
    "kms:ReEncryptTo",
)

_MERGE: Final = "@aws-cdk/aws-iam:minimizePolicies"


def merge_statements(scope: Construct) -> None:
    """Have the roles in ``scope`` merge what they are granted, whatever the app's feature flags are.

    Without it each table is a statement of its own, and a service of 14 modules fills a role. To be called
    before there is anything in ``scope``.
    """
    scope.node.set_context(_MERGE, True)  # noqa: FBT003 - CDK's own signature


def allow_reads(grantee: iam.IGrantable, table: dynamodb.ITableV2, *actions: str) -> iam.Grant:
    """Let ``grantee`` do ``actions`` on ``table`` and decrypt with the table's own key, if any."""
    grant = allow_on_table(grantee, table, actions, [table.table_arn])
    return combined(grant, *allow_key(grantee, table.encryption_key, *READ_WITH_KEY))


def allow_writes(grantee: iam.IGrantable, table: dynamodb.ITableV2, *actions: str) -> iam.Grant:
    """Let ``grantee`` do ``actions`` on ``table`` and use the table's own key, if any."""
    grant = allow_on_table(grantee, table, actions, [table.table_arn])
    return combined(grant, *allow_key(grantee, table.encryption_key, *WRITE_WITH_KEY))


def allow_on_table(
    grantee: iam.IGrantable, table: dynamodb.ITableV2, actions: Iterable[str], arns: Sequence[str]
) -> iam.Grant:
    """Let ``grantee`` do ``actions`` on ``arns``, which are ``table`` and indexes of it.

    CDK's own grants take the copies in other Regions along, or a place for an index, which counts in
    a role where there is none, too: it depends on the version.
    """
    if isinstance(table, dynamodb.TableV2):
        # Somebody of another account has to be in the table's own policy.
        return iam.Grant.add_to_principal_or_resource(
            grantee=grantee,
            actions=[*actions],
            resource_arns=[*arns],
            resource=table,
            resource_self_arns=["*"],
        )
    return iam.Grant.add_to_principal(grantee=grantee, actions=[*actions], resource_arns=[*arns])


def allow_key(grantee: iam.IGrantable, key: kms.IKey | None, *actions: str) -> list[iam.Grant]:
    """Let ``grantee`` use a customer managed key; nothing to do where there is none."""
    return [key.grant(grantee, *actions)] if key else []


def combined(*grants: iam.Grant) -> iam.Grant:
    """Give one grant that stands for all ``grants``."""
    return reduce(lambda left, right: left.combine(right), grants)
