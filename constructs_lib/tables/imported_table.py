"""A table that exists elsewhere, by its name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import aws_dynamodb as dynamodb

if TYPE_CHECKING:
    from aws_cdk import aws_kms as kms
    from constructs import Construct

__all__ = ["imported_table"]


def imported_table(
    scope: Construct,
    construct_id: str,
    table_name: str,
    *,
    encryption_key: kms.IKey | None = None,
    stream_arn: str | None = None,
) -> dynamodb.ITableV2:
    """Give the table of this name, in the account and Region of the stack of ``scope``.

    Args:
        scope: Parent construct.
        construct_id: Id within ``scope``.
        table_name: Its name.
        encryption_key: Its customer managed key. Defaults to none.
        stream_arn: ARN of its stream. Defaults to none that is known.

    """
    return dynamodb.TableV2.from_table_attributes(
        scope,
        construct_id,
        table_name=table_name,
        table_stream_arn=stream_arn,
        encryption_key=encryption_key,
    )
