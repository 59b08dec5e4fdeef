"""Permissions on the tables of a `CqrsTable`, by intent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from constructs_lib.props.grants import allow_reads, allow_writes, combined

if TYPE_CHECKING:
    from aws_cdk import aws_iam as iam

    from constructs_lib.tables.cqrs_table import CqrsTable

__all__ = ["CqrsTableGrants"]

_LOOK_UP = ("dynamodb:GetItem", "dynamodb:BatchGetItem")
_READ = (*_LOOK_UP, "dynamodb:Query")


class CqrsTableGrants:
    """Least-privilege permissions on the tables of a `CqrsTable`, by intent.

    Each permission includes the use of a table's customer managed key, where it has one.
    Only `replay` allows a scan. A transaction needs no permission of its own: DynamoDB
    checks each item in it as a single read or write.
    """

    def __init__(self, tables: CqrsTable) -> None:
        self._tables = tables

    def publish(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let ``grantee`` append commands and look up the state that they build on.

        This is enough for asynchronous publishing. A synchronous publish also processes
        the command: give `apply` as well.
        """
        tables = self._tables
        return combined(
            allow_writes(grantee, tables.command_table, *_READ, "dynamodb:PutItem"),
            allow_reads(grantee, tables.data_table, *_LOOK_UP),
        )

    def read(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let ``grantee`` read commands, the latest state and former versions by key."""
        tables = self._tables
        return combined(
            allow_reads(grantee, tables.command_table, *_READ),
            allow_reads(grantee, tables.data_table, *_READ),
            allow_reads(grantee, tables.history_table, *_READ),
        )

    def apply(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let ``grantee`` process commands: write data and history, keep status and cursors."""
        tables = self._tables
        grants = [
            allow_writes(grantee, tables.command_table, *_READ, "dynamodb:UpdateItem"),
            allow_writes(grantee, tables.data_table, *_LOOK_UP, "dynamodb:PutItem"),
            allow_writes(grantee, tables.history_table, "dynamodb:PutItem"),
        ]
        if tables.sync_table is not None:
            sync_actions = (*_LOOK_UP, "dynamodb:PutItem", "dynamodb:UpdateItem")
            grants.append(allow_writes(grantee, tables.sync_table, *sync_actions))
        return combined(*grants)

    def replay(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let ``grantee`` process every command or row again: `apply`, and scan to find them."""
        tables = self._tables
        return combined(
            self.apply(grantee),
            allow_reads(grantee, tables.command_table, "dynamodb:Query", "dynamodb:Scan"),
            allow_reads(grantee, tables.data_table, "dynamodb:Query", "dynamodb:Scan"),
        )
